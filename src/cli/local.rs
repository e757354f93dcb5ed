//! A whole Divisi on loopback: the simulator in GitHub's place, and the same serve and runner as anywhere else.
//! `demo` and `run` stand on it.

use super::exit::Exit;
use super::live::Live;
use super::plane::{Plane, PlaneOptions};
use super::terminal::{ended, say};
use crate::clock;
use crate::config::{Agent, Config, Deliveries, GitHub, default_slots, host};
use crate::domain::{EffectKey, EffectState, Orchestration, RunState};
use crate::github::Pace;
use crate::sandbox;
use crate::simulator::{AppKey, NewIssue, Options, RepoContent, Role, Simulator};
use anyhow::Context as _;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The repository's name on the simulated GitHub.
pub(super) const REPO: &str = "example/project";

/// The login of the person at the terminal.
pub(super) const PERSON: &str = "you";

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A trigger that led to nothing for so long is a fault.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be set up.
pub(super) struct Setup {
    pub content: RepoContent,
    pub default_branch: String,
    pub agents: BTreeMap<String, Agent>,
    /// The one that works, whatever the repository asks for.
    pub agent: Option<String>,
    /// At least so many agents side by side.
    pub slots: u32,
    /// Leave the directory behind.
    pub keep: bool,
}

/// The running whole. Everything is in one temporary directory.
pub(super) struct Local {
    pub simulator: Simulator,
    plane: Plane,
    repo_id: u64,
    dir: tempfile::TempDir,
    keep: bool,
}

/// Sets everything up, does the work, and takes everything down again; a signal ends the work, then `interrupted`
/// saves what there is. Another signal ends the taking down.
pub(super) async fn with(
    setup: Setup,
    work: impl AsyncFnOnce(&Local) -> anyhow::Result<Exit>,
    interrupted: impl AsyncFnOnce(&Local) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::new()?;
    let local = tokio::select! {
        local = Local::start(setup) => local?,
        () = signals.next() => return Ok(Exit::Interrupted),
    };
    let worked = tokio::select! {
        worked = work(&local) => worked,
        () = signals.next() => interrupted(&local).await.map(|()| Exit::Interrupted),
    };
    tokio::select! {
        kept = local.stop() => {
            if let Some(dir) = kept {
                say(&format!("\nKept in {}:", dir.display()));
                say("  github/   the git repositories of the simulated GitHub");
                say("  data/     the database, and under data/runs the status files, the summary and the logs");
            }
            worked
        }
        () = signals.next() => Ok(Exit::Interrupted),
    }
}

/// Ctrl-C, SIGTERM, and the end of the terminal.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        Ok(Self([signal(kinds[0])?, signal(kinds[1])?, signal(kinds[2])?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

impl Local {
    pub async fn start(setup: Setup) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("divisi-").tempdir_in(host::temp_dir())?;
        let key = AppKey::generate()?;
        let secret = clock::secret_hex(20);
        let mut options = Options::new(key.public_pem(), dir.path().join("github"));
        options.webhook_secret = Some(secret.clone());
        let app_id = options.app_id;
        let simulator = Simulator::start(options).await.context("the simulated GitHub cannot be started")?;
        let repo_id = simulator.create_repo(REPO, &setup.default_branch, &setup.content)?;
        simulator.add_user(REPO, PERSON, Role::Admin)?;
        simulator.install_app("example")?;

        let github = GitHub {
            app_id,
            private_key: SecretString::from(key.private_pem()),
            webhook_secrets: vec![SecretString::from(secret)],
            marker_secrets: Vec::new(),
            api_url: simulator.base_url(),
            web_url: simulator.web_url(),
            deliveries: Deliveries::Webhook,
            visibility_lag: Duration::from_secs(1),
            writes_per_minute: 600,
        };
        let mut config = Config::new(&dir.path().join("data"), github, setup.slots.max(default_slots()));
        config.listen.set_port(0);
        config.agents = setup.agents;
        let log = host::log_filter().unwrap_or_else(|| "error".to_owned());
        let plane = Plane::start(
            &config,
            PlaneOptions { runner_log: log, pace: Pace::of(600), agent: setup.agent, metrics: None },
        )
        .await?;
        simulator.set_webhook_target(Some(&format!("http://{}/webhooks/github", plane.address)));
        Ok(Self { simulator, plane, repo_id, dir, keep: setup.keep })
    }

    /// Opens the master issue and puts the label on it; returns its number.
    pub fn open_master(&self, title: &str, body: &str) -> anyhow::Result<u64> {
        let number = self.simulator.open_issue(REPO, PERSON, NewIssue::new(title, body))?;
        self.simulator.label_issue(REPO, PERSON, number, crate::domain::command::TRIGGER_LABEL)?;
        Ok(number)
    }

    /// Follows the run of a master until round `round` of it has ended and everything is told on GitHub.
    ///
    /// # Errors
    /// When Divisi answers with a comment instead of a run (its text is the error), or nothing happens.
    pub async fn follow(&self, master: u64, round: u32, live: &mut Live) -> anyhow::Result<Orchestration> {
        let started = clock::instant();
        loop {
            match self.plane.store.run_of_master(self.repo_id, master).await? {
                Some(state) if state.run.round >= round => {
                    live.show(&state);
                    if self.is_over(&state).await? {
                        live.finish();
                        return Ok(state);
                    }
                }
                other => {
                    // A run's own comments are no answer; what is said where there is no run is one.
                    let answer = if other.is_none() { self.answer_on(master) } else { None };
                    if let Some(text) = answer {
                        live.finish();
                        return Err(ended(Exit::Other, format!("the run did not start.\n\n{text}")));
                    }
                    if clock::since(started) > PATIENCE {
                        return Err(ended(Exit::GitHub, "nothing happened after the trigger"));
                    }
                }
            }
            clock::sleep(LOOK).await;
        }
    }

    /// The newest run, if there is one.
    pub async fn newest(&self) -> anyhow::Result<Option<Orchestration>> {
        Ok(self.plane.store.runs(1).await?.pop())
    }

    async fn is_over(&self, state: &Orchestration) -> anyhow::Result<bool> {
        if state.run.state == RunState::Active {
            return Ok(false);
        }
        let open = self.plane.store.runs_open().await?;
        Ok(!open.contains(&state.run.id))
    }

    /// What Divisi said on the issue, when it is no run's comment.
    fn answer_on(&self, issue: u64) -> Option<String> {
        self.simulator.read(|world| {
            let bot = world.bot_login();
            let said = world.comments(REPO, issue);
            said.into_iter().rfind(|c| c.author.login == bot).map(|c| visible(&c.body))
        })
    }

    /// The summary comment on the master issue, as people see it.
    pub async fn summary(&self, state: &Orchestration) -> anyhow::Result<String> {
        let effects = self.plane.store.snapshot(&state.run.id).await?.effects;
        let summary = effects.get(&EffectKey::Summary).filter(|e| e.state == EffectState::Done);
        let id = summary.and_then(|e| e.remote).map(|r| r.id).context("the summary was not posted")?;
        let found = self.simulator.read(|world| {
            let comments = world.comments(REPO, state.run.master.number);
            comments.into_iter().find(|c| c.id == id).map(|c| visible(&c.body))
        });
        found.context("the summary is not on the issue")
    }

    /// The bare repository on the simulated GitHub.
    pub fn remote(&self) -> Option<PathBuf> {
        self.simulator.git_dir(REPO)
    }

    /// Stops everything and removes the directory, unless it is to be kept; then returns it.
    pub async fn stop(mut self) -> Option<PathBuf> {
        self.plane.stop().await;
        self.simulator.stop().await;
        if self.keep {
            remove(&self.dir.path().join("data/attempts")).await;
            self.dir.disable_cleanup(true);
            return Some(self.dir.path().to_owned());
        }
        remove(self.dir.path()).await;
        None
    }
}

/// Removes what is below. Agents that were cut off go on nowhere, and what they leave is nothing that a plain removal can cope with.
async fn remove(dir: &Path) {
    if let Err(error) = sandbox::remove_tree_of_the_dying(dir).await {
        tracing::warn!(%error, dir = %dir.display(), "a directory could not be removed");
    }
}

/// A comment without its hidden markers.
fn visible(body: &str) -> String {
    let shown: Vec<&str> = body.lines().filter(|line| !line.trim_start().starts_with("<!--")).collect();
    shown.join("\n").trim().to_owned()
}
