//! `divisi plan`: what Divisi reads in an issue, without doing anything.

use super::exit::Exit;
use super::plan_lines::Pointed;
use super::terminal::{ended, say};
use super::{issue_file, plan_lines};
use crate::config::{RepoFile, host};
use crate::domain::RunPolicy;
use crate::plan::{self, Plan, Verdict};
use crate::report;
use crate::sandbox::Launcher;
use crate::workspace::{self, GitSettings, HostGit};
use std::collections::BTreeMap;
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
    /// A work tree whose `.github/divisi.toml` holds, and whose files and history are searched for what tasks share.
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// Say of each line why it is a task, or why not.
    #[arg(long)]
    explain: bool,
    /// Print JSON: indexes count from 0, barriers are not expanded.
    #[arg(long)]
    json: bool,
}

pub(super) async fn main(args: Args) -> anyhow::Result<Exit> {
    let issue = issue_file::read(&args.issue, args.title.as_deref())?;
    let policy = match &args.repo {
        None => RunPolicy::default(),
        Some(dir) => rules(dir)?,
    };
    let mut plan = plan::read(&issue.title, &issue.body, None, None);
    let least = policy.min_tasks as usize;
    if let Some(dir) = &args.repo
        && let Err(error) = search(&mut plan, dir).await
    {
        plan.unsearched = Some(format!("{error:#}"));
    }
    let verdict = plan.verdict(least);
    // Of an issue without tasks each line may be the one that was meant.
    let explained = if args.explain || plan.tasks.is_empty() {
        plan::explained(&issue.title, &issue.body, None, None).1
    } else {
        Vec::new()
    };
    if args.json {
        let mut shown = plan.to_json(least);
        for task in shown["tasks"].as_array_mut().into_iter().flatten() {
            task["line"] = (task["line"].as_u64().unwrap_or_default() + issue.skipped as u64).into();
        }
        if args.explain {
            let mut lines = explained;
            lines.iter_mut().for_each(|line| line.line += issue.skipped);
            shown["lines"] = serde_json::to_value(lines)?;
        }
        say(&serde_json::to_string_pretty(&shown)?);
    } else {
        say(&report::plan_text(&plan, &policy, issue.skipped));
        for pointed in Pointed::all(&args.issue, &issue, &plan, &policy, &explained) {
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

/// Adds what a search of the repository finds likely, as a runner host does for the control plane.
async fn search(plan: &mut Plan, dir: &std::path::Path) -> anyhow::Result<()> {
    let (indexes, tasks): (Vec<usize>, Vec<_>) = plan.to_search().into_iter().unzip();
    if !(2..=Plan::MAX_TASKS).contains(&tasks.len()) {
        return Ok(());
    }
    let settings =
        GitSettings { path: host::search_path().to_string_lossy().into_owned(), env: BTreeMap::new() };
    let git = HostGit::new(Launcher::new(host::current_exe()?).await?, settings);
    let (git_dir, head) = workspace::locate(&git, &std::path::absolute(dir)?).await?;
    plan.add_likely(&indexes, &workspace::survey(&git, &git_dir, &head, &tasks).await?);
    Ok(())
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
