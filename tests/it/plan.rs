//! The plan reader: against labelled master issues, measured; against other parsers' cases; against any text at all.

mod digest;
mod disguise;
mod habits;
mod peers;
mod score;
mod sound;

use divisi::plan::{self, Plan};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Case {
    id: String,
    source: String,
    shape: Vec<String>,
    title: String,
    body: String,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    is_master: bool,
    tasks: Vec<Task>,
    dependencies: Vec<Edge>,
    barriers: Vec<Wall>,
}

#[derive(Deserialize)]
struct Task {
    title: String,
    done: bool,
    existing_issue: Option<u64>,
    existing_ref: Option<String>,
}

#[derive(Deserialize)]
struct Edge {
    task: usize,
    on: usize,
}

#[derive(Deserialize)]
struct Wall {
    before: Vec<usize>,
    after: Vec<usize>,
}

/// The issues after real ones, of the labelled corpus.
fn cases() -> Vec<Case> {
    labelled("cases")
}

/// Further issues in shapes that the corpus lacks.
fn shapes() -> Vec<Case> {
    labelled("shapes")
}

/// Further issues after real ones, in the corpus's own mix, written down before the reader saw them.
fn unseen() -> Vec<Case> {
    labelled("unseen")
}

/// The same, written down after the reader had learned from [`unseen`].
fn blind() -> Vec<Case> {
    labelled("blind")
}

/// The same, written down after the reader had learned from [`blind`].
fn fresh() -> Vec<Case> {
    labelled("fresh")
}

fn labelled(name: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plans").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()).collect()
}

fn read(case: &Case) -> Plan {
    let (repo, number) = case.source.split_once('#').unwrap();
    let number = number.split(' ').next().and_then(|n| n.parse().ok());
    plan::read(&case.title, &case.body, number, repo.split_once('/'))
}
