//! What Divisi knows and decides: ids, the command grammar, tasks, runs, `apply` and `decide`.
//!
//! Everything here is pure: no I/O, clock, randomness or environment.

mod branch;
mod failure;
mod ids;

pub use branch::branch_name;
pub use failure::{Failure, FailureKind};
pub use ids::{AttemptId, DeliveryId, Repo, RunId, RunnerId, Sha, TaskNumber};
