//! An attempt's commits come into the mirror and are looked at there.

use super::attempt::Workspace;
use super::git::GitError;
use super::mirror::Mirror;
use crate::domain::{FailureKind, RunId, Sha, TaskNumber};

/// One path that differs between base and head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedPath {
    /// The path as git stores it: any bytes but NUL.
    pub path: Vec<u8>,
    /// `A` added, `M` modified, `D` deleted, `T` type changed.
    pub status: char,
    /// The mode before, such as `0o100644`; 0 when it did not exist.
    pub old_mode: u32,
    /// The mode after (`0o120000` symbolic link, `0o160000` submodule); 0 when it is gone.
    pub new_mode: u32,
    /// The object after; `None` when it is gone.
    pub blob: Option<Sha>,
    /// Its size in bytes; 0 when it is gone or a submodule.
    pub size: u64,
}

/// Commits of an attempt, in the mirror and checked: they descend from the base, every object passed git's fsck, and they change something.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The head.
    pub head: Sha,
    /// The commit that it was checked against.
    pub base: Sha,
    /// Its ref in the mirror.
    pub reference: String,
    /// How many commits lie between.
    pub commits: u32,
    /// What differs between base and head.
    pub paths: Vec<ChangedPath>,
    /// What commits in between touched and the head no longer shows (a file added and removed again). It is published with the history.
    pub passing: Vec<ChangedPath>,
    /// The sum of the sizes of all blobs in `paths` and `passing`, in bytes.
    pub bytes: u64,
}

/// Why an attempt's commits were not taken over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The private repository was tampered with.
    #[error("the agent's repository was tampered with: {0}")]
    Tampered(String),
    /// It cannot be read, or an object fails git's check.
    #[error("the agent's commits could not be taken over: {0}")]
    Unreadable(String),
    /// The head does not descend from the base.
    #[error("the agent's commits do not descend from the base commit")]
    NotDescended,
    /// No commit, or commits that change nothing.
    #[error("the agent made no changes")]
    NoChanges,
    /// More than can be looked at.
    #[error("the change is too large: {0}")]
    TooLarge(String),
    /// Anything else.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl ImportError {
    /// The kind of failure that it is for a task.
    pub fn kind(&self) -> FailureKind {
        todo!()
    }
}

/// Fetches the attempt's branch into `refs/divisi/<run>/<task>/head` of the mirror, its far end confined by the launcher, and checks it there.
///
/// # Errors
/// See [`ImportError`].
pub async fn import(
    mirror: &Mirror,
    workspace: &Workspace,
    run: &RunId,
    task: TaskNumber,
) -> Result<Imported, ImportError> {
    let _ = (mirror, workspace, run, task);
    todo!()
}
