//! Pushes of ours that arrived although nobody recorded it: the runner died, or its lease ended, between the push and
//! the report. The next attempt may replace what such a push left, and nothing else.

use super::cleanup::delete_refs;
use super::git::{GitError, failed};
use super::mirror::Mirror;
use super::remote::Remote;
use crate::domain::{RunId, Sha, TaskNumber};
use std::time::Duration;

/// How long the remote may take to tell where a branch is.
const LIMIT: Duration = Duration::from_secs(60);

/// The mirror's note of one push; outside of what is pruned when an attempt ends.
fn note(run: &RunId, task: TaskNumber, head: &Sha) -> String {
    format!("refs/divisi-pushed/{run}/{task}/{head}")
}

/// Notes, before it is pushed, that this commit may become the branch's head.
///
/// # Errors
/// When git fails; then nothing must be pushed.
pub async fn note_push(mirror: &Mirror, run: &RunId, task: TaskNumber, head: &Sha) -> Result<(), GitError> {
    let _turn = mirror.turn().await?;
    let name = note(run, task, head);
    mirror.git().ok(mirror.call("note a push", ["update-ref", &name, head.as_str()])).await?;
    Ok(())
}

/// Forgets the notes on a task's pushes: what was pushed last is known to the control plane.
///
/// # Errors
/// When git fails.
pub async fn forget_pushes(mirror: &Mirror, run: &RunId, task: TaskNumber) -> Result<(), GitError> {
    delete_refs(mirror, &format!("refs/divisi-pushed/{run}/{task}/"), |_| true).await
}

/// What a task's branch is on the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// There is none: nobody made it yet, or a person deleted it.
    Missing,
    /// An earlier attempt of the task put it there.
    Ours(Sha),
    /// Somebody else did.
    Foreign,
}

/// What the branch is on the remote.
///
/// # Errors
/// When git fails or the remote does not answer.
pub async fn pushed_before(
    mirror: &Mirror,
    remote: &Remote,
    (run, task): (&RunId, TaskNumber),
    branch: &str,
) -> Result<Before, GitError> {
    let what = "look where the branch is";
    let name = format!("refs/heads/{branch}");
    let call = mirror
        .call(what, ["ls-remote", "--exit-code", "--end-of-options", remote.url(), &name])
        .deadline(LIMIT);
    let output = mirror.git().run(remote.authorize(call)).await?;
    // Exit code 2: there is no such branch.
    if output.code == 2 {
        return Ok(Before::Missing);
    }
    if output.code != 0 {
        return Err(failed(what, &output));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some(head) = text.split_whitespace().next().and_then(Sha::parse) else {
        return Ok(Before::Foreign);
    };
    let noted = mirror.call(what, ["rev-parse", "--verify", "--quiet", &note(run, task, &head)]);
    let known = mirror.git().run(noted).await?.code == 0;
    Ok(if known { Before::Ours(head) } else { Before::Foreign })
}
