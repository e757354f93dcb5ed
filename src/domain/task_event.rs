//! What may happen to a task, and why it did not.

use super::{Failure, IssueRef, Progress, Published, RunnerId, Sha, Spent, TaskNumber};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What may happen to a task. Events of a runner carry the epoch of their lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TaskEvent {
    /// Its sub-issue exists on GitHub.
    SubIssueKnown(IssueRef),
    /// GitHub refused to make its sub-issue for good.
    SubIssueRefused(Failure),
    /// A runner took it: a new attempt and a new epoch.
    Claimed { runner: RunnerId, until: Timestamp },
    /// A new process of the host that had the interrupted attempt took it again: the same attempt, a new epoch.
    Resumed { runner: RunnerId, host: String, until: Timestamp },
    /// The runner still works.
    Renewed { epoch: u64, until: Timestamp, progress: Progress },
    /// The wall clock was set back: by the clock of now no lease can end later than this.
    LeaseCut { epoch: u64, until: Timestamp },
    /// The runner pushed a verified branch.
    Pushed { epoch: u64, published: Published, spent: Spent },
    /// The attempt ended without a result. `again` says whether an automatic retry makes sense.
    AttemptFailed { epoch: u64, failure: Failure, spent: Spent, again: bool },
    /// The lease ran out.
    LeaseLost { epoch: u64 },
    /// The runner ends in order and hands the attempt back, with what it has used so far; its host keeps the work.
    Released { epoch: u64, host: String, spent: Spent },
    /// The process that held it died and its host is back: nothing of that process is alive any more.
    Interrupted { epoch: u64, host: String },
    /// The pull request exists.
    PullRequestKnown(u64),
    /// What was pushed did not pass the control plane's check, or GitHub refused the pull request.
    PublishRefused(Failure),
    /// The follow-up issue exists.
    FollowUpKnown(u64),
    /// Its pull request was merged into this branch.
    Merged(String),
    /// All that it waited for is merged, and this is the base branch's head since.
    BaseSeen(Sha),
    /// All that it waited for is merged, and there is no base branch to start from any more.
    BaseRefused(Failure),
    /// A person asked for another attempt.
    RetryAsked,
    /// A person wants it stopped; the text says in one sentence who or what did. Work that is pushed is kept.
    CancelAsked(String),
    /// Nothing can be done for it any more, for this reason: also what is pushed stays a branch.
    GivenUp(String),
    /// Its attempt is to stop and to be made again later.
    HoldAsked,
    /// Its pull request was closed without a merge.
    PullClosed,
    /// Its closed pull request was opened again.
    PullReopened,
}

/// Why an event was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The message belongs to an earlier lease.
    #[error("stale epoch {got}: the task is at epoch {current}")]
    Stale { got: u64, current: u64 },
    /// The event cannot happen in this state.
    #[error("`{event}` cannot happen to a task that is {state}")]
    Impossible { event: &'static str, state: &'static str },
    /// There is no such task in the run.
    #[error("the run has no task {0}")]
    NoSuchTask(TaskNumber),
    /// The run has ended (or is live) where the event needs the opposite.
    #[error("the run is {0}")]
    Run(&'static str),
}

impl TaskEvent {
    /// The event's name for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SubIssueKnown(_) => "sub-issue known",
            Self::SubIssueRefused(_) => "sub-issue refused",
            Self::Claimed { .. } => "claimed",
            Self::Renewed { .. } => "renewed",
            Self::LeaseCut { .. } => "lease cut",
            Self::Pushed { .. } => "pushed",
            Self::AttemptFailed { .. } => "attempt failed",
            Self::LeaseLost { .. } => "lease lost",
            Self::Resumed { .. } => "resumed",
            Self::Released { .. } => "released",
            Self::Interrupted { .. } => "interrupted",
            Self::PullRequestKnown(_) => "pull request known",
            Self::PublishRefused(_) => "publish refused",
            Self::FollowUpKnown(_) => "follow-up known",
            Self::Merged(_) => "merged",
            Self::BaseSeen(_) => "base seen",
            Self::BaseRefused(_) => "base refused",
            Self::RetryAsked => "retry asked",
            Self::CancelAsked(_) => "cancel asked",
            Self::GivenUp(_) => "given up",
            Self::HoldAsked => "hold asked",
            Self::PullClosed => "pull request closed",
            Self::PullReopened => "pull request reopened",
        }
    }
}
