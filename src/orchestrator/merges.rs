//! Runs in which tasks wait for merges: the base that a task starts from once they have come, and a look for merges that
//! nobody told of.

use super::Orchestrator;
use super::effects::Reader;
use super::standing::{Unclear, is_suspicious};
use crate::clock;
use crate::domain::{Failure, FailureKind, Orchestration, RunEvent, RunId, RunState, TaskEvent, TaskNumber};
use crate::github::{BranchHead, CallCounter, IssueState, Pull};
use crate::store::StoreError;
use std::time::Duration;

/// How often pull requests whose merge is waited for are looked at: an event may have been lost for longer than GitHub keeps
/// it.
pub(super) const LOOK_FOR_MERGES: Duration = Duration::from_secs(600);

impl Orchestrator {
    /// Reads where the base branch is and records it for the task: it starts from there.
    ///
    /// # Errors
    /// GitHub's, when nothing is known, or the store's.
    pub(super) async fn read_base(
        &self,
        github: &Reader,
        run: &Orchestration,
        task: TaskNumber,
    ) -> Result<(), Unclear> {
        let event = match github.branch_head(&run.run.base).await {
            Ok(BranchHead::At(head)) => TaskEvent::BaseSeen(head),
            Ok(BranchHead::Missing | BranchHead::EmptyRepository) => {
                let why =
                    format!("The base branch `{}` is gone, so there is nothing to start from.", run.run.base);
                TaskEvent::BaseRefused(Failure::new(FailureKind::ResourceError, why))
            }
            Err(error) if is_suspicious(&error) && self.look_around(run).await? => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.record(&run.run.id, task, event).await?;
        Ok(())
    }

    /// Looks at every pull request whose merge a live run waits for. What GitHub does not answer is looked at the next time.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn look_for_merges(&self) -> Result<(), StoreError> {
        for id in self.shared.store.runs_open().await? {
            let run = self.shared.store.snapshot(&id).await?.orchestration;
            if run.run.state != RunState::Active || run.is_stopped() {
                continue;
            }
            let calls = CallCounter::default();
            let github = self.client(&run.run.repo, &calls);
            let mut changed = false;
            for task in run.awaited() {
                let Some(number) = task.pull_request else { continue };
                match github.pull(number).await {
                    Ok(pull) => {
                        if let Some(event) = told(&pull, task.rejected) {
                            changed |= self.record(&id, task.number, event).await?;
                        }
                    }
                    Err(error) => tracing::info!(run = %id, %error, "a pull request could not be looked at"),
                }
            }
            if changed {
                self.wake(&id);
            }
            if calls.get() > 0 {
                self.shared.store.run_changed(&id, RunEvent::CallsMade(calls.get()), clock::now()).await?;
            }
        }
        Ok(())
    }

    /// Whether it was news.
    async fn record(&self, run: &RunId, task: TaskNumber, event: TaskEvent) -> Result<bool, StoreError> {
        match self.shared.store.run_changed(run, RunEvent::Task(task, event), clock::now()).await {
            Ok(_) => Ok(true),
            // A person was quicker: it is cancelled, or known.
            Err(StoreError::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What a pull request tells of its task, if that is news.
fn told(pull: &Pull, rejected: bool) -> Option<TaskEvent> {
    match (pull.merged, pull.state) {
        (true, _) => Some(TaskEvent::Merged(pull.base_ref.clone())),
        (false, IssueState::Closed) if !rejected => Some(TaskEvent::PullClosed),
        (false, IssueState::Open) if rejected => Some(TaskEvent::PullReopened),
        (false, _) => None,
    }
}
