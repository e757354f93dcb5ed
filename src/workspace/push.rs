//! An imported head goes out, from the mirror, to exactly one branch.

use super::git::GitError;
use super::import::Imported;
use super::mirror::Mirror;
use super::remote::Remote;
use crate::domain::{FailureKind, Sha};

/// A push that the server accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The branch was at this head already.
    pub up_to_date: bool,
}

/// Why a push was refused.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The branch is not where we left it: someone else moved or made it.
    #[error("the branch `{0}` was changed by someone else")]
    Moved(String),
    /// The token may not write here.
    #[error("pushing was denied: {0}")]
    Denied(String),
    /// GitHub refuses changes to workflow files without the `workflows` permission, which Divisi never has.
    #[error("GitHub refused a change to workflow files: {0}")]
    Workflow(String),
    /// The server's own rules refuse (protected branch pattern, secret found, file too large).
    #[error("the server refused the push: {0}")]
    Refused(String),
    /// The server did not answer, or not in time. The push may have been applied: pushing again is safe.
    #[error("the repository's server could not be reached: {0}")]
    Network(String),
    /// Anything else.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl PushError {
    /// The kind of failure that it is for a task.
    pub fn kind(&self) -> FailureKind {
        todo!()
    }

    /// Whether the same may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Network(_))
    }
}

/// Pushes an imported head to `refs/heads/{branch}` if that is at `expected` (`None`: does not exist) or at the head already.
///
/// # Errors
/// See [`PushError`].
pub async fn push(
    mirror: &Mirror,
    remote: &Remote,
    imported: &Imported,
    branch: &str,
    expected: Option<&Sha>,
) -> Result<Pushed, PushError> {
    let _ = (mirror, remote, imported, branch, expected);
    todo!()
}
