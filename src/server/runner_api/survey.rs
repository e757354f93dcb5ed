//! Verbs of a search of a repository: a runner waits for a question, and answers it.

use super::{Problem, RunnerApi, convert};
use crate::dispatch::wire;
use axum::Json;
use axum::extract::{Path, State};
use std::sync::Arc;
use std::time::Duration;

/// A wait is answered at the latest after this long, whatever was asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A question that was handed out to a connection that is gone is handed out again a little later.
pub(super) async fn wait(
    State(api): State<Arc<RunnerApi>>,
    Json(wait): Json<wire::SurveyWait>,
) -> Json<wire::SurveyAsked> {
    let longest = Duration::from_millis(wait.wait_ms).min(LONGEST_WAIT);
    let question = api.behind.survey(&wait.runner, longest).await.map(|question| {
        let clone_url = convert::clone_url(&question.repo, &api.web_url);
        wire::SurveyQuestion { clone_url, ..question }
    });
    Json(wire::SurveyAsked { question })
}

pub(super) async fn answer(
    State(api): State<Arc<RunnerApi>>,
    Path(id): Path<u64>,
    Json(answer): Json<wire::SurveyAnswer>,
) -> Result<Json<wire::Accepted>, Problem> {
    if let Err(why) = &answer.found {
        tracing::warn!(survey = id, runner = %answer.runner, why, "a runner could not search a repository");
    }
    let waited_for = api.behind.surveyed(id, answer.found).await;
    Ok(Json(if waited_for { wire::Accepted::Done } else { wire::Accepted::Lost }))
}
