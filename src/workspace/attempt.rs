//! An attempt's private repository and worktree.

use super::git::GitError;
use super::mirror::Mirror;
use crate::domain::{FailureKind, Sha};
use crate::sandbox::Mount;
use std::path::{Path, PathBuf};

/// Where an attempt lives. The caller records these before [`prepare`] makes them, so that a crash leaks nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptPaths {
    /// The directory that holds all others; nothing else is in it.
    pub root: PathBuf,
    /// The git worktree: the agent's working directory.
    pub worktree: PathBuf,
    /// The private bare repository, of which it is a worktree.
    pub private_repo: PathBuf,
    /// The agent's `HOME`.
    pub home: PathBuf,
    /// The agent's `TMPDIR`.
    pub tmp: PathBuf,
    /// The directory of the attempt's private `STATUS_FILE`.
    pub status_dir: PathBuf,
}

impl AttemptPaths {
    /// The usual places under a directory of the attempt's own (absolute).
    pub fn under(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self {
            worktree: root.join("work"),
            private_repo: root.join("repo.git"),
            home: root.join("home"),
            tmp: root.join("tmp"),
            status_dir: root.join("status"),
            root,
        }
    }
}

/// A name and an address for commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name.
    pub name: String,
    /// Address.
    pub email: String,
}

/// A prepared attempt.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Its directories.
    pub paths: AttemptPaths,
    /// Its branch.
    pub branch: String,
    /// The commit that it starts from.
    pub base: Sha,
    mirror: PathBuf,
}

impl Workspace {
    /// What a program that works in it needs to see: worktree, private repository, home, tmp and status directory to write, the mirror's objects to read.
    pub fn mounts(&self) -> Vec<Mount> {
        let _ = &self.mirror;
        todo!()
    }
}

/// Why an attempt's place could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Its directory exists already: a leftover that must be removed first.
    #[error("`{0}` exists already")]
    Exists(PathBuf),
    /// The base is not in the mirror.
    #[error("the mirror does not hold the base commit {0}")]
    MissingBase(Sha),
    /// Anything else.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl PrepareError {
    /// The kind of failure that it is for a task.
    pub fn kind(&self) -> FailureKind {
        todo!()
    }
}

/// Makes the attempt's directories, its private repository (which borrows the mirror's objects) and its worktree on a new `branch` at `base`.
///
/// `identity` is who agents commit as; it is written into the private repository. On an error whatever was made stays: remove [`AttemptPaths::root`].
///
/// # Errors
/// See [`PrepareError`].
pub async fn prepare(
    mirror: &Mirror,
    paths: AttemptPaths,
    branch: &str,
    base: &Sha,
    identity: &Identity,
) -> Result<Workspace, PrepareError> {
    let _ = (mirror, paths, branch, base, identity, Path::new(""));
    todo!()
}
