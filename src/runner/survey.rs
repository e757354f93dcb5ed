//! Searches of repositories for the control plane, which has no git. They need no slot, and one is done at a time.

use super::disk;
use super::halt::sentence;
use super::service::Shared;
use crate::clock;
use crate::dispatch::{CallError, until_answered, wire};
use crate::domain::survey::Answer;
use crate::workspace::{self, Mirror, Remote};
use std::time::Duration;

/// How long one question for work waits.
const WAIT: Duration = Duration::from_secs(25);
/// How soon a question that got no answer is repeated, and one that was refused (by a control plane that knows no searches).
const AGAIN: Duration = Duration::from_secs(1);
const REFUSED: Duration = Duration::from_secs(60);

/// Answers one question after the other. Dropping it stops the search; the question is asked again elsewhere.
pub(super) async fn survey_on(shared: &Shared) {
    loop {
        match shared.client.survey(WAIT).await {
            Ok(Some(question)) => answer(shared, question).await,
            Ok(None) => {}
            Err(CallError::NoAnswer(why)) => {
                tracing::debug!(why, "Nobody says whether there is a repository to search.");
                clock::sleep(AGAIN).await;
            }
            Err(error) => {
                tracing::warn!(%error, "No search could be asked for.");
                clock::sleep(REFUSED).await;
            }
        }
    }
}

async fn answer(shared: &Shared, question: wire::SurveyQuestion) {
    let (id, began) = (question.id, clock::instant());
    let limit = Duration::from_millis(question.left_ms);
    shared.options.redact.add(&question.credential.token);
    let found = clock::within(limit, search(shared, &question)).await;
    shared.options.redact.remove(&question.credential.token);
    // Nobody waits any more, and what was fetched so far is of use later.
    let Some(found) = found else { return };
    tracing::info!(
        survey = id, repo = %question.repo.full_name(), tasks = question.tasks.len(),
        took_ms = u64::try_from(clock::since(began).as_millis()).unwrap_or(u64::MAX), found = found.is_ok(),
        "A repository was searched."
    );
    let tell = until_answered(|| shared.client.surveyed(id, found.clone()));
    match clock::within(limit.saturating_sub(clock::since(began)), tell).await {
        None | Some(Ok(()) | Err(CallError::Lost | CallError::NoAnswer(_))) => {}
        Some(Err(error)) => tracing::warn!(survey = id, %error, "The answer of a search was not taken."),
    }
}

async fn search(shared: &Shared, question: &wire::SurveyQuestion) -> Result<Answer, String> {
    let data_dir = &shared.options.data_dir;
    if !disk::has_room(data_dir) {
        return Err("its disk is nearly full".to_owned());
    }
    let opened = Mirror::open_or_create(shared.git.clone(), data_dir, question.repo.id).await;
    let mirror = opened.map_err(|e| sentence(&e))?;
    if !mirror.has_commit(&question.base_sha).await.map_err(|e| sentence(&e))? {
        let token = question.credential.token.clone().into();
        let remote = Remote::new(question.clone_url.clone(), token).map_err(|e| sentence(&e))?;
        mirror.update(&remote, &question.base).await.map_err(|e| sentence(&e))?;
        mirror.ensure_commit(&remote, &question.base_sha).await.map_err(|e| sentence(&e))?;
    }
    let found = workspace::survey(&shared.git, mirror.path(), &question.base_sha, &question.tasks).await;
    found.map_err(|e| sentence(&e))
}
