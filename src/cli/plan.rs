//! `divisi plan`: what Divisi reads in an issue, without doing anything.

use super::exit::Exit;
use super::issue_file;
use super::terminal::{ended, say};
use crate::config::RepoFile;
use crate::domain::RunPolicy;
use crate::plan::{self, Verdict};
use crate::report;
use std::path::PathBuf;

/// Show the sub-tasks of an issue in a file, and what waits for what.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The master issue, Markdown; `-` reads standard input.
    #[arg(value_name = "ISSUE.md")]
    issue: PathBuf,
    /// The issue's title [default: the file's first heading, else its name].
    #[arg(long, value_name = "TITLE")]
    title: Option<String>,
    /// A work tree whose `.github/divisi.toml` holds.
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// Print JSON: indexes count from 0, barriers are not expanded.
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> anyhow::Result<Exit> {
    let issue = issue_file::read(&args.issue, args.title.as_deref())?;
    let policy = match &args.repo {
        None => RunPolicy::default(),
        Some(dir) => rules(dir)?,
    };
    let plan = plan::read(&issue.title, &issue.body, None, None);
    let least = policy.min_tasks as usize;
    if args.json {
        say(&serde_json::to_string_pretty(&plan.to_json(least))?);
    } else {
        say(&report::plan_text(&plan, &policy, issue.skipped));
    }
    Ok(match plan.verdict(least) {
        Verdict::Parallel | Verdict::Ordered => Exit::Done,
        Verdict::Sequential => Exit::Dependencies,
        Verdict::Empty | Verdict::TooFew | Verdict::TooMany => Exit::CannotParse,
    })
}

fn rules(dir: &std::path::Path) -> anyhow::Result<RunPolicy> {
    if !dir.is_dir() {
        return Err(ended(Exit::Other, format!("{} is no directory", dir.display())));
    }
    match std::fs::read_to_string(dir.join(".github/divisi.toml")) {
        Ok(text) => RepoFile::parse(&text).map_err(|e| ended(Exit::Other, e.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(RunPolicy::default()),
        Err(error) => Err(ended(
            Exit::Other,
            format!("cannot read {}: {error}", dir.join(".github/divisi.toml").display()),
        )),
    }
}
