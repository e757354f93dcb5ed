//! The sub-issue of a task, found again by its marker among our own issues.

use super::{Context, Found, Sent};
use crate::domain::{EffectKey, IssueRef, Remote, RunEvent, TaskEvent, TaskNumber};
use crate::github::{Error, Issue, IssueFilter};
use crate::report;

pub(super) async fn send(context: &Context<'_>, number: TaskNumber) -> Result<Sent, Error> {
    let orchestration = &context.snapshot.orchestration;
    let Some(task) = orchestration.task(number) else {
        return Ok(Sent::Refused(format!("the run has no task {number}"), None));
    };
    let text = report::sub_issue(&orchestration.run, task, &context.marker(EffectKey::SubIssue(number)));
    let issue = context.github.create_issue(&text.title, &text.body, &text.labels).await?;
    context
        .logs
        .line(&orchestration.run, &format!("created sub-issue #{} for task {number}", issue.number))
        .await;
    let (remote, event) = known(number, &issue);
    Ok(Sent::Applied(Some(remote), Some(event)))
}

pub(super) async fn look(context: &Context<'_>, number: TaskNumber) -> Result<Found, Error> {
    let found = find(context, EffectKey::SubIssue(number), report::SUB_ISSUE_LABEL).await?;
    Ok(found.map_or(Found::No, |issue| {
        let (remote, event) = known(number, &issue);
        Found::Yes(remote, Some(event))
    }))
}

/// The lowest of our own issues with this label, written since the run began, that carries the effect's marker.
pub(super) async fn find(context: &Context<'_>, key: EffectKey, label: &str) -> Result<Option<Issue>, Error> {
    let since = super::early(context.snapshot.orchestration.run.created_at);
    let filter = IssueFilter { since: Some(since), labels: &[label], ..IssueFilter::default() };
    let issues = context.github.list_issues(&filter).await?;
    let ours = issues.into_iter().filter(|i| i.author_is_app && context.is_marked(&i.body, key));
    Ok(ours.min_by_key(|i| i.number))
}

fn known(task: TaskNumber, issue: &Issue) -> (Remote, RunEvent) {
    let event = TaskEvent::SubIssueKnown(IssueRef { number: issue.number, id: issue.id });
    (Remote { id: issue.id, number: Some(issue.number) }, RunEvent::Task(task, event))
}
