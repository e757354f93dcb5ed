//! What Divisi knows and decides: ids, the command grammar, tasks, runs, `apply` and `decide`.
//!
//! Everything here is pure: no I/O, clock, randomness or environment.

mod branch;
mod budget;
pub mod command;
mod decide;
pub mod duration;
mod effect;
pub mod estimate;
pub mod explain;
mod facts;
mod failure;
mod ids;
mod money;
mod note;
mod options;
mod policy;
pub mod protect;
mod run;
pub mod schedule;
pub mod survey;
mod task;
mod task_event;
mod template;
mod waiting;

pub use branch::branch_name;
pub use budget::UsedUp;
pub use decide::{Action, EDIT_GAP, Snapshot, decide};
pub use effect::{Effect, EffectKey, EffectState, Emoji, Folded, Remote, Scope};
pub use facts::{CommandRun, IssueRef, Progress, Published, Resume, Size, Spent};
pub use failure::{Failure, FailureKind};
pub use ids::{AttemptId, DeliveryId, Repo, RunId, RunnerId, Sha, TaskNumber};
pub use money::Usd;
pub use note::Note;
pub use options::{Exceeds, LimitOf, StartOptions};
pub use policy::{OnOverlap, RunPolicy};
pub use run::{
    Gone, IssueTitle, Orchestration, Outcome, Run, RunEvent, RunLabels, RunState, Stops, Suspension, Target,
    Usage,
};
pub use task::{Halt, MAX_CRASHES, MAX_LOSSES, RESUME_GRACE, Task, TaskState};
pub use task_event::{Refusal, TaskEvent};
pub use template::{Flaw, IssueTemplate, Part, Placeholder, parts};

#[cfg(test)]
mod decide_tests;
#[cfg(test)]
mod executor_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod task_tests;
#[cfg(test)]
mod waiting_tests;
