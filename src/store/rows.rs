//! Rows as the database keeps them, and their one conversion to and from the domain.
//!
//! Both engines use these structs. A value that does not convert back is [`StoreError::Corrupt`]: someone
//! else wrote it, or a newer version did.

use super::StoreError;
use crate::domain::{
    AttemptId, Effect, EffectKey, EffectState, Orchestration, Remote, Run, RunId, Scope, Size, Task,
    TaskNumber, schedule::Candidate,
};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::FromRow;

/// A run without its tasks.
#[derive(Debug, FromRow)]
pub(super) struct RunRow {
    pub version: i64,
    pub recheck: bool,
    pub data: String,
}

/// A run with its tasks, and what a compare-and-set of it needs.
#[derive(Debug)]
pub(super) struct Loaded {
    pub version: i64,
    pub recheck: bool,
    pub orchestration: Orchestration,
}

impl RunRow {
    /// Joins the row with the `data` of its tasks.
    pub fn with_tasks(self, tasks: Vec<String>) -> Result<Loaded, StoreError> {
        let run: Run = from_json(&self.data)?;
        let tasks = tasks.iter().map(|t| from_json::<Task>(t)).collect::<Result<_, _>>()?;
        Ok(Loaded {
            version: self.version,
            recheck: self.recheck,
            orchestration: Orchestration { run, tasks },
        })
    }
}

/// What of a task stands in columns of its own. Everything else is in `data`.
pub(super) struct TaskColumns {
    pub number: i64,
    pub state: &'static str,
    pub epoch: i64,
    pub attempt: i64,
    pub runner: Option<String>,
    pub lease_until: Option<i64>,
    pub sub_issue: Option<i64>,
    pub pull_request: Option<i64>,
    pub follow_up: Option<i64>,
    pub size: &'static str,
    pub data: String,
}

impl TaskColumns {
    pub fn of(task: &Task) -> Result<Self, StoreError> {
        Ok(Self {
            number: task.number.into(),
            state: task.state.as_str(),
            epoch: int(task.epoch)?,
            attempt: task.attempt.into(),
            runner: task.runner.as_ref().map(|r| r.as_str().to_owned()),
            lease_until: task.lease_until.map(ms),
            sub_issue: task.sub_issue.map(|i| int(i.number)).transpose()?,
            pull_request: task.pull_request.map(int).transpose()?,
            follow_up: task.follow_up.map(int).transpose()?,
            size: size_name(task.size),
            data: to_json(task)?,
        })
    }
}

/// An effect.
#[derive(Debug, FromRow)]
pub(super) struct EffectRow {
    scope: String,
    key: String,
    state: String,
    wanted: String,
    applied: Option<String>,
    remote_id: Option<i64>,
    remote_number: Option<i64>,
    not_before: Option<i64>,
    tries: i64,
    applied_at: Option<i64>,
    error: Option<String>,
    payload: String,
}

impl TryFrom<EffectRow> for Effect {
    type Error = StoreError;

    fn try_from(row: EffectRow) -> Result<Self, StoreError> {
        let unknown = |what: &str, text: &str| StoreError::Corrupt(format!("an effect's {what} is `{text}`"));
        let remote = match row.remote_id {
            None => None,
            Some(id) => Some(Remote { id: uint(id)?, number: row.remote_number.map(uint).transpose()? }),
        };
        Ok(Self {
            scope: Scope::parse(&row.scope).ok_or_else(|| unknown("scope", &row.scope))?,
            key: EffectKey::parse(&row.key).ok_or_else(|| unknown("key", &row.key))?,
            state: EffectState::parse(&row.state).ok_or_else(|| unknown("state", &row.state))?,
            wanted: row.wanted,
            applied: row.applied,
            remote,
            not_before: row.not_before.map(time).transpose()?,
            tries: small(row.tries)?,
            applied_at: row.applied_at.map(time).transpose()?,
            error: row.error,
            payload: from_json(&row.payload)?,
        })
    }
}

/// A ready task as the scheduler looks at it.
#[derive(Debug, FromRow)]
pub(super) struct CandidateRow {
    pub run_id: String,
    pub number: i64,
    pub waits: bool,
    /// JSON of its interrupted attempt.
    pub resume: Option<String>,
    agent: String,
    size: String,
    max_workers: Option<i64>,
    run_alive: i64,
    installation_alive: i64,
    created_at: i64,
}

impl TryFrom<CandidateRow> for Candidate {
    type Error = StoreError;

    fn try_from(row: CandidateRow) -> Result<Self, StoreError> {
        Ok(Self {
            run: RunId::new(row.run_id),
            task: small(row.number)?,
            agent: row.agent,
            size: read_size(&row.size)?,
            run_alive: small(row.run_alive)?,
            run_limit: row.max_workers.map(small).transpose()?,
            installation_alive: small(row.installation_alive)?,
            run_created: row.created_at,
        })
    }
}

/// An attempt that is alive.
#[derive(Debug, FromRow)]
pub(super) struct LiveRow {
    run_id: String,
    task: i64,
    attempt: i64,
    epoch: i64,
}

impl LiveRow {
    /// Which attempt, and its fence.
    pub fn named(self) -> Result<(AttemptId, u64), StoreError> {
        let (task, attempt): (TaskNumber, u32) = (small(self.task)?, small(self.attempt)?);
        Ok((AttemptId { run: RunId::new(self.run_id), task, attempt }, uint(self.epoch)?))
    }
}

/// A stored size.
pub(super) fn read_size(text: &str) -> Result<Size, StoreError> {
    match text {
        "S" => Ok(Size::S),
        "M" => Ok(Size::M),
        "L" => Ok(Size::L),
        other => Err(StoreError::Corrupt(format!("a task's size is `{other}`"))),
    }
}

/// A size as it is stored.
pub(super) fn size_name(size: Size) -> &'static str {
    match size {
        Size::S => "S",
        Size::M => "M",
        Size::L => "L",
    }
}

/// A time as it is stored.
pub(super) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A stored time.
pub(super) fn time(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| StoreError::Corrupt(format!("{ms} is not a time")))
}

/// An unsigned number as the databases, which know only signed ones, store it.
pub(super) fn int(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} is too big to be stored")))
}

/// A stored unsigned number.
pub(super) fn uint(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} is below zero")))
}

/// A stored small unsigned number.
pub(super) fn small(number: i64) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|_| StoreError::Corrupt(format!("{number} is out of range")))
}

/// A value as it stands in a JSON column.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Corrupt(format!("a value does not serialize: {e}")))
}

/// Reads a JSON column.
pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|e| StoreError::Corrupt(format!("a {} does not read: {e}", std::any::type_name::<T>())))
}
