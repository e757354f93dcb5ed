//! Verbs of a runner process: register, claim, heartbeat.

use super::{Problem, RunnerApi, convert};
use crate::clock;
use crate::dispatch::wire;
use crate::domain::{RunEvent, TaskEvent};
use crate::store::{RunnerSeen, StoreError};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// A claim is answered at the latest after this long, whatever was asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// While a claim waits it looks again this often: a wake-up is only a hint.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

pub(super) async fn register(
    State(api): State<Arc<RunnerApi>>,
    Json(register): Json<wire::Register>,
) -> Result<Json<wire::Registered>, Problem> {
    if register.version != wire::VERSION {
        let text =
            format!("this control plane speaks runner API {}, not {}", wire::VERSION, register.version);
        return Err(Problem(StatusCode::BAD_REQUEST, text));
    }
    tracing::info!(runner = %register.runner, host = register.host_id, slots = register.slots, agents = ?register.agents, found = register.found.len(), "a runner registered");
    let host = register.host_id.clone();
    let seen = RunnerSeen {
        runner: register.runner,
        host_id: register.host_id,
        slots: register.slots,
        agents: register.agents,
        tier: register.tier,
        found: register.found.clone(),
    };
    for run in api.store.runner_registered(seen, clock::now()).await? {
        api.behind.run_changed(&run);
    }
    // The dead had tokens; who resumes them gets others. So the old ones go before anybody can claim.
    for attempt in &register.found {
        api.behind.attempt_over(attempt).await;
    }
    let keep = api.store.attempts_kept(&host, register.found).await?;
    Ok(Json(wire::Registered { lease_ms: millis(api.lease), heartbeat_ms: millis(api.heartbeat), keep }))
}

pub(super) async fn kept(
    State(api): State<Arc<RunnerApi>>,
    Json(question): Json<wire::Keep>,
) -> Result<Json<wire::Kept>, Problem> {
    let keep = api.store.attempts_kept(&question.host_id, question.attempts).await?;
    Ok(Json(wire::Kept { keep }))
}

/// A dropped connection after the claim loses nothing: the same runner is answered the same attempt again
/// until it lists it in `holds`.
pub(super) async fn claim(
    State(api): State<Arc<RunnerApi>>,
    Json(claim): Json<wire::Claim>,
) -> Result<Json<wire::Claimed>, Problem> {
    let until = clock::instant() + Duration::from_millis(claim.wait_ms).min(LONGEST_WAIT);
    loop {
        let now = clock::now();
        let claimed =
            api.store.attempt_claimed(&claim.runner, &claim.holds, &api.limits, api.lease, now).await?;
        if let Some(claimed) = claimed {
            api.behind.run_changed(&claimed.attempt.run);
            let assignment = convert::assignment(&claimed, &api.web_url, &api.author).ok_or_else(|| {
                Problem(StatusCode::INTERNAL_SERVER_ERROR, "the claimed task has no sub-issue".to_owned())
            })?;
            return Ok(Json(wire::Claimed { assignment: Some(assignment) }));
        }
        let left = until.saturating_duration_since(clock::instant());
        if left.is_zero() {
            return Ok(Json(wire::Claimed { assignment: None }));
        }
        let _ = clock::within(left.min(LOOK_AGAIN), api.behind.work()).await;
    }
}

pub(super) async fn heartbeat(
    State(api): State<Arc<RunnerApi>>,
    Json(heartbeat): Json<wire::Heartbeat>,
) -> Result<Json<wire::Beaten>, Problem> {
    let mut verdicts = Vec::with_capacity(heartbeat.attempts.len());
    for beat in heartbeat.attempts {
        let now = clock::now();
        let event =
            TaskEvent::Renewed { epoch: beat.epoch, until: later(now, api.lease), progress: beat.progress };
        let held = api.store.lease_held(&beat.attempt, beat.epoch, &heartbeat.runner).await?;
        let renewed = if held {
            api.store.run_changed(&beat.attempt.run, RunEvent::Task(beat.attempt.task, event), now).await
        } else {
            verdicts.push(wire::Verdict::Lost);
            continue;
        };
        verdicts.push(match renewed {
            Ok(_) => wire::Verdict::Renewed,
            Err(StoreError::Refused(_) | StoreError::NoSuchRun(_)) => wire::Verdict::Lost,
            Err(error) => return Err(error.into()),
        });
    }
    Ok(Json(wire::Beaten { verdicts }))
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now + SignedDuration::try_from(by).unwrap_or(SignedDuration::from_secs(90))
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
