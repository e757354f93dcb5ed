//! A task of a run: its state, what may happen to it, and the one function that changes it.

use super::{
    Failure, FailureKind, IssueRef, Progress, Published, Refusal, Resume, RunnerId, Sha, Size, Spent,
    TaskEvent, TaskNumber,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a task stands. The text form is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// In the plan; its sub-issue does not exist yet.
    Planned,
    /// Waits for a runner.
    Ready,
    /// A runner holds a lease on an attempt of it.
    Running,
    /// The branch is pushed; the pull request is being checked and opened.
    Publishing,
    /// The pull request exists.
    Completed,
    /// The last attempt failed and no automatic retry is left.
    Failed,
    /// A person stopped it.
    Cancelled,
    /// What it waits for failed.
    Blocked,
    /// An earlier run's pull request for it is open or merged: listed, not run.
    InReview,
}

impl TaskState {
    /// The stored name, such as `running`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Publishing => "publishing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Blocked => "blocked",
            Self::InReview => "in_review",
        }
    }

    /// Whether nothing more happens to the task by itself.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Blocked | Self::InReview)
    }

    /// One letter for digests.
    fn letter(self) -> char {
        match self {
            Self::Planned => 'p',
            Self::Ready => 'w',
            Self::Running => 'r',
            Self::Publishing => 'u',
            Self::Completed => 'c',
            Self::Failed => 'f',
            Self::Cancelled => 'x',
            Self::Blocked => 'b',
            Self::InReview => 'v',
        }
    }
}

/// Why a running attempt is told to stop, and so what its end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Halt {
    /// A person cancelled it: the task ends as cancelled.
    Cancel,
    /// Nothing may be done for now (the App is suspended): the task waits for another attempt.
    Hold,
    /// The budget of the run or the task is used up: the task fails.
    Budget,
}

/// A sub-task within a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its number in the plan, from 1.
    pub number: TaskNumber,
    /// The title as written in the master issue.
    pub title: String,
    /// Markdown of its children and prose: foreign text.
    pub details: String,
    /// Its own acceptance criteria, else the issue's.
    pub criteria: Vec<String>,
    /// Files it names.
    pub paths: Vec<String>,
    /// A guess of its size.
    pub size: Size,
    /// Earlier tasks that name the same file: never in flight together with this one.
    #[serde(default)]
    pub waits_for: Vec<TaskNumber>,
    /// Tasks whose pull requests must be merged before this one starts: only in a run that was started `--ordered`.
    #[serde(default)]
    pub after_merge: Vec<TaskNumber>,
    /// The base branch's head after the last of those merges: what it starts from. `None` until that is read.
    #[serde(default)]
    pub base_sha: Option<Sha>,
    /// Where it stands.
    pub state: TaskState,
    /// Number of attempts begun.
    pub attempt: u32,
    /// The fence: grows with every claim; a message with another one is stale.
    pub epoch: u64,
    /// Who holds the lease.
    pub runner: Option<RunnerId>,
    /// Until when.
    pub lease_until: Option<Timestamp>,
    /// The running attempt is told to stop.
    #[serde(default)]
    pub halt: Option<Halt>,
    /// Automatic retries used since the last time a person asked.
    pub retries_used: u32,
    /// Leases lost since the last time a person asked.
    pub losses: u32,
    /// How often the runner process died under an attempt and came back, since the last time a person asked.
    #[serde(default)]
    pub crashes: u32,
    /// The interrupted attempt, while the task is ready.
    #[serde(default)]
    pub resume: Option<Resume>,
    /// Its issue: made by us, or the one that the master names.
    pub sub_issue: Option<IssueRef>,
    /// Whether the sub-issue was there before (named by the master, or from an earlier run).
    pub adopted: bool,
    /// The pull request's number.
    pub pull_request: Option<u64>,
    /// Whether its pull request was merged, and into which branch.
    #[serde(default)]
    pub merged_into: Option<String>,
    /// When we learnt of the merge.
    #[serde(default)]
    pub merged_at: Option<Timestamp>,
    /// Whether its pull request was closed without a merge: nothing is to stand on its work.
    #[serde(default)]
    pub rejected: bool,
    /// The follow-up issue's number.
    pub follow_up: Option<u64>,
    /// The branch that its work goes to.
    pub branch: String,
    /// The head that we last pushed to the branch, kept through retries: what the next push may replace.
    #[serde(default)]
    pub branch_head: Option<Sha>,
    /// The result of the attempt that succeeded.
    pub published: Option<Published>,
    /// Why the last ended attempt failed; kept through a retry (the agent is told), cleared by success.
    pub failure: Option<Failure>,
    /// The agent's name.
    pub agent: String,
    /// When the current or last attempt was claimed.
    pub started_at: Option<Timestamp>,
    /// When the task last became terminal.
    pub ended_at: Option<Timestamp>,
    /// Sum over all attempts.
    pub spent: Spent,
    /// The runner's last word.
    pub progress: Progress,
}

/// A lease may be lost this often before the task fails as `lost_runner`.
pub const MAX_LOSSES: u32 = 3;

/// The runner process may die under a task this often before the task fails as `lost_runner`: whatever it does may be what
/// brings the process down.
pub const MAX_CRASHES: u32 = 10;

/// So long an interrupted attempt waits for the host that has its work; then anybody may start it from scratch.
pub const RESUME_GRACE: SignedDuration = SignedDuration::from_secs(60);

impl Task {
    /// A task as a plan begins it: nothing has happened yet.
    pub fn planned(number: TaskNumber, title: String, branch: String, agent: String) -> Self {
        Self {
            number,
            title,
            details: String::new(),
            criteria: Vec::new(),
            paths: Vec::new(),
            size: Size::M,
            waits_for: Vec::new(),
            after_merge: Vec::new(),
            base_sha: None,
            state: TaskState::Planned,
            attempt: 0,
            epoch: 0,
            runner: None,
            lease_until: None,
            halt: None,
            retries_used: 0,
            losses: 0,
            crashes: 0,
            resume: None,
            sub_issue: None,
            adopted: false,
            pull_request: None,
            merged_into: None,
            merged_at: None,
            rejected: false,
            follow_up: None,
            branch,
            branch_head: None,
            published: None,
            failure: None,
            agent,
            started_at: None,
            ended_at: None,
            spent: Spent::default(),
            progress: Progress::default(),
        }
    }

    /// One letter for the state and the attempt's number, for digests: changes exactly when the task's row
    /// in a report changes.
    pub fn digest(&self) -> String {
        let letter = match self.state {
            TaskState::Running if self.halt.is_some() => 's',
            TaskState::Completed if self.rejected => 'k',
            state => state.letter(),
        };
        format!("{letter}{}", self.attempt)
    }

    /// Whether a cancel changes anything: it has not ended, is not pushed, and is not being stopped already.
    pub fn may_be_cancelled(&self) -> bool {
        match self.state {
            TaskState::Planned | TaskState::Ready => true,
            TaskState::Running => self.halt != Some(Halt::Cancel),
            _ => false,
        }
    }

    /// Applies one event. `max_retries` is the run's policy.
    ///
    /// # Errors
    /// [`Refusal::Stale`] for a message of an earlier lease, [`Refusal::Impossible`] for an event that the
    /// state does not allow. The task is unchanged then.
    pub fn apply(&self, event: &TaskEvent, max_retries: u32, now: Timestamp) -> Result<Self, Refusal> {
        use TaskEvent as E;
        use TaskState as S;
        let mut next = self.clone();
        match (self.state, event) {
            (S::Planned, E::SubIssueKnown(issue)) => {
                next.sub_issue = Some(*issue);
                next.state = S::Ready;
            }
            (S::Planned, E::SubIssueRefused(failure)) => next.fail(failure.clone(), now),
            (S::Ready, E::Claimed { runner, until }) => {
                next.state = S::Running;
                next.attempt += 1;
                next.epoch += 1;
                next.runner = Some(runner.clone());
                next.lease_until = Some(*until);
                next.started_at = Some(now);
                next.ended_at = None;
                next.progress = Progress::default();
                next.forget_interrupted();
            }
            (S::Ready, E::Resumed { runner, host, until })
                if self.resume.as_ref().is_some_and(|r| r.host == *host) =>
            {
                next.state = S::Running;
                next.epoch += 1;
                next.runner = Some(runner.clone());
                next.lease_until = Some(*until);
                // Its runner tells what all its lives have used; until then it is what is known.
                let known = next.resume.take().map_or(0.0, |r| r.spent.cost_usd);
                next.progress = Progress { cost_usd: known, ..Progress::default() };
            }
            (S::Running, E::Renewed { epoch, until, progress }) => {
                self.fence(*epoch)?;
                // Of two messages that overtook each other the later one counts.
                next.lease_until = self.lease_until.max(Some(*until));
                next.progress = progress.clone();
            }
            (S::Running, E::LeaseCut { epoch, until }) => {
                self.fence(*epoch)?;
                next.lease_until = self.lease_until.map(|old| old.min(*until));
            }
            (S::Running, E::Pushed { epoch, published, spent }) => {
                self.fence(*epoch)?;
                next.release(*spent);
                next.branch_head = Some(published.head.clone());
                next.published = Some(published.clone());
                next.state = S::Publishing;
            }
            (S::Running, E::AttemptFailed { epoch, failure, spent, again }) => {
                self.fence(*epoch)?;
                next.release(*spent);
                if next.was_halted(self.halt, now) {
                    // What fails while it is stopped has not failed.
                } else if *again && self.retries_used < max_retries {
                    next.retries_used += 1;
                    next.progress = Progress::default();
                    next.failure = Some(failure.clone());
                    next.state = S::Ready;
                } else {
                    next.fail(failure.clone(), now);
                }
            }
            (S::Running, E::LeaseLost { epoch }) => {
                self.fence(*epoch)?;
                next.release(self.wall_time(now));
                if !next.was_halted(self.halt, now) {
                    next.losses += 1;
                    let failure =
                        Failure::new(FailureKind::LostRunner, "The runner host stopped renewing its lease.");
                    if next.losses >= MAX_LOSSES {
                        next.fail(failure, now);
                    } else {
                        next.failure = Some(failure);
                        next.state = S::Ready;
                    }
                }
            }
            (S::Running, E::Released { epoch, host, spent }) => {
                self.fence(*epoch)?;
                if self.halt.is_some() {
                    next.release(*spent);
                    next.was_halted(self.halt, now);
                } else {
                    next.interrupted(host, *spent, now);
                }
            }
            (S::Running, E::Interrupted { epoch, host }) => {
                self.fence(*epoch)?;
                if self.halt.is_some() {
                    next.release(self.wall_time(now));
                    next.was_halted(self.halt, now);
                    return Ok(next);
                }
                next.crashes += 1;
                if next.crashes >= MAX_CRASHES {
                    next.release(self.wall_time(now));
                    let text =
                        format!("The runner's process ended {MAX_CRASHES} times while it worked on this.");
                    next.fail(Failure::new(FailureKind::LostRunner, text), now);
                } else {
                    next.interrupted(host, self.wall_time(now), now);
                }
            }
            (S::Publishing, E::PullRequestKnown(number)) => {
                next.pull_request = Some(*number);
                next.failure = None;
                next.state = S::Completed;
                next.ended_at = Some(now);
            }
            (S::Publishing, E::PublishRefused(failure)) => next.fail(failure.clone(), now),
            (S::Failed, E::FollowUpKnown(number)) => next.follow_up = Some(*number),
            // The follow-up was asked for while the task had failed; its number stays true after a retry began.
            (_, E::FollowUpKnown(number)) => next.follow_up = Some(*number),
            (S::Completed | S::InReview, E::Merged(branch)) => {
                next.merged_into = Some(branch.clone());
                next.merged_at = Some(now);
                next.rejected = false;
            }
            (S::Ready, E::BaseSeen(head)) => next.base_sha = Some(head.clone()),
            (S::Ready, E::BaseRefused(failure)) => next.fail(failure.clone(), now),
            (S::Completed | S::InReview, E::PullClosed) if self.merged_into.is_none() => next.rejected = true,
            (S::Completed | S::InReview, E::PullReopened) => next.rejected = false,
            // Its request was under way when a person cancelled it or the money was gone; a retry or a new run uses it.
            (S::Cancelled | S::Blocked, E::SubIssueKnown(issue)) if self.sub_issue.is_none() => {
                next.sub_issue = Some(*issue);
            }
            (S::Planned | S::Ready, E::CancelAsked(why) | E::GivenUp(why))
            | (S::Publishing, E::GivenUp(why)) => {
                next.fail(Failure::new(FailureKind::Cancelled, why.clone()), now);
            }
            (S::Running, E::CancelAsked(why) | E::GivenUp(why)) => {
                next.halt = Some(Halt::Cancel);
                // What was told of an earlier failure is told already; this is what the end will say.
                next.failure = Some(Failure::new(FailureKind::Cancelled, why.clone()));
            }
            (S::Running, E::HoldAsked) => next.halt = self.halt.or(Some(Halt::Hold)),
            (S::Failed | S::Cancelled, E::RetryAsked) => {
                next.state = if self.sub_issue.is_some() { S::Ready } else { S::Planned };
                next.progress = Progress::default();
                next.retries_used = 0;
                next.losses = 0;
                next.crashes = 0;
                next.forget_interrupted();
                next.ended_at = None;
                next.started_at = None;
                next.published = None;
                next.base_sha = None;
            }
            // A lease that ended otherwise: the runner is told "lost", whatever it says.
            (
                _,
                E::Renewed { epoch, .. }
                | E::LeaseCut { epoch, .. }
                | E::Pushed { epoch, .. }
                | E::AttemptFailed { epoch, .. }
                | E::LeaseLost { epoch }
                | E::Released { epoch, .. }
                | E::Interrupted { epoch, .. },
            ) => {
                return Err(Refusal::Stale { got: *epoch, current: self.epoch });
            }
            (
                state,
                E::SubIssueKnown(_)
                | E::SubIssueRefused(_)
                | E::Claimed { .. }
                | E::Resumed { .. }
                | E::PullRequestKnown(_)
                | E::PublishRefused(_)
                | E::Merged(_)
                | E::BaseSeen(_)
                | E::BaseRefused(_)
                | E::RetryAsked
                | E::CancelAsked(_)
                | E::GivenUp(_)
                | E::HoldAsked
                | E::PullClosed
                | E::PullReopened,
            ) => return Err(Refusal::Impossible { event: event.name(), state: state.as_str() }),
        }
        Ok(next)
    }

    fn fence(&self, epoch: u64) -> Result<(), Refusal> {
        if epoch == self.epoch { Ok(()) } else { Err(Refusal::Stale { got: epoch, current: self.epoch }) }
    }

    fn release(&mut self, spent: Spent) {
        self.runner = None;
        self.lease_until = None;
        self.halt = None;
        self.progress.cost_usd = 0.0;
        self.spent += spent;
    }

    /// What the end of an attempt without a result means for a task that was told to stop; false when it was not.
    fn was_halted(&mut self, halt: Option<Halt>, now: Timestamp) -> bool {
        match halt {
            None => return false,
            Some(Halt::Cancel) => {
                let why = self.failure.take().filter(|f| f.kind == FailureKind::Cancelled);
                let unsaid = || Failure::new(FailureKind::Cancelled, "A person cancelled it.");
                self.fail(why.unwrap_or_else(unsaid), now);
            }
            Some(Halt::Budget) => {
                let why = self.failure.take().filter(|f| f.kind == FailureKind::BudgetExceeded);
                let unsaid = || Failure::new(FailureKind::BudgetExceeded, "The budget is used up.");
                self.fail(why.unwrap_or_else(unsaid), now);
            }
            Some(Halt::Hold) => {
                self.progress = Progress::default();
                self.state = TaskState::Ready;
            }
        }
        true
    }

    /// What it waits for will not come, as the sentence says: it is not begun.
    pub(super) fn block(&mut self, why: String, now: Timestamp) {
        self.state = TaskState::Blocked;
        self.failure = Some(Failure::new(FailureKind::Blocked, why));
        self.ended_at = Some(now);
    }

    /// There is no money for another attempt. What never began is blocked; what failed before keeps that reason.
    pub(super) fn unaffordable(&mut self, why: Failure, now: Timestamp) {
        match self.failure.take() {
            Some(before) if self.attempt > 0 && self.resume.is_none() => self.fail(before, now),
            _ if self.attempt > 0 => self.fail(why, now),
            _ => {
                self.state = TaskState::Blocked;
                self.failure = Some(why);
                self.ended_at = Some(now);
            }
        }
    }

    /// What it stands on is there again.
    pub(super) fn unblock(&mut self) {
        self.state = if self.sub_issue.is_some() { TaskState::Ready } else { TaskState::Planned };
        self.failure = None;
        self.ended_at = None;
    }

    /// The attempt stops here and may go on at the same host; it counts as the same attempt then.
    fn interrupted(&mut self, host: &str, spent: Spent, now: Timestamp) {
        self.release(Spent::default());
        let until = now.checked_add(RESUME_GRACE).unwrap_or(now);
        self.resume = Some(Resume { host: host.to_owned(), until, spent });
        self.progress = Progress::default();
        self.state = TaskState::Ready;
    }

    /// What an interrupted attempt used is counted when nobody will go on with it.
    fn forget_interrupted(&mut self) {
        if let Some(resume) = self.resume.take() {
            self.spent += resume.spent;
        }
    }

    /// The time since the attempt began and what it was told to cost: all that is known of one whose runner told no end.
    fn wall_time(&self, now: Timestamp) -> Spent {
        let ran = self.started_at.map_or(0, |s| now.as_millisecond() - s.as_millisecond());
        Spent { seconds: ran.max(0) as f64 / 1e3, cost_usd: self.progress.cost_usd, ..Spent::default() }
    }

    fn fail(&mut self, failure: Failure, now: Timestamp) {
        self.forget_interrupted();
        self.state =
            if failure.kind == FailureKind::Cancelled { TaskState::Cancelled } else { TaskState::Failed };
        self.failure = Some(failure);
        self.ended_at = Some(now);
    }
}
