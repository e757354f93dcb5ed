//! `agent-{n}.status.json`.

use super::{optional_time, rounded};
use crate::domain::{Task, TaskState};
use jiff::Timestamp;
use serde::Serialize;

/// The four words of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicStatus {
    /// No agent has started.
    Pending,
    /// An agent works, or its work is being published.
    InProgress,
    /// The pull request exists.
    Completed,
    /// Failed, cancelled or blocked; `error` tells which.
    Failed,
}

impl From<TaskState> for PublicStatus {
    fn from(state: TaskState) -> Self {
        match state {
            TaskState::Planned | TaskState::Ready => Self::Pending,
            TaskState::Running | TaskState::Publishing => Self::InProgress,
            TaskState::Completed | TaskState::InReview => Self::Completed,
            TaskState::Failed | TaskState::Cancelled | TaskState::Blocked => Self::Failed,
        }
    }
}

/// The file's content. The order of the fields is the order of the keys, which is part of the contract: the
/// first seven are those of the original format, the rest are ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentStatus {
    /// `agent-{n}`.
    pub agent_id: String,
    /// The sub-issue's number; `null` until it exists.
    pub sub_issue: Option<u64>,
    /// One of the four words.
    pub status: PublicStatus,
    /// When the current or last attempt was claimed.
    #[serde(serialize_with = "optional_time")]
    pub start_time: Option<Timestamp>,
    /// The pull request's number.
    pub pr_number: Option<u64>,
    /// When the task ended.
    #[serde(serialize_with = "optional_time")]
    pub completion_time: Option<Timestamp>,
    /// `TYPE: message`, one line.
    pub error: Option<String>,
    /// When this file was written.
    #[serde(serialize_with = "optional_time")]
    pub last_update: Option<Timestamp>,
    /// What the attempt is doing; empty when nothing is.
    pub stage: String,
    /// Percent, if the agent told one.
    pub progress: Option<u8>,
    /// The branch; empty until it is known.
    pub branch: String,
    /// Number of attempts begun.
    pub attempt: u32,
    /// US dollars over all attempts, to four decimals.
    pub cost_usd: f64,
    /// One line from the agent: foreign text.
    pub note: String,
}

/// The longest `error` and `note`, in characters.
const LONGEST: usize = 2_000;

impl AgentStatus {
    /// What the file says about `task` at `now`.
    pub fn of(task: &Task, now: Timestamp) -> Self {
        let status = PublicStatus::from(task.state);
        let ended = matches!(status, PublicStatus::Completed | PublicStatus::Failed);
        let error = match (task.state, &task.failure) {
            (TaskState::Failed | TaskState::Cancelled | TaskState::Blocked, Some(failure)) => {
                Some(one_line(&failure.to_string()))
            }
            (TaskState::Cancelled, None) => Some("cancelled: stopped by a person".to_owned()),
            (TaskState::Blocked, None) => Some("blocked: what it waits for failed".to_owned()),
            (TaskState::Failed, None) => Some("unknown: no reason was recorded".to_owned()),
            _ => None,
        };
        Self {
            agent_id: format!("agent-{}", task.number),
            sub_issue: task.sub_issue.map(|issue| issue.number),
            status,
            start_time: task.started_at,
            pr_number: task.pull_request,
            completion_time: task.ended_at.filter(|_| ended),
            error,
            last_update: Some(now),
            stage: if ended { String::new() } else { one_line(&task.progress.stage) },
            progress: if status == PublicStatus::Completed { Some(100) } else { task.progress.percent },
            branch: task.branch.clone(),
            attempt: task.attempt,
            cost_usd: rounded(task.spent.cost_usd, 4),
            note: one_line(&task.progress.note),
        }
    }
}

fn one_line(text: &str) -> String {
    text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
