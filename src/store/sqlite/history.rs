//! What attempts that led to a result have taken.

use super::Sqlite;
use crate::domain::estimate::{Basis, History, Sample};
use crate::domain::{Run, RunEvent, Task, TaskEvent};
use crate::store::rows::{int, ms, read_size, size_name};
use crate::store::{HISTORY, StoreError};
use jiff::Timestamp;
use sqlx::SqliteConnection;

/// Keeps what an attempt took, if the event is its result. Sent again, it changes nothing.
pub(super) async fn kept(
    conn: &mut SqliteConnection,
    run: &Run,
    task: &Task,
    event: &RunEvent,
    now: Timestamp,
) -> Result<(), StoreError> {
    let RunEvent::Task(number, TaskEvent::Pushed { spent, .. }) = event else { return Ok(()) };
    if *number != task.number {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO history (run_id, task, attempt, repo_id, agent, size, seconds, cost_usd, ended_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(run.id.as_str())
    .bind(task.number)
    .bind(task.attempt)
    .bind(int(run.repo.id)?)
    .bind(&task.agent)
    .bind(size_name(task.size))
    .bind(spent.seconds)
    .bind(spent.cost_usd)
    .bind(ms(now))
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn of(db: &Sqlite, repo: u64, agent: &str) -> Result<History, StoreError> {
    let mut tx = db.read().await?;
    let here: Vec<(String, f64, f64)> = sqlx::query_as(
        "SELECT size, seconds, cost_usd FROM history WHERE repo_id = ? AND agent = ? ORDER BY ended_at DESC LIMIT ?",
    )
    .bind(int(repo)?)
    .bind(agent)
    .bind(HISTORY)
    .fetch_all(&mut *tx)
    .await?;
    let (basis, rows) = if here.is_empty() {
        let all = sqlx::query_as(
            "SELECT size, seconds, cost_usd FROM history WHERE agent = ? ORDER BY ended_at DESC LIMIT ?",
        )
        .bind(agent)
        .bind(HISTORY)
        .fetch_all(&mut *tx)
        .await?;
        (Basis::Server, all)
    } else {
        (Basis::Repository, here)
    };
    let sample = |(size, seconds, cost_usd): (String, f64, f64)| {
        Ok(Sample { size: read_size(&size)?, seconds, cost_usd })
    };
    let samples = rows.into_iter().map(sample).collect::<Result<_, StoreError>>()?;
    Ok(History { basis, samples })
}
