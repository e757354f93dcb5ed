//! What is left of ended attempts goes.
//!
//! The mirror's objects stay: a worktree anywhere may borrow them, so a mirror is never packed anew or pruned while the runner lives.

use super::attempt::AttemptPaths;
use super::git::GitError;
use super::import::ref_prefix;
use super::mirror::Mirror;
use crate::domain::{RunId, TaskNumber};
use crate::sandbox::{RemoveError, remove_tree};

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
    let prefix = ref_prefix(run, task)?;
    let _turn = mirror.turn().await?;
    let what = "remove refs of ended attempts";
    let listed =
        mirror.git().ok(mirror.call(what, ["for-each-ref", "--format=delete %(refname)", &prefix])).await?;
    if listed.is_empty() {
        return Ok(());
    }
    mirror.git().ok(mirror.call(what, ["update-ref", "--stdin"]).stdin(listed)).await?;
    Ok(())
}
