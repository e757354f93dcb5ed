//! Left-over changes become a commit, inside the launcher.

use super::attempt::{Identity, Workspace};
use super::git::GitSettings;
use crate::domain::{FailureKind, Sha};
use crate::sandbox::{LaunchError, Launcher};

/// How left-overs are committed.
#[derive(Clone, Debug)]
pub struct CommitText {
    /// Author and committer: the App.
    pub author: Identity,
    /// Who asked for the work, named in a `Co-authored-by` trailer.
    pub co_author: Option<Identity>,
    /// The message without trailers.
    pub message: String,
}

/// What stands on the attempt's branch afterwards. A claim of a place that an agent could write: the import checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// The branch's head.
    pub head: Sha,
    /// Whether left-overs were committed.
    pub committed_leftovers: bool,
}

/// Why nothing could be gathered.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The work tree or its `.git` is not what we made.
    #[error("the agent damaged its repository: {0}")]
    Broken(String),
    /// Unfinished merge: these paths (at most ten) have conflicts.
    #[error("the agent left merge conflicts in {}", .0.join(", "))]
    Conflicts(Vec<String>),
    /// HEAD does not descend from the base.
    #[error("the agent's commits do not descend from the base commit")]
    NotDescended,
    /// A git command in the launcher failed or ran out of time.
    #[error("git could not {what} in the agent's repository: {message}")]
    Git {
        /// What it was to do.
        what: &'static str,
        /// Its last lines, or why it was stopped.
        message: String,
    },
    /// The launcher failed.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

impl GatherError {
    /// The kind of failure that it is for a task.
    pub fn kind(&self) -> FailureKind {
        todo!()
    }
}

/// Commits what the agent left uncommitted and puts its commits on the attempt's branch. Every git here runs inside the launcher.
///
/// # Errors
/// See [`GatherError`].
pub async fn gather(
    launcher: &Launcher,
    settings: &GitSettings,
    workspace: &Workspace,
    text: &CommitText,
) -> Result<Gathered, GatherError> {
    let _ = (launcher, settings, workspace, text);
    todo!()
}
