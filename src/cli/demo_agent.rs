//! The demo's agent: a small program that reads its task like any other agent and really edits and commits.
//!
//! It knows the five tasks of the demo's issue. The script of one task is broken unless the prompt tells of an
//! earlier attempt, so that the demo can show a failure and its retry.

use crate::config::host;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// One file that a task asks for.
struct Work {
    path: &'static str,
    text: &'static str,
    /// What is written when no earlier attempt is told of.
    first_try: Option<&'static str>,
}

const WORK: &[Work] = &[
    Work {
        path: "bin/slugify.sh",
        text: "#!/bin/sh\n# Turns a title into a file name.\n[ \"${1:-}\" = --self-test ] && exec test \"$(sh \"$0\" 'A b! 7')\" = a-b-7\nprintf '%s' \"$*\" | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9' '-' | sed 's/^-//; s/-$//'\necho\n",
        first_try: None,
    },
    Work {
        path: "bin/wordcount.sh",
        text: "#!/bin/sh\n# Counts the words of the standard input.\n[ \"${1:-}\" = --self-test ] && exec test \"$(echo one two | sh \"$0\")\" -eq 2\nwc -w | tr -d ' '\n",
        first_try: None,
    },
    Work {
        path: "bin/dedupe.sh",
        text: "#!/bin/sh\n# Drops repeated lines and keeps the order.\n[ \"${1:-}\" = --self-test ] && exec test \"$(printf 'b\\na\\nb\\n' | sh \"$0\" | tr -d '\\n')\" = ba\nawk '!seen[$0]++'\n",
        first_try: None,
    },
    Work {
        path: "docs/usage.md",
        text: "# Usage\n\nEvery script reads its arguments or the standard input and prints its answer.\n\n    sh bin/hello.sh you\n    sh bin/slugify.sh 'A title'\n    echo one two | sh bin/wordcount.sh\n    sh bin/dedupe.sh < lines.txt\n    sh bin/backup.sh notes.txt\n",
        first_try: None,
    },
    Work {
        path: "bin/backup.sh",
        text: "#!/bin/sh\n# Copies a file beside itself with today's date.\n[ \"${1:-}\" = --self-test ] && exit 0\ncp -- \"$1\" \"$1.$(date +%Y-%m-%d)\"\n",
        first_try: Some(
            "#!/bin/sh\n# Copies a file beside itself with today's date.\nif [ \"${1:-}\" = --self-test ]; then exit 0\ncp -- \"$1\" \"$1.$(date +%Y-%m-%d)\"\n",
        ),
    },
];

/// Words of the prompt that tell of an earlier attempt.
const RETRY: &str = "An earlier attempt failed";

/// Reads the prompt from the standard input, works in the current directory, and ends like an agent: 0 when it
/// believes that it is done.
pub(super) fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("demo agent: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn work() -> Result<(), String> {
    let mut prompt = String::new();
    std::io::stdin().read_to_string(&mut prompt).map_err(|e| format!("cannot read the prompt: {e}"))?;
    // The task's own title comes before anything about its siblings.
    let named = |line: &str| WORK.iter().find(|w| line.contains(w.path));
    let work = prompt.lines().find_map(named).ok_or("this task is not one of the demo's")?;
    say(&format!("reading the repository for {}", work.path));
    tell("reading the repository", 10);
    pause(400, work);
    let text = match work.first_try {
        Some(first) if !prompt.contains(RETRY) => first,
        _ => work.text,
    };
    say(&format!("writing {}", work.path));
    tell("writing the file", 50);
    let path = Path::new(work.path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    }
    std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    pause(300, work);
    git(&["add", "--", work.path])?;
    git(&["commit", "--quiet", "--message", &format!("Add {}", work.path)])?;
    tell("committed", 90);
    say(&format!("committed {}", work.path));
    Ok(())
}

/// A little of the time that thinking takes, different for each task so that they do not end together.
fn pause(base: u64, work: &Work) {
    let extra = work.text.len() as u64 % 7 * 80;
    crate::clock::sleep_blocking(Duration::from_millis(base + extra));
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A hint for people, through the attempt's own status file.
fn tell(note: &str, progress: u8) {
    if let Some(path) = host::variable("STATUS_FILE") {
        let _ = std::fs::write(path, serde_json::json!({ "note": note, "progress": progress }).to_string());
    }
}

fn git(args: &[&str]) -> Result<(), String> {
    let mut command = Command::new("git");
    command.args(args);
    let mut child =
        crate::sandbox::spawn_blocking(command).map_err(|e| format!("git cannot be started: {e}"))?;
    let status = child.wait().map_err(|e| format!("git: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("git {} ended with {status}", args.join(" "))) }
}
