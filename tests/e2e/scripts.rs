//! Five tasks that the scripted model works on, and what must come of each.

use crate::model_server::{Call, Script, Turns};
use divisi::domain::FailureKind;
use serde_json::json;

/// A task, its script and its result.
pub struct Case {
    /// Title and script.
    pub script: Script,
    /// Files of its change with their content, or the reason of its failure.
    pub expected: Result<Vec<(&'static str, &'static str)>, FailureKind>,
}

/// What the repository holds before.
pub const SEED: &[(&str, &str)] =
    &[("README.md", "# Sample\n"), ("src/greeting.txt", "hello\n"), ("CLAUDE.md", "Write plain ASCII.\n")];

fn call(tool: &'static str, input: serde_json::Value) -> Call {
    Call { tool, input }
}

fn bash(command: &str) -> Call {
    call("Bash", json!({"command": command, "description": "Run a command"}))
}

/// Three that succeed, one whose model is denied, one that claims success without doing anything.
pub fn cases() -> Vec<Case> {
    let work = |title, calls, closing, files| Case {
        script: Script { title, turns: Turns::Work(calls, closing) },
        expected: Ok(files),
    };
    vec![
        work(
            "Write the first chapter",
            vec![
                bash("pwd"),
                call("Write", json!({"file_path": "{cwd}/chapters/one.txt", "content": "One.\n"})),
                bash("git add -A && git commit -qm 'Write chapter one'"),
            ],
            "Chapter one is written and committed.",
            vec![("chapters/one.txt", "One.\n")],
        ),
        work(
            "Change the greeting",
            vec![
                bash("pwd"),
                call("Read", json!({"file_path": "{cwd}/src/greeting.txt"})),
                call(
                    "Edit",
                    json!({"file_path": "{cwd}/src/greeting.txt", "old_string": "hello", "new_string": "good day"}),
                ),
                bash("git commit -qam 'Greet politely'"),
            ],
            "The greeting is polite now.",
            vec![("src/greeting.txt", "good day\n")],
        ),
        // Never commits: the host takes over what was left.
        work(
            "Add notes and forget them",
            vec![bash("pwd"), call("Write", json!({"file_path": "{cwd}/notes.txt", "content": "Notes.\n"}))],
            "The notes are there.",
            vec![("notes.txt", "Notes.\n")],
        ),
        Case {
            script: Script { title: "Be denied by the model", turns: Turns::Refuse(403) },
            expected: Err(FailureKind::ApiError),
        },
        Case {
            script: Script {
                title: "Claim success without a commit",
                turns: Turns::Work(vec![bash("git status --short")], "Everything is done and committed."),
            },
            expected: Err(FailureKind::NoChanges),
        },
    ]
}
