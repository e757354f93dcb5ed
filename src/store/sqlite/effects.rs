//! Effects: intent before the request, record after the answer, doubt when the answer was lost.

use super::{Sqlite, Tx, runs};
use crate::domain::{Effect, EffectKey, Remote, RunEvent, Scope};
use crate::store::rows::{EffectRow, int, ms, to_json};
use crate::store::{Intent, NewEffect, StoreError};
use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteQueryResult;

/// Most answers in one look; the rest comes with the next one.
const ANSWERS: u32 = 256;

/// All effects of a scope.
pub(super) async fn of(conn: &mut SqliteConnection, scope: &Scope) -> Result<Vec<Effect>, StoreError> {
    sqlx::query_as::<_, EffectRow>("SELECT * FROM effects WHERE scope = ?")
        .bind(scope.to_string())
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(Effect::try_from)
        .collect()
}

async fn one(conn: &mut SqliteConnection, scope: &Scope, key: EffectKey) -> Result<Effect, StoreError> {
    sqlx::query_as::<_, EffectRow>("SELECT * FROM effects WHERE scope = ? AND key = ?")
        .bind(scope.to_string())
        .bind(key.to_string())
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| never_intended(scope, key))?
        .try_into()
}

fn never_intended(scope: &Scope, key: EffectKey) -> StoreError {
    StoreError::Corrupt(format!("effect {key} of {scope} was never intended"))
}

pub(super) async fn answers_due(db: &Sqlite, now: Timestamp) -> Result<Vec<Effect>, StoreError> {
    sqlx::query_as::<_, EffectRow>(
        "SELECT * FROM effects WHERE state IN ('wanted', 'sending', 'doubt')
             AND scope >= 'delivery:' AND scope < 'delivery;' AND coalesce(not_before, ?1) <= ?1 LIMIT ?2",
    )
    .bind(ms(now))
    .bind(ANSWERS)
    .fetch_all(&db.readers)
    .await?
    .into_iter()
    .map(Effect::try_from)
    .collect()
}

pub(super) async fn intended(
    db: &Sqlite,
    scope: &Scope,
    key: EffectKey,
    digest: &str,
) -> Result<Intent, StoreError> {
    let mut tx = db.write().await?;
    let before: Option<String> = sqlx::query_scalar("SELECT state FROM effects WHERE scope = ? AND key = ?")
        .bind(scope.to_string())
        .bind(key.to_string())
        .fetch_optional(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO effects (scope, key, state, wanted, tries) VALUES (?, ?, 'sending', ?, 1)
         ON CONFLICT (scope, key) DO UPDATE SET state = 'sending', not_before = NULL,
             tries = CASE WHEN wanted = excluded.wanted THEN tries + 1 ELSE 1 END, wanted = excluded.wanted",
    )
    .bind(scope.to_string())
    .bind(key.to_string())
    .bind(digest)
    .execute(&mut *tx)
    .await?;
    let effect = one(&mut tx, scope, key).await?;
    tx.commit().await?;
    let may_have_been_sent = matches!(before.as_deref(), Some("sending" | "doubt"));
    Ok(Intent { effect, may_have_been_sent })
}

pub(super) async fn applied(
    db: &Sqlite,
    scope: &Scope,
    key: EffectKey,
    digest: &str,
    remote: Option<Remote>,
    event: Option<RunEvent>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    let rows = sqlx::query(
        "UPDATE effects SET state = 'done', applied = ?, applied_at = ?, not_before = NULL, error = NULL,
             remote_id = coalesce(?, remote_id), remote_number = coalesce(?, remote_number)
         WHERE scope = ? AND key = ?",
    )
    .bind(digest)
    .bind(ms(now))
    .bind(remote.map(|r| int(r.id)).transpose()?)
    .bind(remote.and_then(|r| r.number).map(int).transpose()?)
    .bind(scope.to_string())
    .bind(key.to_string())
    .execute(&mut *tx)
    .await?;
    found(&rows, scope, key)?;
    followed(&mut tx, scope, event, now).await?;
    tx.commit().await
}

/// Rows that a process left half-done.
pub(super) async fn interrupted(db: &Sqlite, look_at: Timestamp) -> Result<u64, StoreError> {
    let mut tx = db.write().await?;
    let text = "the process ended before the answer was recorded";
    let done =
        sqlx::query("UPDATE effects SET state = 'doubt', not_before = ?, error = ? WHERE state = 'sending'")
            .bind(ms(look_at))
            .bind(text)
            .execute(&mut *tx)
            .await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}

/// Adds rows that are not there yet, within the caller's transaction.
pub(super) async fn add(
    conn: &mut SqliteConnection,
    scope: &Scope,
    effects: &[NewEffect],
) -> Result<(), StoreError> {
    for effect in effects {
        sqlx::query(
            "INSERT INTO effects (scope, key, state, wanted, payload) VALUES (?, ?, 'wanted', '', ?)
             ON CONFLICT (scope, key) DO NOTHING",
        )
        .bind(scope.to_string())
        .bind(effect.key.to_string())
        .bind(to_json(&effect.payload)?)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

pub(super) async fn wanted(db: &Sqlite, scope: &Scope, effects: Vec<NewEffect>) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    add(&mut tx, scope, &effects).await?;
    tx.commit().await
}

pub(super) async fn made_in_doubt(
    db: &Sqlite,
    scope: &Scope,
    key: EffectKey,
    remote: Remote,
    look_at: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    let rows = sqlx::query(
        "UPDATE effects SET state = 'doubt', not_before = ?, error = NULL, remote_id = ?, remote_number = ?
         WHERE scope = ? AND key = ?",
    )
    .bind(ms(look_at))
    .bind(int(remote.id)?)
    .bind(remote.number.map(int).transpose()?)
    .bind(scope.to_string())
    .bind(key.to_string())
    .execute(&mut *tx)
    .await?;
    found(&rows, scope, key)?;
    tx.commit().await
}

pub(super) async fn doubted(
    db: &Sqlite,
    scope: &Scope,
    key: EffectKey,
    look_at: Timestamp,
    error: &str,
) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    let rows = put_off(&mut tx, scope, key, "doubt", look_at, error).await?;
    found(&rows, scope, key)?;
    tx.commit().await
}

pub(super) async fn postponed(
    db: &Sqlite,
    scope: &Scope,
    key: EffectKey,
    until: Timestamp,
    error: &str,
) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    let rows = put_off(&mut tx, scope, key, "wanted", until, error).await?;
    found(&rows, scope, key)?;
    tx.commit().await
}

async fn put_off(
    conn: &mut SqliteConnection,
    scope: &Scope,
    key: EffectKey,
    state: &'static str,
    until: Timestamp,
    error: &str,
) -> Result<SqliteQueryResult, StoreError> {
    Ok(sqlx::query("UPDATE effects SET state = ?, not_before = ?, error = ? WHERE scope = ? AND key = ?")
        .bind(state)
        .bind(ms(until))
        .bind(error)
        .bind(scope.to_string())
        .bind(key.to_string())
        .execute(conn)
        .await?)
}

pub(super) async fn refused(
    db: &Sqlite,
    scope: &Scope,
    key: EffectKey,
    error: &str,
    event: Option<RunEvent>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    let rows = sqlx::query(
        "UPDATE effects SET state = 'refused', not_before = NULL, error = ? WHERE scope = ? AND key = ?",
    )
    .bind(error)
    .bind(scope.to_string())
    .bind(key.to_string())
    .execute(&mut *tx)
    .await?;
    found(&rows, scope, key)?;
    followed(&mut tx, scope, event, now).await?;
    tx.commit().await
}

/// A row that was never made is forgotten already. A first request that is under way, or lost, stays to be
/// looked for; where a remote thing was known, only an edit of it can be under way, and there is nothing left to edit.
pub(super) async fn forgotten(db: &Sqlite, scope: &Scope, key: EffectKey) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    sqlx::query(
        "UPDATE effects SET
             state = CASE WHEN remote_id IS NULL AND state IN ('sending', 'doubt') THEN state ELSE 'wanted' END,
             remote_id = NULL, remote_number = NULL, applied = NULL, applied_at = NULL, not_before = NULL, tries = 0
         WHERE scope = ? AND key = ?",
    )
    .bind(scope.to_string())
    .bind(key.to_string())
    .execute(&mut *tx)
    .await?;
    if let Scope::Run(run) = scope {
        sqlx::query("UPDATE runs SET settled = 0, recheck = 1 WHERE id = ?")
            .bind(run.as_str())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

fn found(rows: &SqliteQueryResult, scope: &Scope, key: EffectKey) -> Result<(), StoreError> {
    if rows.rows_affected() == 1 { Ok(()) } else { Err(never_intended(scope, key)) }
}

/// Applies what follows for the run. A refusal drops the event: what GitHub shows is true all the same.
async fn followed(
    tx: &mut Tx,
    scope: &Scope,
    event: Option<RunEvent>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (Scope::Run(run), Some(event)) = (scope, event) else { return Ok(()) };
    match runs::change(tx, run, &event, now).await {
        Ok(_) => Ok(()),
        Err(StoreError::Refused(why)) => {
            tracing::info!(%run, %why, ?event, "The event that follows from an effect came too late");
            Ok(())
        }
        Err(other) => Err(other),
    }
}
