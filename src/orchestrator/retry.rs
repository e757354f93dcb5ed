//! `--retry`: the same run again, for what failed in it and for nothing else.

use super::Orchestrator;
use super::answer::Draft;
use super::intake::Trouble;
use crate::clock;
use crate::domain::{Orchestration, RunEvent, RunState, Task, TaskNumber, TaskState};
use crate::github::event::EventIssue;
use crate::report::notice;
use crate::store::Settlement;

impl Orchestrator {
    /// On a sub-issue, its follow-up or its pull request: that task. On a master: those listed, or all that
    /// failed.
    pub(super) async fn retry(
        &self,
        draft: Draft,
        issue: &EventIssue,
        listed: &[TaskNumber],
    ) -> Result<Settlement, Trouble> {
        let store = &self.shared.store;
        let role = store.role_of(draft.repo.id, issue.number).await?;
        let (orchestration, wanted) = match &role {
            Some(role) => {
                let (run, task) = role.task();
                (store.snapshot(run).await?.orchestration, vec![task])
            }
            None => match store.run_of_master(draft.repo.id, issue.number).await? {
                Some(orchestration) if listed.is_empty() => {
                    let failed = orchestration
                        .tasks
                        .iter()
                        .filter(|t| retryable(&orchestration, t))
                        .map(|t| t.number)
                        .collect();
                    (orchestration, failed)
                }
                Some(orchestration) => (orchestration, listed.to_vec()),
                None => return Ok(draft.notice(notice::nothing_to_retry()).done("refused: no run")),
            },
        };
        if !orchestration.run.policy.allows(&draft.sender) {
            return Ok(draft.confused().done("refused: not on the repository's allow list"));
        }
        if orchestration.run.repo != draft.repo {
            // Renamed, or the App was installed anew: what the run knows would lead nowhere.
            let seen = RunEvent::RepoSeen(draft.repo.clone());
            store.run_changed(&orchestration.run.id, seen, clock::now()).await?;
        }
        if let Some(newer) = self.newer_live_run(&draft, &orchestration).await? {
            return Ok(draft.notice(notice::already_running(&newer)).done("refused: a newer run is live"));
        }
        let (again, other): (Vec<TaskNumber>, Vec<TaskNumber>) = wanted
            .into_iter()
            .partition(|n| orchestration.task(*n).is_some_and(|t| retryable(&orchestration, t)));
        if again.is_empty() {
            return Ok(draft
                .notice(notice::retry_refused(&orchestration, &other))
                .done("refused: nothing failed"));
        }
        let draft = if other.is_empty() {
            draft
        } else {
            draft.notice(notice::retry_refused(&orchestration, &other))
        };
        let event =
            RunEvent::Reopened { tasks: again, target: draft.target, delivery: draft.delivery.clone() };
        Ok(draft.change(orchestration.run.id, event, "tasks run again"))
    }

    /// A master has one live run: an older one is not reopened beside it.
    async fn newer_live_run(
        &self,
        draft: &Draft,
        orchestration: &Orchestration,
    ) -> Result<Option<Orchestration>, Trouble> {
        let newest = self.shared.store.run_of_master(draft.repo.id, orchestration.run.master.number).await?;
        Ok(newest.filter(|o| o.run.id != orchestration.run.id && o.run.state == RunState::Active))
    }
}

/// What failed or was cancelled, unless it would stand on work that people refused, or there is no money for it.
fn retryable(run: &Orchestration, task: &Task) -> bool {
    matches!(task.state, TaskState::Failed | TaskState::Cancelled)
        && run.closed_before(task).is_none()
        && run.used_up(task).is_none()
}
