//! `.github/divisi.toml`: what a repository asks for, read from its default branch once per run.
//!
//! The text is foreign: it is bounded, and everything in an error is to be escaped where it is shown.

use super::problem::{ConfigError, Place, Problem};
use super::reader::{Entry, read};
use super::schema::REPOSITORY;
use super::value::number;
use crate::domain::duration::read_duration;
use crate::domain::{OnOverlap, RunPolicy, Usd};
use std::fmt;

/// The file's path in the repository.
const NAME: &str = ".github/divisi.toml";

/// More than this is no settings file.
const LARGEST: usize = 64 * 1024;

/// The reader of a repository's settings.
#[derive(Clone, Copy, Debug)]
pub struct RepoFile;

/// Why the file cannot be used. All texts may hold what the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoFileError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Dotted path of the key; empty when the text is no TOML.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What was expected, to be read after the word "expected"; may be empty.
    pub expected: String,
    /// The known key that was probably meant.
    pub nearest: Option<String>,
    /// The line at fault, at most 200 characters.
    pub snippet: String,
    /// How many further mistakes the file has.
    pub others: usize,
}

impl fmt::Display for RepoFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = Place::File { file: NAME.to_owned(), line: self.line, column: self.column, span: 0..0 };
        let problem = Problem {
            place,
            key: self.key.clone(),
            message: self.message.clone(),
            expected: self.expected.clone(),
            nearest: self.nearest.clone(),
            absent: false,
        };
        problem.fmt(f)
    }
}

impl std::error::Error for RepoFileError {}

impl RepoFile {
    /// Reads the file's text; an empty text gives the defaults.
    pub fn parse(text: &str) -> Result<RunPolicy, Box<RepoFileError>> {
        // Of a file that is far too long, no line is worth being shown.
        let shown = if text.len() > LARGEST { "" } else { text };
        let entries = entries(NAME, text).map_err(|problems| Box::new(first(shown, &problems)))?;
        let mut policy = RunPolicy::default();
        for entry in &entries {
            set(&mut policy, entry);
        }
        Ok(policy)
    }

    /// The same reading for a file on this disk: every mistake at once, under the name that it has here.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all mistakes, in the order of the file.
    pub fn check(name: &str, text: &str) -> Result<(), ConfigError> {
        entries(name, text).map(drop).map_err(|problems| ConfigError::invalid(Some((name, text)), problems))
    }
}

fn entries(name: &str, text: &str) -> Result<Vec<Entry>, Vec<Problem>> {
    if text.len() <= LARGEST {
        return read(name, text, REPOSITORY);
    }
    Err(vec![Problem {
        place: Place::in_file(name, "", 0..0),
        key: String::new(),
        message: format!("the file has {} bytes", text.len()),
        expected: format!("at most {LARGEST}"),
        nearest: None,
        absent: false,
    }])
}

/// Takes over one value, which was checked against the table of keys.
fn set(policy: &mut RunPolicy, entry: &Entry) {
    let value = &entry.value;
    let text = || value.as_str().unwrap_or_default().to_owned();
    let flag = || value.as_bool().unwrap_or_default();
    let count = || value.as_integer().and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
    let duration = || value.as_str().and_then(read_duration).unwrap_or_default();
    let list = || {
        let items = value.as_array().into_iter().flatten();
        items.filter_map(toml::Value::as_str).map(str::to_owned).collect()
    };
    match entry.path.join(".").as_str() {
        "max_workers" => policy.max_workers = Some(count()),
        "agent_timeout" => {
            policy.agent_timeout = duration();
            policy.timeout_limit = Some(policy.agent_timeout);
        }
        "max_retries" => policy.max_retries = count(),
        "success_threshold" => policy.success_threshold = number(value).unwrap_or_default(),
        "status_interval" => policy.status_interval = duration(),
        "verbose_logging" => policy.verbose_logging = flag(),
        "min_tasks" => policy.min_tasks = count(),
        "on_overlap" => {
            policy.on_overlap = OnOverlap::named(value.as_str().unwrap_or_default()).unwrap_or_default();
        }
        "agent" => policy.agent = text(),
        "model" => policy.model = text(),
        "draft" => policy.draft = flag(),
        "base" => policy.base = text(),
        "setup" => policy.setup = list(),
        "verify" => policy.verify = list(),
        "protected_paths" => policy.protected_paths = list(),
        "allow" => policy.allow = list(),
        "budget.run_usd" => policy.run_usd = number(value).and_then(Usd::of),
        "budget.task_usd" => policy.task_usd = number(value).and_then(Usd::of),
        // A key of the table without a line here; a test below sees it.
        _ => {}
    }
}

fn first(text: &str, problems: &[Problem]) -> RepoFileError {
    let problem = problems.first();
    let (line, column) = match problem.map(|problem| &problem.place) {
        Some(Place::File { line, column, .. }) => (*line, *column),
        _ => (1, 1),
    };
    let snippet = text.lines().nth(line - 1).unwrap_or_default().chars().take(200).collect();
    let part = |part: fn(&Problem) -> String| problem.map(part).unwrap_or_default();
    RepoFileError {
        line,
        column,
        key: part(|problem| problem.key.clone()),
        message: part(|problem| problem.message.clone()),
        expected: part(|problem| problem.expected.clone()),
        nearest: problem.and_then(|problem| problem.nearest.clone()),
        snippet,
        others: problems.len().saturating_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_table_of_defaults() {
        assert_eq!(RepoFile::parse("").unwrap(), RunPolicy::default());
        let written: String = REPOSITORY
            .iter()
            .filter(|key| !key.default.is_empty())
            .map(|key| format!("{} = {}\n", key.path, key.default))
            .collect();
        let read = RepoFile::parse(&written).unwrap();
        assert_eq!(read.timeout_limit, Some(read.agent_timeout), "what is written is a limit");
        assert_eq!(RunPolicy { timeout_limit: None, ..read }, RunPolicy::default());
    }

    #[test]
    fn every_key_of_the_table_arrives() {
        let values = [
            ("max_workers", "3"),
            ("agent_timeout", "\"45m\""),
            ("max_retries", "1"),
            ("success_threshold", "1"),
            ("status_interval", "\"1m\""),
            ("verbose_logging", "true"),
            ("min_tasks", "1"),
            ("on_overlap", "\"stop\""),
            ("agent", "\"mine\""),
            ("model", "\"m\""),
            ("draft", "false"),
            ("base", "\"dev\""),
            ("setup", "[\"a\"]"),
            ("verify", "[\"b\"]"),
            ("protected_paths", "[\"c/**\"]"),
            ("allow", "[\"octocat\"]"),
            ("budget.run_usd", "20.5"),
            ("budget.task_usd", "3"),
        ];
        for key in REPOSITORY {
            let (_, value) = values.iter().find(|(name, _)| *name == key.path).expect(key.path);
            let file = RepoFile::parse(&format!("{} = {value}", key.path)).unwrap();
            assert_ne!(file, RunPolicy::default(), "{} has no effect", key.path);
        }
    }

    #[test]
    fn a_mistake_shows_its_line() {
        let error = RepoFile::parse("# ours\nmax_wrokers = 3\ndraft = \"no\"\n").unwrap_err();
        assert_eq!((error.line, error.column, error.others), (2, 1, 1));
        assert_eq!(error.snippet, "max_wrokers = 3");
        assert_eq!(error.nearest.as_deref(), Some("max_workers"));
        assert_eq!(
            error.to_string(),
            ".github/divisi.toml:2:1: `max_wrokers`: there is no such key; did you mean `max_workers`?"
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [
            "max_workers = 0",
            "max_workers = 101",
            "agent_timeout = \"0s\"",
            "agent_timeout = 1800",
            "success_threshold = 1.5",
            "success_threshold = nan",
            "agent = \"../claude\"",
            "model = \"a\\nb\"",
            "base = \"-x\"",
            "verify = \"cargo test\"",
            "verify = [\"\"]",
            "protected_paths = [\"a[\"]",
            "allow = [\"@octocat\"]",
            "[budget]\nrun_usd = 0",
            "budget.task_usd = -1",
            "budget.run_usd = nan",
            "budget.run_usd = \"20\"",
            "on_overlap = \"ignore\"",
            "[network]\nallow = []",
            "[[max_workers]]",
            "max_workers = 1\nmax_workers = 2",
            "\u{feff}\u{0}",
        ] {
            assert!(RepoFile::parse(wrong).is_err(), "{wrong}");
        }
        assert!(RepoFile::parse(&"#".repeat(LARGEST + 1)).is_err());
    }
}
