//! Plans that were posted and may be started: one of each issue, the newest.

use super::{Sqlite, Tx};
use crate::domain::EffectKey;
use crate::store::rows::{from_json, int, ms, to_json};
use crate::store::{PostedPlan, StoreError, Told};

/// Keeps the plan in the place of the issue's older one.
pub(super) async fn keep(tx: &mut Tx, plan: &PostedPlan) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO plans (repo_id, issue, delivery, posted_at, data) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (repo_id, issue) DO UPDATE SET delivery = excluded.delivery, posted_at = excluded.posted_at,
             data = excluded.data",
    )
    .bind(int(plan.repo)?)
    .bind(int(plan.issue)?)
    .bind(plan.delivery.as_str())
    .bind(ms(plan.at))
    .bind(to_json(plan)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The issue has a run: no older plan starts another.
pub(super) async fn forget(tx: &mut Tx, repo: u64, issue: u64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM plans WHERE repo_id = ? AND issue = ?")
        .bind(int(repo)?)
        .bind(int(issue)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn posted(
    db: &Sqlite,
    repo: u64,
    issue: u64,
) -> Result<Option<(PostedPlan, Told)>, StoreError> {
    let row: Option<(String, Option<String>)> = sqlx::query_as(
        "SELECT data, state FROM plans LEFT JOIN effects ON scope = 'delivery:' || delivery AND key = ?
         WHERE repo_id = ? AND issue = ?",
    )
    .bind(EffectKey::Notice.to_string())
    .bind(int(repo)?)
    .bind(int(issue)?)
    .fetch_optional(&db.readers)
    .await?;
    let Some((data, state)) = row else { return Ok(None) };
    let told = match state.as_deref() {
        // Effects of old deliveries are removed when they are settled.
        None | Some("done") => Told::Yes,
        Some("refused") => Told::Never,
        Some(_) => Told::NotYet,
    };
    match from_json::<PostedPlan>(&data) {
        Ok(plan) => Ok(Some((plan, told))),
        Err(error) => {
            tracing::warn!(repo, issue, %error, "a posted plan of another version cannot be read; it counts as none");
            Ok(None)
        }
    }
}
