//! Deliveries: taken in by group commit, looked at in order, settled together with what they change.

use super::file::Opened;
use super::{Sqlite, begin, runs};
use crate::clock;
use crate::domain::DeliveryId;
use crate::store::rows::{ms, small, time, to_json};
use crate::store::{InboxDelivery, NewDelivery, Received, Settled, Settlement, StoreError};
use jiff::Timestamp;
use sqlx::sqlite::SqlitePool;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Most deliveries in one commit.
const BATCH: usize = 256;
/// How long a delivery waits to be taken into the queue while the writer is stuck.
const QUEUE_WAIT: Duration = Duration::from_secs(5);

/// The door of the task that commits deliveries. The task ends when the last clone of its door is gone.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Waiting>,
}

/// A delivery and where its answer goes. A caller that has gone away meanwhile costs the others nothing.
#[derive(Debug)]
struct Waiting {
    delivery: NewDelivery,
    now: Timestamp,
    answer: oneshot::Sender<Result<Received, StoreError>>,
}

impl Writer {
    pub fn start(pool: SqlitePool, file: Opened) -> Self {
        let (queue, mut waiting) = mpsc::channel(BATCH);
        tokio::spawn(async move {
            let mut batch = Vec::with_capacity(BATCH);
            while waiting.recv_many(&mut batch, BATCH).await > 0 {
                match commit(&pool, &file, &batch).await {
                    Ok(outcomes) => {
                        for (waiting, outcome) in batch.drain(..).zip(outcomes) {
                            // Nobody waits any more: the row stays, a redelivery will be `Known`.
                            let _ = waiting.answer.send(Ok(outcome));
                        }
                    }
                    Err(error) => {
                        let why = error.to_string();
                        for waiting in batch.drain(..) {
                            let _ = waiting.answer.send(Err(StoreError::Unavailable(why.clone())));
                        }
                    }
                }
            }
        });
        Self { queue }
    }

    pub async fn received(&self, delivery: NewDelivery, now: Timestamp) -> Result<Received, StoreError> {
        let (answer, answered) = oneshot::channel();
        let gone = || StoreError::Unavailable("the inbox writer has stopped".to_owned());
        clock::within(QUEUE_WAIT, self.queue.send(Waiting { delivery, now, answer }))
            .await
            .ok_or_else(|| StoreError::Unavailable("too many deliveries wait to be committed".to_owned()))?
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn commit(pool: &SqlitePool, file: &Opened, batch: &[Waiting]) -> Result<Vec<Received>, StoreError> {
    file.still_there()?;
    let mut tx = begin(pool).await?;
    let mut outcomes = Vec::with_capacity(batch.len());
    for Waiting { delivery, now, .. } in batch {
        let inserted = sqlx::query(
            "INSERT INTO inbox (delivery_id, event, received_at, state, due_at, payload)
             VALUES (?1, ?2, ?3, 'new', ?3, ?4) ON CONFLICT (delivery_id) DO NOTHING",
        )
        .bind(delivery.id.as_str())
        .bind(&delivery.event)
        .bind(ms(*now))
        .bind(&delivery.payload)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        outcomes.push(if inserted == 1 { Received::New } else { Received::Known });
    }
    tx.commit().await?;
    Ok(outcomes)
}

pub(super) async fn due(
    db: &Sqlite,
    now: Timestamp,
    but: &[DeliveryId],
) -> Result<Option<InboxDelivery>, StoreError> {
    let but: Vec<&str> = but.iter().map(DeliveryId::as_str).collect();
    let row: Option<(String, String, Vec<u8>, i64, i64)> = sqlx::query_as(
        "SELECT delivery_id, event, payload, received_at, tries FROM inbox
         WHERE state = 'new' AND due_at <= ? AND delivery_id NOT IN (SELECT value FROM json_each(?))
         ORDER BY received_at, rowid LIMIT 1",
    )
    .bind(ms(now))
    .bind(to_json(&but)?)
    .fetch_optional(&db.readers)
    .await?;
    let Some((id, event, payload, received_at, tries)) = row else { return Ok(None) };
    Ok(Some(InboxDelivery {
        id: DeliveryId::new(id),
        event,
        payload,
        received_at: time(received_at)?,
        tries: small(tries)?,
    }))
}

pub(super) async fn deferred(
    db: &Sqlite,
    id: &DeliveryId,
    until: Timestamp,
    error: &str,
) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    sqlx::query(
        "UPDATE inbox SET due_at = ?, error = ?, tries = tries + 1 WHERE delivery_id = ? AND state = 'new'",
    )
    .bind(ms(until))
    .bind(error)
    .bind(id.as_str())
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

pub(super) async fn settled(
    db: &Sqlite,
    settlement: Settlement,
    now: Timestamp,
) -> Result<Settled, StoreError> {
    let mut tx = db.write().await?;
    let marked =
        sqlx::query("UPDATE inbox SET state = 'done', note = ? WHERE delivery_id = ? AND state = 'new'")
            .bind(&settlement.note)
            .bind(settlement.delivery.as_str())
            .execute(&mut *tx)
            .await?
            .rows_affected();
    if marked == 0 {
        let known: bool = sqlx::query_scalar("SELECT count(*) FROM inbox WHERE delivery_id = ?")
            .bind(settlement.delivery.as_str())
            .fetch_one(&mut *tx)
            .await?;
        // Settled before: what it changes is committed already.
        return if known {
            Ok(Settled::Duplicate)
        } else {
            Err(StoreError::Corrupt(format!("the inbox has no delivery {}", settlement.delivery)))
        };
    }
    if let Some(key) = &settlement.trigger {
        let new = sqlx::query(
            "INSERT INTO triggers (key, delivery_id, at) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
        )
        .bind(key)
        .bind(settlement.delivery.as_str())
        .bind(ms(now))
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if new == 0 {
            tx.commit().await?;
            return Ok(Settled::Duplicate);
        }
    }
    for effect in &settlement.effects {
        sqlx::query(
            "INSERT INTO effects (scope, key, state, wanted, payload) VALUES (?, ?, 'wanted', '', ?)
             ON CONFLICT (scope, key) DO NOTHING",
        )
        .bind(crate::domain::Scope::Delivery(settlement.delivery.clone()).to_string())
        .bind(effect.key.to_string())
        .bind(to_json(&effect.payload)?)
        .execute(&mut *tx)
        .await?;
    }
    if let Some(start) = &settlement.start
        && !runs::inserted(&mut tx, start).await?
    {
        return Ok(Settled::Conflict);
    }
    if let Some((run, event)) = &settlement.change {
        match runs::change(&mut tx, run, event, now).await {
            Ok(_) => {}
            Err(StoreError::Refused(_)) => return Ok(Settled::Conflict),
            Err(other) => return Err(other),
        }
    }
    tx.commit().await?;
    Ok(Settled::Done)
}

pub(super) async fn pruned(db: &Sqlite, before: Timestamp) -> Result<u64, StoreError> {
    let mut tx = db.write().await?;
    let removed = sqlx::query(
        "DELETE FROM inbox WHERE state = 'done' AND received_at < ? AND NOT EXISTS (
             SELECT 1 FROM effects WHERE scope = 'delivery:' || delivery_id
             AND effects.state IN ('wanted', 'sending', 'doubt'))",
    )
    .bind(ms(before))
    .execute(&mut *tx)
    .await?
    .rows_affected();
    sqlx::query(
        "DELETE FROM effects WHERE scope >= 'delivery:' AND scope < 'delivery;' AND NOT EXISTS (
             SELECT 1 FROM inbox WHERE scope = 'delivery:' || delivery_id)",
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(removed)
}
