//! The settings in effect, each with where it comes from, for people to look at: no secret leaves this file.

use super::problem::{ConfigError, Place};
use super::reader::Entry;
use super::schema::{Key, SERVER};
use super::value::Kind;
use super::{Agent, AgentKind, Layers, Warning};
use serde_json::Value;
use std::collections::BTreeSet;

/// One setting of the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Dotted path, such as `github.app_id` or `agents.claude.key`.
    pub key: String,
    /// What it is.
    pub value: Shown,
    /// Where it comes from.
    pub origin: Origin,
    /// The key that is used in its place, when a higher layer gave the other form of the same thing.
    pub replaced_by: Option<&'static str>,
}

/// A value as it may be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// There is none, and no default.
    Unset,
    /// There is one, and it is not for eyes: a secret, or a variable of an agent's environment, which often is one.
    Hidden,
    /// This.
    Plain(Value),
}

/// Which layer a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The table of defaults, or nowhere if nothing is set.
    Default,
    /// Worked out from the CPUs and the free memory.
    Machine,
    /// A file or a variable.
    Given(Place),
}

impl Layers {
    /// Every setting in effect, in the order of the documentation, and what should be said beside them. Nothing
    /// needs to be complete; [`Layers::check`] says what `serve` would miss.
    ///
    /// # Errors
    /// As [`Layers::check`] for a file or variable with a mistake; not for values that do not go together.
    pub fn settings(&self) -> Result<(Vec<Setting>, Vec<Warning>), ConfigError> {
        let (entries, warnings) = self.entries()?;
        let data_dir = last(&entries, "data_dir").and_then(|entry| entry.value.as_str()).map(str::to_owned);
        let data_dir = data_dir.or_else(|| default_text("data_dir")).unwrap_or_default();
        let mut settings = Vec::new();
        let mut agents_are_done = false;
        for key in SERVER {
            if !key.path.contains('*') {
                settings.push(self.setting(key, &entries, &data_dir));
            } else if !agents_are_done {
                agents_are_done = true;
                agents(&entries, &mut settings);
            }
        }
        Ok((settings, warnings))
    }

    fn setting(&self, key: &Key, entries: &[Entry], data_dir: &str) -> Setting {
        let mut setting = given(key.path, key.kind, entries).unwrap_or_else(|| match key.path {
            "runner.slots" => machine(key.path, self.slots),
            _ => by_default(key.path, key.default_value().as_ref()),
        });
        if let Shown::Plain(Value::String(text)) = &mut setting.value
            && key.path == "database.url"
        {
            *text = text.replace("{data_dir}", data_dir);
        }
        let other = match key.path {
            "github.private_key" => "github.private_key_path",
            "github.private_key_path" => "github.private_key",
            _ => return setting,
        };
        let by_variable = |key| last(entries, key).map(|entry| matches!(entry.place, Place::Variable(_)));
        if by_variable(key.path) == Some(false) && by_variable(other) == Some(true) {
            setting.replaced_by = Some(other);
        }
        setting
    }
}

fn machine(key: &str, slots: u32) -> Setting {
    Setting { origin: Origin::Machine, ..plain(key, Value::from(slots.max(1))) }
}

fn plain(key: &str, value: Value) -> Setting {
    Setting { key: key.to_owned(), value: Shown::Plain(value), origin: Origin::Default, replaced_by: None }
}

fn by_default(key: &str, value: Option<&toml::Value>) -> Setting {
    match value {
        Some(value) => plain(key, json(value)),
        None => Setting { value: Shown::Unset, ..plain(key, Value::Null) },
    }
}

fn default_text(path: &str) -> Option<String> {
    SERVER.iter().find(|key| key.path == path)?.default_value()?.as_str().map(str::to_owned)
}

/// The value that wins: of the environment if it gave one, else of the file.
fn last<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Entry> {
    entries.iter().rev().find(|entry| entry.path.join(".") == key)
}

fn given(path: &str, kind: Kind, entries: &[Entry]) -> Option<Setting> {
    let entry = last(entries, path)?;
    let value = match json(&entry.value) {
        _ if kind.is_secret() => Shown::Hidden,
        Value::String(url) if matches!(kind, Kind::Url | Kind::SecureUrl) => {
            Shown::Plain(url.trim_end_matches('/').into())
        }
        value => Shown::Plain(value),
    };
    Some(Setting { value, origin: Origin::Given(entry.place.clone()), ..plain(path, Value::Null) })
}

fn json(value: &toml::Value) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// `claude`, which is always there, and every agent that is configured.
fn agents(entries: &[Entry], settings: &mut Vec<Setting>) {
    let configured = entries.iter().filter(|entry| entry.path.first().is_some_and(|first| first == "agents"));
    let mut names: BTreeSet<&str> = configured.filter_map(|e| e.path.get(1)).map(String::as_str).collect();
    names.insert("claude");
    for name in names {
        let mut kind = if name == "claude" { AgentKind::Claude } else { AgentKind::Command };
        for key in SERVER.iter().filter(|key| key.path.starts_with("agents.*.")) {
            let path = key.path.replace('*', name);
            if key.kind == Kind::Variables {
                variables(&path, entries, settings);
                continue;
            }
            let setting = given(&path, key.kind, entries).unwrap_or_else(|| match (key.path, kind) {
                ("agents.*.kind", _) => plain(&path, kind.as_str().into()),
                ("agents.*.command", AgentKind::Claude) => plain(&path, Agent::claude().command.into()),
                _ => by_default(&path, key.default_value().as_ref()),
            });
            if let ("agents.*.kind", Shown::Plain(Value::String(word))) = (key.path, &setting.value) {
                kind = AgentKind::parse(word).unwrap_or(kind);
            }
            settings.push(setting);
        }
    }
}

/// The variables of an agent by their names: the layers are put together one by one.
fn variables(path: &str, entries: &[Entry], settings: &mut Vec<Setting>) {
    let mut origins = std::collections::BTreeMap::new();
    for entry in entries {
        let whole = entry.path.join(".");
        if whole == path {
            for name in entry.value.as_table().into_iter().flat_map(toml::Table::keys) {
                origins.insert(format!("{path}.{name}"), &entry.place);
            }
        } else if whole.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')) {
            origins.insert(whole, &entry.place);
        }
    }
    settings.extend(origins.into_iter().map(|(key, place)| Setting {
        key,
        value: Shown::Hidden,
        origin: Origin::Given(place.clone()),
        replaced_by: None,
    }));
}

#[cfg(test)]
#[path = "effective_tests.rs"]
mod tests;
