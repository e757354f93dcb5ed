//! Closes the sub-issue of a merged task where GitHub does not. Closing twice does no harm.

use super::{Context, Sent};
use crate::domain::{Remote, TaskNumber};
use crate::github::{Error, IssuePatch, IssueState, StateReason};

pub(super) async fn send(context: &Context<'_>, number: TaskNumber) -> Result<Sent, Error> {
    let Some(issue) = context.snapshot.orchestration.task(number).and_then(|t| t.sub_issue) else {
        return Ok(Sent::Refused(format!("task {number} has no sub-issue"), None));
    };
    let patch = IssuePatch {
        state: Some(IssueState::Closed),
        state_reason: Some(StateReason::Completed),
        ..IssuePatch::default()
    };
    let closed = context.github.update_issue(issue.number, &patch).await?;
    Ok(Sent::Applied(Some(Remote { id: closed.id, number: Some(closed.number) }), None))
}
