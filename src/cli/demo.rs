//! `divisi demo`: the whole thing on this machine, without an account, a key or a network.

use super::exit::Exit;
use super::live::Live;
use super::local::{self, Local, PERSON, REPO, Setup};
use super::terminal::{ended, say};
use crate::config::{Agent, host};
use crate::domain::{Orchestration, Outcome, RunState, TaskState};
use crate::simulator::RepoContent;
use anyhow::Context as _;
use std::collections::BTreeMap;

/// Watch an issue become sub-issues, pull requests and a summary, on a simulated GitHub.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep the temporary directory with the git repositories, the database, the status files and the logs.
    #[arg(long)]
    keep: bool,
}

const TITLE: &str = "Epic: fill the toolbox";
const ISSUE: &str = include_str!("../../templates/demo/issue.md");
const FILES: &[(&str, &str)] = &[
    ("README.md", include_str!("../../templates/demo/README.md")),
    ("checks.sh", include_str!("../../templates/demo/checks.sh")),
    ("bin/hello.sh", include_str!("../../templates/demo/bin/hello.sh")),
    (".github/divisi.toml", include_str!("../../templates/demo/divisi.toml")),
];

/// Agents side by side, so that the demo shows five at once on a small machine too.
const SLOTS: u32 = 5;

pub(super) async fn main(args: Args) -> anyhow::Result<Exit> {
    let own = host::current_exe()?.to_str().context("this program's path is not valid UTF-8")?.to_owned();
    let agent = Agent::command(vec![own, "demo-agent".to_owned()]);
    let setup = Setup {
        content: RepoContent::files(FILES),
        default_branch: "main".to_owned(),
        agents: BTreeMap::from([("demo".to_owned(), agent)]),
        agent: None,
        slots: SLOTS,
        keep: args.keep,
    };
    local::with(
        setup,
        async |local| show(local).await,
        async |_| {
            say("\nInterrupted: the agents are stopped, and nothing is left.");
            Ok(())
        },
    )
    .await
}

async fn show(local: &Local) -> anyhow::Result<Exit> {
    say("A simulated GitHub, Divisi and a runner are up on this machine.");
    say("The demo's agent is a small program; it runs without a sandbox, in a temporary directory.\n");
    let mut live = Live::new();
    let master = local.open_master(TITLE, ISSUE)?;
    say(&format!("@{PERSON} opened #{master} \"{TITLE}\" and put the label parallel-orchestration on it.\n"));
    let first = local.follow(master, 1, &mut live).await?;
    say(&format!("\nThe summary on #{master}:\n"));
    say(&quoted(&local.summary(&first).await?));

    let failed = first.tasks.iter().find(|t| t.state == TaskState::Failed);
    let sub_issue = failed.and_then(|t| t.sub_issue).context("no task failed, but one should have")?;
    expect(&first, 4, Outcome::Partial)?;
    say(&format!("\n@{PERSON} comments \"/orchestrate --retry\" on #{}.\n", sub_issue.number));
    local.simulator.comment(REPO, PERSON, sub_issue.number, "/orchestrate --retry")?;
    let second = local.follow(master, 2, &mut live).await?;
    say("\nThe same summary, edited in place:\n");
    say(&quoted(&local.summary(&second).await?));
    expect(&second, 5, Outcome::Succeeded)?;

    say("\nThe branches on the simulated GitHub:\n");
    for task in &second.tasks {
        let Some(published) = &task.published else { continue };
        say(&format!("  {} {} ({})", published.head.short(), task.branch, commits(published.commits)));
    }
    Ok(Exit::Done)
}

fn commits(n: u32) -> String {
    if n == 1 { "1 commit".to_owned() } else { format!("{n} commits") }
}

fn expect(state: &Orchestration, completed: usize, outcome: Outcome) -> anyhow::Result<()> {
    if state.count(TaskState::Completed) == completed && state.run.state == RunState::Ended(outcome) {
        return Ok(());
    }
    let got = state.count(TaskState::Completed);
    Err(ended(Exit::Failed, format!("{completed} tasks should be completed now, but {got} are")))
}

fn quoted(text: &str) -> String {
    text.lines().map(|line| format!("  | {line}\n")).collect::<String>().trim_end().to_owned()
}
