//! Closes the sub-issue of a merged task where GitHub does not. Closing twice does no harm.

use super::{Context, Sent, Writer};
use crate::domain::TaskNumber;
use crate::github::{Error, IssuePatch, IssueState, StateReason};

pub(super) async fn send(
    context: &Context<'_>,
    writer: &Writer<'_>,
    number: TaskNumber,
) -> Result<Sent, Error> {
    let Some(issue) = context.snapshot.orchestration.task(number).and_then(|t| t.sub_issue) else {
        return Ok(Sent::Refused(format!("task {number} has no sub-issue"), None));
    };
    let patch = IssuePatch {
        state: Some(IssueState::Closed),
        state_reason: Some(StateReason::Completed),
        ..IssuePatch::default()
    };
    let closed = writer.update_issue(issue.number, &patch).await?;
    Ok(Sent::Applied(Some((&closed).into())))
}
