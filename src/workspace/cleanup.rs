//! What is left of ended attempts goes.
//!
//! The mirror's objects stay: a worktree anywhere may borrow them, so a mirror is never packed anew or pruned while the runner lives.

use super::attempt::AttemptPaths;
use super::git::GitError;
use super::import::ref_prefix;
use super::mirror::Mirror;
use crate::domain::{RunId, TaskNumber};
use crate::sandbox::{RemoveError, remove_tree};
use std::fs;
use std::path::{Path, PathBuf};

/// Removes an attempt's directories whatever the agent left there. No git takes part.
///
/// # Errors
/// When something stays; try again later.
pub async fn remove_attempt(paths: &AttemptPaths) -> Result<(), RemoveError> {
    remove_tree(&paths.root).await
}

/// Removes the mirror's refs of a task's ended attempts (`refs/divisi/<run>/<task>/…`), or of the whole run. Objects stay.
///
/// # Errors
/// When git itself fails.
pub async fn prune_refs(mirror: &Mirror, run: &RunId, task: Option<TaskNumber>) -> Result<(), GitError> {
    delete_refs(mirror, &ref_prefix(run, task)?, |_| true).await
}

/// Removes the refs of all tasks but those that `keep` names by run and number.
///
/// # Errors
/// When git itself fails.
pub async fn sweep_refs(mirror: &Mirror, keep: impl Fn(&str, &str) -> bool) -> Result<(), GitError> {
    delete_refs(mirror, "refs/divisi/", |name| {
        let mut parts = name.trim_start_matches("refs/divisi/").split('/');
        !keep(parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    })
    .await
}

/// Deletes the refs below a prefix that `gone` says are over.
pub(super) async fn delete_refs(
    mirror: &Mirror,
    prefix: &str,
    gone: impl Fn(&str) -> bool,
) -> Result<(), GitError> {
    let what = "remove refs of ended attempts";
    let _turn = mirror.turn().await?;
    let listed = mirror.git().ok(mirror.call(what, ["for-each-ref", "--format=%(refname)", prefix])).await?;
    let listed = String::from_utf8_lossy(&listed);
    let orders: String =
        listed.lines().filter(|name| gone(name)).map(|name| format!("delete {name}\n")).collect();
    if !orders.is_empty() {
        mirror.git().ok(mirror.call(what, ["update-ref", "--stdin"]).stdin(orders)).await?;
    }
    Ok(())
}

/// The repositories that have a mirror below a data directory, by id.
pub fn mirrors(data_dir: &Path) -> Vec<u64> {
    let entries = fs::read_dir(data_dir.join("mirrors")).into_iter().flatten().flatten();
    let id = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".git")?.parse().ok();
    entries.filter_map(id).collect()
}

/// Removes what processes that were killed left in and beside the mirrors: half a mirror, commits that waited for their check,
/// git's lock files and temporary objects. Nobody may be at work in a mirror meanwhile. What cannot be removed stays.
pub async fn clear_mirrors(data_dir: &Path) {
    let dir = data_dir.join("mirrors");
    let read = tokio::task::spawn_blocking(move || leftovers(&dir)).await;
    for path in read.unwrap_or_default() {
        if let Err(error) = remove_tree(&path).await {
            tracing::warn!(%error, path = %path.display(), "A leftover of git could not be removed.");
        }
    }
}

fn leftovers(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if name.starts_with('.') || name.ends_with(".incoming") {
            found.push(path);
        } else if name.ends_with(".git") {
            within(&path, &path, &mut found);
        }
    }
    found
}

/// What a killed git leaves half written besides `NAME.lock` and below `objects`: no ref can be deleted while it is there.
pub(super) const HALF_PACKED_REFS: &str = "packed-refs.new";

/// Lock files and temporary objects of one mirror, which only the host writes.
fn within(mirror: &Path, dir: &Path, found: &mut Vec<PathBuf>) {
    let in_objects = dir.starts_with(mirror.join("objects"));
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        // A branch may be called so too, and then its file is.
        let temporary = in_objects && ["tmp_", "incoming-"].iter().any(|start| name.starts_with(start));
        if name.ends_with(".lock") || name == HALF_PACKED_REFS || temporary {
            found.push(path);
        } else if entry.file_type().is_ok_and(|t| t.is_dir()) {
            within(mirror, &path, found);
        }
    }
}
