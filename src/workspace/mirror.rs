//! The mirror: a bare repository of the host's own for each repository, from which attempts borrow objects and into which their commits come.

use super::git::{Call, GitError, HostGit, SLOW, failed, message};
use super::lock;
use super::remote::{Remote, Trouble, late, trouble};
use crate::clock;
use crate::domain::{FailureKind, Sha};
use crate::sandbox::HostOutput;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long an update waits for others of the same mirror.
const LOCK_LIMIT: Duration = Duration::from_secs(900);

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
        match self {
            Self::Empty | Self::MissingBranch(_) | Self::MissingCommit(_) => FailureKind::ValidationError,
            Self::Denied(_) | Self::Network(_) | Self::Corrupt(_) => FailureKind::Unknown,
            Self::Git(error) => error.kind(),
        }
    }

    /// Whether the same may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Network(_))
    }
}

/// A host-owned bare repository `{data_dir}/mirrors/{repo_id}.git`. Never garbage-collected: attempts borrow its objects.
#[derive(Clone, Debug)]
pub struct Mirror {
    git: HostGit,
    path: PathBuf,
    lock: PathBuf,
    /// Keeps waiters of this process in order; the lock file keeps other processes out.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What holds the mirror's branches for one writer.
pub(super) struct Turn<'a>(
    #[expect(dead_code, reason = "held")] tokio::sync::MutexGuard<'a, ()>,
    #[expect(dead_code, reason = "held")] lock::FileLock,
);

impl Mirror {
    /// Opens the mirror of a repository, making it when it is not there. `data_dir` is absolute.
    ///
    /// # Errors
    /// When git or the file system refuses.
    pub async fn open_or_create(git: HostGit, data_dir: &Path, repo_id: u64) -> Result<Self, GitError> {
        let dir = data_dir.join("mirrors");
        let path = dir.join(format!("{repo_id}.git"));
        let io = GitError::io("make the directory of the mirrors");
        tokio::fs::create_dir_all(&dir).await.map_err(io)?;
        if !tokio::fs::try_exists(&path).await.map_err(GitError::io("look at the mirror"))? {
            // Made beside its place and moved there whole: a crash leaves no half mirror.
            let fresh = dir.join(format!(".{repo_id}.{}", clock::ordered_id()));
            let args: [OsString; 5] = [
                "init".into(),
                "--quiet".into(),
                "--bare".into(),
                "--template=".into(),
                fresh.clone().into(),
            ];
            git.ok(Call::new("make the mirror", args)).await?;
            match tokio::fs::rename(&fresh, &path).await {
                Ok(()) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                    ) =>
                {
                    // Another process was faster, and its mirror is as good.
                    let _ = tokio::fs::remove_dir_all(&fresh).await;
                }
                Err(error) => return Err(GitError::io("move the mirror to its place")(error)),
            }
        }
        Ok(Self { git, lock: dir.join(format!("{repo_id}.lock")), path, turn: Arc::default() })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its objects, which attempts read.
    pub fn objects(&self) -> PathBuf {
        self.path.join("objects")
    }

    pub(super) fn git(&self) -> &HostGit {
        &self.git
    }

    /// A command in this mirror.
    pub(super) fn call<A: Into<OsString>>(
        &self,
        what: &'static str,
        args: impl IntoIterator<Item = A>,
    ) -> Call {
        let mut place = OsString::from("--git-dir=");
        place.push(&self.path);
        Call::new(what, std::iter::once(place).chain(args.into_iter().map(Into::into)))
    }

    pub(super) async fn turn(&self) -> Result<Turn<'_>, GitError> {
        let turn = self.turn.lock().await;
        let file = lock::acquire(&self.lock, LOCK_LIMIT).await.map_err(GitError::io("lock the mirror"))?;
        Ok(Turn(turn, file))
    }

    /// Fetches one branch and returns its head. One update at a time per mirror, across processes too.
    ///
    /// # Errors
    /// See [`UpdateError`].
    pub async fn update(&self, remote: &Remote, branch: &str) -> Result<Sha, UpdateError> {
        if !is_branch(branch) {
            return Err(UpdateError::MissingBranch(branch.to_owned()));
        }
        let _turn = self.turn().await?;
        let reference = format!("refs/heads/{branch}");
        let output = self.fetch(remote, &format!("+{reference}:{reference}")).await?;
        if output.code == 0 {
            return self
                .commit_of(&reference)
                .await?
                .ok_or_else(|| UpdateError::Corrupt(format!("{reference} is no commit")));
        }
        if String::from_utf8_lossy(&output.stderr).contains("couldn't find remote ref") {
            let call = self.call("list the repository's branches", ["ls-remote", "--heads", remote.url()]);
            let heads = self.git.ok(remote.authorize(call)).await?;
            return Err(if heads.is_empty() {
                UpdateError::Empty
            } else {
                UpdateError::MissingBranch(branch.to_owned())
            });
        }
        Err(update_error(&output))
    }

    /// Makes sure that a commit is in the mirror, fetching it by its id when it is not.
    ///
    /// # Errors
    /// See [`UpdateError`].
    pub async fn ensure_commit(&self, remote: &Remote, commit: &Sha) -> Result<(), UpdateError> {
        if self.has_commit(commit).await? {
            return Ok(());
        }
        let _turn = self.turn().await?;
        // A name keeps the commit reachable for whoever looks after the mirror later.
        let output = self.fetch(remote, &format!("+{commit}:refs/divisi-bases/{commit}")).await?;
        if output.code == 0 && self.has_commit(commit).await? {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let absent = ["not our ref", "unadvertised object", "couldn't find remote ref", "bad object"];
        if absent.iter().any(|word| text.contains(word)) {
            return Err(UpdateError::MissingCommit(commit.clone()));
        }
        Err(update_error(&output))
    }

    /// Whether a commit is in the mirror.
    ///
    /// # Errors
    /// When git itself fails.
    pub async fn has_commit(&self, commit: &Sha) -> Result<bool, GitError> {
        let output = self
            .git
            .run(self.call("look for a commit", ["cat-file", "-e", &format!("{commit}^{{commit}}")]))
            .await?;
        match output.code {
            0 => Ok(true),
            1 | 128 => Ok(false),
            _ => Err(failed("look for a commit", &output)),
        }
    }

    /// The commit that a ref stands for; `None` when there is no such ref or it is no commit.
    pub(super) async fn commit_of(&self, reference: &str) -> Result<Option<Sha>, GitError> {
        let what = "read a ref";
        let call = self.call(what, ["rev-parse", "--quiet", "--verify", &format!("{reference}^{{commit}}")]);
        let output = self.git.run(call).await?;
        if output.code != 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Sha::parse(text.trim_end()).map(Some).ok_or_else(|| GitError::answer(what, &output.stdout))
    }

    async fn fetch(&self, remote: &Remote, refspec: &str) -> Result<HostOutput, UpdateError> {
        let args = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--end-of-options",
            remote.url(),
            refspec,
        ];
        // The repository's own old history may not pass today's fsck; what agents add has to.
        let call =
            self.call("fetch from the repository", args).config("fetch.fsckObjects", "false").deadline(SLOW);
        match self.git.run(remote.authorize(call)).await {
            Ok(output) => Ok(output),
            Err(error) => Err(late(&error).map_or_else(|| error.into(), UpdateError::Network)),
        }
    }
}

fn update_error(output: &HostOutput) -> UpdateError {
    match trouble(output) {
        Trouble::Denied(text) => UpdateError::Denied(text),
        Trouble::Network(text) => UpdateError::Network(text),
        Trouble::Other => {
            let text = message(&output.stderr);
            let damage = [
                "not a git repository",
                "bad object",
                "corrupt",
                "missing blob",
                "missing tree",
                "unable to read",
                "loose object",
                "inflate",
            ];
            if damage.iter().any(|word| text.contains(word)) {
                UpdateError::Corrupt(text)
            } else {
                UpdateError::Git(failed("fetch from the repository", output))
            }
        }
    }
}

/// Whether a name can be a branch's: git's own rules (git-check-ref-format(1)), so that it cannot be read as a pattern, a refspec or an option.
pub(super) fn is_branch(name: &str) -> bool {
    let part = |p: &str| !p.is_empty() && !p.starts_with('.') && !p.ends_with(".lock");
    let odd = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    !name.is_empty()
        && name.len() <= 240
        && !name.starts_with('-')
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && name != "@"
        && name.split('/').all(part)
        && !name.chars().any(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_names_are_no_patterns_and_no_options() {
        assert!(["main", "release/1.x", "divisi/1/2-a", "ü"].into_iter().all(is_branch));
        let bad = [
            "", "-x", "a:b", "a*", "a b", "a..b", "a.", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a\nb",
            "@", "a@{b", "a^", "a~1", "a?", "[a", "a\\",
        ];
        assert!(!bad.into_iter().any(is_branch));
    }
}
