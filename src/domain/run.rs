//! A run: one orchestration of one master issue, with its tasks.

use super::{DeliveryId, Refusal, Repo, RunId, RunPolicy, Sha, Task, TaskEvent, TaskNumber, TaskState};
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
    /// Nothing completed or failed: everything was cancelled or blocked.
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
        }
        Ok(next)
    }

    /// The task with this number.
    pub fn task(&self, number: TaskNumber) -> Option<&Task> {
        self.tasks.iter().find(|t| t.number == number)
    }

    /// Whether a runner may take the task now: it is ready, and what it waits for has ended one way or another.
    pub fn may_start(&self, task: &Task) -> bool {
        let over = |n: &TaskNumber| self.task(*n).is_none_or(|t| t.state.is_terminal());
        task.state == TaskState::Ready && task.waits_for.iter().all(over)
    }

    /// The latest completed task that this one waited for: its work starts from that one's verified commit, and
    /// its pull request goes to that one's branch.
    pub fn stands_on(&self, task: &Task) -> Option<&Task> {
        // What was merged is in the base branch, and its own branch may be gone.
        let stands = |t: &&Task| {
            let result =
                t.published.as_ref().filter(|_| t.state == TaskState::Completed && t.merged_into.is_none());
            // A task with a result stands on what it really started from, whatever completed since.
            result.is_some_and(|r| task.published.as_ref().is_none_or(|own| own.base == r.head))
        };
        let done = |n: &TaskNumber| self.task(*n).filter(stands);
        task.waits_for.iter().filter_map(done).max_by_key(|t| t.number)
    }

    /// How many tasks stand in this state.
    pub fn count(&self, state: TaskState) -> usize {
        self.tasks.iter().filter(|t| t.state == state).count()
    }

    /// What the run would end as now.
    pub fn outcome(&self) -> Outcome {
        Outcome::of(
            self.count(TaskState::Completed),
            self.count(TaskState::Failed),
            self.run.policy.success_threshold,
        )
    }

    /// Changes exactly when a report about the run would: `{terminal}|{state letters and attempts}`.
    pub fn digest(&self) -> String {
        let terminal = self.tasks.iter().filter(|t| t.state.is_terminal()).count();
        let tasks: Vec<String> = self.tasks.iter().map(Task::digest).collect();
        format!("{terminal}|{}", tasks.join(","))
    }

    fn index(&self, number: TaskNumber) -> Result<usize, Refusal> {
        self.tasks.iter().position(|t| t.number == number).ok_or(Refusal::NoSuchTask(number))
    }
}
