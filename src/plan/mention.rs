//! The files and symbols that a text names, what two tasks have in common, and how big a task looks.

use super::model::{Confidence, Overlap, Plan, PlannedTask};
use super::phrases::Phrases;
use super::text::spaced;
use crate::domain::Size;
use std::collections::BTreeMap;

/// Endings by which a bare word is a file.
const ENDINGS: &[&str] = &[
    "rs", "toml", "py", "js", "jsx", "ts", "tsx", "mjs", "cjs", "go", "java", "kt", "c", "h", "cc", "cpp",
    "hpp", "cs", "rb", "php", "swift", "scala", "sh", "bash", "ps1", "sql", "md", "mdx", "rst", "txt",
    "json", "yaml", "yml", "xml", "html", "css", "scss", "vue", "svelte", "lock", "cfg", "ini", "env",
    "proto", "graphql", "tf", "gradle", "ex", "exs", "erl", "hs", "ml", "lua", "dart", "csv", "ipynb", "svg",
    "png",
];
/// Files without an ending.
const NAMES: &[&str] = &[
    "Dockerfile",
    "Makefile",
    "Justfile",
    "Gemfile",
    "Rakefile",
    "CODEOWNERS",
    "LICENSE",
    "README",
    "CHANGELOG",
    "Procfile",
    "Jenkinsfile",
];
/// A path longer than this is not one that a person wrote.
const LONGEST_PATH: usize = 200;
/// A task that names more paths than this names a list, and lists do not fit a table.
const MOST_PATHS: usize = 50;

/// The paths that `text` names, in order, each once.
pub(super) fn paths(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split(|c: char| {
        c.is_whitespace() || matches!(c, '`' | '"' | '\'' | ',' | ';' | '<' | '>' | '|' | '“' | '”' | '*')
    }) {
        let word =
            word.trim_matches(['(', ')', '[', ']', '{', '}', '!', '?', ':']).trim_end_matches(['.', '…']);
        let word = word.strip_prefix("./").unwrap_or(word);
        let word = without_line(word);
        if is_path(word) && !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
            if found.len() == MOST_PATHS {
                break;
            }
        }
    }
    found
}

/// `src/a.rs:12` and `src/a.rs#L12` → `src/a.rs`.
fn without_line(word: &str) -> &str {
    let bare = word.split_once("#L").map_or(word, |(path, _)| path);
    match bare.rsplit_once(':') {
        Some((path, line)) if line.bytes().all(|b| b.is_ascii_digit() || b == b'-') => path,
        _ => bare,
    }
}

fn is_path(word: &str) -> bool {
    let odd = |c: char| {
        !(c.is_alphanumeric()
            || matches!(c, '/' | '.' | '-' | '_' | '+' | '@' | '*' | '(' | ')' | '[' | ']' | '{' | '}' | '$'))
    };
    if word.len() > LONGEST_PATH
        || word.contains(odd)
        || word.contains("//")
        || word.starts_with(['@', '-', '$'])
        || !word.contains(char::is_alphabetic)
    {
        return false;
    }
    let last = word.rsplit('/').next().unwrap_or(word);
    let has_ending = last.rsplit_once('.').is_some_and(|(stem, ending)| {
        !stem.is_empty() && ENDINGS.contains(&ending.to_ascii_lowercase().as_str())
    });
    let dotted = last.starts_with('.')
        && last.len() > 2
        && last[1..].chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let deep = word.matches('/').count() >= 2 || (word.ends_with('/') && word.len() > 2);
    has_ending || dotted || deep || NAMES.contains(&last)
}

/// The symbols that `text` names in code marks: `Store::open`, `load()`, `user_id`, `TaskGraph`.
fn symbols(text: &str) -> Vec<&str> {
    let spans = text.split('`').skip(1).step_by(2).map(str::trim);
    spans.filter(|span| is_symbol(span)).map(|span| span.trim_end_matches("()")).collect()
}

fn is_symbol(span: &str) -> bool {
    const LONGEST: usize = 80;
    let called = span.strip_suffix("()").unwrap_or(span);
    let shape = called.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '.'))
        && called.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let inner_capital =
        called.chars().skip(1).any(char::is_uppercase) && called.chars().any(char::is_lowercase);
    let joined = called.trim_matches('_').contains('_') || called.contains("::") || called.starts_with("__");
    !called.is_empty()
        && called.len() <= LONGEST
        && shape
        && (span.ends_with("()") || inner_capital || joined)
}

/// The pairs of open tasks that name the same file or symbol. A plan that is too big to run is not compared.
pub(super) fn overlaps(plan: &Plan) -> Vec<Overlap> {
    let open: Vec<usize> = plan.open().collect();
    if open.len() > Plan::MAX_TASKS {
        return Vec::new();
    }
    let mut named: BTreeMap<(bool, String), Vec<usize>> = BTreeMap::new();
    for &index in &open {
        let task = &plan.tasks[index];
        for path in &task.paths {
            note(&mut named, (false, path.trim_end_matches('/').to_owned()), index);
        }
        for text in [&task.title, &task.details] {
            for symbol in symbols(text).into_iter().filter(|symbol| !is_path(symbol)) {
                note(&mut named, (true, symbol.to_owned()), index);
            }
        }
    }
    let mut pairs: BTreeMap<(usize, usize), (String, Confidence)> = BTreeMap::new();
    for ((is_symbol, name), tasks) in &named {
        for (place, &a) in tasks.iter().enumerate() {
            for &b in &tasks[place + 1..] {
                let kind = if *is_symbol { "symbol" } else { "path" };
                // A symbol may stand in several files. A bare file name may stand in several folders, but who is wrong
                // about that waits a little, and who is wrong about the opposite has a conflict.
                let confidence = if *is_symbol { Confidence::Likely } else { Confidence::Certain };
                let found = (format!("both name the {kind} `{name}`"), confidence);
                let known = pairs.entry((a, b)).or_insert_with(|| found.clone());
                if known.1 == Confidence::Likely && confidence == Confidence::Certain {
                    *known = found;
                }
            }
        }
    }
    pairs.into_iter().map(|((a, b), (reason, confidence))| Overlap { a, b, reason, confidence }).collect()
}

fn note(named: &mut BTreeMap<(bool, String), Vec<usize>>, name: (bool, String), task: usize) {
    let tasks = named.entry(name).or_default();
    if tasks.last() != Some(&task) {
        tasks.push(task);
    }
}

/// S: one small thing in one place. L: many parts, long text, or a word for a big change.
pub(super) fn size(task: &PlannedTask) -> Size {
    static BIG: Phrases = Phrases::of(&[
        "rewrite",
        "redesign",
        "migrate",
        "migration",
        "refactor",
        "overhaul",
        "rearchitect",
        "end to end",
        "framework",
    ]);
    static SMALL: Phrases =
        Phrases::of(&["typo", "rename", "bump", "readme", "changelog", "comment", "tag", "label"]);
    let words = spaced(&task.title);
    let parts = task.children.len();
    if parts >= 5
        || task.paths.len() >= 5
        || task.details.len() > 1_500
        || (BIG.any(&words) && parts + task.paths.len() > 1)
    {
        Size::L
    } else if parts == 0
        && task.paths.len() <= 1
        && task.details.len() < 120
        && (SMALL.any(&words) || words.split_whitespace().count() <= 5)
    {
        Size::S
    } else {
        Size::M
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_with_and_without_marks() {
        let text = "Move `src/a.rs:12` and ./lib/b.py, (docs/) into `/app/(dashboard)/page.tsx`; see https://x.org/a/b.html, e.g. v1.2 or and/or";
        assert_eq!(paths(text), ["src/a.rs", "lib/b.py", "docs/", "/app/(dashboard)/page.tsx"]);
        assert_eq!(
            paths("Edit Dockerfile, .gitignore and package.json."),
            ["Dockerfile", ".gitignore", "package.json"]
        );
    }

    #[test]
    fn symbols_need_the_shape_of_one() {
        assert_eq!(
            symbols("`Store::open` `load()` `user_id` `TaskGraph` `style` `main` `a b`"),
            ["Store::open", "load", "user_id", "TaskGraph"]
        );
    }

    #[test]
    fn only_open_tasks_overlap() {
        let task = |title: &str, done| PlannedTask {
            title: title.into(),
            done,
            paths: paths(title),
            ..PlannedTask::default()
        };
        let mut plan = Plan {
            tasks: vec![
                task("Fix src/a.rs", false),
                task("Test `load()`", false),
                task("Split src/a.rs", false),
            ],
            ..Plan::default()
        };
        let found = overlaps(&plan);
        assert_eq!(
            found,
            [Overlap {
                a: 0,
                b: 2,
                reason: "both name the path `src/a.rs`".into(),
                confidence: Confidence::Certain
            }]
        );
        plan.tasks[2].done = true;
        assert!(overlaps(&plan).is_empty());
    }
}
