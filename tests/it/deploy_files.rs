//! Image, `fly.toml` and App manifest against the code that they run.

use divisi::config::Layers;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The settings that a set of environment variables makes, with an App around them.
#[track_caller]
fn settings(variables: &BTreeMap<String, String>) -> divisi::config::Config {
    let app = [
        ("DIVISI_GITHUB__APP_ID", "1"),
        ("DIVISI_GITHUB__WEBHOOK_SECRET", "secret"),
        ("DIVISI_GITHUB__PRIVATE_KEY", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
    ];
    let own = variables.iter().map(|(name, value)| (name.clone(), value.clone()));
    let environment =
        app.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().chain(own).collect();
    let loaded = Layers { file: None, environment, slots: 1 }.resolve().unwrap();
    assert_eq!(loaded.warnings, []);
    loaded.config
}

/// Every path that the server answers on.
fn routes() -> BTreeSet<String> {
    fn walk(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                let calls =
                    text.split(".route(").skip(1).filter_map(|call| call.trim_start().strip_prefix('"'));
                found.extend(calls.filter_map(|call| Some(call.split_once('"')?.0.to_owned())));
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server"), &mut found);
    found
}

/// An instruction of the Dockerfile with its arguments, continued lines joined; and the stage it stands in.
fn dockerfile() -> Vec<(String, String, String)> {
    let text = read("Dockerfile");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let (mut stage, mut found) = (String::new(), Vec::new());
    for line in lines.join("\n").replace("\\\n", " ").lines().filter(|line| !line.trim().is_empty()) {
        let (instruction, rest) = line.split_once(' ').unwrap();
        if instruction == "FROM" {
            stage = rest.rsplit(" AS ").next().unwrap().to_owned();
        }
        found.push((
            stage.clone(),
            instruction.to_owned(),
            rest.split_whitespace().collect::<Vec<_>>().join(" "),
        ));
    }
    found
}

/// The arguments of one instruction in the stages that an image consists of.
fn all(file: &[(String, String, String)], stages: &[&str], instruction: &str) -> Vec<String> {
    let here = file.iter().filter(|(stage, name, _)| stages.contains(&stage.as_str()) && name == instruction);
    here.map(|(_, _, rest)| rest.clone()).collect()
}

fn image_environment(file: &[(String, String, String)]) -> BTreeMap<String, String> {
    let pairs = all(file, &["server", "runner"], "ENV").join(" ");
    pairs
        .split(' ')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

const CHECK: &str = "[\"divisi\", \"healthcheck\"]";

#[test]
fn both_images_run_the_program_as_an_ordinary_user() {
    let file = dockerfile();
    assert_eq!(file.last().unwrap().0, "runner", "the default target is the last stage");
    for stages in [&["server"][..], &["server", "runner"]] {
        assert_eq!(all(&file, stages, "USER").last().unwrap(), "10001:10001");
        let entry = all(&file, stages, "ENTRYPOINT").pop().unwrap();
        assert!(entry.starts_with('[') && entry.contains("\"divisi\"]"), "{entry}");
        assert_eq!(all(&file, stages, "CMD").last().unwrap(), "[\"serve\"]");
        assert!(all(&file, stages, "HEALTHCHECK")[0].ends_with(&format!("CMD {CHECK}")));
        assert_eq!(all(&file, stages, "STOPSIGNAL"), ["SIGTERM"]);
    }
    let packages = all(&file, &["runner"], "RUN").join(" ");
    for package in ["git", "bubblewrap", "tini"] {
        assert!(packages.split(' ').any(|word| word == package), "{package}");
    }
    assert!(all(&file, &["server"], "RUN").join(" ").contains("ca-certificates"));
    assert!(all(&file, &["runner"], "ENTRYPOINT")[0].starts_with("[\"tini\", \"--\""));
    assert!(divisi::cli::command().find_subcommand("healthcheck").is_some());
    assert!(divisi::cli::command().find_subcommand("serve").is_some());
}

#[test]
fn the_image_listens_where_it_says_and_keeps_its_data_on_the_volume() {
    let file = dockerfile();
    let config = settings(&image_environment(&file));
    assert!(config.listen.ip().is_unspecified(), "a container is reached through its own address");
    assert_eq!(all(&file, &["server"], "EXPOSE"), [config.listen.port().to_string()]);
    assert_eq!(all(&file, &["server"], "VOLUME"), [config.data_dir.to_str().unwrap()]);
    assert_eq!(config.listen.port(), settings(&BTreeMap::new()).listen.port(), "the default port");
}

#[test]
fn everything_in_the_image_has_a_version() {
    let file = dockerfile();
    let arguments: BTreeMap<String, String> = file
        .iter()
        .filter(|(_, name, _)| name == "ARG")
        .filter_map(|(_, _, rest)| rest.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect();
    let channel: toml::Table = toml::from_str(&read("rust-toolchain.toml")).unwrap();
    let channel = channel["toolchain"]["channel"].as_str().unwrap();
    assert_eq!(arguments["RUST"], format!("rust:{channel}-bookworm"));
    let tested = read("scripts/test");
    let tested = tested.lines().find_map(|line| line.strip_prefix("CLAUDE=")).unwrap();
    assert_eq!(arguments["CLAUDE_VERSION"], tested, "the image has the agent that was tested");
    let stages: BTreeSet<&str> = file.iter().map(|(stage, _, _)| stage.as_str()).collect();
    for (_, name, rest) in &file {
        if name == "FROM" {
            let from = rest.split(' ').next().unwrap();
            assert!(from.starts_with("${") || stages.contains(from), "{rest}");
        }
        for call in rest.match_indices("cargo ").map(|(at, _)| &rest[at..]) {
            let call = call.split("&&").next().unwrap();
            let fetches =
                ["cargo install", "cargo build", "cargo chef cook"].iter().any(|c| call.starts_with(c));
            assert!(!fetches || call.contains("--locked"), "{call}");
        }
    }
    let ignored = read(".dockerignore");
    for name in ["target", ".git", "data", "*.pem", "divisi.toml", ".env"] {
        assert!(ignored.lines().any(|line| line == name), "{name}");
    }
}

/// Every key that `fly.toml` may have, as its reference lists them.
const FLY: &[&str] = &[
    "app",
    "primary_region",
    "kill_signal",
    "kill_timeout",
    "build.dockerfile",
    "build.build-target",
    "deploy.strategy",
    "env.*",
    "mounts.source",
    "mounts.destination",
    "mounts.initial_size",
    "mounts.auto_extend_size_threshold",
    "mounts.auto_extend_size_increment",
    "mounts.auto_extend_size_limit",
    "mounts.snapshot_retention",
    "http_service.internal_port",
    "http_service.force_https",
    "http_service.auto_stop_machines",
    "http_service.auto_start_machines",
    "http_service.concurrency.type",
    "http_service.concurrency.soft_limit",
    "http_service.checks.method",
    "http_service.checks.path",
    "http_service.checks.interval",
    "http_service.checks.timeout",
    "http_service.checks.grace_period",
    "metrics.port",
    "metrics.path",
    "vm.size",
    "vm.memory",
    "restart.policy",
];

fn keys(prefix: &str, value: &toml::Value, found: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let name = if prefix == "env" { "*" } else { name };
                keys(
                    &if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") },
                    value,
                    found,
                );
            }
        }
        toml::Value::Array(list) => list.iter().for_each(|value| keys(prefix, value, found)),
        _ => found.push(prefix.to_owned()),
    }
}

#[test]
fn fly_runs_one_machine_that_is_never_put_to_sleep() {
    let fly: toml::Table = toml::from_str(&read("fly.toml")).unwrap();
    let mut found = Vec::new();
    keys("", &toml::Value::Table(fly.clone()), &mut found);
    for key in found {
        assert!(FLY.contains(&key.as_str()), "fly.toml: `{key}` is no key that we know");
    }
    let service = &fly["http_service"];
    assert_eq!(service["auto_stop_machines"].as_str(), Some("off"));
    assert_eq!(service["auto_start_machines"].as_bool(), Some(false));
    assert_eq!(fly["kill_signal"].as_str(), Some("SIGTERM"));
    assert_eq!(fly["kill_timeout"].as_str(), Some("300s"), "the most that the platform allows");
    let stages: BTreeSet<String> = dockerfile().into_iter().map(|(stage, _, _)| stage).collect();
    assert!(stages.contains(fly["build"]["build-target"].as_str().unwrap()));
    assert_eq!(fly["build"]["build-target"].as_str(), Some("runner"), "agents need what is in it");
    assert_eq!(fly["build"]["dockerfile"].as_str(), Some("Dockerfile"));

    let environment: BTreeMap<String, String> = fly["env"]
        .as_table()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    for name in environment.keys() {
        assert!(
            !["KEY", "SECRET", "TOKEN"].iter().any(|word| name.contains(word)),
            "{name} belongs into a secret"
        );
    }
    let mut whole = image_environment(&dockerfile());
    whole.extend(environment);
    let config = settings(&whole);
    assert_eq!(service["internal_port"].as_integer(), Some(i64::from(config.listen.port())));
    assert_eq!(fly["metrics"]["port"].as_integer(), Some(i64::from(config.metrics.listen.port())));
    assert!(!config.metrics.listen.ip().is_loopback(), "the platform scrapes from outside of the machine");
    let mounts = fly["mounts"].as_array().unwrap();
    assert_eq!(mounts.len(), 1);
    assert_eq!(mounts[0]["destination"].as_str(), config.data_dir.to_str());

    let routes = routes();
    assert!(routes.contains(fly["metrics"]["path"].as_str().unwrap()));
    for check in service["checks"].as_array().unwrap() {
        assert!(routes.contains(check["path"].as_str().unwrap()), "{check}");
    }
}

/// The little YAML that the manifest is written in: keys, one level of keys or items below.
#[derive(Debug, Default)]
struct Manifest {
    values: BTreeMap<String, String>,
    maps: BTreeMap<String, BTreeMap<String, String>>,
    lists: BTreeMap<String, Vec<String>>,
}

fn manifest() -> Manifest {
    let (mut manifest, mut section) = (Manifest::default(), String::new());
    for line in read("app-manifest.yml").lines() {
        let plain = line.trim();
        if plain.is_empty() || plain.starts_with('#') {
            continue;
        }
        if let Some(item) = plain.strip_prefix("- ") {
            manifest.lists.entry(section.clone()).or_default().push(item.to_owned());
            continue;
        }
        let (name, value) = plain.split_once(':').unwrap_or_else(|| panic!("no key: {line}"));
        let value = value.trim().to_owned();
        match (line.starts_with(' '), value.is_empty()) {
            (false, true) => section = name.to_owned(),
            (false, false) => drop(manifest.values.insert(name.to_owned(), value)),
            (true, _) => {
                drop(manifest.maps.entry(section.clone()).or_default().insert(name.to_owned(), value))
            }
        }
    }
    manifest
}

/// Permissions that the code does not use yet, and why they are asked for now: a permission that is added later
/// has to be accepted again by every owner.
const PERMISSIONS_AHEAD: &[(&str, &str)] = &[
    ("checks", "a check run on each pull request head, with the button Retry"),
    ("actions", "results of workflows on our branches"),
];

/// The same for events.
const EVENTS_AHEAD: &[(&str, &str)] = &[
    ("sub_issues", "sub-issues that people add or remove by hand"),
    ("issue_dependencies", "dependencies that people add or remove by hand"),
    ("pull_request_review", "reviews that ask for another attempt"),
    ("check_run", "the button Retry of a check run"),
    ("check_suite", "outcome of the checks of a pull request"),
    ("workflow_run", "outcome of workflows on our branches"),
    ("push", "the default branch has moved"),
];

/// What a path below a repository (or of the App) needs, by its beginning; the first that fits counts.
const NEEDED: &[(&str, &str)] = &[
    ("/app", ""),
    ("/installation/token", ""),
    ("/installation", ""),
    ("/repositories/", "metadata"),
    ("/repos/{}/{}/installation", ""),
    ("/repos/{}/{}{rest}", ""),
    ("/collaborators/", "metadata"),
    ("/issues", "issues"),
    ("/labels", "issues"),
    ("/pulls", "pull_requests"),
    ("/contents/", "contents"),
    ("/git/", "contents"),
    ("/compare/", "contents"),
    ("/commits/", "contents"),
    ("/branches/", "contents"),
    ("/check-runs", "checks"),
    ("/actions/", "actions"),
    ("/graphql", "issues"),
];

/// The permissions that the paths in `src/github` need, without the level.
fn permissions_used() -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/github")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let shipped = text.split("#[cfg(test)]").next().unwrap();
        for literal in
            shipped.split("\"/").skip(1).filter_map(|rest| Some(format!("/{}", rest.split_once('"')?.0)))
        {
            if literal.len() < 3 {
                continue;
            }
            let needed = NEEDED.iter().find(|(beginning, _)| literal.starts_with(beginning));
            let (_, permission) =
                needed.unwrap_or_else(|| panic!("{}: which permission does {literal} need?", path.display()));
            used.insert((*permission).to_owned());
        }
    }
    used.remove("");
    used
}

#[test]
fn the_app_asks_for_what_the_code_uses_and_for_nothing_unexplained() {
    let manifest = manifest();
    let asked = &manifest.maps["default_permissions"];
    for never in ["workflows", "administration", "secrets"] {
        assert!(!asked.contains_key(never), "{never}");
    }
    let writes = ["issues", "pull_requests", "contents", "checks"];
    for (permission, level) in asked {
        let expected = if writes.contains(&permission.as_str()) { "write" } else { "read" };
        assert_eq!(level, expected, "{permission}");
    }
    let ahead = PERMISSIONS_AHEAD.iter().map(|(permission, _)| (*permission).to_owned());
    let explained: BTreeSet<String> = permissions_used().into_iter().chain(ahead).collect();
    assert_eq!(asked.keys().cloned().collect::<BTreeSet<_>>(), explained);

    let documented = read("docs/deploy.md");
    for (permission, level) in asked {
        let mut name = permission.replace('_', " ");
        name[..1].make_ascii_uppercase();
        assert!(documented.contains(&format!("| {name} | {level} |")), "docs/deploy.md: {permission}");
    }
}

#[test]
fn the_app_hears_what_the_code_listens_to() {
    let manifest = manifest();
    let heard: BTreeSet<&str> = manifest.lists["default_events"].iter().map(String::as_str).collect();
    for event in ["ping", "installation", "installation_repositories", "github_app_authorization"] {
        assert!(!heard.contains(event), "GitHub sends `{event}` unasked and refuses it in a manifest");
    }
    let is_used = |event: &str| {
        let routed = divisi::github::event::route(event, b"{}");
        routed != divisi::github::event::Routed::Ignored("event not used")
            && routed != divisi::github::event::Routed::Ping
    };
    for event in &heard {
        let ahead = EVENTS_AHEAD.iter().any(|(name, _)| name == event);
        assert!(is_used(event) != ahead, "`{event}` is either used or listed with a reason");
    }
    let contract = [
        "issues",
        "issue_comment",
        "pull_request",
        "repository",
        "sub_issues",
        "push",
        "check_run",
        "workflow_run",
    ];
    for event in contract.into_iter().chain([
        "label",
        "milestone",
        "star",
        "fork",
        "create",
        "delete",
        "merge_group",
        "release",
        "status",
    ]) {
        assert!(!is_used(event) || heard.contains(&event), "`{event}` is used and not asked for");
    }
}

#[test]
fn the_app_sends_to_routes_that_exist() {
    let manifest = manifest();
    assert_eq!(manifest.values["public"], "false");
    let base = manifest.values["url"].trim_end_matches('/');
    let hook = &manifest.maps["hook_attributes"];
    assert_eq!(hook["active"], "true");
    let path = hook["url"].strip_prefix(base).unwrap();
    assert!(routes().contains(path), "{path}");
}
