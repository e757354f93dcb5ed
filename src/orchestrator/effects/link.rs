//! Native links between issues. A link that is already there is refused with 422, so a refusal is checked
//! against the list before it counts; lists lag, so a first refusal that the list does not explain is doubted.

use super::{CERTAIN, Context, Sent, Writer};
use crate::domain::{IssueRef, TaskNumber};
use crate::github::{Error, Issue};

/// Makes the task's sub-issue a child of the master issue.
pub(super) async fn parent(
    context: &Context<'_>,
    writer: &Writer<'_>,
    number: TaskNumber,
    tries: u32,
) -> Result<Sent, Error> {
    let Some(child) = issue(context, number) else {
        return Ok(Sent::Refused(format!("task {number} has no sub-issue"), None));
    };
    let master = context.snapshot.orchestration.run.master.number;
    match writer.add_sub_issue(master, child.id).await {
        Ok(()) => Ok(Sent::Applied(None)),
        Err(Error::Invalid { op, messages }) => {
            judge(&context.github.sub_issues(master).await?, child.id, (op, messages), tries)
        }
        Err(error) => Err(error),
    }
}

/// Marks the first task's sub-issue as blocked by the second's.
pub(super) async fn blocked_by(
    context: &Context<'_>,
    writer: &Writer<'_>,
    (number, on): (TaskNumber, TaskNumber),
    tries: u32,
) -> Result<Sent, Error> {
    let (Some(blocked), Some(blocker)) = (issue(context, number), issue(context, on)) else {
        return Ok(Sent::Refused(format!("task {number} or {on} has no sub-issue"), None));
    };
    match writer.add_blocked_by(blocked.number, blocker.id).await {
        Ok(()) => Ok(Sent::Applied(None)),
        Err(Error::Invalid { op, messages }) => {
            judge(&context.github.blocked_by(blocked.number).await?, blocker.id, (op, messages), tries)
        }
        Err(error) => Err(error),
    }
}

/// Whether a refusal means that the link is there.
fn judge(
    listed: &[Issue],
    wanted: u64,
    (op, messages): (&'static str, Vec<String>),
    tries: u32,
) -> Result<Sent, Error> {
    let why = messages.join("; ");
    if listed.iter().any(|i| i.id == wanted) {
        Ok(Sent::Applied(None))
    } else if tries < CERTAIN {
        Err(Error::Unknown { op, why })
    } else {
        Ok(Sent::Refused(why, None))
    }
}

fn issue(context: &Context<'_>, number: TaskNumber) -> Option<IssueRef> {
    context.snapshot.orchestration.task(number)?.sub_issue
}
