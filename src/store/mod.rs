//! What must outlive the process: the inbox, runs with their tasks and effects, runners and leases.
//!
//! [`Store`] is the contract; each method is one transaction named after what happened. States change only
//! through `domain`'s `apply`, and rows are replaced by compare-and-set. [`Sqlite`] is the engine.

mod contract;
mod rows;
mod sqlite;

pub use contract::{
    Beat, Claimed, HISTORY, InboxDelivery, Intent, LinkedIssue, Mark, NewDelivery, NewEffect, PostedPlan,
    Received, Recorded, RunnerSeen, Settled, Settlement, Store, StoreError, TaskRole, Tick, Ticked, Told,
};
pub use sqlite::Sqlite;
