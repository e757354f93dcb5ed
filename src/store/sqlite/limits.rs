//! The levels of the installations' limiters.

use super::Sqlite;
use crate::store::StoreError;
use crate::store::rows::{int, ms, uint};
use jiff::Timestamp;

pub(super) async fn saved(db: &Sqlite, levels: &[(u64, String)], now: Timestamp) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    for (installation, level) in levels {
        sqlx::query(
            "INSERT INTO limits (installation, level, saved_at) VALUES (?, ?, ?)
             ON CONFLICT (installation) DO UPDATE SET level = excluded.level, saved_at = excluded.saved_at",
        )
        .bind(int(*installation)?)
        .bind(level)
        .bind(ms(now))
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

pub(super) async fn kept(db: &Sqlite) -> Result<Vec<(u64, String)>, StoreError> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT installation, level FROM limits").fetch_all(&db.readers).await?;
    rows.into_iter().map(|(installation, level)| Ok((uint(installation)?, level))).collect()
}
