//! What people do by hand to issues, pull requests, the repository and the installation. `docs/by-hand.md` is the
//! table of it: each has an end state, and none is tried for ever.

use super::Orchestrator;
use super::answer::Draft;
use super::intake::Trouble;
use super::standing::Unclear;
use crate::domain::{
    EffectKey, Gone, Orchestration, RunEvent, RunId, RunState, Scope, Target, Task, TaskEvent, TaskNumber,
    TaskState,
};
use crate::github::event::{Event, EventIssue, EventPull};
use crate::github::{CallCounter, IssueState};
use crate::report::{marker, notice};
use crate::store::{Settlement, StoreError, TaskRole};

/// A settlement that says nothing on GitHub.
fn silent(event: &Event, note: &str, change: Option<(RunId, RunEvent)>) -> Settlement {
    Settlement { note: note.to_owned(), change, ..Settlement::only(event.delivery.clone()) }
}

impl Orchestrator {
    /// The installation or the repository changed: every run that may be touched is looked at. What is found is
    /// recorded run by run, outside of the delivery's transaction: it is what GitHub shows, whatever the event was.
    pub(super) async fn standing_changed(&self, event: &Event) -> Result<Settlement, Trouble> {
        self.shared.github.installation(event.repo.installation).forget_token().await;
        let mut looked = 0;
        for run in self.open_runs(event).await? {
            looked += 1;
            match self.look_around(&run).await {
                Ok(true) => self.wake(&run.run.id),
                Ok(false) => {}
                Err(Unclear::GitHub(error)) => return Err(error.into()),
                Err(Unclear::Store(error)) => return Err(error.into()),
            }
        }
        Ok(silent(event, &format!("how things stand was asked for {looked} runs"), None))
    }

    /// The runs under way in the event's repository, or in all of its installation if it names none.
    async fn open_runs(&self, event: &Event) -> Result<Vec<Orchestration>, Trouble> {
        let mut open = Vec::new();
        for run in self.shared.store.runs_open().await? {
            let run = match self.shared.store.snapshot(&run).await {
                Ok(snapshot) => snapshot.orchestration,
                Err(StoreError::NoSuchRun(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let repo = &run.run.repo;
            let touched = match event.repo.id {
                0 => repo.installation == event.repo.installation,
                id => repo.id == id,
            };
            if touched {
                open.push(run);
            }
        }
        Ok(open)
    }

    /// A person closed an issue: a sub-issue's task is cancelled, a master's run is. What is terminal or pushed is left
    /// alone, so that the close that comes with a merge changes nothing. Events come in any order: a close that was taken
    /// back since counts for nothing.
    pub(super) async fn closed(
        &self,
        event: &Event,
        issue: &EventIssue,
        calls: &CallCounter,
    ) -> Result<Settlement, Trouble> {
        let who = &event.sender.login;
        let (run, number, why) = match self.at(event, issue).await? {
            At::SubIssue(run, number) => (run, Some(number), format!("@{who} closed its sub-issue.")),
            At::Master(run) => (run, None, format!("@{who} closed the master issue.")),
            At::Other => return Ok(silent(event, "a close that is not ours", None)),
        };
        let settlement = self.cancelled_by_hand(event, &run, number, why);
        if settlement.change.is_some() && self.is_open(event, issue.number, calls).await? {
            return Ok(silent(event, "it is open again", None));
        }
        Ok(settlement)
    }

    /// Whether the issue is open now; one that cannot be seen is not.
    async fn is_open(&self, event: &Event, number: u64, calls: &CallCounter) -> Result<bool, Trouble> {
        match self.client(&event.repo, calls).issue(number).await {
            Ok(issue) => Ok(issue.state == IssueState::Open),
            Err(error) if super::is_final(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn cancelled_by_hand(
        &self,
        event: &Event,
        run: &Orchestration,
        number: Option<TaskNumber>,
        why: String,
    ) -> Settlement {
        let concerned = |t: &&Task| number.is_none_or(|n| t.number == n);
        let any = run.tasks.iter().filter(concerned).any(Task::may_be_cancelled);
        if run.run.state != RunState::Active || !any {
            return silent(event, "nothing is left to cancel", None);
        }
        let tasks = number.map(|n| vec![n]);
        let delivery = event.delivery.clone();
        let change = RunEvent::CancelAsked { tasks, why, target: None, delivery };
        silent(event, "cancelled by hand", Some((run.run.id.clone(), change)))
    }

    /// An issue is no more: deleted, or in another repository.
    pub(super) async fn issue_gone(&self, event: &Event, issue: &EventIssue) -> Result<Settlement, Trouble> {
        match self.at(event, issue).await? {
            At::SubIssue(run, number) => {
                let why = format!("@{} deleted or transferred its sub-issue.", event.sender.login);
                Ok(self.cancelled_by_hand(event, &run, Some(number), why))
            }
            At::Master(run) if run.run.state == RunState::Active && run.run.stops.gone.is_none() => {
                let change = (run.run.id.clone(), RunEvent::Gone(Gone::MasterGone));
                Ok(silent(event, "the master issue is gone", Some(change)))
            }
            At::Master(_) | At::Other => Ok(silent(event, "an issue that is not ours", None)),
        }
    }

    /// A person opened an issue again: that starts nothing, and where it may have been meant to, it is said.
    pub(super) async fn reopened(
        &self,
        event: &Event,
        issue: &EventIssue,
        calls: &CallCounter,
    ) -> Result<Settlement, Trouble> {
        let At::SubIssue(run, number) = self.at(event, issue).await? else {
            return Ok(silent(event, "reopening starts nothing", None));
        };
        let again = |t: &Task| matches!(t.state, TaskState::Cancelled | TaskState::Failed);
        if !run.task(number).is_some_and(again) {
            return Ok(silent(event, "reopening starts nothing", None));
        }
        let draft = Draft::new(event, issue, Target::Issue(issue.number));
        if self.refused(&draft, calls).await? {
            return Ok(draft.done("reopening starts nothing"));
        }
        Ok(draft.notice(notice::reopened()).done("reopening starts nothing, said so"))
    }

    /// A pull request was merged, closed or opened again: if it is a task's, the task knows. Events come in any order, so
    /// what counts is how it stands now.
    pub(super) async fn pull_changed(
        &self,
        event: &Event,
        pull: &EventPull,
        open: bool,
        calls: &CallCounter,
    ) -> Result<Settlement, Trouble> {
        let role = self.shared.store.role_of(event.repo.id, pull.number).await?;
        let Some(TaskRole::PullRequest(run, number)) = role else {
            // Somebody may have been quicker than our record of it, or just as quick: then it is known by now.
            let ours = |t: &Task| {
                t.pull_request == Some(pull.number)
                    || (t.state == TaskState::Publishing && t.branch == pull.head_ref)
            };
            if self.open_runs(event).await?.iter().any(|run| run.tasks.iter().any(ours)) {
                return Err(Trouble::Later("the pull request is being recorded"));
            }
            return Ok(silent(event, "a pull request that is not ours", None));
        };
        let orchestration = self.shared.store.snapshot(&run).await?.orchestration;
        let task = orchestration.task(number);
        let known = task.filter(|t| matches!(t.state, TaskState::Completed | TaskState::InReview));
        let Some(task) = known.filter(|t| t.merged_into.is_none()) else {
            return Ok(silent(event, "nothing to learn from it", None));
        };
        // A merge is for ever; the other two may have been taken back since.
        let (merged, open) = match pull.merged {
            true => (true, open),
            false => match self.client(&event.repo, calls).pull(pull.number).await {
                Ok(now) => (now.merged, now.state == IssueState::Open),
                Err(error) if super::is_final(&error) => (false, open),
                Err(error) => return Err(error.into()),
            },
        };
        let (change, note) = match (merged, open) {
            (true, _) => (TaskEvent::Merged(pull.base_ref.clone()), "merged"),
            (false, false) if !task.rejected => (TaskEvent::PullClosed, "closed without a merge"),
            (false, true) if task.rejected => (TaskEvent::PullReopened, "a pull request is open again"),
            _ => return Ok(silent(event, "nothing to learn from it", None)),
        };
        Ok(silent(event, note, Some((run, RunEvent::Task(number, change)))))
    }

    /// What an issue is to us.
    async fn at(&self, event: &Event, issue: &EventIssue) -> Result<At, Trouble> {
        let store = &self.shared.store;
        match store.role_of(event.repo.id, issue.number).await? {
            Some(TaskRole::SubIssue(run, task)) => {
                Ok(At::SubIssue(store.snapshot(&run).await?.orchestration, task))
            }
            Some(_) => Ok(At::Other),
            None => match store.run_of_master(event.repo.id, issue.number).await? {
                Some(run) => Ok(At::Master(run)),
                None if self.is_being_opened(event, issue).await? => {
                    Err(Trouble::Later("the sub-issue is being recorded"))
                }
                None => Ok(At::Other),
            },
        }
    }

    /// Whether the issue is a sub-issue of ours that its task does not know yet, or has just learnt of: somebody may be
    /// quicker than our record of it.
    async fn is_being_opened(&self, event: &Event, issue: &EventIssue) -> Result<bool, Trouble> {
        let markers = marker::find(&self.shared.settings.marker_key, event.repo.id, &issue.body);
        let Some(marker) = markers.last() else { return Ok(false) };
        Ok(self.open_runs(event).await?.iter().any(|run| {
            let opening = |t: &Task| match t.sub_issue {
                Some(known) => known.number == issue.number,
                None => {
                    t.state == TaskState::Planned && marker.step == EffectKey::SubIssue(t.number).to_string()
                }
            };
            marker.scope == Scope::Run(run.run.id.clone()).to_string() && run.tasks.iter().any(opening)
        }))
    }
}

/// What an issue is to us.
enum At {
    SubIssue(Orchestration, TaskNumber),
    Master(Orchestration),
    Other,
}
