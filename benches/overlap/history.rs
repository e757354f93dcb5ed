//! Tasks out of a repository's history.

use divisi::domain::survey::{SurveyTask, is_ledger};
use divisi::plan::named;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// A commit of more files is no task.
const MOST_FILES: usize = 20;
/// Nor is one whose title has fewer words.
const LEAST_WORDS: usize = 3;

/// A commit as a task.
pub struct Task {
    pub parent: String,
    pub asked: SurveyTask,
    /// Files and symbols that its message names.
    pub named: Vec<String>,
    /// What it changed, without changelogs and lock files.
    pub changed: BTreeSet<String>,
}

/// The commits that may be tasks, the oldest first and each after its parents.
pub fn tasks(git_dir: &Path) -> Vec<Task> {
    let format = "--format=%x00%x00%H %P%x00%B%x00";
    let args = [
        "log",
        "--topo-order",
        "--reverse",
        "--no-merges",
        "--no-renames",
        "-z",
        "--name-only",
        format,
        "HEAD",
    ];
    let log = git(git_dir, &args);
    let fields: Vec<&str> = log.split('\0').collect();
    let (mut all, mut at, mut empty) = (Vec::new(), 0, 0);
    let mut commits: Vec<(&str, &str, BTreeSet<String>)> = Vec::new();
    while at < fields.len() {
        match (fields[at], commits.last_mut()) {
            ("", _) => empty += 1,
            (ids, _) if empty >= 2 && at + 1 < fields.len() => {
                at += 1;
                commits.push((ids, fields[at], BTreeSet::new()));
                empty = 0;
            }
            (path, Some((_, _, changed))) => {
                changed.insert(path.trim_start_matches('\n').to_owned());
                empty = 0;
            }
            (_, None) => empty = 0,
        }
        at += 1;
    }
    for (ids, message, mut changed) in commits {
        let parent = ids.split(' ').nth(1).unwrap_or_default().to_owned();
        let few = changed.len() <= MOST_FILES;
        changed.retain(|path| !is_ledger(path));
        let (title, details) = text(message);
        if !parent.is_empty() && few && !changed.is_empty() && title.split_whitespace().count() >= LEAST_WORDS
        {
            let named = named(&format!("{title}\n{details}"));
            let paths = named.clone();
            all.push(Task { parent, asked: SurveyTask { title, details, paths }, named, changed });
        }
    }
    all
}

/// Title and details of a message, without the lines that tools add.
fn text(message: &str) -> (String, String) {
    let by_tool = |line: &&str| {
        let line = line.to_lowercase();
        !line.starts_with("signed-off-by:") && !line.starts_with("co-authored-by:")
    };
    let mut lines = message.lines().filter(by_tool);
    let title = lines.next().unwrap_or_default().to_owned();
    (title, lines.collect::<Vec<_>>().join("\n"))
}

/// What to call the repository: its newest commit, which is what a reader can find again.
pub fn name(git_dir: &Path) -> String {
    let head = git(git_dir, &["log", "-1", "--format=%h of %cs", "HEAD"]);
    let parts: Vec<String> = git_dir.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let last = parts.iter().rev().find(|part| !matches!(part.as_str(), "repo" | ".git" | "repo.git"));
    format!("{} at {}", last.map_or("a repository", |name| name.trim_end_matches(".git")), head.trim())
}

fn git(git_dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git").arg("--git-dir").arg(git_dir).args(args).output().expect("git");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
