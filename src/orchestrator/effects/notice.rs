//! One-off answers to a delivery, in the delivery's own scope.

use super::Sent;
use crate::domain::{Effect, Remote, Repo, RunId};
use crate::github::{Error, RepoClient};
use crate::orchestrator::Settings;
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

pub(super) async fn send(
    settings: &Settings,
    github: &RepoClient,
    effect: &Effect,
    answer: &Answer,
) -> Result<Sent, Error> {
    let (scope, step) = (effect.scope.to_string(), effect.key.to_string());
    let marker = marker::make(&settings.marker_key, answer.repo.id, &scope, &step);
    let comment = github.create_comment(answer.issue, &format!("{}\n\n{marker}", answer.body)).await?;
    Ok(Sent::Applied(Some(Remote { id: comment.id, number: None }), None))
}

pub(super) async fn look(
    settings: &Settings,
    github: &RepoClient,
    effect: &Effect,
    answer: &Answer,
) -> Result<Option<Remote>, Error> {
    let (scope, step) = (effect.scope.to_string(), effect.key.to_string());
    let comments = github.list_comments(answer.issue, Some(super::early(answer.since))).await?;
    let ours = comments.into_iter().filter(|c| {
        c.by_app && marker::carries(&settings.marker_key, answer.repo.id, &c.body, &scope, &step)
    });
    Ok(ours.map(|c| c.id).min().map(|id| Remote { id, number: None }))
}
