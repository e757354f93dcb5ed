//! `--status` and `--explain`: one comment, from what the store holds.

use super::Orchestrator;
use super::answer::Draft;
use super::intake::Trouble;
use super::stop::Subject;
use crate::clock;
use crate::domain::explain::{Reason, explain};
use crate::domain::{Orchestration, RunId, StartOptions, Task};
use crate::github::CallCounter;
use crate::github::event::EventIssue;
use crate::report::state;
use crate::store::{Settlement, StoreError};

impl Orchestrator {
    /// Where the run or the task stands.
    pub(super) async fn status(&self, draft: Draft) -> Result<Settlement, Trouble> {
        let now = clock::now();
        let told = match self.subject(&draft).await? {
            Subject::Nothing => state::no_run(),
            Subject::Run(run) => state::status_of_run(&run, now),
            Subject::Task(run, number) => match run.task(number) {
                Some(task) => state::status_of_task(&run, task, now),
                None => state::status_of_run(&run, now),
            },
        };
        Ok(draft.eyes().notice(told).done("status"))
    }

    /// Why it is not running. Where there is no run, everything that a start looks at is looked at, and the first
    /// thing that stands in the way is told.
    pub(super) async fn explain(
        &self,
        draft: Draft,
        issue: &EventIssue,
        calls: &CallCounter,
    ) -> Result<Settlement, Trouble> {
        let told = match self.subject(&draft).await? {
            Subject::Nothing => {
                let tried = self.start_run(draft.clone(), issue, &StartOptions::default(), calls).await?;
                match (tried.start.is_some(), tried.effects.iter().any(|e| e.is_notice())) {
                    (true, _) => state::can_start(),
                    (false, true) => return Ok(Settlement { note: "explained".to_owned(), ..tried }),
                    (false, false) => state::not_allowed(),
                }
            }
            Subject::Run(run) => {
                let reasons = self.reasons(&run).await?;
                let reasons: Vec<(&Task, Reason)> = run.tasks.iter().zip(reasons).collect();
                state::explain_run(&run, &reasons)
            }
            Subject::Task(run, number) => {
                let reasons = self.reasons(&run).await?;
                match run.tasks.iter().zip(reasons).find(|(task, _)| task.number == number) {
                    Some((task, reason)) => state::explain_task(&run, task, &reason),
                    None => state::status_of_run(&run, clock::now()),
                }
            }
        };
        Ok(draft.eyes().notice(told).done("explained"))
    }

    /// The reason of each task, in their order.
    async fn reasons(&self, run: &Orchestration) -> Result<Vec<Reason>, StoreError> {
        let id: &RunId = &run.run.id;
        let snapshot = self.shared.store.snapshot(id).await?;
        let places = self.shared.store.places(run.run.repo.installation).await?;
        let (limit, now) = (self.shared.settings.attempts_per_installation, clock::now());
        Ok(run.tasks.iter().map(|task| explain(&snapshot, task, &places, limit, now)).collect())
    }
}
