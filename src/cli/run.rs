//! `divisi run`: an issue in a file, a repository on this disk, the same work. Finished branches come back.

use super::exit::Exit;
use super::issue_file::{self, IssueFile};
use super::live::Live;
use super::local::{self, Local, Setup};
use super::terminal::{ended, say};
use crate::config::{self, AgentKind, host};
use crate::domain::{Orchestration, RunPolicy, RunState, TaskState};
use crate::plan::{self, Verdict};
use crate::sandbox::{HostSpec, Launcher};
use crate::simulator::RepoContent;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Work on an issue in a file and a repository on this disk, without a GitHub account.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The master issue, Markdown; its first heading is the title.
    #[arg(value_name = "ISSUE.md")]
    issue: PathBuf,
    /// The repository. Its current branch is the base; nothing but new branches is written to it.
    #[arg(long, value_name = "DIR")]
    repo: PathBuf,
    /// The agent to use instead of the one that `.github/divisi.toml` names.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// The configuration file for the agents [default: divisi.toml if there is one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Let a real agent run without a sandbox.
    #[arg(long)]
    yes: bool,
    /// Keep the temporary directory with the git repositories, the database, the status files and the logs.
    #[arg(long)]
    keep: bool,
}

/// Where a repository's rules are.
const REPO_FILE: &str = ".github/divisi.toml";

pub(super) async fn main(args: Args) -> anyhow::Result<Exit> {
    let IssueFile { title, body, .. } = issue_file::read(&args.issue, None)?;
    let title = crate::report::title(&title);
    let git = Git::new(std::path::absolute(&args.repo)?).await?;
    let no_repo = |_| ended(Exit::Other, format!("{} is not a git repository", args.repo.display()));
    git.line(&["rev-parse", "--git-dir"]).await.map_err(no_repo)?;
    let no_branch = |_| ended(Exit::Other, "the repository is on no branch: check one out first");
    let branch = git.line(&["symbolic-ref", "--short", "HEAD"]).await.map_err(no_branch)?;
    let no_commit = |_| ended(Exit::Other, "the repository has no commit yet");
    git.line(&["rev-parse", "--verify", "HEAD^{commit}"]).await.map_err(no_commit)?;
    let policy = policy(&git).await?;
    refuse_unready(&title, &body, &policy)?;

    let agents = config::load_agents(args.config.as_deref())?;
    let name = args.agent.clone().unwrap_or_else(|| policy.agent.clone());
    let agent = agents.get(&name).ok_or_else(|| {
        let known: Vec<&str> = agents.keys().map(String::as_str).collect();
        ended(Exit::Agent, format!("there is no agent `{name}`; configured are: {}", known.join(", ")))
    })?;
    if !args.yes {
        return Err(ended(
            Exit::Other,
            format!(
                "`{name}` would run as you and without a sandbox: it can read and change everything that you can.\n\
                 Add --yes if that is what you want."
            ),
        ));
    }
    if !is_program(&agent.command[0]) {
        return Err(ended(
            Exit::Agent,
            format!("the program of `{name}`, `{}`, is not there", agent.command[0]),
        ));
    }
    if agent.kind == AgentKind::Claude && agent.key.is_none() {
        let hint = "set DIVISI_AGENTS__CLAUDE__KEY or [agents.claude] key";
        return Err(ended(Exit::Agent, format!("`{name}` has no model key: {hint}")));
    }

    let setup = Setup {
        content: RepoContent::CopyOf { dir: git.dir.clone(), rev: "HEAD".to_owned() },
        default_branch: branch.clone(),
        agents: BTreeMap::from([(name.clone(), agent.clone())]),
        agent: Some(name),
        slots: 1,
        keep: args.keep,
    };
    let ours = async |local: &Local| work(local, &git, &title, &body).await;
    local::with(setup, ours, async |local| {
        say("\nInterrupted: the agents are stopped.");
        match local.newest().await? {
            Some(state) => bring_back(local, &git, &state).await,
            None => Ok(()),
        }
    })
    .await
}

async fn work(local: &Local, git: &Git, title: &str, body: &str) -> anyhow::Result<Exit> {
    let dirty = git.line(&["status", "--porcelain"]).await?.lines().count();
    if dirty > 0 {
        say(&format!("{dirty} uncommitted change(s) in {} are not part of this run.", git.dir.display()));
    }
    say("Working on a simulated GitHub: numbers of issues and pull requests exist only there.\n");
    let mut live = Live::new();
    let master = local.open_master(title, body)?;
    let state = local.follow(master, 1, &mut live).await?;
    say("");
    say(&local.summary(&state).await?);
    bring_back(local, git, &state).await?;
    match state.run.state {
        RunState::Ended(outcome) => Ok(outcome.into()),
        RunState::Active => Ok(Exit::Other),
    }
}

/// Fetches the finished branches. A branch that exists already with other commits is left alone; the new one
/// gets a number.
async fn bring_back(local: &Local, git: &Git, state: &Orchestration) -> anyhow::Result<()> {
    let remote = local.remote().context("the simulated repository is gone")?;
    if state.count(TaskState::Completed) > 0 {
        say(&format!("\nFinished branches, now in {}:\n", git.dir.display()));
    }
    for task in state.tasks.iter().filter(|t| t.state == TaskState::Completed) {
        let Some(published) = &task.published else { continue };
        let mut name = task.branch.clone();
        for n in 2.. {
            match git.line(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{name}")]).await {
                Ok(head) if head != published.head.as_str() => name = format!("{}-{n}", task.branch),
                _ => break,
            }
        }
        let refspec = format!("refs/heads/{}:refs/heads/{name}", task.branch);
        let remote = remote.to_str().context("the temporary directory's path is not valid UTF-8")?;
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", remote, &refspec];
        match git.line(&fetch).await {
            Ok(_) => say(&format!("  {} {name}", published.head.short())),
            Err(error) => say(&format!("  {name} could not be fetched: {error}")),
        }
    }
    Ok(())
}

/// Whether a program can be found, by its path or along `PATH`.
fn is_program(name: &str) -> bool {
    if name.contains('/') {
        return Path::new(name).is_file();
    }
    let path = host::search_path();
    path.to_string_lossy().split(':').any(|dir| Path::new(dir).join(name).is_file())
}

async fn policy(git: &Git) -> anyhow::Result<RunPolicy> {
    match git.line(&["show", &format!("HEAD:{REPO_FILE}")]).await {
        Ok(text) => config::RepoFile::parse(&text).map_err(|e| ended(Exit::Other, e.to_string())),
        Err(_) => Ok(RunPolicy::default()),
    }
}

/// The plan is looked at before anything is started, so that its faults have their own exit codes.
fn refuse_unready(title: &str, body: &str, policy: &RunPolicy) -> anyhow::Result<()> {
    let plan = plan::read(title, body, None, None);
    let verdict = plan.verdict(policy.min_tasks as usize);
    let exit = match verdict {
        Verdict::Parallel | Verdict::Ordered => return Ok(()),
        Verdict::Sequential => Exit::Dependencies,
        Verdict::Empty | Verdict::TooFew | Verdict::TooMany => Exit::CannotParse,
    };
    Err(ended(exit, crate::report::notice::plan_refused(&plan, verdict, policy.min_tasks)))
}

/// git in the user's own repository, which no agent ever touches.
struct Git {
    dir: PathBuf,
    launcher: Launcher,
}

impl Git {
    async fn new(dir: PathBuf) -> anyhow::Result<Self> {
        anyhow::ensure!(dir.is_dir(), "{} is not a directory", dir.display());
        Ok(Self { dir, launcher: Launcher::new(host::current_exe()?).await? })
    }

    /// Runs git and returns what it prints, without the last line end.
    async fn line(&self, args: &[&str]) -> anyhow::Result<String> {
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), host::search_path().to_string_lossy().into_owned()),
            ("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned()),
        ]);
        if let Some(home) = host::home() {
            env.insert("HOME".to_owned(), home.to_string_lossy().into_owned());
        }
        let words = [OsString::from("-C"), self.dir.clone().into_os_string()];
        let output = self
            .launcher
            .run_host(HostSpec {
                outward: false,
                program: "git".to_owned(),
                args: words.into_iter().chain(args.iter().map(OsString::from)).collect(),
                env,
                cwd: self.dir.clone(),
                stdin: Vec::new(),
                deadline: Duration::from_secs(300),
                max_output: 16 << 20,
            })
            .await?;
        if output.code != 0 {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            anyhow::bail!("git {} failed: {said}", args.first().copied().unwrap_or_default());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}
