//! `divisi plan`: what Divisi reads in an issue, without doing anything.

use super::exit::Exit;
use super::plan_lines::Pointed;
use super::terminal::{ended, say};
use super::{issue_file, plan_lines};
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
    /// Say of each line why it is a task, or why not.
    #[arg(long)]
    explain: bool,
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
    let verdict = plan.verdict(least);
    // Of an issue without tasks each line may be the one that was meant.
    let explained = if args.explain || plan.tasks.is_empty() {
        plan::explained(&issue.title, &issue.body, None, None).1
    } else {
        Vec::new()
    };
    if args.json {
        let mut shown = plan.to_json(least);
        if args.explain {
            let mut lines = explained;
            lines.iter_mut().for_each(|line| line.line += issue.skipped);
            shown["lines"] = serde_json::to_value(lines)?;
        }
        say(&serde_json::to_string_pretty(&shown)?);
    } else {
        say(&report::plan_text(&plan, &policy, issue.skipped));
        for pointed in Pointed::all(&args.issue, &issue, &plan, (verdict, policy.min_tasks), &explained) {
            say(&format!("\n{}", plan_lines::shown(&pointed)));
        }
        if args.explain {
            say(&format!("\n{}", report::explained_text(&explained, issue.skipped)));
        }
    }
    Ok(match verdict {
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
