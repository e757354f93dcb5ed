//! The control plane's use cases: a delivery becomes a command (`intake`), a command starts or reopens a run
//! (`start`, `retry`, `stop`, `explain`) or is something that people did `by_hand`, and `reconcile` brings GitHub to what the run's state says, one effect at a time.
//!
//! Every write to GitHub goes through `effects`. Wake-ups are hints: a lost one costs one sweep.

mod answer;
mod approve;
mod boundary;
mod by_hand;
mod catch_up;
mod compose;
mod continuity;
mod credentials;
mod effects;
mod estimate;
mod explain;
mod intake;
mod labels;
mod lanes;
mod levels;
mod logs;
mod merges;
mod native;
mod planning;
mod reconcile;
mod retry;
mod standing;
mod start;
mod stop;
mod sweep;
mod view;

use crate::domain::{AttemptId, Repo, RunId, Usd};
use crate::github::{App, CallCounter, RepoClient};
use crate::report::marker;
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use boundary::{Boundary, Place, Point, Proof, Without};
pub use credentials::Issued;
pub use intake::{is_final, is_suspension};

/// What the orchestrator is told once.
#[derive(Clone)]
pub struct Settings {
    /// Where public files and logs go.
    pub data_dir: PathBuf,
    /// `https://github.com`, for links.
    pub web_url: String,
    /// How long GitHub may take to show in a list what was just written.
    pub visibility_lag: Duration,
    /// Time between two looks for deliveries that did not come.
    pub catch_up_every: Duration,
    /// How long one request may take.
    pub request_deadline: Duration,
    /// How long a lease lasts; expiry is judged only after the process has run for as long.
    pub lease: Duration,
    /// Live runs per repository.
    pub runs_per_repo: u32,
    /// What one run may cost.
    pub cost_per_run: Usd,
    /// Attempts of one installation alive at once; the runner API holds to it, here it is only told.
    pub attempts_per_installation: u32,
    /// Names of the agents that are configured.
    pub agents: Vec<String>,
    /// The agent that works, whatever repositories ask for.
    pub agent: Option<String>,
    /// Signs the hidden markers.
    pub marker_key: marker::Key,
    /// What a proof changes; nothing in service.
    pub proof: Proof,
}

impl Settings {
    /// How long an unknown outcome is left alone: by then the request has been done or never will be, and lists
    /// show it.
    pub(crate) fn wait_out(&self) -> Duration {
        if self.proof.without.wait { Duration::ZERO } else { self.request_deadline + self.visibility_lag }
    }
}

/// The control plane. Cheap to clone.
#[derive(Clone)]
pub struct Orchestrator {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    github: App,
    settings: Settings,
    /// Rung when a delivery was committed.
    inbox: Notify,
    /// Rung when there is something to answer.
    answers: Notify,
    /// Rung when a task may have become ready.
    work: Notify,
    /// Rung when a run may have changed.
    changed: Notify,
    /// Runs that are being reconciled, and whether they were woken meanwhile.
    reconciling: Mutex<HashMap<RunId, bool>>,
    /// Runs for which a later wake-up is set, with the earliest.
    timers: Mutex<HashMap<RunId, Instant>>,
    credentials: credentials::Credentials,
    views: view::Views,
    logs: logs::Logs,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Cancelled first: nothing new begins while what is under way comes to its end.
    intake: CancellationToken,
}

impl Orchestrator {
    /// Nothing runs yet: see [`Self::start`].
    pub fn new(store: Arc<dyn Store>, github: App, settings: Settings) -> Self {
        let stop = CancellationToken::new();
        let shared = Shared {
            store,
            github,
            views: view::Views::new(settings.data_dir.clone()),
            logs: logs::Logs::new(settings.data_dir.clone()),
            settings,
            inbox: Notify::new(),
            answers: Notify::new(),
            work: Notify::new(),
            changed: Notify::new(),
            reconciling: Mutex::default(),
            timers: Mutex::default(),
            credentials: credentials::Credentials::default(),
            tasks: TaskTracker::new(),
            intake: stop.child_token(),
            stop,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts the loops: intake, answers, sweeps, and a first look at every open run and answer.
    ///
    /// # Errors
    /// When the store cannot say which effects the last stop cut off, or how much of GitHub's limits is used up:
    /// nothing may be sent before that is known.
    pub async fn start(&self) -> Result<(), StoreError> {
        self.doubt_interrupted().await?;
        self.restore_levels().await?;
        let intake = self.clone();
        self.shared.tasks.spawn(async move { intake.take_in().await });
        let answers = self.clone();
        self.shared.tasks.spawn(async move { answers.answer().await });
        let levels = self.clone();
        self.shared.tasks.spawn(async move { levels.keep_levels().await });
        let catch_up = self.clone();
        let every = self.shared.settings.catch_up_every;
        self.shared.tasks.spawn(async move { catch_up.catch_up(every).await });
        let sweeps = self.clone();
        self.shared.tasks.spawn(async move { sweeps.sweep().await });
        Ok(())
    }

    /// Nothing that is delivered from now on is worked on before the next start.
    pub fn stop_intake(&self) {
        self.shared.intake.cancel();
    }

    /// Stops the loops after the step each is in; unfinished work is found again at the next start.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.inbox.notify_waiters();
        self.shared.work.notify_waiters();
        self.shared.changed.notify_waiters();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.save_levels().await;
        self.revoke_all().await;
    }

    /// A delivery was committed.
    pub fn delivery_stored(&self) {
        self.shared.inbox.notify_one();
    }

    /// Something happened to the run.
    pub fn run_changed(&self, run: &RunId) {
        self.wake(run);
    }

    /// Returns when a task may have become ready.
    pub async fn work(&self) {
        self.shared.work.notified().await;
    }

    /// Returns when a run may have changed.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Lines of a runner for the run's session log, each with its task.
    ///
    /// # Errors
    /// In words, when the run or the disk is not there.
    pub async fn session_lines(&self, attempt: &AttemptId, lines: &[String]) -> Result<(), String> {
        let run =
            self.shared.store.snapshot(&attempt.run).await.map_err(|e| e.to_string())?.orchestration.run;
        let lines: Vec<String> = lines.iter().map(|l| format!("task {}: {l}", attempt.task)).collect();
        self.shared.logs.lines(&run, &lines).await
    }

    /// Bytes of an agent's output for its task's log; returns how much of this attempt's log is stored.
    ///
    /// # Errors
    /// In words, when the run or the disk is not there, or `offset` leaves a gap.
    pub async fn log_chunk(&self, attempt: &AttemptId, offset: u64, bytes: &[u8]) -> Result<u64, String> {
        let run =
            self.shared.store.snapshot(&attempt.run).await.map_err(|e| e.to_string())?.orchestration.run;
        self.shared.logs.chunk(&run, attempt, offset, bytes).await
    }

    fn client(&self, repo: &Repo, calls: &CallCounter) -> RepoClient {
        self.shared.github.installation(repo.installation).repo(repo, calls.clone())
    }
}
