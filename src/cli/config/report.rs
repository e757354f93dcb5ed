//! What was found in the settings: sentences on standard error for people, fields for machines.

use crate::cli::terminal::warn;
use crate::config::{ConfigError, Place, Problem, Warning};
use serde_json::{Value, json};

/// A mistake, or what is absent, with everything that is known of it; what is not is `null`.
pub(super) fn problem(problem: &Problem) -> Value {
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (mut file, mut line, mut column, mut variable) = (None, None, None, None);
    match &problem.place {
        Place::File { file: name, line: at, column: within, .. } => {
            (file, line, column) = (Some(name), Some(at), Some(within));
        }
        Place::Variable(name) => variable = Some(name),
        Place::Nowhere => {}
    }
    json!({
        "file": file, "line": line, "column": column, "variable": variable,
        "key": filled(&problem.key), "message": problem.message,
        "expected": filled(&problem.expected), "nearest": problem.nearest,
    })
}

/// The mistakes of an error; a file that cannot be read is one without a line.
pub(super) fn problems(error: &ConfigError) -> Vec<Value> {
    match error {
        ConfigError::Read { file, .. } => vec![json!({
            "file": file.display().to_string(), "line": null, "column": null, "variable": null,
            "key": null, "message": error.to_string(), "expected": null, "nearest": null,
        })],
        ConfigError::Invalid { problems, .. } => problems.iter().map(problem).collect(),
    }
}

pub(super) fn warnings(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(Warning::to_string).collect()
}

/// Says what does not stop anybody, and what would stop `serve`.
pub(super) fn tell(warnings: &[Warning], absent: &[Problem]) {
    for warning in warnings {
        warn(&format!("warning: {warning}"));
    }
    if !absent.is_empty() {
        warn("`divisi serve` needs more than is here before it starts:");
    }
    for problem in absent {
        warn(&format!("  {problem}"));
    }
}
