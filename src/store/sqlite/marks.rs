//! How far work has come that goes through a list by time, and what of such a list is known already.

use super::Sqlite;
use crate::domain::DeliveryId;
use crate::store::rows::{ms, time, to_json};
use crate::store::{Mark, StoreError};
use jiff::Timestamp;
use std::collections::HashSet;

pub(super) async fn mark(db: &Sqlite, mark: Mark) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> = sqlx::query_scalar("SELECT at FROM marks WHERE name = ?")
        .bind(mark.as_str())
        .fetch_optional(&db.readers)
        .await?;
    at.map(time).transpose()
}

pub(super) async fn moved(db: &Sqlite, mark: Mark, at: Timestamp) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    sqlx::query(
        "INSERT INTO marks (name, at) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET at = max(at, excluded.at)",
    )
    .bind(mark.as_str())
    .bind(ms(at))
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

pub(super) async fn known(db: &Sqlite, ids: &[DeliveryId]) -> Result<HashSet<DeliveryId>, StoreError> {
    let names: Vec<&str> = ids.iter().map(DeliveryId::as_str).collect();
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT delivery_id FROM inbox WHERE delivery_id IN (SELECT value FROM json_each(?))",
    )
    .bind(to_json(&names)?)
    .fetch_all(&db.readers)
    .await?;
    Ok(rows.into_iter().map(DeliveryId::new).collect())
}

pub(super) async fn waiting(db: &Sqlite) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM inbox WHERE state = 'new')")
        .fetch_one(&db.readers)
        .await?)
}

pub(super) async fn label_known(db: &Sqlite, repo: u64, issue: u64) -> Result<bool, StoreError> {
    // `;` follows `:`: everything that begins with the prefix, through the primary key.
    let (from, to) = (format!("label:{repo}:{issue}:"), format!("label:{repo}:{issue};"));
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM triggers WHERE key >= ? AND key < ?)")
        .bind(from)
        .bind(to)
        .fetch_one(&db.readers)
        .await?)
}
