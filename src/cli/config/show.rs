//! `divisi config show`: the settings in effect, and where each comes from.

use super::report;
use crate::cli::exit::Exit;
use crate::cli::terminal::{say, warn};
use crate::config::{Checked, ConfigError, Layers, Origin, Place, Setting, Shown};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Show the server's settings in effect: defaults, then the file, then the environment.
///
/// Secrets, and the values of an agent's environment, are never shown: only that they are set, and from where.
/// Exit code 9 when the file or the environment holds a mistake.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file [default: divisi.toml if there is one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say where each value comes from: default, file and line, variable, or this machine.
    #[arg(long)]
    origin: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Longer lines do not push everybody's origin to the right.
const WIDEST: usize = 60;

pub(super) fn main(args: &Args) -> anyhow::Result<Exit> {
    let layers = match Layers::read(args.config.as_deref()) {
        Ok(layers) => layers,
        Err(error) => return refused(None, error, args.json),
    };
    let file = layers.file.as_ref().map(|(name, _)| name.as_str());
    let (settings, warnings) = match layers.settings() {
        Ok(found) => found,
        Err(error) => return refused(file, error, args.json),
    };
    let result = layers.check();
    let (problems, checked) = match &result {
        Ok(checked) => (Vec::new(), checked),
        Err(error) => (report::problems(error), &Checked::default()),
    };
    if args.json {
        let shown = json!({
            "file": file,
            "settings": settings.iter().map(|setting| as_json(setting, args.origin)).collect::<Vec<_>>(),
            "problems": problems,
            "absent": checked.absent.iter().map(report::problem).collect::<Vec<_>>(),
            "warnings": report::warnings(&warnings),
        });
        say(&serde_json::to_string_pretty(&shown)?);
    } else {
        as_text(&settings, args.origin);
        report::tell(&warnings, &checked.absent);
        if let Err(error) = &result {
            warn(&error.to_string());
        }
    }
    Ok(if result.is_ok() { Exit::Done } else { Exit::Other })
}

/// Nothing can be shown of what cannot be read; a machine gets the same fields all the same.
fn refused(file: Option<&str>, error: ConfigError, as_json: bool) -> anyhow::Result<Exit> {
    if !as_json {
        return Err(error.into());
    }
    let problems = report::problems(&error);
    let shown = json!({ "file": file, "settings": [], "problems": problems, "absent": [], "warnings": [] });
    say(&serde_json::to_string_pretty(&shown)?);
    Ok(Exit::Other)
}

fn as_text(settings: &[Setting], origin: bool) {
    let lines: Vec<(String, Option<String>)> = settings.iter().map(|s| (line(s), comment(s))).collect();
    let widths = lines.iter().map(|(line, _)| line.chars().count());
    let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or(0);
    for (line, comment) in lines {
        match comment.filter(|_| origin) {
            Some(comment) => say(&format!("{line:width$}  # {comment}")),
            None => say(&line),
        }
    }
}

fn line(setting: &Setting) -> String {
    let value = match &setting.value {
        Shown::Unset => "(not set)".to_owned(),
        Shown::Hidden => "(set, not shown)".to_owned(),
        Shown::Plain(value) => value.to_string(),
    };
    format!("{} = {value}", setting.key)
}

/// Where it comes from; nothing that is not set comes from anywhere.
fn comment(setting: &Setting) -> Option<String> {
    let origin = match &setting.origin {
        _ if setting.value == Shown::Unset => return None,
        Origin::Default | Origin::Given(Place::Nowhere) => "default".to_owned(),
        Origin::Machine => "this machine: its CPUs and free memory".to_owned(),
        Origin::Given(Place::File { file, line, .. }) => format!("{file}:{line}"),
        Origin::Given(Place::Variable(name)) => format!("environment variable {name}"),
    };
    Some(match setting.replaced_by {
        Some(other) => format!("{origin}, not used: {other} wins"),
        None => origin,
    })
}

fn as_json(setting: &Setting, with_origin: bool) -> Value {
    let (value, is_set, is_shown) = match &setting.value {
        Shown::Unset => (&Value::Null, false, true),
        Shown::Hidden => (&Value::Null, true, false),
        Shown::Plain(value) => (value, true, true),
    };
    let mut fields = Map::from_iter([
        ("key".to_owned(), json!(setting.key)),
        ("value".to_owned(), value.clone()),
        ("set".to_owned(), json!(is_set)),
        ("hidden".to_owned(), json!(!is_shown)),
        ("replaced_by".to_owned(), json!(setting.replaced_by)),
    ]);
    if with_origin {
        let origin = match &setting.origin {
            _ if !is_set => Value::Null,
            Origin::Default | Origin::Given(Place::Nowhere) => json!({ "from": "default" }),
            Origin::Machine => json!({ "from": "machine" }),
            Origin::Given(Place::File { file, line, column, .. }) => {
                json!({ "from": "file", "file": file, "line": line, "column": column })
            }
            Origin::Given(Place::Variable(name)) => json!({ "from": "environment", "variable": name }),
        };
        fields.insert("origin".to_owned(), origin);
    }
    Value::Object(fields)
}
