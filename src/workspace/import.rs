//! An attempt's commits come into the mirror and are looked at there.

use super::attempt::Workspace;
use super::git::GitError;
use super::guard;
use super::incoming;
use super::mirror::Mirror;
use super::raw_diff;
use crate::domain::{FailureKind, RunId, Sha, TaskNumber};
use crate::sandbox::HostError;
use std::collections::{HashMap, HashSet};

/// The most commits between base and head that are looked at.
const MAX_COMMITS: u32 = 5_000;

/// One path that differs between two commits.
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
    /// What commits in between put into a file and the head no longer shows (a secret added and removed again): it is published with the history.
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
        match self {
            Self::Tampered(_) | Self::Unreadable(_) | Self::NotDescended => FailureKind::ImportConflict,
            Self::NoChanges => FailureKind::NoChanges,
            Self::TooLarge(_) => FailureKind::PolicyViolation,
            Self::Git(error) => error.kind(),
        }
    }
}

/// Where the mirror keeps the refs of a run, or of one of its tasks: `refs/divisi/<run>[/<task>]`.
pub(super) fn ref_prefix(run: &RunId, task: Option<TaskNumber>) -> Result<String, GitError> {
    let id = run.as_str();
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(GitError::answer("name the refs of a run", id.as_bytes()));
    }
    Ok(task.map_or_else(|| format!("refs/divisi/{id}"), |task| format!("refs/divisi/{id}/{task}")))
}

/// Fetches the attempt's branch into `refs/divisi/<run>/<task>/head` of the mirror, its far end confined by the launcher, and checks it there.
/// All of the agent's processes must have ended.
///
/// # Errors
/// See [`ImportError`].
pub async fn import(
    mirror: &Mirror,
    workspace: &Workspace,
    run: &RunId,
    task: TaskNumber,
) -> Result<Imported, ImportError> {
    let reference = format!("{}/head", ref_prefix(run, Some(task))?);
    guard::private_repo(&workspace.paths, &mirror.objects()).map_err(ImportError::Tampered)?;
    incoming::fetch(mirror, workspace, &reference).await?;
    inspect(mirror, run, task, &workspace.base).await
}

/// Checks what an earlier import of a task left in the mirror against `base`.
///
/// # Errors
/// See [`ImportError`].
pub async fn inspect(
    mirror: &Mirror,
    run: &RunId,
    task: TaskNumber,
    base: &Sha,
) -> Result<Imported, ImportError> {
    let reference = format!("{}/head", ref_prefix(run, Some(task))?);
    let git = mirror.git();
    let stands_for =
        git.run(mirror.call("read a ref", ["rev-parse", "--quiet", "--verify", reference.as_str()])).await?;
    let head = mirror
        .commit_of(&reference)
        .await?
        .ok_or_else(|| ImportError::Unreadable("its branch is no commit".to_owned()))?;
    if String::from_utf8_lossy(&stands_for.stdout).trim_end() != head.as_str() {
        return Err(ImportError::Unreadable("its branch is a tag and no commit".to_owned()));
    }
    let what = "compare with the base";
    let descends =
        git.run(mirror.call(what, ["merge-base", "--is-ancestor", base.as_str(), head.as_str()])).await?;
    match descends.code {
        0 => {}
        1 => return Err(ImportError::NotDescended),
        _ => return Err(super::git::failed(what, &descends).into()),
    }
    let range = format!("{base}..{head}");
    let listed = git.ok(mirror.call("list the commits", ["rev-list", "--max-count=5001", &range])).await?;
    let commits = u32::try_from(listed.iter().filter(|b| **b == b'\n').count()).unwrap_or(u32::MAX);
    if commits > MAX_COMMITS {
        return Err(ImportError::TooLarge(format!("more than {MAX_COMMITS} commits")));
    }
    let mut paths = diff(mirror, &[base.as_str(), head.as_str()], Vec::new()).await?;
    if paths.is_empty() {
        return Err(ImportError::NoChanges);
    }
    let mut passing = if commits > 1 { history(mirror, listed, &paths).await? } else { Vec::new() };
    let bytes = measure(mirror, paths.iter_mut().chain(passing.iter_mut())).await?;
    Ok(Imported { head, base: base.clone(), reference, commits, paths, passing, bytes })
}

async fn diff(
    mirror: &Mirror,
    what_with_what: &[&str],
    stdin: Vec<u8>,
) -> Result<Vec<ChangedPath>, ImportError> {
    let what = "list the changes";
    let options =
        ["diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-commit-id", "--no-ext-diff"];
    let call = mirror.call(what, options.iter().chain(what_with_what)).stdin(stdin);
    let output = match mirror.git().ok(call).await {
        Err(GitError::Host { source: HostError::TooMuchOutput { .. }, .. }) => {
            return Err(ImportError::TooLarge("more paths than can be listed".to_owned()));
        }
        other => other?,
    };
    raw_diff::parse(&output).ok_or_else(|| GitError::answer(what, &output).into())
}

/// What single commits put into files and `paths` does not show.
async fn history(
    mirror: &Mirror,
    commits: Vec<u8>,
    paths: &[ChangedPath],
) -> Result<Vec<ChangedPath>, ImportError> {
    let mut seen: HashSet<(Vec<u8>, Option<Sha>)> =
        paths.iter().map(|p| (p.path.clone(), p.blob.clone())).collect();
    let mut all = diff(mirror, &["--stdin", "-m", "--root"], commits).await?;
    all.retain(|change| change.blob.is_some() && seen.insert((change.path.clone(), change.blob.clone())));
    Ok(all)
}

/// Writes the sizes into the changes and returns the sum over distinct objects.
async fn measure<'a>(
    mirror: &Mirror,
    changes: impl Iterator<Item = &'a mut ChangedPath>,
) -> Result<u64, ImportError> {
    let mut changes: Vec<&mut ChangedPath> = changes.filter(|c| c.new_mode != raw_diff::SUBMODULE).collect();
    let wanted: HashSet<&Sha> = changes.iter().filter_map(|c| c.blob.as_ref()).collect();
    if wanted.is_empty() {
        return Ok(0);
    }
    let what = "measure the changes";
    let list: String = wanted.iter().map(|sha| format!("{sha}\n")).collect();
    let call = mirror.call(what, ["cat-file", "--batch-check=%(objectname) %(objectsize)"]).stdin(list);
    let output = mirror.git().ok(call).await?;
    let text = String::from_utf8_lossy(&output);
    let sizes: HashMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(sha, size)| Some((sha, size.parse().ok()?)))
        .collect();
    for change in &mut changes {
        if let Some(blob) = &change.blob {
            change.size = *sizes.get(blob.as_str()).ok_or_else(|| GitError::answer(what, &output))?;
        }
    }
    Ok(sizes.values().sum())
}
