//! How well a search of a repository foretells that two tasks change the same file, measured on history.
//!
//!     cargo bench --bench overlap -- [--fit] --train DIR… --held-out DIR…      (git directories)
//!
//! Commits are the tasks (the message is the text, the changed files are the truth). Windows of twelve commits are surveyed at the parent of
//! their first one by what is shipped (`workspace::survey`), which sees that commit and what was before it alone. Every pair of a window
//! is a pair of tasks; the baseline knows the files and symbols that both messages name. `--fit` also fits the weights to the train
//! repositories and prints them, and gives them to nobody.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark starts processes, reads its arguments and prints its table"
)]

mod figures;
mod history;

use divisi::domain::Sha;
use divisi::domain::survey::{FEATURES, Features, SurveyTask, THRESHOLD, WEIGHTS};
use divisi::sandbox::Launcher;
use divisi::workspace::{GitSettings, HostGit, evidence, survey};
use figures::Judged;
use history::Task;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Windows of a repository, and commits of a window.
const WINDOWS: usize = 50;
const TASKS: usize = 12;

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    fit: bool,
    train: Vec<PathBuf>,
    held_out: Vec<PathBuf>,
}

impl Asked {
    fn read() -> Self {
        let (mut asked, mut list) = (Self::default(), 0);
        for word in std::env::args().skip(1) {
            match word.as_str() {
                "--train" => list = 1,
                "--held-out" => list = 2,
                "--fit" => asked.fit = true,
                // What cargo adds of its own.
                "--bench" => {}
                dir if list == 1 => asked.train.push(dir.into()),
                dir if list == 2 => asked.held_out.push(dir.into()),
                other => panic!("what is `{other}`? --fit, --train DIR…, --held-out DIR…"),
            }
        }
        asked
    }
}

fn main() {
    let asked = Asked::read();
    if asked.train.is_empty() && asked.held_out.is_empty() {
        println!("overlap: no repositories were given; see scripts/prove overlap");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let path = std::env::var("PATH").unwrap_or_default();
        let launcher = Launcher::new(PathBuf::from(env!("CARGO_BIN_EXE_divisi"))).await.expect("the launcher");
        let git = HostGit::new(launcher, GitSettings { path, env: BTreeMap::new() });
        let mut train = Vec::new();
        let mut held_out = Vec::new();
        let mut rows = Vec::new();
        figures::heading();
        for dir in &asked.train {
            train.extend(judge(&git, dir, "train", asked.fit.then_some(&mut rows)).await);
        }
        for dir in &asked.held_out {
            held_out.extend(judge(&git, dir, "held out", None).await);
        }
        figures::row("train, all", "", &train);
        figures::row("held out, all", "", &held_out);
        println!("\nThe threshold is {THRESHOLD}. Precision / recall on the train repositories, and on the others:\n");
        figures::curve(&train, &held_out);
        if asked.fit {
            println!("\nWeights now {WEIGHTS:.2?}, fitted to these rows {:.2?}", fitted(&rows));
        }
        // For the script: average precision of the search, of the baseline, and at random, on the held out repositories.
        let (search, named, random) = figures::summary(&held_out);
        println!("\nheld-out {search:.3} {named:.3} {random:.3}");
    });
}

/// Every pair of a repository's windows.
async fn judge(
    git: &HostGit,
    dir: &Path,
    role: &str,
    mut rows: Option<&mut Vec<(Features, bool)>>,
) -> Vec<Judged> {
    let tasks = history::tasks(dir);
    let (from, mut all) = (tasks.len() * 4 / 10, Vec::new());
    let room = tasks.len().saturating_sub(from + TASKS);
    for window in 0..WINDOWS {
        let begins = from + room * window / WINDOWS;
        let window = &tasks[begins..begins + TASKS];
        let base = Sha::parse(&window[0].parent).expect("a commit");
        let asked: Vec<SurveyTask> = window.iter().map(|task| task.asked.clone()).collect();
        let answer = survey(git, dir, &base, &asked).await.expect("the repository is searched");
        if let Some(rows) = rows.as_deref_mut() {
            let evidence = evidence(git, dir, &base, &asked).await.expect("the repository is searched");
            for (task, files) in window.iter().zip(evidence) {
                rows.extend(
                    files.into_iter().map(|(path, features)| (features, task.changed.contains(&path))),
                );
            }
        }
        for (a, of_a) in window.iter().enumerate() {
            for (b, of_b) in window.iter().enumerate().skip(a + 1) {
                let score = answer.pairs.iter().find(|p| (p.a, p.b) == (a, b)).map_or(0.0, |p| p.score);
                all.push(pair(of_a, of_b, score));
            }
        }
    }
    let name = history::name(dir);
    figures::row(&name, role, &all);
    all
}

fn pair(a: &Task, b: &Task, score: f64) -> Judged {
    Judged {
        score,
        named: a.named.iter().any(|name| b.named.contains(name)),
        same: a.changed.iter().any(|path| b.changed.contains(path)),
    }
}

/// Logistic regression by gradient descent with a step of its own for each weight.
fn fitted(rows: &[(Features, bool)]) -> Features {
    const ROUNDS: usize = 1_500;
    const STEP: f64 = 0.3;
    const RIDGE: f64 = 0.5;
    let (mut weights, mut squares) = (WEIGHTS, [1e-6; FEATURES]);
    for _ in 0..ROUNDS {
        let mut slope = [0.0; FEATURES];
        for (features, changed) in rows {
            let odds: f64 = features.iter().zip(weights).map(|(feature, weight)| feature * weight).sum();
            let off = 1.0 / (1.0 + (-odds).exp()) - f64::from(u8::from(*changed));
            slope.iter_mut().zip(features).for_each(|(slope, feature)| *slope += off * feature);
        }
        for (at, weight) in weights.iter_mut().enumerate() {
            let slope = slope[at] + if at > 0 { RIDGE * *weight } else { 0.0 };
            squares[at] += slope * slope;
            *weight -= STEP * slope / squares[at].sqrt();
        }
    }
    weights
}
