//! What is known of a task and its attempts: issues, sizes, results, spending, where it was interrupted.

use super::Sha;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How big a task looks; longer ones start first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Size {
    /// Small.
    S,
    /// Medium.
    #[default]
    M,
    /// Large.
    L,
}

/// An issue on GitHub by both of its names: the number people see and the database id that links need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueRef {
    /// The number in the repository.
    pub number: u64,
    /// The database id.
    pub id: u64,
}

/// One command that was run to set up or verify, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRun {
    /// The command as the repository wrote it.
    pub command: String,
    /// Whether it ended with status 0 in time.
    pub ok: bool,
    /// Seconds it took.
    pub seconds: u64,
    /// Its last lines, redacted.
    pub tail: Vec<String>,
}

/// A finished, verified and pushed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The commit at the head of the pushed branch.
    pub head: Sha,
    /// The commit that the work started from.
    pub base: Sha,
    /// Number of commits from base to head.
    pub commits: u32,
    /// Paths that the change touches.
    pub paths: Vec<String>,
    /// The verify commands that passed.
    pub verify: Vec<CommandRun>,
    /// What the agent says it did: foreign text, shown fenced, decides nothing.
    pub said: String,
}

/// What attempts of a task have cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spent {
    /// Tokens in and out.
    pub tokens: u64,
    /// US dollars, as far as agents tell prices.
    pub cost_usd: f64,
    /// Wall seconds from claim to end.
    pub seconds: f64,
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.tokens += more.tokens;
        self.cost_usd += more.cost_usd;
        self.seconds += more.seconds;
    }
}

/// An attempt that was cut off by its runner's end and may go on where it was: same number, new epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// The host that has its work on disk.
    pub host: String,
    /// Before this moment nobody but that host gets the task.
    pub until: Timestamp,
    /// What the attempt has used so far. The host that resumes it tells the sum at its end; when another one starts from
    /// scratch, this is added.
    #[serde(default)]
    pub spent: Spent,
}

/// What the runner last told about a running attempt. Hints for people; only what it cost counts, against the budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Such as `setup`, `agent`, `verify`, `push`.
    pub stage: String,
    /// Percent, if the agent told one.
    pub percent: Option<u8>,
    /// One line from the agent.
    pub note: String,
    /// US dollars that the attempt has cost so far, over all its lives, as far as its agent has told.
    pub cost_usd: f64,
}
