//! The JSON Schema (draft 2020-12) of both files, made from the table that the readers use.
//!
//! A schema is for editors and other programs. It never refuses what the reader accepts; where JSON Schema cannot
//! say the rule (whether a duration lies between two others), it accepts more, and the description says the rest.

use super::FileKind;
use super::schema::Key;
use super::value::Kind;
use crate::domain::Usd;
use serde_json::{Map, Value, json};

/// The schema of one of the two files, as a JSON object.
pub fn json_schema(file: FileKind) -> Value {
    let mut root = object();
    for key in file.keys() {
        insert(&mut root, &key.path.split('.').collect::<Vec<_>>(), of_key(key));
    }
    let (title, doc) = match file {
        FileKind::Server => ("divisi.toml", "Settings of a Divisi server."),
        FileKind::Repository => (".github/divisi.toml", "What a repository asks of Divisi."),
    };
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!(title);
    root["description"] = json!(doc);
    root
}

fn object() -> Value {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

/// Puts `leaf` below `parent`, and the sections between them; `*` is any name that a section may have.
fn insert(parent: &mut Value, path: &[&str], leaf: Value) {
    match path {
        [] => *parent = leaf,
        ["*", rest @ ..] => {
            parent["propertyNames"] = text(NAME);
            let section = &mut parent["additionalProperties"];
            if !section.is_object() {
                *section = object();
            }
            insert(section, rest, leaf);
        }
        [name, rest @ ..] => {
            let section = &mut parent["properties"][*name];
            if section.is_null() {
                *section = object();
            }
            insert(section, rest, leaf);
        }
    }
}

fn of_key(key: &Key) -> Value {
    let mut schema = of_kind(key.kind);
    schema["description"] = json!(format!("{} Takes {}.", key.doc, key.kind.expected()));
    if key.kind.is_secret() {
        schema["writeOnly"] = json!(true);
    }
    if let Some(default) = key.default_value().and_then(|value| serde_json::to_value(value).ok()) {
        schema["default"] = default;
    }
    schema
}

const NAME: &str = "^[a-z][a-z0-9-]{0,39}$";
/// Something besides white space.
const FILLED: &str = r"\S";

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn of_kind(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({
            "type": "string", "maxLength": 1_000, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$",
        }),
        Kind::Name => text(NAME),
        Kind::Branch => json!({ "type": "string", "maxLength": 200, "pattern": r"^[^\s~^:?*\[\\]*$" }),
        Kind::Path => json!({ "type": "string", "minLength": 1 }),
        Kind::Secret => text(FILLED),
        Kind::Secrets(most) => json!({ "anyOf": [
            text(FILLED),
            { "type": "array", "items": text(FILLED), "minItems": 1, "maxItems": most },
        ] }),
        Kind::Tokens => list(text("^(read|operate):[!-~]{16,}$")),
        Kind::RunnerTokens => list(text("^[!-~]{16,}$")),
        Kind::Texts | Kind::Patterns => list(text(FILLED)),
        Kind::Program => json!({
            "type": "array", "prefixItems": [text(FILLED)], "items": { "type": "string" }, "minItems": 1,
        }),
        Kind::Logins => list(text("^[A-Za-z0-9_][A-Za-z0-9_-]{0,59}$")),
        Kind::Variables => json!({
            "type": "object",
            "propertyNames": text("^[A-Za-z_][A-Za-z0-9_]*$"),
            "additionalProperties": { "type": "string" },
        }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Whole(least, most) => {
            let mut whole = Map::from_iter([("type".to_owned(), json!("integer"))]);
            whole.insert("minimum".to_owned(), json!(least));
            if most != i64::MAX {
                whole.insert("maximum".to_owned(), json!(most));
            }
            Value::Object(whole)
        }
        Kind::Money => json!({ "type": "number", "minimum": Usd::LEAST, "maximum": Usd::MOST }),
        Kind::Fraction => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Kind::Duration(..) => text(r"^\s*([0-9]+\s*(ms|s|min|m|h|d)\s*)+$"),
        Kind::Address => text(r"^([0-9.]+|\[[0-9A-Fa-f:.%]+\]):[0-9]+$"),
        Kind::SecureUrl => text(
            r"^([Hh][Tt][Tt][Pp][Ss]://[^?#]+|[Hh][Tt][Tt][Pp]://(localhost|127\.[0-9.]+|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?(/[^?#]*)?)$",
        ),
        Kind::Url => text(r"^[Hh][Tt][Tt][Pp][Ss]?://[^?#]+$"),
        Kind::OneOf(words) => json!({ "type": "string", "enum": words }),
        Kind::SqliteUrl => text("^sqlite:.+$"),
    }
}
