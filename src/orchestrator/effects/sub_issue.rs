//! The sub-issue of a task, found again by its marker among our own issues.

use super::{Context, Sent, Writer};
use crate::domain::{EffectKey, Remote, TaskNumber};
use crate::github::Error;
use crate::report;

pub(super) async fn send(
    context: &Context<'_>,
    writer: &Writer<'_>,
    number: TaskNumber,
) -> Result<Sent, Error> {
    let orchestration = &context.snapshot.orchestration;
    let Some(task) = orchestration.task(number) else {
        return Ok(Sent::Refused(format!("the run has no task {number}"), None));
    };
    let text = report::sub_issue(&orchestration.run, task, &context.marker(EffectKey::SubIssue(number)));
    let labels: Vec<&str> = text.labels.iter().map(String::as_str).collect();
    let issue = writer.create_issue(&text.title, &text.body, &labels).await?;
    context
        .logs
        .line(&orchestration.run, &format!("created sub-issue #{} for task {number}", issue.number))
        .await;
    Ok(Sent::Applied(Some((&issue).into())))
}

/// Our own issues, written since the run began, that carry the effect's marker. By who wrote them and not by their
/// label: people take labels off, and GitHub drops those that we may not set.
pub(super) async fn look(context: &Context<'_>, key: EffectKey) -> Result<Vec<Remote>, Error> {
    let since = super::early(context.snapshot.orchestration.run.created_at);
    let issues = context.github.own_issues(since).await?;
    let ours = issues.iter().filter(|i| context.is_marked(i.id, &i.body, key));
    Ok(ours.map(Remote::from).collect())
}
