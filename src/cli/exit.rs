//! Exit codes, the public table of `docs/exit-codes.md`.

use crate::domain::Outcome;
use std::process::ExitCode;

/// How the program ends. The numbers are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Everything succeeded.
    Done = 0,
    /// The run is partial: the threshold is met.
    Partial = 1,
    /// The run failed: below the threshold.
    Failed = 2,
    /// The issue has no sub-tasks that can be read.
    CannotParse = 3,
    /// The sub-tasks depend on each other.
    Dependencies = 4,
    /// GitHub, real or simulated, did not answer as needed.
    GitHub = 5,
    /// The agent cannot be started.
    Agent = 8,
    /// Wrong usage, and anything else.
    Other = 9,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Done,
            Outcome::Partial => Self::Partial,
            Outcome::Failed => Self::Failed,
            Outcome::Cancelled => Self::Interrupted,
        }
    }
}
