//! One-off answers to a delivery, in the delivery's own scope.

use super::{Reply, Sent, Writer};
use crate::domain::{EffectKey, Remote, Repo, RunId, Scope};
use crate::github::Error;
use crate::report::marker;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an answer needs: kept in the effect's row, since no run holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::orchestrator) struct Answer {
    /// Where.
    pub repo: Repo,
    /// On which issue or pull request.
    pub issue: u64,
    /// The text; empty for reactions.
    pub body: String,
    /// When it was decided: older comments are not ours.
    pub since: Timestamp,
    /// The run that the delivery started or changed: its calls are counted for it.
    #[serde(default)]
    pub run: Option<RunId>,
}

pub(super) async fn send(reply: &Reply<'_>, writer: &Writer<'_>) -> Result<Sent, Error> {
    let (scope, step) = name(reply);
    let answer = reply.answer;
    let marker = marker::make(&reply.settings.marker_key, answer.repo.id, &scope, &step);
    let comment = writer.create_comment(answer.issue, &format!("{}\n\n{marker}", answer.body)).await?;
    Ok(Sent::Applied(Some(Remote { id: comment.id, number: None })))
}

pub(super) async fn look(reply: &Reply<'_>) -> Result<Vec<Remote>, Error> {
    let (scope, step) = name(reply);
    let answer = reply.answer;
    let comments = reply.github.comments(answer.issue, super::early(answer.since)).await?;
    let ours = comments.into_iter().filter(|c| {
        c.by_app && marker::carries(&reply.settings.marker_key, answer.repo.id, &c.body, &scope, &step)
    });
    Ok(ours.map(|c| Remote { id: c.id, number: None }).collect())
}

fn name(reply: &Reply<'_>) -> (String, String) {
    (Scope::Delivery(reply.delivery.clone()).to_string(), EffectKey::Notice.to_string())
}
