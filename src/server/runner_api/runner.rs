//! Verbs of a runner process: register, claim, heartbeat.

use super::{Problem, RunnerApi, convert};
use crate::clock;
use crate::dispatch::wire;
use crate::domain::Orchestration;
use crate::store::{Beat, RunnerSeen};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// A claim is answered at the latest after this long, whatever was asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// While a claim or a heartbeat waits it looks again this often: a wake-up is only a hint.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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
    Ok(Json(wire::Registered {
        lease_ms: millis(api.lease),
        heartbeat_ms: millis(api.heartbeat),
        silence_ms: millis(api.silence),
        keep,
    }))
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

/// The leases are renewed when the question arrives. The answer is held open, as long as the runner asks for, until one of them is
/// lost or there is a command.
pub(super) async fn heartbeat(
    State(api): State<Arc<RunnerApi>>,
    Json(heartbeat): Json<wire::Heartbeat>,
) -> Result<Json<wire::Beaten>, Problem> {
    let now = clock::now();
    let until = clock::instant() + Duration::from_millis(heartbeat.wait_ms).min(api.heartbeat);
    let beats: Vec<Beat> = heartbeat
        .attempts
        .into_iter()
        .map(|beat| Beat { attempt: beat.attempt, epoch: beat.epoch, progress: beat.progress })
        .collect();
    let lease_until = later(now, api.lease);
    let mut runs = api.store.attempts_renewed(&heartbeat.runner, &beats, lease_until, now).await?;
    loop {
        let verdicts: Vec<wire::Verdict> =
            beats.iter().zip(&runs).map(|(beat, run)| verdict(beat, run)).collect();
        let left = until.saturating_duration_since(clock::instant());
        if left.is_zero() || verdicts.iter().any(|verdict| *verdict != wire::Verdict::Renewed) {
            return Ok(Json(wire::Beaten { verdicts }));
        }
        let _ = clock::within(left.min(LOOK_AGAIN), api.behind.changed()).await;
        // The renewal is recorded. A store that fails now changes nothing about that.
        if let Ok(now) = api.store.attempts_held(&heartbeat.runner, &beats).await {
            runs = now;
        }
    }
}

/// What becomes of an attempt, by its run as it is now; `None`: the lease is not the runner's.
fn verdict(beat: &Beat, run: &Option<Orchestration>) -> wire::Verdict {
    match run {
        Some(run) => convert::verdict(run, beat.attempt.task),
        None => wire::Verdict::Lost,
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now + SignedDuration::try_from(by).unwrap_or(SignedDuration::from_secs(90))
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
