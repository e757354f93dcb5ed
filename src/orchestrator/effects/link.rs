//! Native links between issues. A link that is already there is refused with 422, so a refusal is checked
//! against the list before it counts.

use super::{Context, Sent};
use crate::domain::{IssueRef, TaskNumber};
use crate::github::Error;

/// Makes the task's sub-issue a child of the master issue.
pub(super) async fn parent(context: &Context<'_>, number: TaskNumber) -> Result<Sent, Error> {
    let Some(child) = issue(context, number) else {
        return Ok(Sent::Refused(format!("task {number} has no sub-issue"), None));
    };
    let master = context.snapshot.orchestration.run.master.number;
    match context.github.add_sub_issue(master, child.id).await {
        Ok(()) => Ok(Sent::Applied(None, None)),
        Err(Error::Invalid { messages, .. }) => {
            let children = context.github.list_sub_issues(master).await?;
            Ok(if children.iter().any(|c| c.id == child.id) {
                Sent::Applied(None, None)
            } else {
                Sent::Refused(messages.join("; "), None)
            })
        }
        Err(error) => Err(error),
    }
}

/// Marks the task's sub-issue as blocked by another task's.
pub(super) async fn blocked_by(
    context: &Context<'_>,
    number: TaskNumber,
    on: TaskNumber,
) -> Result<Sent, Error> {
    let (Some(blocked), Some(blocker)) = (issue(context, number), issue(context, on)) else {
        return Ok(Sent::Refused(format!("task {number} or {on} has no sub-issue"), None));
    };
    match context.github.add_blocked_by(blocked.number, blocker.id).await {
        Ok(()) => Ok(Sent::Applied(None, None)),
        Err(Error::Invalid { messages, .. }) => {
            let blockers = context.github.list_blocked_by(blocked.number).await?;
            Ok(if blockers.iter().any(|b| b.id == blocker.id) {
                Sent::Applied(None, None)
            } else {
                Sent::Refused(messages.join("; "), None)
            })
        }
        Err(error) => Err(error),
    }
}

fn issue(context: &Context<'_>, number: TaskNumber) -> Option<IssueRef> {
    context.snapshot.orchestration.task(number)?.sub_issue
}
