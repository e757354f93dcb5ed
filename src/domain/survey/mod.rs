//! Which files a task will probably change, judged by its words: by the paths of the repository, by what is in its files, and by what its
//! history changed under the same words.
//!
//! A runner host reads the repository and feeds a [`Search`]; the control plane takes those pairs of its [`Answer`] that are likely enough. All of
//! it is pure, so `benches/overlap` measures exactly what is shipped.

mod score;
mod search;
mod words;

pub use score::{FEATURES, Features, WEIGHTS};
pub use search::Search;

use serde::{Deserialize, Serialize};

/// Pairs with at least this score are told of. Chosen on the train half of the history benchmark: `docs/benchmarks.md`.
pub const THRESHOLD: f64 = 0.35;

/// So many files are answered for one task.
pub const MOST_FILES: usize = 20;

/// Words that a reason names.
const MOST_WORDS: usize = 3;

/// What is known of a task before the repository is searched. All of it is foreign text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyTask {
    /// Its title.
    pub title: String,
    /// Its details, Markdown.
    pub details: String,
    /// The paths that it names.
    pub paths: Vec<String>,
}

/// A file that a task will probably change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LikelyFile {
    /// Its path in the repository; foreign text.
    pub path: String,
    /// How probable that is, from 0 to 1.
    pub score: f64,
    /// The task's words that led here, the strongest first.
    pub words: Vec<String>,
}

/// Two tasks that will probably change the same file; indexes count from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The earlier task.
    pub a: usize,
    /// The later task.
    pub b: usize,
    /// How strongly everything speaks for it, from 0 to 1.
    pub score: f64,
    /// The likeliest file; foreign text.
    pub path: String,
    /// The words that led there, those of both tasks first; at most three.
    pub words: Vec<String>,
}

/// What came of a search.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// For each task its likely files, the likeliest first; at most [`MOST_FILES`].
    pub files: Vec<Vec<LikelyFile>>,
    /// The pairs that something speaks for, weak ones too: who asks draws the line.
    pub pairs: Vec<Pair>,
}

impl Answer {
    /// The pairs that people should be told of.
    pub fn likely(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(|pair| probability(pair.score) >= THRESHOLD)
    }
}

/// What two tasks will probably both change, by their likely files and by how `alike` (0 to 1) their words are; `None` when their files have
/// nothing in common.
fn shared((a, of_a): (usize, &[LikelyFile]), (b, of_b): (usize, &[LikelyFile]), alike: f64) -> Option<Pair> {
    let mut neither = 1.0 - probability(alike);
    let mut best: Option<(f64, &LikelyFile, &LikelyFile)> = None;
    for one in of_a {
        let Some(other) = of_b.iter().find(|f| f.path == one.path) else { continue };
        let both = probability(one.score) * probability(other.score);
        neither *= 1.0 - both;
        if best.is_none_or(|(most, ..)| both > most) {
            best = Some((both, one, other));
        }
    }
    let (_, one, other) = best?;
    let common = one.words.iter().filter(|w| other.words.contains(w));
    let mut words: Vec<String> = Vec::new();
    for word in common.chain(&one.words).chain(&other.words) {
        if words.len() < MOST_WORDS && !words.contains(word) {
            words.push(word.clone());
        }
    }
    Some(Pair { a, b, score: 1.0 - neither, path: one.path.clone(), words })
}

/// A score as it may be calculated with, whatever the other side sent.
fn probability(score: f64) -> f64 {
    if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 }
}

/// Whether a file is one that nearly every change touches or that a tool writes: to share it says nothing.
pub fn is_ledger(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let stem = name.split('.').next().unwrap_or(&name);
    matches!(stem, "changelog" | "changes" | "history" | "news" | "releases" | "release-notes")
        || name.ends_with(".lock")
        || name.ends_with("-lock.json")
        || name.ends_with("-lock.yaml")
        || matches!(name.as_str(), "go.sum" | "npm-shrinkwrap.json" | "authors" | "contributors.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, score: f64, words: &[&str]) -> LikelyFile {
        let words = words.iter().map(|w| (*w).to_owned()).collect();
        LikelyFile { path: path.to_owned(), score, words }
    }

    #[test]
    fn two_tasks_share_what_both_may_change() {
        let a = [file("src/parser.rs", 0.8, &["tokenizer", "lexer"]), file("src/main.rs", 0.1, &["run"])];
        let b = [file("src/main.rs", 0.1, &["flag"]), file("src/parser.rs", 0.5, &["lexer", "quote"])];
        let both = shared((0, &a), (1, &b), 0.0).expect("one file");
        assert_eq!(both.path, "src/parser.rs");
        assert_eq!(both.words, ["lexer", "tokenizer", "quote"]);
        assert!((both.score - (1.0 - 0.6 * 0.99)).abs() < 1e-9, "{}", both.score);
        assert!(shared((0, &a), (1, &b), 0.5).expect("one file").score > both.score);
        assert_eq!(shared((0, &a), (1, &[]), 1.0), None);
        assert_eq!(shared((0, &a), (1, &[file("docs/x.md", 1.0, &[])]), 1.0), None);
    }

    #[test]
    fn a_score_that_is_none_counts_as_nothing() {
        for odd in [f64::NAN, f64::INFINITY, -1.0] {
            let both = shared((0, &[file("a", odd, &[])]), (1, &[file("a", 1.0, &[])]), odd);
            assert_eq!(both.expect("the file").score, 0.0, "{odd}");
        }
        let pair = |score| Pair { a: 0, b: 1, score, path: "a".into(), words: Vec::new() };
        let answer = Answer {
            files: Vec::new(),
            pairs: vec![pair(f64::NAN), pair(THRESHOLD), pair(THRESHOLD - 0.01)],
        };
        assert_eq!(answer.likely().count(), 1);
    }

    #[test]
    fn words_lead_to_the_files_that_hold_them_and_that_changed_under_them() {
        let task = |title: &str| SurveyTask { title: title.into(), ..SurveyTask::default() };
        let mut search = Search::new(&[
            task("Speed up the tokenizer"),
            task("Quotes in the tokenizer"),
            task("Translate the welcome page"),
        ]);
        let files: Vec<usize> = (0..200).map(|n| search.file(&format!("src/part{n}.rs"))).collect();
        let tokenizer = search.file("src/tokenizer.rs");
        let page = search.file("web/welcome.html");
        files.iter().for_each(|file| search.content(*file, b"fn part() { run(); }"));
        search.content(tokenizer, b"struct Tokenizer; impl Tokenizer { fn next() {} }");
        search.content(page, b"<h1>Welcome</h1>");
        for n in 0..40 {
            search.change(&format!("Work on part {n}"), &[format!("src/part{n}.rs")]);
        }
        search.change("Tokenizer: count lines", &["src/tokenizer.rs".to_owned(), "gone.rs".to_owned()]);
        search.change("A welcome page", &["web/welcome.html".to_owned()]);
        let answer = search.answer();
        assert_eq!(answer.files[0][0].path, "src/tokenizer.rs");
        assert_eq!(answer.files[0][0].words, ["tokenizer"]);
        assert_eq!(answer.files[2][0].path, "web/welcome.html");
        let told: Vec<(usize, usize, &str)> = answer.likely().map(|p| (p.a, p.b, p.path.as_str())).collect();
        assert_eq!(told, [(0, 1, "src/tokenizer.rs")]);
    }

    #[test]
    fn ledgers_are_what_every_change_touches() {
        for path in [
            "CHANGELOG.md",
            "axum/CHANGELOG.md",
            "Cargo.lock",
            "web/package-lock.json",
            "go.sum",
            "CHANGES.rst",
        ] {
            assert!(is_ledger(path), "{path}");
        }
        for path in ["Cargo.toml", "src/history/mod.rs", "src/lock.rs", "docs/changes-of-state.md"] {
            assert!(!is_ledger(path), "{path}");
        }
    }
}
