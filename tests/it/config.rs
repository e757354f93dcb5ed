//! `divisi config`: the readers' verdict, their table as a JSON Schema, and the settings in effect.

use crate::docs::{blocks, pages};
use divisi::config::schema::{Key, REPOSITORY, SERVER};
use divisi::config::{RepoFile, check};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
}

/// The binary in `dir`, with nothing of our environment but these variables.
fn config(dir: &Path, words: &[&str], variables: &[(&str, &str)]) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_divisi"));
    command.current_dir(dir).env_clear().envs(variables.iter().copied()).arg("config").args(words);
    let output = command.output().expect("divisi");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{e}: {}{}", answer.out, answer.err))
}

/// A directory with these files.
fn desk(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join(".github")).expect("a directory");
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("a file");
    }
    dir
}

const APP: &str = "[github]\napp_id = 7\nwebhook_secret = \"canary-w\"\nprivate_key_path = \"none.pem\"\n";

#[test]
fn a_right_file_is_ok_and_what_it_was_read_as_is_told() {
    let dir = desk(&[
        ("divisi.toml", APP),
        (".github/divisi.toml", "draft = false\n"),
        ("r.toml", "base = \"x\"\n"),
    ]);
    let said = |words: &[&str]| {
        let answer = config(dir.path(), words, &[]);
        assert_eq!(answer.code, Some(0), "{words:?}: {}", answer.err);
        answer.out
    };
    assert_eq!(said(&["check"]), "divisi.toml: ok, read as a server file\n");
    assert_eq!(said(&["check", "./divisi.toml"]), "./divisi.toml: ok, read as a server file\n");
    let repository = ".github/divisi.toml: ok, read as a repository file\n";
    assert_eq!(said(&["check", ".github/divisi.toml"]), repository);
    assert_eq!(said(&["check", "--as", "repository"]), repository);
    assert_eq!(said(&["check", "r.toml", "--as", "repository"]), "r.toml: ok, read as a repository file\n");
    let inside = config(&dir.path().join(".github"), &["check", "divisi.toml"], &[]);
    assert_eq!(inside.out, "divisi.toml: ok, read as a repository file\n");
}

#[test]
fn every_mistake_is_told_with_its_place_and_the_code_is_9() {
    let wrong = "max_wrokers = 3\ndraft = \"no\"\n";
    let dir = desk(&[(".github/divisi.toml", wrong), ("divisi.toml", "listen = 1\n[github]\napp_idd = 5\n")]);
    let answer = config(dir.path(), &["check", ".github/divisi.toml"], &[]);
    assert_eq!((answer.code, answer.out.as_str()), (Some(9), ""));
    assert_eq!(
        answer.err,
        ".github/divisi.toml:1:1: `max_wrokers`: there is no such key; did you mean `max_workers`?\n\
         .github/divisi.toml:2:9: `draft`: found the text \"no\"; expected true or false\n\
         .github/divisi.toml: not ok, read as a repository file; a server's is read with --as server\n"
    );
    let answer = config(dir.path(), &["check", "--json"], &[]);
    assert_eq!(answer.code, Some(9));
    let found = json_of(&answer);
    assert_eq!((&found["ok"], &found["kind"]), (&json!(false), &json!("server")));
    assert_eq!(found["problems"].as_array().map(Vec::len), Some(2), "{found}");
    let second = json!({
        "file": "divisi.toml", "line": 3, "column": 1, "variable": null, "key": "github.app_idd",
        "message": "there is no such key", "expected": null, "nearest": "github.app_id",
    });
    assert_eq!(found["problems"][1], second);
}

#[test]
fn the_environment_counts_for_a_server_file_and_for_no_other() {
    let dir = desk(&[("divisi.toml", APP), (".github/divisi.toml", "")]);
    let variables = [("DIVISI_RUNNER__SLOTS", "many")];
    let answer = config(dir.path(), &["check"], &variables);
    assert_eq!(answer.code, Some(9), "{}", answer.out);
    assert!(
        answer.err.starts_with("environment variable DIVISI_RUNNER__SLOTS: `runner.slots`"),
        "{}",
        answer.err
    );
    assert_eq!(config(dir.path(), &["check", ".github/divisi.toml"], &variables).code, Some(0));
    let named = config(dir.path(), &["check"], &[("DIVISI_CONFIG", "elsewhere.toml")]);
    assert_eq!(named.code, Some(9));
    assert!(named.err.contains("cannot read elsewhere.toml"), "{}", named.err);
}

#[test]
fn what_is_only_not_here_is_no_mistake_of_the_file() {
    let dir = desk(&[("divisi.toml", "[github]\nprivate_key_path = \"none.pem\"\n")]);
    let answer = config(dir.path(), &["check", "--json"], &[("DIVISI_GITHUB__APP_ID", "7")]);
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    let found = json_of(&answer);
    let absent: Vec<&str> =
        found["absent"].as_array().unwrap().iter().map(|p| p["key"].as_str().unwrap()).collect();
    assert_eq!(absent, ["github.webhook_secret", "github.private_key_path"]);
    let answer = config(dir.path(), &["check"], &[("DIVISI_GITHUB__APPID", "7")]);
    assert!(answer.err.contains("did you mean DIVISI_GITHUB__APP_ID?"), "{}", answer.err);
    assert!(answer.err.contains("needs more than is here"), "{}", answer.err);
    let clash = desk(&[("divisi.toml", "[metrics]\nlisten = \"0.0.0.0:1\"\n")]);
    let answer = config(clash.path(), &["check"], &[]);
    assert_eq!(answer.code, Some(9));
    assert!(answer.err.starts_with("divisi.toml:2:10: `metrics.listen`"), "{}", answer.err);
    assert!(!answer.err.contains("app_id"), "{}", answer.err);
}

#[test]
fn a_file_that_is_not_there_is_not_ok() {
    let dir = desk(&[]);
    for words in
        [&["check"][..], &["check", "x.toml"], &["check", "--as", "repository"], &["show", "--config", "x"]]
    {
        let answer = config(dir.path(), words, &[]);
        assert_eq!((answer.code, answer.out.as_str()), (Some(9), ""), "{words:?}");
        assert!(answer.err.contains("cannot read "), "{words:?}: {}", answer.err);
        let answer = config(dir.path(), &[words, &["--json"]].concat(), &[]);
        assert_eq!(answer.code, Some(9), "{words:?}");
        assert_eq!(json_of(&answer)["problems"].as_array().map(Vec::len), Some(1), "{words:?}");
    }
}

#[test]
fn settings_are_shown_with_their_origin_and_without_secrets() {
    let file = format!("{APP}api_url = \"http://127.0.0.1:9\"\n[agents.claude.env]\nMY_KEY = \"canary-e\"\n");
    let dir = desk(&[("divisi.toml", &file)]);
    let variables = [("DIVISI_LISTEN", "127.0.0.1:1"), ("DIVISI_AGENTS__CLAUDE__KEY", "canary-k")];
    let answer = config(dir.path(), &["show", "--origin"], &variables);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let lines: Vec<String> =
        answer.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "listen = \"127.0.0.1:1\" # environment variable DIVISI_LISTEN",
        "data_dir = \"./data\" # default",
        "github.app_id = 7 # divisi.toml:2",
        "github.private_key = (not set)",
        "github.webhook_secret = (set, not shown) # divisi.toml:3",
        "agents.claude.env.MY_KEY = (set, not shown) # divisi.toml:7",
        "agents.claude.key = (set, not shown) # environment variable DIVISI_AGENTS__CLAUDE__KEY",
    ] {
        assert!(lines.iter().any(|shown| shown == line), "{line}\n{}", answer.out);
    }
    assert!(answer.err.contains("cannot read none.pem"), "{}", answer.err);
    let plain = config(dir.path(), &["show"], &variables);
    assert!(plain.out.contains("listen = \"127.0.0.1:1\"\n") && !plain.out.contains('#'), "{}", plain.out);

    let machine = config(dir.path(), &["show", "--origin", "--json"], &variables);
    let found = json_of(&machine);
    let setting = |key: &str| {
        let settings = found["settings"].as_array().unwrap();
        settings
            .iter()
            .find(|setting| setting["key"] == key)
            .unwrap_or_else(|| panic!("{key}: {found}"))
            .clone()
    };
    let app = json!({
        "key": "github.app_id", "value": 7, "set": true, "hidden": false, "replaced_by": null,
        "origin": { "from": "file", "file": "divisi.toml", "line": 2, "column": 10 },
    });
    assert_eq!(setting("github.app_id"), app);
    let secret = setting("github.webhook_secret");
    assert_eq!(
        (&secret["value"], &secret["set"], &secret["hidden"]),
        (&json!(null), &json!(true), &json!(true))
    );
    assert_eq!(setting("runner.slots")["origin"]["from"], "machine");
    for text in [&answer.out, &answer.err, &plain.out, &plain.err, &machine.out, &machine.err] {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn a_mistake_shows_nothing_of_its_secret() {
    let file = "[github]\nwebhook_secret = [\"canary-1\", \"\"]\n[api]\ntokens = \"canary-2\"\n";
    let broken = desk(&[("divisi.toml", file)]);
    let right = desk(&[("divisi.toml", APP)]);
    let variables = [("DIVISI_API__TOKENS", "canary-3")];
    for words in [&["check"][..], &["check", "--json"], &["show"], &["show", "--json", "--origin"]] {
        for dir in [&broken, &right] {
            let answer = config(dir.path(), words, &variables);
            assert_eq!(answer.code, Some(9), "{words:?}");
            let said = answer.out + &answer.err;
            assert!(said.contains("api.tokens") && !said.contains("canary"), "{words:?}: {said}");
        }
    }
}

/// The schema of a file as the program prints it.
fn schema(kind: &str) -> (Value, jsonschema::Validator) {
    let dir = desk(&[]);
    let answer = config(dir.path(), &["schema", kind], &[]);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let schema = json_of(&answer);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|e| panic!("{kind}: {e}"));
    let validator = jsonschema::draft202012::new(&schema).unwrap_or_else(|e| panic!("{kind}: {e}"));
    (schema, validator)
}

/// `key = value` as a document; `*` is an agent's name.
fn document(key: &Key, value: &str) -> String {
    format!("{} = {value}\n", key.path.replace('*', "mine"))
}

fn reader_accepts(kind: &str, text: &str) -> bool {
    match kind {
        "server" => check("divisi.toml", text).is_ok(),
        _ => RepoFile::parse(text).is_ok(),
    }
}

/// Values of every shape that a key may take, and of many that none may.
const VALUES: &[&str] = &[
    "true",
    "\"warn\"",
    "7",
    "-1",
    "0",
    "100001",
    "0.5",
    "1.5",
    "\"\"",
    "\" \"",
    "\"a\\nb\"",
    "\"90s\"",
    "\"1h 30m\"",
    "\"90\"",
    "\"soon\"",
    "\"127.0.0.1:80\"",
    "\"[::1]:80\"",
    "\"[fe80::1%3]:80\"",
    "\"localhost:80\"",
    "\"https://x.example/a\"",
    "\"HTTPS://x.example\"",
    "\"http://x.example\"",
    "\"http://localhost:9/\"",
    "\"http://[::1]:9\"",
    "\"ftp://x\"",
    "\"https://x.example/?a=b\"",
    "\"sqlite:a b.db\"",
    "\"postgres://x\"",
    "\"claude\"",
    "\"command\"",
    "\"poll\"",
    "\"Not A Name\"",
    "\"release/1.x\"",
    "\"größe\"",
    "\"a b\"",
    "\"{task_title}\"",
    "[]",
    "[\"\"]",
    "[\"a\"]",
    "[\"a\", \"\"]",
    "[\"a\", \"b\", \"c\"]",
    "[1]",
    "[\"docs/**\"]",
    "[\"octocat\"]",
    "[\"_x\"]",
    "[\"-x\"]",
    "[\"look\", \"wait\"]",
    "[\"0123456789abcdef\"]",
    "[\"read:0123456789abcdef\"]",
    "[\"admin:0123456789abcdef\"]",
    "{}",
    "{ A = \"b\" }",
    "{ A = 1 }",
    "{ \"1\" = \"b\" }",
    "2026-01-01",
];

fn json_from(toml: &str) -> Value {
    toml::from_str(toml).unwrap_or_else(|e| panic!("{toml}{e}"))
}

#[test]
fn the_schema_holds_each_key_of_the_reader_and_refuses_what_is_wrong() {
    for (kind, keys) in [("server", SERVER), ("repository", REPOSITORY)] {
        let (schema, validator) = schema(kind);
        for key in keys {
            let pointer = format!("/properties/{}", key.path.replace('.', "/properties/"));
            let pointer = pointer.replace("properties/*", "additionalProperties");
            let entry = schema.pointer(&pointer).unwrap_or_else(|| panic!("{kind}: no {}", key.path));
            assert!(entry["description"].as_str().is_some_and(|d| d.starts_with(key.doc)), "{}", key.path);
            let default =
                (!key.default.is_empty()).then(|| json_from(&format!("v = {}", key.default))["v"].clone());
            assert_eq!(entry.get("default"), default.as_ref(), "{}", key.path);

            let (mut right, mut wrong) = (0, 0);
            for value in VALUES {
                let text = document(key, value);
                let (reads, valid) = (reader_accepts(kind, &text), validator.is_valid(&json_from(&text)));
                assert!(!reads || valid, "the schema refuses what the reader accepts: {text}");
                right += usize::from(reads);
                wrong += usize::from(!valid);
            }
            assert!(right > 0, "no value for {}", key.path);
            assert!(wrong > VALUES.len() / 3, "{} accepts nearly everything", key.path);
            // Of another type than any key takes.
            assert!(!validator.is_valid(&json_from(&document(key, "[[true]]"))), "{}", key.path);
            let unknown = document(key, "true").replace(" = ", "_x = ");
            assert!(!validator.is_valid(&json_from(&unknown)), "{unknown}");
        }
        assert!(validator.is_valid(&json!({})), "{kind}");
    }
    let (_, server) = schema("server");
    assert!(!server.is_valid(&json!({ "agents": { "Bad Name": {} } })));
    assert!(!server.is_valid(&json!({ "nosuch": { "a": 1 } })));
}

#[test]
fn every_example_is_valid_under_the_schema() {
    let (_, server) = schema("server");
    let (_, repository) = schema("repository");
    let mut examples = 0;
    let mut examine = |validator: &jsonschema::Validator, place: &str, text: &str| {
        examples += 1;
        validator.validate(&json_from(text)).unwrap_or_else(|e| panic!("{place}: {e}\n{text}"));
    };
    for (path, page) in pages() {
        for (language, text) in blocks(&page) {
            match text.lines().next().unwrap_or_default() {
                _ if language != "toml" => {}
                "# divisi.toml" => examine(&server, &path.display().to_string(), &text),
                "# .github/divisi.toml" => examine(&repository, &path.display().to_string(), &text),
                _ => {}
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let demo = root.join("templates/demo/divisi.toml");
    examine(&repository, "demo", &std::fs::read_to_string(&demo).expect("the demo's rules"));
    assert!(examples >= 4, "the examples were not found");
    let name = demo.to_str().expect("a path");
    let answer = config(root, &["check", name, "--as", "repository"], &[]);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
}

#[test]
fn the_schema_of_the_server_is_the_usual_one() {
    let dir = desk(&[]);
    let usual = config(dir.path(), &["schema"], &[]).out;
    assert_eq!(usual, config(dir.path(), &["schema", "server", "--json"], &[]).out);
    assert_ne!(usual, config(dir.path(), &["schema", "repository"], &[]).out);
    assert_eq!(config(dir.path(), &["schema", "both"], &[]).code, Some(9));
}
