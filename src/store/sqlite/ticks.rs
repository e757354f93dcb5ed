//! The store's clock: how long it has been reachable without a break, and the leases that ran out in that time.

use super::{Sqlite, leases, runs};
use crate::domain::{RunEvent, TaskEvent};
use crate::store::rows::{LiveRow, ms, time};
use crate::store::{StoreError, Tick, Ticked};
use jiff::{SignedDuration, Timestamp};

pub(super) async fn ticked(db: &Sqlite, tick: Tick) -> Result<Ticked, StoreError> {
    let now = tick.now;
    let lease = SignedDuration::try_from(tick.lease)
        .map_err(|_| StoreError::Corrupt(format!("a lease of {:?} is too long", tick.lease)))?;
    let mut tx = db.write().await?;
    let before: Option<i64> = sqlx::query_scalar("SELECT continuous_since FROM db_clock WHERE id = 1")
        .fetch_optional(&mut *tx)
        .await?;
    let since = match before {
        Some(since) if tick.continues => time(since)?.min(now),
        _ => now,
    };
    sqlx::query("INSERT OR REPLACE INTO db_clock (id, last_tick, continuous_since) VALUES (1, ?, ?)")
        .bind(ms(now))
        .bind(ms(since))
        .execute(&mut *tx)
        .await?;
    let mut ticked = Ticked { continuous_since: since, changed: Vec::new(), cut: 0 };
    // No lease that was given by this clock ends so late: the clock was set back since.
    let late = later(now, lease.saturating_mul(2));
    let until = later(now, lease);
    let far: Vec<LiveRow> = sqlx::query_as(
        "SELECT run_id, number AS task, attempt, epoch FROM tasks WHERE state = 'running' AND lease_until > ?
         ORDER BY run_id, number",
    )
    .bind(ms(late))
    .fetch_all(&mut *tx)
    .await?;
    for row in far {
        let (attempt, epoch) = row.named()?;
        let event = RunEvent::Task(attempt.task, TaskEvent::LeaseCut { epoch, until });
        runs::change(&mut tx, &attempt.run, &event, now).await?;
        ticked.cut += 1;
    }
    if now.duration_since(since) >= lease {
        ticked.changed = leases::expired(&mut tx, now).await?;
    }
    tx.commit().await?;
    Ok(ticked)
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
