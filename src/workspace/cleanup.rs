//! What is left of ended attempts goes.

use super::attempt::AttemptPaths;
use super::git::GitError;
use super::mirror::Mirror;
use crate::domain::{RunId, TaskNumber};
use crate::sandbox::RemoveError;

/// Removes an attempt's directories whatever the agent left there. No git takes part.
///
/// # Errors
/// When something stays; try again later.
pub async fn remove_attempt(paths: &AttemptPaths) -> Result<(), RemoveError> {
    let _ = paths;
    todo!()
}

/// Removes the mirror's refs of a task's ended attempts (`refs/divisi/<run>/<task>/…`), or of the whole run. Objects stay.
///
/// # Errors
/// When git itself fails.
pub async fn prune_refs(mirror: &Mirror, run: &RunId, task: Option<TaskNumber>) -> Result<(), GitError> {
    let _ = (mirror, run, task);
    todo!()
}
