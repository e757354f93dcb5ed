//! What can go wrong at GitHub, sorted by what the caller must do about it.

use jiff::Timestamp;

/// A result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. `op` names the operation as a verb phrase, such as `create an issue`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request may have been carried out: time-out, broken connection, 5xx or an unreadable answer.
    /// After a write: look for its marker before it is sent again.
    #[error("could not {op}: no clear answer from GitHub ({why})")]
    Unknown {
        /// The operation.
        op: &'static str,
        /// What happened instead of an answer.
        why: String,
    },
    /// The request never reached GitHub; it may be sent again at once.
    #[error("could not {op}: GitHub cannot be reached ({why})")]
    NotSent {
        /// The operation.
        op: &'static str,
        /// What happened.
        why: String,
    },
    /// GitHub's limit or our own below it. Nothing was done; send it again at `retry_at`.
    #[error("could not {op}: rate limited until {retry_at}")]
    RateLimited {
        /// The operation.
        op: &'static str,
        /// Not before this time.
        retry_at: Timestamp,
    },
    /// GitHub gave no clear answers for a while and is left alone. Nothing was sent; come back at `retry_at`.
    #[error("could not {op}: GitHub gives no clear answers; it is asked again at {retry_at}")]
    Unavailable {
        /// The operation.
        op: &'static str,
        /// Not before this time.
        retry_at: Timestamp,
    },
    /// The App lacks the permission (or is suspended). Final until a person changes it.
    #[error("could not {op}: GitHub refuses it ({message})")]
    Forbidden {
        /// The operation.
        op: &'static str,
        /// GitHub's words.
        message: String,
    },
    /// There is no such thing, or the App may not see it.
    #[error("could not {op}: not found")]
    NotFound {
        /// The operation.
        op: &'static str,
    },
    /// It was deleted, or issues are switched off.
    #[error("could not {op}: it was deleted, or issues are switched off")]
    Gone {
        /// The operation.
        op: &'static str,
    },
    /// The repository was renamed or the issue transferred; nothing was done. Read the repository by its id
    /// ([`crate::github::Client::repository`]) and try again there.
    #[error("could not {op}: it has moved")]
    Moved {
        /// The operation.
        op: &'static str,
    },
    /// It is in the wrong state for this (an empty repository, a head that moved).
    #[error("could not {op}: {message}")]
    Conflict {
        /// The operation.
        op: &'static str,
        /// GitHub's words.
        message: String,
    },
    /// GitHub does not accept what was asked; asking again in the same words is useless.
    #[error("could not {op}: {}", messages.join("; "))]
    Invalid {
        /// The operation.
        op: &'static str,
        /// GitHub's words, one an error.
        messages: Vec<String>,
    },
    /// GitHub does not accept the App's key or token, even a fresh one.
    #[error("could not {op}: GitHub does not accept the App's credentials ({message})")]
    Unauthorized {
        /// The operation.
        op: &'static str,
        /// GitHub's words.
        message: String,
    },
    /// An answer that we do not understand, or settings that cannot work.
    #[error("could not {op}: {message}")]
    Protocol {
        /// The operation.
        op: &'static str,
        /// What is wrong.
        message: String,
    },
}

impl Error {
    /// The operation that failed, such as `create an issue`.
    pub fn op(&self) -> &'static str {
        match self {
            Self::Unknown { op, .. }
            | Self::NotSent { op, .. }
            | Self::RateLimited { op, .. }
            | Self::Unavailable { op, .. }
            | Self::Forbidden { op, .. }
            | Self::NotFound { op }
            | Self::Gone { op }
            | Self::Moved { op }
            | Self::Conflict { op, .. }
            | Self::Invalid { op, .. }
            | Self::Unauthorized { op, .. }
            | Self::Protocol { op, .. } => op,
        }
    }

    /// Whether the same call may succeed later without anyone changing anything. After an unknown outcome of
    /// a write this means: look first.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::NotSent { .. }) || self.retry_at().is_some()
    }

    /// Before which time the call would not even be sent, if that is why it failed.
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self {
            Self::RateLimited { retry_at, .. } | Self::Unavailable { retry_at, .. } => Some(*retry_at),
            _ => None,
        }
    }

    /// The same failure, seen from a call that needed it as a preparation and was itself not sent: an unknown
    /// outcome of the preparation is none of the call's.
    pub(super) fn before_sending(self) -> Self {
        match self {
            Self::Unknown { op, why } => Self::NotSent { op, why },
            other => other,
        }
    }
}
