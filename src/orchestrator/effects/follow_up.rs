//! The follow-up issue of a failed task: made once, edited on another failure, closed when a retry succeeds.

use super::{Context, Sent, Writer};
use crate::domain::{EffectKey, Remote, TaskNumber, TaskState};
use crate::github::{Error, IssuePatch, IssueState, StateReason};
use crate::report;

pub(super) async fn send(
    context: &Context<'_>,
    writer: &Writer<'_>,
    number: TaskNumber,
    remote: Option<Remote>,
) -> Result<Sent, Error> {
    let orchestration = &context.snapshot.orchestration;
    let Some(task) = orchestration.task(number) else {
        return Ok(Sent::Refused(format!("the run has no task {number}"), None));
    };
    if task.state == TaskState::Completed && remote.is_none() {
        // The first request never arrived, or a person deleted the issue: there is nothing to close.
        return Ok(Sent::Applied(None));
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
            let issue = writer.update_issue(issue, &patch).await?;
            (issue.id, issue.number)
        }
        None => {
            let labels: Vec<&str> = text.labels.iter().map(String::as_str).collect();
            let issue = writer.create_issue(&text.title, &text.body, &labels).await?;
            context
                .logs
                .line(&orchestration.run, &format!("created follow-up #{} for task {number}", issue.number))
                .await;
            (issue.id, issue.number)
        }
    };
    Ok(Sent::Applied(Some(Remote { id, number: Some(issue) })))
}
