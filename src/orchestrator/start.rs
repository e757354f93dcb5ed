//! The start of a run: everything that must hold is looked at before anything is made.

use super::Orchestrator;
use super::answer::Draft;
use super::approve;
use super::compose::Found;
use super::intake::Trouble;
use super::labels::missing_labels;
use super::planning::{Planned, Refused};
use crate::domain::{Orchestration, RunState, StartOptions};
use crate::github::event::EventIssue;
use crate::github::{BranchHead, CallCounter, Error, IssueState};
use crate::report::{self, notice};
use crate::store::{PostedPlan, Settlement};

impl Orchestrator {
    /// `/orchestrate` or the label: a new run, or the reason why not.
    pub(super) async fn start_run(
        &self,
        draft: Draft,
        issue: &EventIssue,
        options: &StartOptions,
        calls: &CallCounter,
    ) -> Result<Settlement, Trouble> {
        self.start_if_same(draft, issue, options, None, calls).await
    }

    /// What an issue must be for a run of it to start; the run that it had before.
    pub(super) async fn may_be_started(
        &self,
        draft: &Draft,
        issue: &EventIssue,
    ) -> Result<Result<Option<Orchestration>, Refused>, Trouble> {
        let store = &self.shared.store;
        let refused = |text, note| Ok(Err(Refused::saying(text, note)));
        if issue.is_pull_request {
            return refused(notice::pull_request_instead_of_issue(), "refused: a pull request");
        }
        if !issue.open {
            return refused(notice::closed_issue(), "refused: the issue is closed");
        }
        if let Some(role) = store.role_of(draft.repo.id, issue.number).await? {
            let master = store.snapshot(role.task().0).await?.orchestration.run.master.number;
            return refused(notice::part_of_a_run(master), "refused: part of a run");
        }
        let earlier = store.run_of_master(draft.repo.id, issue.number).await?;
        if let Some(live) = earlier.as_ref().filter(|o| o.run.state == RunState::Active) {
            return refused(notice::already_running(live), "a run is live already");
        }
        Ok(Ok(earlier))
    }

    /// The same for a plan that was approved: only if it is still the same.
    pub(super) async fn start_if_same(
        &self,
        draft: Draft,
        issue: &EventIssue,
        options: &StartOptions,
        approved: Option<&PostedPlan>,
        calls: &CallCounter,
    ) -> Result<Settlement, Trouble> {
        let store = &self.shared.store;
        let earlier = match self.may_be_started(&draft, issue).await? {
            Ok(earlier) => earlier,
            Err(refused) => return Ok(refused.answer(draft)),
        };
        let github = self.client(&draft.repo, calls);
        // The text is the delivery's; whether there is still something to do is GitHub's to say: it may have come late.
        let now = there(github.issue(issue.number).await)?.filter(|now| now.state == IssueState::Open);
        let Some(now) = now else {
            return Ok(draft.notice(notice::closed_issue()).done("refused: the issue is closed by now"));
        };
        let repo = draft.repo.clone();
        let planned = match self.plan_issue(&github, &draft, (issue, &now), options, earlier.as_ref()).await?
        {
            Ok(planned) => planned,
            Err(refused) => return Ok(refused.answer(draft)),
        };
        let changed = approved.map(|posted| approve::changed(posted, issue, &planned));
        let changed = changed.filter(|changed| !changed.is_nothing());
        if options.dry_run || changed.is_some() {
            let posted = approve::posted(&draft, issue, options, &planned);
            let estimate = self.estimate(&repo, &planned).await?;
            let places = store.places(repo.installation).await?;
            let text = report::plan(&planned.plan, &planned.policy, options, &places, estimate.as_ref());
            return Ok(match changed {
                None => draft.notice(text).posts(posted).done("a dry run"),
                Some(what) => {
                    let text = report::approve::changed(&what, &text);
                    draft.notice(text).posts(posted).done("refused: not the plan that was posted")
                }
            });
        }
        let Planned { policy, plan, existing, head } = planned;
        if let Some(why) = report::not_started(&plan, &policy, options) {
            return Ok(draft.notice(why).done("refused: the plan"));
        }
        if store.runs_active(repo.id).await? >= self.shared.settings.runs_per_repo {
            let limit = self.shared.settings.runs_per_repo;
            return Ok(draft.notice(notice::too_many_runs(limit)).done("refused: too many runs"));
        }
        let base = if policy.base.is_empty() { repo.default_branch.clone() } else { policy.base.clone() };
        let head = match head {
            Some(head) => head,
            None => github.branch_head(&base).await?,
        };
        let base_sha = match head {
            BranchHead::At(sha) => sha,
            BranchHead::Missing => {
                return Ok(draft.notice(notice::no_such_branch(&base)).done("refused: no base branch"));
            }
            BranchHead::EmptyRepository => {
                return Ok(draft.notice(notice::empty_repository()).done("refused: empty repository"));
            }
        };
        let again = !options.only.is_empty();
        let standing = self.standing(&github, earlier.as_ref(), again).await?;
        let missing_labels = missing_labels(&github, &policy).await?;
        let found = Found {
            ordered: options.ordered,
            policy,
            plan,
            base,
            base_sha,
            existing,
            earlier,
            standing,
            missing_labels,
        };
        let orchestration = self.compose(&draft, issue, found).await?;
        if orchestration.tasks.iter().all(|t| t.state.is_terminal()) {
            return Ok(draft
                .notice(notice::all_in_review(&orchestration))
                .done("refused: everything is in review"));
        }
        Ok(draft.start(orchestration))
    }
}

/// What is there, if it is.
pub(super) fn there<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. } | Error::Gone { .. } | Error::Moved { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
