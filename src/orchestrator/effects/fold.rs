//! The end of a second one. A second issue is closed with a link to the first, because people may have seen or
//! linked it; a second comment says nothing that the first does not, so it is deleted. Both do no harm when repeated.

use super::{Sent, Writer};
use crate::domain::Folded;
use crate::github::{Error, IssuePatch, IssueState, StateReason};
use crate::report;

pub(super) async fn send(
    writer: &Writer<'_>,
    what: Folded,
    one: u64,
    first: Option<u64>,
) -> Result<Sent, Error> {
    match what {
        Folded::SubIssue(_) | Folded::FollowUp(_) => {
            let Some(first) = first else {
                return Ok(Sent::Refused("the first one is not known".to_owned(), None));
            };
            let patch = IssuePatch {
                body: Some(report::folded(first)),
                state: Some(IssueState::Closed),
                state_reason: Some(StateReason::Duplicate),
                ..IssuePatch::default()
            };
            writer.update_issue(one, &patch).await?;
        }
        Folded::Progress | Folded::Summary | Folded::Notice => match writer.delete_comment(one).await {
            Ok(()) | Err(Error::NotFound { .. } | Error::Gone { .. }) => {}
            Err(error) => return Err(error),
        },
    }
    Ok(Sent::Applied(None))
}
