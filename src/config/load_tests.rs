//! The layers and what is refused at start.

use super::*;
use crate::config::{Role, Warning};
use secrecy::ExposeSecret as _;
use std::time::Duration;

const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nTUlJ\n-----END RSA PRIVATE KEY-----";

const ENOUGH: &str = "[github]\napp_id = 7\nprivate_key = \"\"\"-----BEGIN RSA PRIVATE KEY-----\nTUlJ\n\
-----END RSA PRIVATE KEY-----\"\"\"\nwebhook_secret = \"canary-s\"\n";

fn resolve(file: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let environment = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Layers { file: Some(("divisi.toml".to_owned(), file.to_owned())), environment, slots: 4 }.resolve()
}

fn refused(file: &str, environment: &[(&str, &str)]) -> String {
    resolve(file, environment).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_those_of_the_table_and_of_the_structs() {
    let config = resolve(ENOUGH, &[]).unwrap().config;
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.data_dir, PathBuf::from("./data"));
    assert_eq!(config.database.url, "sqlite:./data/divisi.db");
    assert_eq!(config.github.api_url, "https://api.github.com");
    assert_eq!(config.github.web_url, "https://github.com");
    assert_eq!(config.github.visibility_lag, Duration::from_secs(30));
    assert_eq!(config.runner, Runner { embedded: true, slots: 4 });
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.metrics, Metrics::default());
    assert!(config.api.tokens.is_empty());
    assert_eq!(config.agents.keys().collect::<Vec<_>>(), ["claude"]);
    assert_eq!(config.github.webhook_secrets.len(), 1);
    assert_eq!(config.github.private_key.expose_secret(), PEM);

    let new = Config::new(Path::new("./data"), config.github.clone(), 4);
    assert_eq!(format!("{new:?}"), format!("{config:?}"));
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = format!("listen = \"127.0.0.1:1\"\ndata_dir = \"/a\"\n{ENOUGH}");
    let loaded = resolve(
        &file,
        &[
            ("DIVISI_LISTEN", "0.0.0.0:8080"),
            ("DIVISI_GITHUB__API_URL", "http://127.0.0.1:9/"),
            ("DIVISI_GITHUB__WEBHOOK_SECRET", "a,b"),
            ("DIVISI_RUNNER__SLOTS", "9"),
            ("DIVISI_RUNNER__EMBEDDED", "false"),
            ("DIVISI_API__TOKENS", "read:0123456789abcdef,operate:0123456789abcdeg"),
            ("DIVISI_AGENTS__MY_BOT__COMMAND", "/bin/bot --fast"),
            ("DIVISI_AGENTS__MY_BOT__ENV__Http_Proxy", "x"),
            ("DIVISI_CONFIG", "elsewhere"),
            ("DIVISI_RUNNER_TOKEN", "t"),
        ],
    )
    .unwrap();
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.data_dir, PathBuf::from("/a"));
    assert_eq!(config.github.api_url, "http://127.0.0.1:9");
    assert_eq!(config.runner, Runner { embedded: false, slots: 9 });
    assert_eq!(config.github.webhook_secrets.len(), 2);
    assert_eq!(config.api.tokens[1].role, Role::Operate);
    assert_eq!(config.agents["my-bot"].command, ["/bin/bot", "--fast"]);
    assert_eq!(config.agents["my-bot"].kind, AgentKind::Command);
    assert_eq!(config.agents["my-bot"].env["Http_Proxy"], "x");
}

#[test]
fn agents_keep_the_case_of_their_variables() {
    let file = format!("{ENOUGH}[agents.claude]\nkey = \"k\"\nenv = {{ FOO_Bar = \"1\" }}\n");
    let config = resolve(&file, &[]).unwrap().config;
    assert_eq!(config.agents["claude"].env["FOO_Bar"], "1");
    assert_eq!(config.agents["claude"].command, ["claude"]);
    assert!(
        refused(&format!("{ENOUGH}[agents.mine]\nkey = \"k\""), &[])
            .contains("`agents.mine.command`: is missing")
    );
}

#[test]
fn an_unknown_variable_is_a_warning_and_a_wrong_value_an_error() {
    let names = [("DIVISI_GITHUB__APPID", "1"), ("DIVISI_GITHUB_APP_ID", "1"), ("DIVISI_UNRELATED", "")];
    let warnings = resolve(ENOUGH, &names).unwrap().warnings;
    let texts: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    assert!(texts[0].ends_with("did you mean DIVISI_GITHUB__APP_ID?"), "{texts:?}");
    assert!(texts[1].ends_with("did you mean DIVISI_GITHUB__APP_ID?"), "{texts:?}");
    assert_eq!(texts[2], "environment variable DIVISI_UNRELATED names no setting and is ignored");
    assert_eq!(
        refused(ENOUGH, &[("DIVISI_RUNNER__SLOTS", "many")]),
        "environment variable DIVISI_RUNNER__SLOTS: `runner.slots`: found the text \"many\"; \
         expected a whole number from 1 to 1000"
    );
}

#[test]
fn what_is_missing_is_named_with_its_variable() {
    let text = refused("", &[]);
    for key in ["app_id", "private_key", "webhook_secret"] {
        assert!(text.contains(&format!("`github.{key}`: is missing")), "{text}");
        assert!(text.contains(&format!("DIVISI_GITHUB__{}", key.to_uppercase())), "{text}");
    }
}

#[test]
fn a_server_without_a_webhook_secret_does_not_start() {
    let file = ENOUGH.replace("webhook_secret = \"canary-s\"\n", "");
    assert!(refused(&file, &[]).contains("`github.webhook_secret`: is missing"));
    assert!(refused(&format!("{file}webhook_secret = \"\""), &[]).contains("an empty text"));
    assert!(refused(&format!("{file}webhook_secret = []"), &[]).contains("a list of 0"));
    assert!(refused(&file, &[("DIVISI_GITHUB__WEBHOOK_SECRET", " ")]).contains("WEBHOOK_SECRET"));
}

#[test]
fn polling_needs_no_webhook_secret_and_has_its_own_interval() {
    let file = ENOUGH.replace("webhook_secret = \"canary-s\"\n", "deliveries = \"poll\"\n");
    let config = resolve(&file, &[]).unwrap().config;
    assert_eq!(config.github.deliveries, Deliveries::Poll(Duration::from_secs(10)));
    let config = resolve(&file, &[("DIVISI_GITHUB__POLL_INTERVAL", "45s")]).unwrap().config;
    assert_eq!(config.github.deliveries.every(), Duration::from_secs(45));
    assert_eq!(resolve(ENOUGH, &[]).unwrap().config.github.deliveries.every(), Duration::from_secs(300));
    assert!(refused(&file.replace("poll", "pol"), &[]).contains("`github.deliveries`"));
}

#[test]
fn a_broken_file_is_never_replaced_by_defaults() {
    let whole = [
        ("DIVISI_GITHUB__APP_ID", "1"),
        ("DIVISI_GITHUB__PRIVATE_KEY", PEM),
        ("DIVISI_GITHUB__WEBHOOK_SECRET", "s"),
    ];
    assert!(Layers { file: None, environment: owned(&whole), slots: 1 }.resolve().is_ok());
    assert!(resolve("listen = ", &whole).is_err());
    assert!(resolve("lsiten = \"127.0.0.1:80\"", &whole).is_err());
}

fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn one_private_key_and_the_higher_layer_wins() {
    let both = format!("{ENOUGH}private_key_path = \"/none\"\n");
    assert!(refused(&both, &[]).contains("only one of the two"));
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, PEM);
    let path_only = ENOUGH.replace("private_key = \"\"\"", "private_key_path = \"/none\" # \"\"\"");
    let path_only: String = path_only
        .lines()
        .filter(|line| !line.contains("TUlJ") && !line.starts_with("-----END"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(refused(&path_only, &[]).contains("cannot read /none"));
    let config = resolve(&path_only, &[("DIVISI_GITHUB__PRIVATE_KEY", &base64)]).unwrap().config;
    assert_eq!(config.github.private_key.expose_secret(), PEM);
    assert!(refused(ENOUGH, &[("DIVISI_GITHUB__PRIVATE_KEY_PATH", "/none")]).contains("cannot read /none"));
}

#[test]
fn metrics_that_others_can_reach_must_be_allowed() {
    let open = format!("{ENOUGH}[metrics]\nlisten = \"0.0.0.0:9091\"\n");
    let text = refused(&open, &[]);
    assert!(text.starts_with("divisi.toml:8:10: `metrics.listen`"), "{text}");
    assert!(resolve(&open, &[("DIVISI_METRICS__ALLOW_UNAUTHENTICATED", "true")]).is_ok());
}

#[test]
fn credentials_are_not_sent_in_the_clear() {
    assert!(refused(&format!("{ENOUGH}api_url = \"http://ghes.example\""), &[]).contains("https://"));
    assert!(refused(ENOUGH, &[("DIVISI_DATABASE__URL", "postgres://x")]).contains("sqlite:PATH"));
}

#[test]
fn no_secret_is_printed() {
    let file = format!(
        "{ENOUGH}[agents.claude]\nkey = \"canary-k\"\n[api]\ntokens = [\"read:canary-0123456789\"]\n"
    );
    let loaded = resolve(&file, &[]).unwrap();
    assert_eq!(loaded.config.secrets(), ["canary-s", PEM, "canary-k", "canary-0123456789"]);
    let shown = format!("{loaded:?}");
    assert!(!shown.contains("canary") && !shown.contains("TUlJ"), "{shown}");
    let wrong =
        resolve(&file.replace("[agents.claude]", "[agents.claude]\nkeyy = \"canary\""), &[]).unwrap_err();
    let report = format!("{:?}", miette::Report::new(wrong));
    assert!(!report.contains("canary"), "{report}");
    assert!(report.contains("agents.claude.keyy"), "{report}");
}

#[test]
fn agents_alone_need_no_app() {
    let layers = |file: &str| Layers { file: Some(("divisi.toml".into(), file.into())), ..Layers::default() };
    let agents = layers("[agents.mine]\ncommand = [\"/bin/x\"]\n").agents().unwrap();
    assert_eq!(agents.keys().collect::<Vec<_>>(), ["claude", "mine"]);
    assert!(layers("[agents.mine]\nkey = \"k\"\n").agents().is_err());
    assert!(layers("lsiten = 1\n").agents().is_err());
}

#[test]
fn proofs_are_accepted_against_a_simulated_github_only() {
    let proof = "[proof]\ncrash_at = 17\nwithout = [\"look\", \"wait\"]\n";
    let at = |url: &str| format!("{ENOUGH}api_url = \"{url}\"\n{proof}");
    for here in ["http://127.0.0.1:4321", "http://127.0.0.1", "http://[::1]:80/api/v3"] {
        let config = resolve(&at(here), &[]).unwrap().config;
        assert_eq!(config.proof.crash_at, Some(17), "{here}");
        assert!(config.proof.without_look && config.proof.without_wait && !config.proof.without_intent);
    }
    for elsewhere in
        ["https://api.github.com", "https://127.0.0.1.example.com", "https://example.com/127.0.0.1:80"]
    {
        let said = refused(&at(elsewhere), &[]);
        assert!(
            said.contains("proof.crash_at") && said.contains("no loopback address"),
            "{elsewhere}: {said}"
        );
    }
    let said = refused(ENOUGH, &[("DIVISI_PROOF__CRASH_AT", "3")]);
    assert!(said.contains("no loopback address"), "{said}");
    assert!(refused(&at("http://127.0.0.1:1").replace("look", "luck"), &[]).contains("`luck` is no defence"));
    assert_eq!(resolve(ENOUGH, &[]).unwrap().config.proof, Proof::default());
}

#[test]
fn two_marker_secrets_are_kept_in_their_order() {
    let file = format!("{ENOUGH}marker_secret = [\"marker-secret-new\", \"marker-secret-old\"]\n");
    let secrets = resolve(&file, &[]).unwrap().config.github.marker_secrets;
    let secrets: Vec<&str> = secrets.iter().map(|s| s.expose_secret()).collect();
    assert_eq!(secrets, ["marker-secret-new", "marker-secret-old"]);
}

#[test]
fn a_check_tells_what_is_wrong_from_what_is_not_here() {
    let at =
        |text: &str| Layers { file: Some(("divisi.toml".to_owned(), text.to_owned())), ..Layers::default() };
    let absent = |text: &str| {
        let absent = at(text).check().unwrap().absent;
        absent.into_iter().map(|problem| problem.key).collect::<Vec<_>>()
    };
    assert_eq!(absent(""), ["github.app_id", "github.webhook_secret", "github.private_key"]);
    let elsewhere = "[github]\napp_id = 1\nwebhook_secret = \"s\"\nprivate_key_path = \"/none/app.pem\"\n";
    assert_eq!(absent(elsewhere), ["github.private_key_path"]);
    assert_eq!(absent(ENOUGH), Vec::<String>::new());
    let wrong = at("[agents.mine]\nkey = \"k\"\n[metrics]\nlisten = \"0.0.0.0:1\"\n").check().unwrap_err();
    let keys: Vec<&str> = wrong.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["metrics.listen", "agents.mine.command"]);
    assert!(at("[github]\nprivate_key = \"no key\"\n").check().is_err());
}
