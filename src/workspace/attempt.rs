//! An attempt's private repository and worktree.
//!
//! Order and layout as tried for the project: everything is made by the host while the host alone can write there; afterwards no host git touches it.
//! The private repository borrows the mirror's objects (never hard links: an agent could write through them into the mirror).

use super::git::{GitError, SLOW};
use super::mirror::{Mirror, is_branch};
use crate::domain::{FailureKind, Sha};
use crate::sandbox::Mount;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Files that belong to Divisi's own contract and never to a commit.
const EXCLUDED: &str = ".claude/runtime/\n";

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

    /// Whether all of them are there, as directories.
    pub fn is_whole(&self) -> bool {
        let Self { root, worktree, private_repo, home, tmp, status_dir } = self;
        [root, worktree, private_repo, home, tmp, status_dir]
            .into_iter()
            .all(|path| fs::symlink_metadata(path).is_ok_and(|is| is.is_dir()))
    }

    /// The worktree's own git directory inside the private repository: git names it after the worktree's directory.
    pub(super) fn git_dir(&self) -> PathBuf {
        let name = self.worktree.file_name().unwrap_or_default();
        self.private_repo.join("worktrees").join(name)
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

impl Identity {
    /// Name and address without the characters that end them in a commit or a configuration file.
    pub(super) fn clean(&self) -> Self {
        let clean = |text: &str| {
            let kept: String = text.chars().filter(|c| !c.is_control() && !"<>\"\\".contains(*c)).collect();
            if kept.trim().is_empty() { "unknown".to_owned() } else { kept.trim().to_owned() }
        };
        Self { name: clean(&self.name), email: clean(&self.email) }
    }
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
    mirror_objects: PathBuf,
}

impl Workspace {
    /// An attempt that was prepared before, by an earlier process.
    pub fn known(mirror: &Mirror, paths: AttemptPaths, branch: impl Into<String>, base: Sha) -> Self {
        Self { paths, branch: branch.into(), base, mirror_objects: mirror.objects() }
    }

    /// What a program that works in it needs to see: worktree, private repository, home, tmp and status directory to write, the mirror's objects to read.
    pub fn mounts(&self) -> Vec<Mount> {
        let AttemptPaths { root: _, worktree, private_repo, home, tmp, status_dir } = &self.paths;
        let mut mounts: Vec<Mount> = [worktree, private_repo, home, tmp, status_dir].map(Mount::rw).into();
        mounts.push(Mount::ro(&self.mirror_objects));
        mounts
    }

    /// What the far end of an import needs to see.
    pub(super) fn import_mounts(&self) -> Vec<Mount> {
        vec![Mount::rw(&self.paths.private_repo), Mount::ro(&self.mirror_objects)]
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
    /// Not a name that a branch can have.
    #[error("`{0}` is no branch name")]
    BadBranch(String),
    /// Anything else.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl PrepareError {
    /// The kind of failure that it is for a task.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Exists(_) | Self::MissingBase(_) | Self::BadBranch(_) => FailureKind::Unknown,
            Self::Git(error) => error.kind(),
        }
    }
}

/// Makes the attempt's directories, its private repository (which borrows the mirror's objects and knows `base_branch`, a branch of the mirror) and its
/// worktree on a new `branch` at `base`.
///
/// `identity` is who agents commit as; it is written into the private repository. On an error whatever was made stays: remove [`AttemptPaths::root`].
///
/// # Errors
/// See [`PrepareError`].
pub async fn prepare(
    mirror: &Mirror,
    paths: AttemptPaths,
    base_branch: &str,
    branch: &str,
    base: &Sha,
    identity: &Identity,
) -> Result<Workspace, PrepareError> {
    for name in [base_branch, branch] {
        if !is_branch(name) {
            return Err(PrepareError::BadBranch(name.to_owned()));
        }
    }
    make_directories(&paths)?;
    if !mirror.has_commit(base).await? {
        return Err(PrepareError::MissingBase(base.clone()));
    }
    let clone: [OsString; 11] = [
        "clone".into(),
        "--quiet".into(),
        "--shared".into(),
        "--bare".into(),
        "--no-tags".into(),
        "--single-branch".into(),
        "--template=".into(),
        format!("--branch={base_branch}").into(),
        "--".into(),
        mirror.path().into(),
        paths.private_repo.clone().into(),
    ];
    let git = mirror.git();
    git.ok(super::git::Call::new("make the private repository", clone).protocols("file").deadline(SLOW))
        .await?;
    configure(&paths, identity).map_err(GitError::io("configure the private repository"))?;
    let mut place = OsString::from("--git-dir=");
    place.push(&paths.private_repo);
    // An agent has no business with the mirror, and a stray `git push` of its shall not reach one.
    let forget: [OsString; 4] =
        [place.clone(), "config".into(), "--remove-section".into(), "remote.origin".into()];
    git.ok(super::git::Call::new("configure the private repository", forget)).await?;
    let add: [OsString; 8] = [
        place,
        "worktree".into(),
        "add".into(),
        "--quiet".into(),
        "-b".into(),
        branch.into(),
        paths.worktree.clone().into(),
        base.as_str().into(),
    ];
    git.ok(super::git::Call::new("make the work tree", add).deadline(SLOW)).await?;
    Ok(Workspace::known(mirror, paths, branch, base.clone()))
}

fn make_directories(paths: &AttemptPaths) -> Result<(), PrepareError> {
    let private = |path: &Path| fs::DirBuilder::new().mode(0o700).create(path);
    let io = |error| PrepareError::Git(GitError::io("make the attempt's directories")(error));
    if let Some(parent) = paths.root.parent() {
        fs::create_dir_all(parent).map_err(io)?;
    }
    match private(&paths.root) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(PrepareError::Exists(paths.root.clone()));
        }
        other => other.map_err(io)?,
    }
    [&paths.home, &paths.tmp, &paths.status_dir].into_iter().try_for_each(|path| private(path)).map_err(io)
}

fn configure(paths: &AttemptPaths, identity: &Identity) -> io::Result<()> {
    use std::io::Write;
    let Identity { name, email } = identity.clean();
    let mut config = fs::OpenOptions::new().append(true).open(paths.private_repo.join("config"))?;
    // No background work in an agent's repository, and no rewriting of what it borrows.
    write!(
        config,
        "[user]\n\tname = \"{name}\"\n\temail = \"{email}\"\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
    )?;
    let info = paths.private_repo.join("info");
    fs::create_dir_all(&info)?;
    fs::write(info.join("exclude"), EXCLUDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_cannot_break_out_of_where_they_stand() {
        let nasty = Identity { name: "a\" \\\n[core]\n\thooksPath = x".into(), email: "<a@b>\n".into() };
        assert_eq!(nasty.clean(), Identity { name: "a [core]hooksPath = x".into(), email: "a@b".into() });
        assert_eq!(Identity { name: " \n".into(), email: String::new() }.clean().name, "unknown");
    }
}
