//! A label that sub-issues carry and that the repository has not yet, with colour and description.
//!
//! GitHub makes a missing label by itself when an issue uses it, without either; so it is made before. Sent again, it makes
//! no second one, and a label that is there by now is left as it is: its colour is people's.

use super::{Context, Sent, Writer};
use crate::github::Error;
use crate::report;

pub(super) async fn send(context: &Context<'_>, writer: &Writer<'_>, number: u32) -> Result<Sent, Error> {
    let run = &context.snapshot.orchestration.run;
    let Some(name) = run.missing_label(number) else {
        return Ok(Sent::Refused(format!("the run has no label {number}"), None));
    };
    let labels = report::labels(&run.policy.issue_template);
    let Some(label) = labels.iter().find(|label| label.name == name) else {
        return Ok(Sent::Refused(format!("`{name}` is no label of sub-issues"), None));
    };
    match writer.create_label(&label.name, label.color, label.description).await {
        Ok(()) => Ok(Sent::Applied(None)),
        Err(Error::Invalid { messages, .. }) if messages.iter().any(|m| m.contains("already_exists")) => {
            Ok(Sent::Applied(None))
        }
        Err(error) => Err(error),
    }
}
