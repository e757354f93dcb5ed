//! The follow-up issue of a failed task: made once, edited on another failure, closed when a retry succeeds.

use super::sub_issue::find;
use super::{Context, Found, Sent};
use crate::domain::{EffectKey, Remote, RunEvent, TaskEvent, TaskNumber, TaskState};
use crate::github::{Error, IssuePatch, IssueState, StateReason};
use crate::report;

pub(super) async fn send(
    context: &Context<'_>,
    number: TaskNumber,
    remote: Option<Remote>,
) -> Result<Sent, Error> {
    let orchestration = &context.snapshot.orchestration;
    let Some(task) = orchestration.task(number) else {
        return Ok(Sent::Refused(format!("the run has no task {number}"), None));
    };
    if task.state == TaskState::Completed && remote.is_none() {
        // The first request never arrived, or a person deleted the issue: there is nothing to close.
        return Ok(Sent::Applied(None, None));
    }
    let text = report::follow_up(&orchestration.run, task, &context.marker(EffectKey::FollowUp(number)));
    let (id, issue) = match remote.and_then(|r| r.number) {
        Some(issue) => {
            let done = task.state == TaskState::Completed;
            let patch = IssuePatch {
                title: Some(text.title),
                body: Some(text.body),
                state: Some(if done { IssueState::Closed } else { IssueState::Open }),
                state_reason: done.then_some(StateReason::Completed),
                // Labels are people's from now on.
                labels: None,
            };
            let issue = context.github.update_issue(issue, &patch).await?;
            (issue.id, issue.number)
        }
        None => {
            let issue = context.github.create_issue(&text.title, &text.body, &text.labels).await?;
            context
                .logs
                .line(&orchestration.run, &format!("created follow-up #{} for task {number}", issue.number))
                .await;
            (issue.id, issue.number)
        }
    };
    let event = RunEvent::Task(number, TaskEvent::FollowUpKnown(issue));
    Ok(Sent::Applied(Some(Remote { id, number: Some(issue) }), Some(event)))
}

pub(super) async fn look(context: &Context<'_>, number: TaskNumber) -> Result<Found, Error> {
    let found = find(context, EffectKey::FollowUp(number), report::FOLLOW_UP_LABEL).await?;
    Ok(found.map_or(Found::No, |issue| {
        let event = RunEvent::Task(number, TaskEvent::FollowUpKnown(issue.number));
        Found::Yes(Remote { id: issue.id, number: Some(issue.number) }, Some(event))
    }))
}
