//! Why an attempt does not go on.

use crate::agents::{Outcome, Stop};
use crate::dispatch::CallError;
use crate::domain::{Failure, FailureKind};

/// The end of an attempt before its result is pushed.
#[derive(Debug)]
pub(super) enum Halt {
    /// Somebody stopped it.
    Stopped(Stop),
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
        /// Whether another attempt makes sense by itself.
        again: bool,
    },
}

/// What a stage of an attempt gives.
pub(super) type Staged<T> = Result<T, Halt>;

impl Halt {
    /// A failure after which another attempt may do better.
    pub(super) fn retry(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Failed { failure: Failure::new(kind, message), again: true }
    }

    /// A failure that another attempt would repeat.
    pub(super) fn give_up(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Failed { failure: Failure::new(kind, message), again: false }
    }

    /// The same with the last lines of output.
    pub(super) fn with_tail(self, tail: Vec<String>) -> Self {
        match self {
            Self::Failed { failure, again } => Self::Failed { failure: failure.with_tail(tail), again },
            stopped @ Self::Stopped(_) => stopped,
        }
    }
}

impl From<CallError> for Halt {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Lost => Self::Stopped(Stop::LostLease),
            CallError::NoAnswer(_) | CallError::Refused(_) => {
                Self::retry(FailureKind::Unknown, sentence(&error))
            }
        }
    }
}

/// What an agent's judgement means for the attempt.
pub(super) fn outcome(outcome: Outcome) -> Staged<()> {
    match outcome {
        Outcome::Ok => Ok(()),
        Outcome::Failed { kind, message, again } => {
            Err(Halt::Failed { failure: Failure::new(kind, message), again })
        }
    }
}

/// An error with its causes as one sentence for people.
pub(super) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Some errors tell their cause themselves.
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_sentences_with_their_causes() {
        let cause = std::io::Error::other("disk full");
        let error = crate::workspace::GitError::Io { what: "make the mirror", source: cause };
        assert_eq!(sentence(&error), "Cannot make the mirror: disk full.");
    }

    #[test]
    fn a_lost_lease_is_no_failure() {
        assert!(matches!(Halt::from(CallError::Lost), Halt::Stopped(Stop::LostLease)));
        let refused = Halt::from(CallError::Refused("no".to_owned()));
        assert!(matches!(refused, Halt::Failed { again: true, .. }));
    }
}
