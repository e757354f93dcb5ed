//! Runners and leases: who may work on what, and until when.

use super::{Sqlite, Tx, runs};
use crate::domain::schedule::{Candidate, Limits, pick};
use crate::domain::{
    AttemptId, Orchestration, Resume, RunEvent, RunId, RunnerId, Spent, TaskEvent, TaskState,
};
use crate::store::rows::{CandidateRow, LiveRow, from_json, int, ms, to_json, uint};
use crate::store::{Beat, Claimed, RunnerSeen, StoreError};
use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;
use std::time::Duration;

pub(super) async fn registered(
    db: &Sqlite,
    seen: RunnerSeen,
    now: Timestamp,
) -> Result<Vec<RunId>, StoreError> {
    let mut tx = db.write().await?;
    // One process a host: an older one that still runs somewhere claims nothing any more.
    sqlx::query("DELETE FROM runners WHERE host_id = ? OR id = ?")
        .bind(&seen.host_id)
        .bind(seen.runner.as_str())
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO runners (id, host_id, slots, agents, tier, registered_at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(seen.runner.as_str())
    .bind(&seen.host_id)
    .bind(seen.slots)
    .bind(to_json(&seen.agents)?)
    .bind(&seen.tier)
    .bind(ms(now))
    .execute(&mut *tx)
    .await?;
    let orphans = sqlx::query_as(
        "SELECT run_id, task, attempt, epoch FROM attempts WHERE state = 'live' AND host_id = ? AND runner <> ?
         ORDER BY run_id, task",
    )
    .bind(&seen.host_id)
    .bind(seen.runner.as_str())
    .fetch_all(&mut *tx)
    .await?;
    let interrupted = |attempt: &AttemptId, epoch| {
        let host = seen.host_id.clone();
        if seen.found.contains(attempt) {
            TaskEvent::Interrupted { epoch, host }
        } else {
            // Handed out, and not heard of any more.
            TaskEvent::Released { epoch, host, spent: Spent::default() }
        }
    };
    let changed = lost(&mut tx, orphans, interrupted, now).await?;
    tx.commit().await?;
    Ok(changed)
}

pub(super) async fn released(
    db: &Sqlite,
    runner: &RunnerId,
    attempt: &AttemptId,
    epoch: u64,
    spent: Spent,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = db.write().await?;
    let host: Option<String> = sqlx::query_scalar(
        "SELECT host_id FROM attempts WHERE run_id = ? AND task = ? AND attempt = ? AND epoch = ? AND runner = ?
             AND state = 'live'",
    )
    .bind(attempt.run.as_str())
    .bind(attempt.task)
    .bind(attempt.attempt)
    .bind(int(epoch)?)
    .bind(runner.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(host) = host else { return Ok(false) };
    let event = RunEvent::Task(attempt.task, TaskEvent::Released { epoch, host, spent });
    runs::change(&mut tx, &attempt.run, &event, now).await?;
    tx.commit().await?;
    Ok(true)
}

pub(super) async fn kept(
    db: &Sqlite,
    host: &str,
    attempts: Vec<AttemptId>,
) -> Result<Vec<AttemptId>, StoreError> {
    let mut tx = db.read().await?;
    let mut kept = Vec::new();
    for attempt in attempts {
        let wanted: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM tasks WHERE run_id = ?1 AND number = ?2 AND attempt = ?3
                 AND state = 'ready' AND json_extract(data, '$.resume.host') = ?4)
             OR EXISTS (SELECT 1 FROM attempts WHERE run_id = ?1 AND task = ?2 AND attempt = ?3
                 AND state = 'live' AND host_id = ?4)",
        )
        .bind(attempt.run.as_str())
        .bind(attempt.task)
        .bind(attempt.attempt)
        .bind(host)
        .fetch_one(&mut *tx)
        .await?;
        if wanted {
            kept.push(attempt);
        }
    }
    Ok(kept)
}

/// Ends the leases that ran out before `now`.
pub(super) async fn expired(tx: &mut Tx, now: Timestamp) -> Result<Vec<RunId>, StoreError> {
    let late = sqlx::query_as(
        "SELECT run_id, number AS task, attempt, epoch FROM tasks WHERE state = 'running' AND lease_until < ?
         ORDER BY run_id, number",
    )
    .bind(ms(now))
    .fetch_all(&mut **tx)
    .await?;
    lost(tx, late, |_, epoch| TaskEvent::LeaseLost { epoch }, now).await
}

/// Ends these leases; returns their runs, each once. The rows are ordered by run.
async fn lost(
    tx: &mut Tx,
    rows: Vec<LiveRow>,
    how: impl Fn(&AttemptId, u64) -> TaskEvent,
    now: Timestamp,
) -> Result<Vec<RunId>, StoreError> {
    let mut changed: Vec<RunId> = Vec::new();
    for row in rows {
        let (attempt, epoch) = row.named()?;
        let event = RunEvent::Task(attempt.task, how(&attempt, epoch));
        runs::change(tx, &attempt.run, &event, now).await?;
        if changed.last() != Some(&attempt.run) {
            changed.push(attempt.run);
        }
    }
    Ok(changed)
}

pub(super) async fn claimed(
    db: &Sqlite,
    runner: &RunnerId,
    holds: &[AttemptId],
    limits: &Limits,
    lease: Duration,
    now: Timestamp,
) -> Result<Option<Claimed>, StoreError> {
    let until = SignedDuration::try_from(lease)
        .ok()
        .and_then(|lease| now.checked_add(lease).ok())
        .ok_or_else(|| StoreError::Corrupt(format!("a lease of {lease:?} ends beyond the calendar")))?;
    let mut tx = db.write().await?;
    let claimed = match unanswered(&mut tx, runner, holds, until, now).await? {
        Some(again) => Some(again),
        None => next(&mut tx, runner, limits, until, now).await?,
    };
    // Nothing was written when there is nothing to do: the commit then costs no fsync.
    tx.commit().await?;
    Ok(claimed)
}

/// An attempt that this runner was given in an answer that it did not get. Its lease runs anew: the runner
/// counts from now.
async fn unanswered(
    tx: &mut Tx,
    runner: &RunnerId,
    holds: &[AttemptId],
    until: Timestamp,
    now: Timestamp,
) -> Result<Option<Claimed>, StoreError> {
    let live: Vec<LiveRow> = sqlx::query_as(
        "SELECT run_id, task, attempt, epoch FROM attempts WHERE runner = ? AND state = 'live'
         ORDER BY started_at, run_id, task",
    )
    .bind(runner.as_str())
    .fetch_all(&mut **tx)
    .await?;
    for row in live {
        let (attempt, epoch) = row.named()?;
        if holds.contains(&attempt) {
            continue;
        }
        let before = runs::load(tx, &attempt.run).await?;
        let progress =
            before.orchestration.task(attempt.task).map(|t| t.progress.clone()).unwrap_or_default();
        let renewed = RunEvent::Task(attempt.task, TaskEvent::Renewed { epoch, until, progress });
        let orchestration = runs::apply(tx, before, &renewed, now).await?.orchestration;
        return Ok(Some(Claimed { attempt, epoch, orchestration }));
    }
    Ok(None)
}

async fn next(
    tx: &mut Tx,
    runner: &RunnerId,
    limits: &Limits,
    until: Timestamp,
    now: Timestamp,
) -> Result<Option<Claimed>, StoreError> {
    let known: Option<(String, String)> = sqlx::query_as("SELECT agents, host_id FROM runners WHERE id = ?")
        .bind(runner.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    // Superseded by a newer process of its host, or never registered: it can run nothing that we know of.
    let Some((agents, host)) = known else { return Ok(None) };
    let agents: Vec<String> = from_json(&agents)?;
    // What this host was interrupted in comes first; what another host was interrupted in is that one's for a while.
    let (mut own, mut free) = (Vec::new(), Vec::new());
    for (candidate, resume) in candidates(tx).await? {
        match resume {
            Some(resume) if resume.host == host => own.push(candidate),
            Some(resume) if now < resume.until => {}
            _ => free.push(candidate),
        }
    }
    let (run, task, orchestration) = loop {
        let (from, resumes) = if own.is_empty() { (&mut free, false) } else { (&mut own, true) };
        let Some(at) = pick(from, &agents, limits) else {
            match resumes {
                // None of them may start now; what else there is may.
                true => own.clear(),
                false => return Ok(None),
            }
            continue;
        };
        let Candidate { run, task, .. } = from.swap_remove(at);
        let (runner, host) = (runner.clone(), host.clone());
        let event = match resumes {
            true => TaskEvent::Resumed { runner, host, until },
            false => TaskEvent::Claimed { runner, until },
        };
        match runs::change(tx, &run, &RunEvent::Task(task, event), now).await {
            Ok(orchestration) => break (run, task, orchestration),
            // The columns know less than the run (rows of an older version): the next one, then.
            Err(StoreError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    };
    let Some((attempt, epoch)) = orchestration.task(task).map(|t| (t.attempt, t.epoch)) else {
        return Err(StoreError::Corrupt(format!("run {run} has no task {task}")));
    };
    Ok(Some(Claimed { attempt: AttemptId { run, task, attempt }, epoch, orchestration }))
}

/// Ready tasks of active runs that may start now, each with its interrupted attempt.
async fn candidates(tx: &mut Tx) -> Result<Vec<(Candidate, Option<Resume>)>, StoreError> {
    let ready = sqlx::query_as::<_, CandidateRow>(
        "WITH alive AS (
             SELECT run_id, installation FROM tasks JOIN runs ON runs.id = run_id WHERE tasks.state = 'running')
         SELECT run_id, number, agent, size, waits, max_workers, created_at,
             json_extract(tasks.data, '$.resume') AS resume,
             (SELECT count(*) FROM alive WHERE alive.run_id = tasks.run_id) AS run_alive,
             (SELECT count(*) FROM alive WHERE alive.installation = runs.installation) AS installation_alive
         FROM tasks JOIN runs ON runs.id = run_id WHERE tasks.state = 'ready' AND runs.state = 'active'
             AND NOT coalesce(json_extract(runs.data, '$.stops.paused'), 0)
             AND json_extract(runs.data, '$.stops.suspended') IS NULL
         ORDER BY run_id, number",
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut candidates = Vec::with_capacity(ready.len());
    // Only a task that waits for others needs the whole run; the rows are ordered by run, so each is read once.
    let mut looked_at: Option<Orchestration> = None;
    for row in ready {
        if row.waits {
            let run = match looked_at.take().filter(|o| o.run.id.as_str() == row.run_id) {
                Some(same) => same,
                None => runs::load(tx, &RunId::new(row.run_id.as_str())).await?.orchestration,
            };
            let may = run.tasks.iter().any(|t| i64::from(t.number) == row.number && run.may_start(t));
            looked_at = Some(run);
            if !may {
                continue;
            }
        }
        let resume = row.resume.as_deref().map(from_json::<Resume>).transpose()?;
        candidates.push((Candidate::try_from(row)?, resume));
    }
    Ok(candidates)
}

pub(super) async fn renewed(
    db: &Sqlite,
    runner: &RunnerId,
    beats: &[Beat],
    until: Timestamp,
    now: Timestamp,
) -> Result<Vec<Option<Orchestration>>, StoreError> {
    let mut tx = db.write().await?;
    let mut after = Vec::with_capacity(beats.len());
    for beat in beats {
        if !is_held(&mut tx, &beat.attempt, beat.epoch, runner).await? {
            after.push(None);
            continue;
        }
        let event = TaskEvent::Renewed { epoch: beat.epoch, until, progress: beat.progress.clone() };
        let event = RunEvent::Task(beat.attempt.task, event);
        after.push(match runs::change(&mut tx, &beat.attempt.run, &event, now).await {
            Ok(run) => Some(run),
            Err(StoreError::Refused(_)) => None,
            Err(error) => return Err(error),
        });
    }
    tx.commit().await?;
    Ok(after)
}

pub(super) async fn all_held(
    db: &Sqlite,
    runner: &RunnerId,
    beats: &[Beat],
) -> Result<Vec<Option<Orchestration>>, StoreError> {
    let mut tx = db.read().await?;
    let mut now = Vec::with_capacity(beats.len());
    for beat in beats {
        now.push(match is_held(&mut tx, &beat.attempt, beat.epoch, runner).await? {
            true => Some(runs::load(&mut tx, &beat.attempt.run).await?.orchestration),
            false => None,
        });
    }
    Ok(now)
}

pub(super) async fn held(
    db: &Sqlite,
    attempt: &AttemptId,
    epoch: u64,
    runner: &RunnerId,
) -> Result<bool, StoreError> {
    let mut tx = db.read().await?;
    is_held(&mut tx, attempt, epoch, runner).await
}

/// The one condition under which a word of a runner counts. Whether the lease has run out is no part of it: late is not lost.
async fn is_held(
    conn: &mut SqliteConnection,
    attempt: &AttemptId,
    epoch: u64,
    runner: &RunnerId,
) -> Result<bool, StoreError> {
    // An epoch that no row can hold is nobody's.
    let Ok(epoch) = int(epoch) else { return Ok(false) };
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM tasks WHERE run_id = ? AND number = ? AND attempt = ? AND epoch = ? AND runner = ?
             AND state = ?",
    )
    .bind(attempt.run.as_str())
    .bind(attempt.task)
    .bind(attempt.attempt)
    .bind(epoch)
    .bind(runner.as_str())
    .bind(TaskState::Running.as_str())
    .fetch_one(conn)
    .await?)
}

pub(super) async fn ended_by(
    db: &Sqlite,
    attempt: &AttemptId,
) -> Result<Option<(u64, RunnerId)>, StoreError> {
    let row: Option<(i64, String)> = sqlx::query_as(
        "SELECT epoch, runner FROM attempts WHERE run_id = ? AND task = ? AND attempt = ? AND state = 'ended'",
    )
    .bind(attempt.run.as_str())
    .bind(attempt.task)
    .bind(attempt.attempt)
    .fetch_optional(&db.readers)
    .await?;
    row.map(|(epoch, runner)| Ok((uint(epoch)?, RunnerId::new(runner)))).transpose()
}
