//! `--cancel`, `--pause` and `--resume`.

use super::Orchestrator;
use super::answer::Draft;
use super::intake::Trouble;
use crate::clock;
use crate::domain::{Orchestration, RunEvent, RunState, Task, TaskNumber};
use crate::report::state;
use crate::store::Settlement;

/// What an issue or pull request stands for.
pub(super) enum Subject {
    /// One task of a run: its sub-issue, its follow-up or its pull request.
    Task(Orchestration, TaskNumber),
    /// The master issue of a run, the newest.
    Run(Orchestration),
    /// Nothing that ever ran.
    Nothing,
}

impl Orchestrator {
    /// What the issue that a command was given on stands for.
    pub(super) async fn subject(&self, draft: &Draft) -> Result<Subject, Trouble> {
        let store = &self.shared.store;
        if let Some(role) = store.role_of(draft.repo.id, draft.issue).await? {
            let (run, task) = role.task();
            return Ok(Subject::Task(store.snapshot(run).await?.orchestration, task));
        }
        let run = store.run_of_master(draft.repo.id, draft.issue).await?;
        Ok(run.map_or(Subject::Nothing, Subject::Run))
    }

    /// Stops the run's agents, or the one task's. What is pushed is kept and published; a command that changes
    /// nothing is answered with the state.
    pub(super) async fn cancel(&self, draft: Draft) -> Result<Settlement, Trouble> {
        let why = format!("@{} cancelled it.", draft.sender);
        let now = clock::now();
        let (run, tasks, note) = match self.subject(&draft).await? {
            Subject::Nothing => return Ok(draft.notice(state::no_run()).done("refused: no run")),
            Subject::Run(run) => {
                if run.run.state != RunState::Active || !run.tasks.iter().any(Task::may_be_cancelled) {
                    let told = state::nothing_to_do("cancel", &run, now);
                    return Ok(draft.notice(told).done("refused: nothing to cancel"));
                }
                (run, None, "the run is cancelled")
            }
            Subject::Task(run, number) => {
                let task = run.task(number).filter(|t| !t.may_be_cancelled());
                if let Some(task) = task {
                    let told = state::task_not_cancelled(&run, task, now);
                    return Ok(draft.notice(told).done("refused: nothing to cancel"));
                }
                (run, Some(vec![number]), "a task is cancelled")
            }
        };
        if !run.run.policy.allows(&draft.sender) {
            return Ok(draft.confused().done("refused: not on the repository's allow list"));
        }
        let (target, delivery) = (Some(draft.target), draft.delivery.clone());
        Ok(draft.change(run.run.id, RunEvent::CancelAsked { tasks, why, target, delivery }, note))
    }

    /// Pauses the run, or lets it go on.
    pub(super) async fn pause(&self, draft: Draft, pause: bool) -> Result<Settlement, Trouble> {
        let what = if pause { "pause" } else { "resume" };
        let run = match self.subject(&draft).await? {
            Subject::Nothing => return Ok(draft.notice(state::no_run()).done("refused: no run")),
            Subject::Task(run, _) => {
                let told = state::of_the_whole_run(what, run.run.master.number);
                return Ok(draft.notice(told).done("refused: not the master issue"));
            }
            Subject::Run(run) => run,
        };
        if !run.run.policy.allows(&draft.sender) {
            return Ok(draft.confused().done("refused: not on the repository's allow list"));
        }
        if run.run.state != RunState::Active || run.run.stops.paused == pause {
            let told = state::nothing_to_do(what, &run, clock::now());
            return Ok(draft.notice(told).done("refused: it changes nothing"));
        }
        let (event, note) = match pause {
            true => (RunEvent::PauseAsked, "the run is paused"),
            false => (RunEvent::ResumeAsked, "the run goes on"),
        };
        Ok(draft.change(run.run.id, event, note))
    }
}
