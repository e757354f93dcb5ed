//! The environment's layer: `DIVISI_KEY` and `DIVISI_SECTION__KEY`, checked against the same table as the file.

use super::host;
use super::nearest::nearest;
use super::problem::{Place, Problem};
use super::reader::{Entry, nearest_key};
use super::schema::{SERVER, find};
use super::value::{describe, is_name, is_variable};
use std::fmt;

/// What the names of our environment variables start with.
pub(super) const PREFIX: &str = "DIVISI_";

/// An environment variable that looks like ours and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Its name.
    pub variable: String,
    /// The variable that was probably meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "environment variable {} names no setting and is ignored", self.variable)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

/// Values, what names no setting, and values that are not of their key's kind.
type Environment = (Vec<Entry>, Vec<Warning>, Vec<Problem>);

/// Reads every variable against the table of keys.
pub(super) fn read_environment(variables: &[(String, String)]) -> Environment {
    let (mut entries, mut warnings, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let reserved = [host::CONFIG, host::RUNNER_TOKEN];
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|_| !reserved.contains(&name.as_str())) else {
            continue;
        };
        let path = variable_path(rest);
        let place = Place::Variable(name.clone());
        if let Some(key) = find(SERVER, &path).filter(|_| names_are_valid(&path)) {
            let value = key.kind.read_text(text);
            if key.kind.accepts(&value) {
                entries.push(Entry { path, place, value });
            } else {
                problems.push(Problem {
                    place,
                    key: path.join("."),
                    message: format!("found {}", describe(key.kind, &value)),
                    expected: key.kind.expected(),
                    nearest: None,
                    absent: false,
                });
            }
        } else if is_agent_variable(&path) {
            entries.push(Entry { path, place, value: toml::Value::String(text.clone()) });
        } else {
            let nearest = nearest(name, reserved).map(str::to_owned).or_else(|| {
                let near = nearest_key(SERVER, &path).or_else(|| section_meant(&path))?;
                Some(format!("{PREFIX}{}", near.replace('.', "__").to_uppercase()))
            });
            warnings.push(Warning { variable: name.clone(), nearest });
        }
    }
    (entries, warnings, problems)
}

/// `GITHUB__APP_ID` is `github.app_id`; below `AGENTS__NAME__ENV__` the name is the agent's and keeps its case.
fn variable_path(rest: &str) -> Vec<String> {
    let parts: Vec<&str> = rest.split("__").collect();
    let mut path: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
    if path.len() >= 4 && path[0] == "agents" && path[2] == "env" {
        path.truncate(3);
        path.push(parts[3..].join("__"));
    }
    if path.len() >= 2 && path[0] == "agents" {
        // A hyphen cannot stand in the name of a variable.
        path[1] = path[1].replace('_', "-");
    }
    path
}

fn names_are_valid(path: &[String]) -> bool {
    path[0] != "agents" || path.get(1).is_some_and(|name| is_name(name))
}

fn is_agent_variable(path: &[String]) -> bool {
    matches!(path, [agents, name, env, variable]
        if agents == "agents" && is_name(name) && env == "env" && is_variable(variable))
}

/// `GITHUB_APP_ID` (one underscore) means `github.app_id`.
fn section_meant(path: &[String]) -> Option<String> {
    let flat = path.join("_");
    SERVER.iter().map(|key| key.path).find(|key| key.replace('.', "_") == flat).map(str::to_owned)
}
