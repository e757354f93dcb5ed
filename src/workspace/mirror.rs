//! The mirror: a bare repository of the host's own for each repository, from which attempts borrow objects and into which their commits come.

use super::git::{GitError, HostGit};
use super::remote::Remote;
use crate::domain::{FailureKind, Sha};
use std::path::{Path, PathBuf};

/// Why the mirror could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The repository has no commit at all.
    #[error("the repository is empty")]
    Empty,
    /// It has commits, but not this branch.
    #[error("the repository has no branch `{0}`")]
    MissingBranch(String),
    /// It does not have this commit (any more).
    #[error("the repository has no commit {0}")]
    MissingCommit(Sha),
    /// The token is refused, or the repository is not there for it.
    #[error("access to the repository was denied: {0}")]
    Denied(String),
    /// The server did not answer, or not in time.
    #[error("the repository's server could not be reached: {0}")]
    Network(String),
    /// The mirror itself is damaged.
    #[error("the mirror is damaged: {0}")]
    Corrupt(String),
    /// Anything else.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl UpdateError {
    /// The kind of failure that it is for a task.
    pub fn kind(&self) -> FailureKind {
        todo!()
    }

    /// Whether the same may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Network(_))
    }
}

/// A host-owned bare repository `{data_dir}/mirrors/{repo_id}.git`. Never garbage-collected: attempts borrow its objects.
#[derive(Clone, Debug)]
pub struct Mirror {
    path: PathBuf,
}

impl Mirror {
    /// Opens the mirror of a repository, making it when it is not there.
    ///
    /// # Errors
    /// When git or the file system refuses.
    pub async fn open_or_create(git: HostGit, data_dir: &Path, repo_id: u64) -> Result<Self, GitError> {
        let _ = (git, data_dir, repo_id);
        todo!()
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fetches one branch and returns its head. One update at a time per mirror, across processes too.
    ///
    /// # Errors
    /// See [`UpdateError`].
    pub async fn update(&self, remote: &Remote, branch: &str) -> Result<Sha, UpdateError> {
        let _ = (remote, branch);
        todo!()
    }

    /// Makes sure that a commit is in the mirror, fetching it by its id when it is not.
    ///
    /// # Errors
    /// See [`UpdateError`].
    pub async fn ensure_commit(&self, remote: &Remote, commit: &Sha) -> Result<(), UpdateError> {
        let _ = (remote, commit);
        todo!()
    }

    /// Whether a commit is in the mirror.
    ///
    /// # Errors
    /// When git itself fails.
    pub async fn has_commit(&self, commit: &Sha) -> Result<bool, GitError> {
        let _ = commit;
        todo!()
    }
}
