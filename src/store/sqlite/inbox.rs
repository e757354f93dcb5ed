//! Deliveries that are stored: looked at in order, settled together with what they change, removed when they are old.

use super::{Sqlite, effects, plans, runs};
use crate::domain::DeliveryId;
use crate::store::rows::{ms, small, time, to_json};
use crate::store::{InboxDelivery, Settled, Settlement, StoreError};
use jiff::Timestamp;

/// Old deliveries leave in steps of so many: those that come in meanwhile wait for one step and not for all.
const PRUNED_AT_ONCE: u32 = 500;

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
    tx.commit().await
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
    let scope = crate::domain::Scope::Delivery(settlement.delivery.clone());
    effects::add(&mut tx, &scope, &settlement.effects).await?;
    if let Some(start) = &settlement.start {
        if !runs::inserted(&mut tx, start).await? {
            return Ok(Settled::Conflict);
        }
        plans::forget(&mut tx, start.run.repo.id, start.run.master.number).await?;
    }
    if let Some(posted) = &settlement.posted {
        plans::keep(&mut tx, posted).await?;
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
    let mut all = 0;
    loop {
        let mut tx = db.write().await?;
        let removed = sqlx::query(
            "DELETE FROM inbox WHERE rowid IN (
                 SELECT rowid FROM inbox WHERE state = 'done' AND received_at < ? AND NOT EXISTS (
                     SELECT 1 FROM effects WHERE scope = 'delivery:' || delivery_id
                     AND effects.state IN ('wanted', 'sending', 'doubt'))
                 LIMIT ?)",
        )
        .bind(ms(before))
        .bind(PRUNED_AT_ONCE)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        all += removed;
        if removed < u64::from(PRUNED_AT_ONCE) {
            break;
        }
    }
    let mut tx = db.write().await?;
    sqlx::query(
        "DELETE FROM effects WHERE scope >= 'delivery:' AND scope < 'delivery;' AND NOT EXISTS (
             SELECT 1 FROM inbox WHERE scope = 'delivery:' || delivery_id)",
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(all)
}
