//! A run: one orchestration of one master issue, with its tasks.

use super::{DeliveryId, Note, Refusal, Repo, RunId, RunPolicy, Sha, Task, TaskEvent, TaskNumber, TaskState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every task that ran is completed.
    Succeeded,
    /// At least `success_threshold` of the tasks that ran are completed.
    Partial,
    /// Fewer than that.
    Failed,
    /// The run was cancelled, or nothing completed or failed: everything was cancelled or blocked.
    Cancelled,
}

impl Outcome {
    /// The name in reports and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The 80 % rule: only completed and failed tasks count (tasks in review count as completed work of an
    /// earlier run: they are neither).
    pub fn of(completed: usize, failed: usize, threshold: f64) -> Self {
        let ran = completed + failed;
        if ran == 0 {
            Self::Cancelled
        } else if failed == 0 {
            Self::Succeeded
        } else if completed as f64 >= threshold * ran as f64 - 1e-9 && completed > 0 {
            Self::Partial
        } else {
            Self::Failed
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Something is left to do.
    Active,
    /// Every task is terminal and told about.
    Ended(Outcome),
}

impl RunState {
    /// The stored name: `active` or the outcome's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended(outcome) => outcome.as_str(),
        }
    }
}

/// What a reaction is put on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An issue, by number.
    Issue(u64),
    /// A comment, by id.
    Comment(u64),
}

/// Figures that `metrics.json` shows and no task knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// REST and GraphQL calls with an installation token.
    pub api_calls: u64,
    /// Highest number of attempts alive at once.
    pub max_concurrent: u32,
    /// Highest sum of all agents' process trees, in MB.
    pub peak_memory_mb: u64,
    /// Seconds during which the run was active, up to its last end.
    pub active_seconds: f64,
}

/// Why nothing more can be done for a run. What is pushed stays; agents are stopped; nothing is said on GitHub
/// any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// The App was uninstalled.
    Uninstalled,
    /// The repository was deleted, transferred, or taken out of the installation.
    NoAccess,
    /// The repository was archived.
    Archived,
    /// Issues were switched off in the repository.
    IssuesOff,
    /// The master issue was deleted or transferred.
    MasterGone,
}

impl Gone {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 5] =
        [Self::Uninstalled, Self::NoAccess, Self::Archived, Self::IssuesOff, Self::MasterGone];

    /// One sentence for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Uninstalled => "The App was uninstalled.",
            Self::NoAccess => {
                "The App has no access to the repository any more: it was deleted, transferred, or taken out of the installation."
            }
            Self::Archived => "The repository was archived.",
            Self::IssuesOff => "Issues were switched off in the repository.",
            Self::MasterGone => "The master issue was deleted or transferred.",
        }
    }
}

/// The App is suspended: nothing is sent and no agent works until it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// When it was noticed.
    pub since: Timestamp,
    /// When GitHub is asked again, in case nobody tells.
    pub look_at: Timestamp,
}

/// What keeps a run from going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stops {
    /// A person paused it: no new attempts begin; what is under way goes on and is published.
    pub paused: bool,
    /// The whole run was cancelled.
    pub cancelled: bool,
    /// The App is suspended.
    pub suspended: Option<Suspension>,
    /// Nothing more can be done.
    pub gone: Option<Gone>,
}

/// One orchestration of one master issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The repository as last seen.
    pub repo: Repo,
    /// The master issue.
    pub master: IssueTitle,
    /// `orch-{issue}-{yyyymmdd}`, with `-{n}` from the second run of that day on.
    pub orchestration_id: String,
    /// 1 for the first run of this master, 2 for the second.
    pub sequence: u32,
    /// Login of the person who started it.
    pub requester: String,
    /// Prose of the master issue that is no task: foreign text.
    pub context: String,
    /// The branch that work starts from and goes to.
    pub base: String,
    /// Its head when the run started.
    pub base_sha: Sha,
    /// The rules, read once.
    pub policy: RunPolicy,
    /// Where it stands.
    pub state: RunState,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the current stretch of work began: creation, or the last retry.
    pub active_since: Timestamp,
    /// When it last ended.
    pub ended_at: Option<Timestamp>,
    /// What was reacted to with 👀 and gets 🚀 at the end: the trigger and every retry comment.
    pub triggers: Vec<Target>,
    /// 1, and one more with every retry that reopened it.
    pub round: u32,
    /// Deliveries that started or reopened it.
    pub deliveries: Vec<DeliveryId>,
    /// Figures for `metrics.json`.
    pub usage: Usage,
    /// The sandbox tier that attempts ran in; empty until one did.
    pub sandbox_tier: String,
    /// What keeps it from going on.
    #[serde(default)]
    pub stops: Stops,
    /// What was worth a word when it started.
    #[serde(default)]
    pub notes: Vec<Note>,
}

/// An issue by number, database id and title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueTitle {
    /// The number in the repository.
    pub number: u64,
    /// The database id.
    pub id: u64,
    /// The title in the delivery.
    pub title: String,
}

/// A run with its tasks: what `apply` changes and the store keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Orchestration {
    /// The run.
    pub run: Run,
    /// Its tasks, by number from 1.
    pub tasks: Vec<Task>,
}

/// What may happen to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RunEvent {
    /// Something happened to one task.
    Task(TaskNumber, TaskEvent),
    /// Everything is done and told.
    Ended,
    /// A person asked for another attempt of these tasks (all must be failed or cancelled).
    Reopened { tasks: Vec<TaskNumber>, target: Target, delivery: DeliveryId },
    /// So many calls were made for it.
    CallsMade(u64),
    /// A runner measured this much memory for the run's agents, and ran them in this tier.
    Measured { memory_mb: u64, tier: String },
    /// GitHub tells another name for the repository.
    RepoSeen(Repo),
    /// A person wants these tasks (or the whole run) stopped. `why` says in one sentence what was done; a command
    /// gets its 🚀 when the run ends.
    CancelAsked { tasks: Option<Vec<TaskNumber>>, why: String, target: Option<Target>, delivery: DeliveryId },
    /// A person paused it.
    PauseAsked,
    /// A person let it go on.
    ResumeAsked,
    /// GitHub says that the App is suspended; it is asked again then.
    Suspended { look_at: Timestamp },
    /// The App is not suspended any more.
    Unsuspended,
    /// Nothing more can be done.
    Gone(Gone),
}

impl Orchestration {
    /// Applies one event; the result replaces the old state by compare-and-set.
    ///
    /// # Errors
    /// A [`Refusal`] when the event cannot happen now; nothing changes then.
    pub fn apply(&self, event: &RunEvent, now: Timestamp) -> Result<Self, Refusal> {
        let mut next = self.clone();
        match event {
            RunEvent::Task(number, event) => {
                let at = self.index(*number)?;
                let starts = matches!(event, TaskEvent::Claimed { .. } | TaskEvent::Resumed { .. });
                if starts && !self.may_start(&self.tasks[at]) {
                    let state = self.tasks[at].state.as_str();
                    return Err(Refusal::Impossible { event: event.name(), state });
                }
                next.tasks[at] = self.tasks[at].apply(event, self.run.policy.max_retries, now)?;
                let alive = next.tasks.iter().filter(|t| t.state == TaskState::Running).count() as u32;
                next.run.usage.max_concurrent = next.run.usage.max_concurrent.max(alive);
            }
            RunEvent::Ended => {
                if self.run.state != RunState::Active {
                    return Err(Refusal::Run("over already"));
                }
                if !self.tasks.iter().all(|t| t.state.is_terminal()) {
                    return Err(Refusal::Run("not finished"));
                }
                next.run.state = RunState::Ended(self.outcome());
                next.run.ended_at = Some(now);
                next.run.stops.paused = false;
                let stretch = now.as_millisecond() - self.run.active_since.as_millisecond();
                next.run.usage.active_seconds += stretch.max(0) as f64 / 1e3;
            }
            RunEvent::Reopened { tasks, target, delivery } => {
                for number in tasks {
                    let at = self.index(*number)?;
                    next.tasks[at] =
                        self.tasks[at].apply(&TaskEvent::RetryAsked, self.run.policy.max_retries, now)?;
                }
                if self.run.state != RunState::Active {
                    next.run.active_since = now;
                }
                next.run.state = RunState::Active;
                // Somebody wants it to go on; what still stands in the way is found out again.
                next.run.stops.cancelled = false;
                next.run.stops.gone = None;
                next.run.ended_at = None;
                next.run.round += 1;
                next.run.triggers.push(*target);
                next.run.deliveries.push(delivery.clone());
            }
            RunEvent::CallsMade(calls) => next.run.usage.api_calls += calls,
            RunEvent::Measured { memory_mb, tier } => {
                next.run.usage.peak_memory_mb = self.run.usage.peak_memory_mb.max(*memory_mb);
                next.run.sandbox_tier.clone_from(tier);
            }
            RunEvent::RepoSeen(repo) => next.run.repo = repo.clone(),
            RunEvent::CancelAsked { tasks, why, target, delivery } => {
                next.cancel(tasks.as_deref(), why, now)?;
                next.run.triggers.extend(*target);
                next.run.deliveries.push(delivery.clone());
            }
            RunEvent::PauseAsked | RunEvent::ResumeAsked => {
                let pause = matches!(event, RunEvent::PauseAsked);
                self.must_be_active()?;
                if self.run.stops.paused == pause {
                    return Err(Refusal::Run(if pause { "paused already" } else { "not paused" }));
                }
                next.run.stops.paused = pause;
            }
            RunEvent::Suspended { look_at } => {
                if self.run.stops.gone.is_some() {
                    return Err(Refusal::Run("over already"));
                }
                let since = self.run.stops.suspended.map_or(now, |s| s.since);
                next.run.stops.suspended = Some(Suspension { since, look_at: *look_at });
                next.each(&TaskEvent::HoldAsked, now, |t| t.state == TaskState::Running)?;
            }
            RunEvent::Unsuspended => next.run.stops.suspended = None,
            RunEvent::Gone(gone) => {
                if self.run.stops.gone.is_some() {
                    return Err(Refusal::Run("over already"));
                }
                next.each(&TaskEvent::GivenUp(gone.words().to_owned()), now, |t| !t.state.is_terminal())?;
                next.run.stops = Stops { cancelled: true, gone: Some(*gone), ..Stops::default() };
            }
        }
        next.follow_stops(now)?;
        next.follow_budget(now);
        Ok(next)
    }

    fn must_be_active(&self) -> Result<(), Refusal> {
        if self.run.state == RunState::Active { Ok(()) } else { Err(Refusal::Run("over already")) }
    }

    /// Applies an event to every task that fits.
    fn each(&mut self, event: &TaskEvent, now: Timestamp, fits: fn(&Task) -> bool) -> Result<usize, Refusal> {
        let mut changed = 0;
        for task in self.tasks.iter_mut().filter(|t| fits(t)) {
            *task = task.apply(event, self.run.policy.max_retries, now)?;
            changed += 1;
        }
        Ok(changed)
    }

    /// Stops the listed tasks, or all. What is pushed already is kept and published.
    fn cancel(&mut self, listed: Option<&[TaskNumber]>, why: &str, now: Timestamp) -> Result<(), Refusal> {
        self.must_be_active()?;
        let event = TaskEvent::CancelAsked(why.to_owned());
        let Some(listed) = listed else {
            if self.each(&event, now, Task::may_be_cancelled)? == 0 {
                return Err(Refusal::Run("without anything that could be cancelled"));
            }
            self.run.stops.cancelled = true;
            self.run.stops.paused = false;
            return Ok(());
        };
        for number in listed {
            let at = self.index(*number)?;
            self.tasks[at] = self.tasks[at].apply(&event, self.run.policy.max_retries, now)?;
        }
        Ok(())
    }

    /// What follows for the tasks of an active run from what people did: where nothing more can be done, a result that
    /// arrives late cannot be published; and a task that has not begun does not stand on a pull request that was closed.
    fn follow_stops(&mut self, now: Timestamp) -> Result<(), Refusal> {
        if self.run.state != RunState::Active {
            return Ok(());
        }
        if let Some(gone) = self.run.stops.gone {
            let waits = |t: &Task| !t.state.is_terminal() && t.state != TaskState::Running;
            self.each(&TaskEvent::GivenUp(gone.words().to_owned()), now, waits)?;
            return Ok(());
        }
        self.follow_hopes(now);
        Ok(())
    }

    /// The task with this number.
    pub fn task(&self, number: TaskNumber) -> Option<&Task> {
        self.tasks.iter().find(|t| t.number == number)
    }

    /// Whether a runner may take the task now: it is ready, nothing stops the run, what it waits for has ended one
    /// way or another, and what waits for it is not at work (it may be: an earlier task is run again).
    pub fn may_start(&self, task: &Task) -> bool {
        task.state == TaskState::Ready
            && !self.is_stopped()
            && self.in_the_way_of(task).is_empty()
            && self.has_its_base(task)
    }

    /// Whether no attempt may begin, whatever the tasks are.
    pub fn is_stopped(&self) -> bool {
        let stops = &self.run.stops;
        stops.paused || stops.suspended.is_some() || stops.gone.is_some()
    }

    /// How many tasks stand in this state.
    pub fn count(&self, state: TaskState) -> usize {
        self.tasks.iter().filter(|t| t.state == state).count()
    }

    /// What the run would end as now.
    pub fn outcome(&self) -> Outcome {
        // A cancel that came too late to stop anything changes nothing.
        if self.run.stops.cancelled && self.count(TaskState::Cancelled) > 0 {
            return Outcome::Cancelled;
        }
        // What was never begun for want of money was to be done: it counts as failed.
        let unaffordable = self.tasks.iter().filter(|t| t.is_out_of_budget()).count();
        Outcome::of(
            self.count(TaskState::Completed),
            self.count(TaskState::Failed) + unaffordable,
            self.run.policy.success_threshold,
        )
    }

    /// Changes exactly when a report about the run would: `{terminal and stops}|{state letters and attempts}`.
    pub fn digest(&self) -> String {
        let terminal = self.tasks.iter().filter(|t| t.state.is_terminal()).count();
        let tasks: Vec<String> = self.tasks.iter().map(Task::digest).collect();
        let paused = if self.run.stops.paused { "p" } else { "" };
        let cancelled = if self.run.stops.cancelled { "x" } else { "" };
        format!("{terminal}{paused}{cancelled}|{}{}", tasks.join(","), self.merges_digest())
    }

    fn index(&self, number: TaskNumber) -> Result<usize, Refusal> {
        self.tasks.iter().position(|t| t.number == number).ok_or(Refusal::NoSuchTask(number))
    }
}
