//! What is shown is what is in effect, and from where; nothing secret is.

use super::*;

const FILE: &str = "data_dir = \"/srv/divisi\"
[github]
app_id = 7
private_key_path = \"/none\"
webhook_secret = [\"canary-1\", \"canary-2\"]
api_url = \"http://127.0.0.1:9/\"
[agents.mine]
command = [\"/bin/mine\", \"--fast\"]
env = { MODE = \"canary-3\", Level = \"canary-4\" }
key = \"canary-5\"
[limits]
runs_per_repo = 3
";

const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nTUlJ\n-----END RSA PRIVATE KEY-----";

fn layers() -> Layers {
    let variables = [
        ("DIVISI_GITHUB__PRIVATE_KEY", PEM),
        ("DIVISI_LIMITS__RUNS_PER_REPO", "4"),
        ("DIVISI_AGENTS__MINE__ENV__MODE", "canary-6"),
        ("DIVISI_AGENTS__MINE__ENV__MORE", "canary-7"),
        ("DIVISI_API__TOKENS", "read:canary-0123456789"),
        ("DIVISI_AGENTS__OTHER__KIND", "claude"),
    ];
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Layers { file: Some(("divisi.toml".to_owned(), FILE.to_owned())), environment, slots: 5 }
}

fn shown(settings: &[Setting], key: &str) -> (Shown, String) {
    let setting = settings.iter().find(|setting| setting.key == key).expect(key);
    let origin = match &setting.origin {
        Origin::Default => "default".to_owned(),
        Origin::Machine => "machine".to_owned(),
        Origin::Given(place) => place.to_string(),
    };
    (setting.value.clone(), origin)
}

#[test]
fn each_value_has_its_origin() {
    let (settings, _) = layers().settings().unwrap();
    let plain = |value: Value, origin: &str| (Shown::Plain(value), origin.to_owned());
    let hidden = |origin: &str| (Shown::Hidden, origin.to_owned());
    let cases = [
        ("listen", plain("127.0.0.1:8080".into(), "default")),
        ("data_dir", plain("/srv/divisi".into(), "divisi.toml:1:12: ")),
        ("database.url", plain("sqlite:/srv/divisi/divisi.db".into(), "default")),
        ("github.app_id", plain(7.into(), "divisi.toml:3:10: ")),
        ("github.api_url", plain("http://127.0.0.1:9".into(), "divisi.toml:6:11: ")),
        ("github.webhook_secret", hidden("divisi.toml:5:18: ")),
        ("github.private_key", hidden("environment variable DIVISI_GITHUB__PRIVATE_KEY: ")),
        ("github.marker_secret", (Shown::Unset, "default".to_owned())),
        ("limits.runs_per_repo", plain(4.into(), "environment variable DIVISI_LIMITS__RUNS_PER_REPO: ")),
        ("runner.slots", plain(5.into(), "machine")),
        ("api.tokens", hidden("environment variable DIVISI_API__TOKENS: ")),
        ("agents.claude.command", plain(vec!["claude"].into(), "default")),
        ("agents.claude.key", (Shown::Unset, "default".to_owned())),
        ("agents.mine.kind", plain("command".into(), "default")),
        ("agents.mine.key", hidden("divisi.toml:10:7: ")),
        ("agents.mine.env.MODE", hidden("environment variable DIVISI_AGENTS__MINE__ENV__MODE: ")),
        ("agents.mine.env.MORE", hidden("environment variable DIVISI_AGENTS__MINE__ENV__MORE: ")),
        ("agents.mine.env.Level", hidden("divisi.toml:9:36: ")),
        ("agents.other.command", plain(vec!["claude"].into(), "default")),
    ];
    for (key, expected) in cases {
        assert_eq!(shown(&settings, key), expected, "{key}");
    }
    let path = settings.iter().find(|setting| setting.key == "github.private_key_path").unwrap();
    assert_eq!(path.replaced_by, Some("github.private_key"));
    assert!(settings.iter().filter(|setting| setting.replaced_by.is_some()).count() == 1);
}

#[test]
fn nothing_secret_is_in_it() {
    let text = format!("{:?}", layers().settings().unwrap());
    assert!(text.contains("/bin/mine") && !text.contains("canary") && !text.contains("TUlJ"), "{text}");
}

#[test]
fn every_key_is_shown_in_its_order() {
    let (settings, _) = Layers::default().settings().unwrap();
    let keys: Vec<&str> = settings.iter().map(|setting| setting.key.as_str()).collect();
    let known: Vec<String> = SERVER
        .iter()
        .filter(|key| key.kind != Kind::Variables)
        .map(|key| key.path.replace('*', "claude"))
        .collect();
    assert_eq!(keys, known);
}

#[test]
fn what_is_shown_is_what_resolves() {
    let (settings, _) = layers().settings().unwrap();
    let config = layers().resolve().unwrap().config;
    let value = |key: &str| match shown(&settings, key).0 {
        Shown::Plain(value) => value,
        other => panic!("{key}: {other:?}"),
    };
    assert_eq!(value("listen"), config.listen.to_string());
    assert_eq!(value("data_dir"), config.data_dir.display().to_string());
    assert_eq!(value("database.url"), config.database.url);
    assert_eq!(value("github.app_id"), config.github.app_id);
    assert_eq!(value("github.api_url"), config.github.api_url);
    assert_eq!(value("github.web_url"), config.github.web_url);
    assert_eq!(value("github.writes_per_minute"), config.github.writes_per_minute);
    assert_eq!(value("runner.embedded"), config.runner.embedded);
    assert_eq!(value("runner.slots"), config.runner.slots);
    assert_eq!(value("limits.runs_per_repo"), config.limits.runs_per_repo);
    assert_eq!(value("limits.attempts_per_installation"), config.limits.attempts_per_installation);
    assert_eq!(value("metrics.listen"), config.metrics.listen.to_string());
    let names: Vec<&str> = config.agents.keys().map(String::as_str).collect();
    assert_eq!(names, ["claude", "mine", "other"]);
    for (name, agent) in &config.agents {
        assert_eq!(value(&format!("agents.{name}.kind")), agent.kind.as_str());
        assert_eq!(value(&format!("agents.{name}.command")), Value::from(agent.command.clone()));
        for variable in agent.env.keys() {
            assert_eq!(shown(&settings, &format!("agents.{name}.env.{variable}")).0, Shown::Hidden);
        }
    }
}
