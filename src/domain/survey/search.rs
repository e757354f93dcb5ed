//! Where the words of some tasks stand: in paths, in files, and in what the history says of its changes.

use super::score::{Corpus, alike, rank};
use super::words::{self, LONGEST_TEXT};
use super::{Answer, LikelyFile, SurveyTask, shared};
use std::collections::HashMap;

/// Of a task so many words count, those of its title first.
const MOST_TERMS: usize = 80;
/// What a word of the title counts, beside one of the details.
const TITLE: f64 = 1.0;
const DETAILS: f64 = 0.5;
/// Words of code that were seen before are not taken apart again; no more than so many are remembered.
const MOST_KNOWN: usize = 100_000;

/// A pair with less is not worth its bytes.
const WEAKEST: f64 = 0.05;

/// A word of some task.
pub(super) type Term = usize;
/// A file of the repository, in the order in which they were told.
pub(super) type File = usize;

/// A task's words with what each counts, and the paths that it names.
pub(super) struct Wanted {
    pub terms: Vec<(Term, f64)>,
    pub named: Vec<File>,
    paths: Vec<String>,
}

/// How often a term stands in a file, and where in its path.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hit {
    pub count: u32,
    /// 1 in the file's name, less in the folders above it.
    pub path: f64,
}

/// A change of the past: the terms in its message and the files that it changed.
pub(super) struct Change {
    pub terms: Vec<Term>,
    pub files: Vec<File>,
}

/// Collects evidence for the tasks: first every file's path, then contents and changes in any order.
pub struct Search {
    terms: HashMap<String, Term>,
    /// Each term as a task writes it.
    written: Vec<String>,
    tasks: Vec<Wanted>,
    files: Vec<String>,
    by_path: HashMap<String, File>,
    /// By term, the files in which it stands.
    hits: Vec<HashMap<File, Hit>>,
    lengths: HashMap<File, u32>,
    changes: Vec<Change>,
    known: HashMap<String, Vec<Term>>,
}

impl Search {
    /// Takes the tasks' words.
    pub fn new(tasks: &[SurveyTask]) -> Self {
        let mut search = Self {
            terms: HashMap::new(),
            written: Vec::new(),
            tasks: Vec::new(),
            files: Vec::new(),
            by_path: HashMap::new(),
            hits: Vec::new(),
            lengths: HashMap::new(),
            changes: Vec::new(),
            known: HashMap::new(),
        };
        for task in tasks {
            let mut terms: Vec<(Term, f64)> = Vec::new();
            for (text, counts) in [(&task.title, TITLE), (&task.details, DETAILS)] {
                words::each(cut(text), |form, written| {
                    if terms.len() < MOST_TERMS {
                        let term = search.term(form, written);
                        if !terms.iter().any(|(known, _)| *known == term) {
                            terms.push((term, counts));
                        }
                    }
                });
            }
            search.tasks.push(Wanted { terms, named: Vec::new(), paths: task.paths.clone() });
        }
        search.hits = vec![HashMap::new(); search.written.len()];
        search
    }

    fn term(&mut self, form: &str, written: &str) -> Term {
        if let Some(term) = self.terms.get(form) {
            return *term;
        }
        self.written.push(written.to_owned());
        self.terms.insert(form.to_owned(), self.written.len() - 1);
        self.written.len() - 1
    }

    /// A file is in the repository; returns its number for [`Self::content`].
    pub fn file(&mut self, path: &str) -> usize {
        let file = self.files.len();
        self.files.push(path.to_owned());
        self.by_path.insert(path.to_owned(), file);
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for (text, worth) in [(name, 1.0_f64), (folders, 0.4)] {
            for term in self.of_text(text) {
                let hit = self.hits[term].entry(file).or_default();
                hit.path = worth.max(hit.path);
            }
        }
        for task in &mut self.tasks {
            let names = |named: &String| {
                path == named.as_str()
                    || path.strip_suffix(named.as_str()).is_some_and(|rest| rest.ends_with('/'))
            };
            if task.paths.iter().any(names) {
                task.named.push(file);
            }
        }
        file
    }

    /// What is in a file. Bytes that are no text say nothing.
    pub fn content(&mut self, file: usize, bytes: &[u8]) {
        if bytes.iter().take(8_000).any(|b| *b == 0) {
            return;
        }
        let text = String::from_utf8_lossy(bytes);
        let mut length = 0;
        for run in text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|run| run.len() > 2) {
            length += 1;
            if !self.known.contains_key(run) {
                let terms = self.of_text(run);
                if self.known.len() >= MOST_KNOWN {
                    self.known.clear();
                }
                self.known.insert(run.to_owned(), terms);
            }
            for term in self.known.get(run).into_iter().flatten() {
                self.hits[*term].entry(file).or_default().count += 1;
            }
        }
        self.lengths.insert(file, length);
    }

    /// A change of the past, the newest first. Files that are not in the repository any more say nothing.
    pub fn change(&mut self, message: &str, paths: &[String]) {
        let files: Vec<File> = paths.iter().filter_map(|path| self.by_path.get(path).copied()).collect();
        if !files.is_empty() {
            let mut terms = self.of_text(cut(message));
            terms.sort_unstable();
            terms.dedup();
            self.changes.push(Change { terms, files });
        }
    }

    /// The terms of the tasks that stand in a text, each as often as it does.
    fn of_text(&self, text: &str) -> Vec<Term> {
        let mut found = Vec::new();
        words::each(text, |form, _| found.extend(self.terms.get(form).copied()));
        found
    }

    /// What all of it comes to.
    pub fn answer(&self) -> Answer {
        let corpus = self.corpus();
        let files: Vec<Vec<LikelyFile>> = self.tasks.iter().map(|task| rank(&corpus, task)).collect();
        let mut pairs = Vec::new();
        for (a, of_a) in files.iter().enumerate() {
            for (b, of_b) in files.iter().enumerate().skip(a + 1) {
                let alike = alike(&corpus, &self.tasks[a], &self.tasks[b]);
                pairs.extend(shared((a, of_a), (b, of_b), alike).filter(|pair| pair.score >= WEAKEST));
            }
        }
        Answer { files, pairs }
    }

    /// For each task and each file that anything speaks for, the evidence: what the weights are fitted to.
    pub fn evidence(&self) -> Vec<Vec<(&str, super::Features)>> {
        let corpus = self.corpus();
        let of = |task: &Wanted| {
            let all = super::score::features(&corpus, task);
            all.into_iter().map(|(file, found)| (self.files[file].as_str(), found.features)).collect()
        };
        self.tasks.iter().map(of).collect()
    }

    fn corpus(&self) -> Corpus<'_> {
        Corpus::new(&self.files, &self.written, &self.hits, &self.lengths, &self.changes)
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_TEXT)]
}
