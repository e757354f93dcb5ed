//! Verbs about one attempt: finish, events, log, credential, policy.

use super::{Problem, RunnerApi, convert};
use crate::clock;
use crate::dispatch::wire;
use crate::domain::{AttemptId, RunEvent, RunnerId};
use crate::store::StoreError;
use crate::telemetry::names;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use std::sync::Arc;

type Api = State<Arc<RunnerApi>>;

/// The same finish sent again (its answer was lost) gets the same answer.
pub(super) async fn finish(
    State(api): Api,
    Path(attempt): Path<String>,
    Json(finish): Json<wire::Finish>,
) -> Result<Json<wire::Accepted>, Problem> {
    let attempt = read(attempt)?;
    if ended_by(&api, &attempt, finish.epoch, &finish.runner).await? {
        return Ok(Json(wire::Accepted::Done));
    }
    let (epoch, runner) = (finish.epoch, finish.runner.clone());
    let accepted = if api.store.lease_held(&attempt, finish.epoch, &finish.runner).await? {
        let measured =
            RunEvent::Measured { memory_mb: finish.facts.peak_memory_mb, tier: finish.facts.tier.clone() };
        api.store.run_changed(&attempt.run, measured, clock::now()).await?;
        let outcome = match &finish.facts.end {
            wire::End::Pushed(_) => "pushed",
            wire::End::Failed { failure, .. } => failure.kind.as_str(),
        };
        metrics::counter!(names::ATTEMPTS, "outcome" => outcome).increment(1);
        let event = RunEvent::Task(attempt.task, convert::finished(finish.epoch, finish.facts));
        match api.store.run_changed(&attempt.run, event, clock::now()).await {
            Ok(_) => wire::Accepted::Done,
            Err(StoreError::Refused(_)) => wire::Accepted::Lost,
            Err(error) => return Err(error.into()),
        }
    } else {
        wire::Accepted::Lost
    };
    // Its first sending may have come through while this one was looked at.
    let accepted = match accepted {
        wire::Accepted::Lost if ended_by(&api, &attempt, epoch, &runner).await? => wire::Accepted::Done,
        accepted => accepted,
    };
    api.behind.attempt_over(&attempt).await;
    api.behind.run_changed(&attempt.run);
    Ok(Json(accepted))
}

/// An attempt that this runner does not hold is handed back already, or another's: either way there is nothing to do.
pub(super) async fn release(
    State(api): Api,
    Path(attempt): Path<String>,
    Json(release): Json<wire::Release>,
) -> Result<Json<wire::Accepted>, Problem> {
    let attempt = read(attempt)?;
    let (runner, epoch) = (&release.runner, release.epoch);
    if api.store.attempt_released(runner, &attempt, epoch, release.spent, clock::now()).await? {
        tracing::info!(%attempt, epoch, %runner, "a runner handed an attempt back");
        api.behind.attempt_over(&attempt).await;
        api.behind.run_changed(&attempt.run);
    }
    Ok(Json(wire::Accepted::Done))
}

/// Whether the attempt has ended by this very runner's word.
async fn ended_by(
    api: &RunnerApi,
    attempt: &AttemptId,
    epoch: u64,
    runner: &RunnerId,
) -> Result<bool, Problem> {
    let ended = api.store.attempt_ended_by(attempt).await?;
    Ok(ended.is_some_and(|(by_epoch, by)| by_epoch == epoch && by == *runner))
}

pub(super) async fn events(
    State(api): Api,
    Path(attempt): Path<String>,
    Json(events): Json<wire::Events>,
) -> Result<Json<wire::Accepted>, Problem> {
    let attempt = read(attempt)?;
    if !api.store.lease_held(&attempt, events.epoch, &events.runner).await? {
        return Ok(Json(wire::Accepted::Lost));
    }
    api.behind.session_lines(&attempt, &events.lines).await.map_err(disk)?;
    Ok(Json(wire::Accepted::Done))
}

pub(super) async fn log(
    State(api): Api,
    Path(attempt): Path<String>,
    Query(chunk): Query<wire::LogChunk>,
    body: Bytes,
) -> Result<Json<wire::LogStored>, Problem> {
    let attempt = held(&api, attempt, chunk.epoch, &chunk.runner).await?;
    let stored = api.behind.log_chunk(&attempt, chunk.offset, &body).await.map_err(disk)?;
    Ok(Json(wire::LogStored { stored }))
}

pub(super) async fn credential(
    State(api): Api,
    Path(attempt): Path<String>,
    Json(request): Json<wire::CredentialRequest>,
) -> Result<Json<wire::Credential>, Problem> {
    let attempt = held(&api, attempt, request.epoch, &request.runner).await?;
    let repo = api.store.snapshot(&attempt.run).await?.orchestration.run.repo;
    let credential = api.behind.credential(&attempt, &repo).await;
    let clone_url = Some(convert::clone_url(&repo, &api.web_url));
    credential.map(|c| Json(wire::Credential { clone_url, ..c })).map_err(|e| {
        Problem(if e.is_final { StatusCode::FORBIDDEN } else { StatusCode::SERVICE_UNAVAILABLE }, e.why)
    })
}

pub(super) async fn policy(
    State(api): Api,
    Path(attempt): Path<String>,
    Json(request): Json<wire::PolicyRequest>,
) -> Result<Json<wire::Policy>, Problem> {
    let attempt = held(&api, attempt, request.epoch, &request.runner).await?;
    let policy = convert::policy(api.store.snapshot(&attempt.run).await?.orchestration, attempt.task);
    Ok(Json(wire::Policy { policy }))
}

async fn held(api: &RunnerApi, attempt: String, epoch: u64, runner: &RunnerId) -> Result<AttemptId, Problem> {
    let attempt = read(attempt)?;
    if api.store.lease_held(&attempt, epoch, runner).await? { Ok(attempt) } else { Err(Problem::lost()) }
}

fn read(attempt: String) -> Result<AttemptId, Problem> {
    AttemptId::try_from(attempt).map_err(|why| Problem(StatusCode::BAD_REQUEST, why))
}

fn disk(why: String) -> Problem {
    Problem(StatusCode::INSUFFICIENT_STORAGE, why)
}
