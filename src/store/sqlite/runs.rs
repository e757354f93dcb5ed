//! Runs and their tasks: the one place where a state is replaced.

use super::{Sqlite, effects, history};
use crate::domain::{Orchestration, Refusal, RunEvent, RunId, Scope, Snapshot, Task, TaskEvent, TaskState};
use crate::store::rows::{Loaded, RunRow, TaskColumns, int, ms, to_json};
use crate::store::{Recorded, StoreError};
use jiff::Timestamp;
use sqlx::SqliteConnection;

/// The run as it is stored, within the caller's transaction.
pub(super) async fn load(conn: &mut SqliteConnection, run: &RunId) -> Result<Loaded, StoreError> {
    let row: RunRow = sqlx::query_as("SELECT version, recheck, data FROM runs WHERE id = ?")
        .bind(run.as_str())
        .fetch_optional(&mut *conn)
        .await?
        .ok_or_else(|| StoreError::NoSuchRun(run.clone()))?;
    let tasks = sqlx::query_scalar("SELECT data FROM tasks WHERE run_id = ? ORDER BY number")
        .bind(run.as_str())
        .fetch_all(conn)
        .await?;
    row.with_tasks(tasks)
}

/// Stores a new run; `false` if its master has a live one, or its name or sequence is taken.
pub(super) async fn inserted(conn: &mut SqliteConnection, new: &Orchestration) -> Result<bool, StoreError> {
    let run = &new.run;
    let stored = sqlx::query(
        "INSERT INTO runs (id, repo_id, master, sequence, orchestration_id, state, created_at, installation,
             max_workers, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(run.id.as_str())
    .bind(int(run.repo.id)?)
    .bind(int(run.master.number)?)
    .bind(run.sequence)
    .bind(&run.orchestration_id)
    .bind(run.state.as_str())
    .bind(ms(run.created_at))
    .bind(int(run.repo.installation)?)
    .bind(run.policy.max_workers)
    .bind(to_json(run)?)
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if stored == 0 {
        return Ok(false);
    }
    for task in &new.tasks {
        let row = TaskColumns::of(task)?;
        sqlx::query(
            "INSERT INTO tasks (run_id, number, state, epoch, attempt, runner, lease_until, sub_issue,
                 pull_request, follow_up, agent, size, waits, data)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(run.id.as_str())
        .bind(row.number)
        .bind(row.state)
        .bind(row.epoch)
        .bind(row.attempt)
        .bind(row.runner)
        .bind(row.lease_until)
        .bind(row.sub_issue)
        .bind(row.pull_request)
        .bind(row.follow_up)
        .bind(&task.agent)
        .bind(row.size)
        .bind(waits(new, task))
        .bind(row.data)
        .execute(&mut *conn)
        .await?;
    }
    Ok(true)
}

/// Whether other tasks can keep this one from starting: those that it waits for, and those that wait for it, which
/// may be at work when it is run again.
fn waits(run: &Orchestration, task: &Task) -> bool {
    !task.waits_for.is_empty()
        || !task.after_merge.is_empty()
        || run.tasks.iter().any(|t| t.waits_for.contains(&task.number))
}

/// Loads the run, applies the event and stores the result.
pub(super) async fn change(
    conn: &mut SqliteConnection,
    run: &RunId,
    event: &RunEvent,
    now: Timestamp,
) -> Result<Orchestration, StoreError> {
    let before = load(&mut *conn, run).await?;
    apply(conn, before, event, now).await.map(|after| after.orchestration)
}

/// Applies the event to a run that this transaction has loaded, and replaces its rows by compare-and-set on
/// the run's version and each task's (state, epoch).
pub(super) async fn apply(
    conn: &mut SqliteConnection,
    before: Loaded,
    event: &RunEvent,
    now: Timestamp,
) -> Result<Loaded, StoreError> {
    let after = before.orchestration.apply(event, now)?;
    // Counters are no reason to look at a run again: `decide` does not read them.
    let counted = matches!(event, RunEvent::CallsMade(_) | RunEvent::Measured { .. });
    let run = &after.run;
    let stored = sqlx::query(
        "UPDATE runs SET state = ?, installation = ?, data = ?, version = version + 1,
             settled = CASE WHEN ? THEN settled ELSE 0 END WHERE id = ? AND version = ?",
    )
    .bind(run.state.as_str())
    .bind(int(run.repo.installation)?)
    .bind(to_json(run)?)
    .bind(counted)
    .bind(run.id.as_str())
    .bind(before.version)
    .execute(&mut *conn)
    .await
    .map_err(|error| match error.as_database_error() {
        // A reopened run whose master has a newer one that is live.
        Some(e) if e.is_unique_violation() => Refusal::Run("not the live one of its master issue").into(),
        _ => StoreError::from(error),
    })?
    .rows_affected();
    expect_one(stored, || format!("run {}", run.id))?;
    for (old, new) in before.orchestration.tasks.iter().zip(&after.tasks) {
        if old != new {
            task_replaced(&mut *conn, &run.id, old, new).await?;
            attempt_followed(&mut *conn, &run.id, old, new, event, now).await?;
            history::kept(&mut *conn, run, new, event, now).await?;
        }
    }
    Ok(Loaded { version: before.version + 1, recheck: before.recheck, orchestration: after })
}

async fn task_replaced(
    conn: &mut SqliteConnection,
    run: &RunId,
    old: &Task,
    new: &Task,
) -> Result<(), StoreError> {
    let row = TaskColumns::of(new)?;
    let stored = sqlx::query(
        "UPDATE tasks SET state = ?, epoch = ?, attempt = ?, runner = ?, lease_until = ?, sub_issue = ?,
             pull_request = ?, follow_up = ?, data = ? WHERE run_id = ? AND number = ? AND state = ? AND epoch = ?",
    )
    .bind(row.state)
    .bind(row.epoch)
    .bind(row.attempt)
    .bind(row.runner)
    .bind(row.lease_until)
    .bind(row.sub_issue)
    .bind(row.pull_request)
    .bind(row.follow_up)
    .bind(row.data)
    .bind(run.as_str())
    .bind(row.number)
    .bind(old.state.as_str())
    .bind(int(old.epoch)?)
    .execute(conn)
    .await?
    .rows_affected();
    expect_one(stored, || format!("task {} of run {run}", new.number))
}

/// Keeps the attempts in step: a row lives exactly as long as its task is `running`.
async fn attempt_followed(
    conn: &mut SqliteConnection,
    run: &RunId,
    old: &Task,
    new: &Task,
    event: &RunEvent,
    now: Timestamp,
) -> Result<(), StoreError> {
    if old.state == TaskState::Running && new.state != TaskState::Running {
        let lost = matches!(
            event,
            RunEvent::Task(
                _,
                TaskEvent::LeaseLost { .. } | TaskEvent::Released { .. } | TaskEvent::Interrupted { .. }
            )
        );
        let stored = sqlx::query(
            "UPDATE attempts SET state = ?, ended_at = ?
             WHERE run_id = ? AND task = ? AND attempt = ? AND epoch = ? AND state = 'live'",
        )
        .bind(if lost { "lost" } else { "ended" })
        .bind(ms(now))
        .bind(run.as_str())
        .bind(old.number)
        .bind(old.attempt)
        .bind(int(old.epoch)?)
        .execute(conn)
        .await?
        .rows_affected();
        return expect_one(stored, || format!("attempt {run}.{}.{}", old.number, old.attempt));
    }
    if let (true, Some(runner)) = (old.state != new.state && new.state == TaskState::Running, &new.runner) {
        sqlx::query(
            "INSERT INTO attempts (run_id, task, attempt, epoch, runner, host_id, state, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, coalesce((SELECT host_id FROM runners WHERE id = ?5), ''), 'live', ?6)
             -- A resumed attempt is the same row under a new epoch.
             ON CONFLICT (run_id, task, attempt) DO UPDATE SET epoch = excluded.epoch, runner = excluded.runner,
                 host_id = excluded.host_id, state = 'live', ended_at = NULL WHERE attempts.state = 'lost'",
        )
        .bind(run.as_str())
        .bind(new.number)
        .bind(new.attempt)
        .bind(int(new.epoch)?)
        .bind(runner.as_str())
        .bind(ms(now))
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// The transaction holds the only write lock, so a row that was read is there unless rows contradict each other.
fn expect_one(rows: u64, what: impl FnOnce() -> String) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::Corrupt(format!("{}: its rows disagree", what()))) }
}

pub(super) async fn snapshot(db: &Sqlite, run: &RunId) -> Result<Snapshot, StoreError> {
    let mut tx = db.read().await?;
    let orchestration = load(&mut tx, run).await?.orchestration;
    let effects = effects::of(&mut tx, &Scope::Run(run.clone())).await?;
    Ok(Snapshot { orchestration, effects: effects.into_iter().map(|e| (e.key, e)).collect() })
}

pub(super) async fn changed(
    db: &Sqlite,
    run: &RunId,
    event: &RunEvent,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    let mut tx = db.write().await?;
    let after = change(&mut tx, run, event, now).await?;
    tx.commit().await?;
    Ok(Recorded { after })
}

/// Two kinds of change may fall between reading and marking: one of the run or a task, which shows in the
/// comparison (floats are stored exactly: `serde_json`'s `float_roundtrip`), and a forgotten effect, which sets
/// `recheck`. All other changes of effects are the reader's own.
pub(super) async fn settled(db: &Sqlite, seen: &Orchestration) -> Result<bool, StoreError> {
    let mut tx = db.write().await?;
    let stored = load(&mut tx, &seen.run.id).await?;
    if stored.orchestration != *seen {
        return Ok(false);
    }
    sqlx::query("UPDATE runs SET settled = NOT recheck, recheck = 0 WHERE id = ?")
        .bind(seen.run.id.as_str())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(!stored.recheck)
}
