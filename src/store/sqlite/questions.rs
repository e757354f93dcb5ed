//! Questions about runs, answered by the connections that only read.

use super::{Sqlite, runs::load};
use crate::domain::explain::{Place, Places};
use crate::domain::{Orchestration, RunId, TaskNumber};
use crate::store::rows::{from_json, int, small};
use crate::store::{StoreError, TaskRole};

pub(super) async fn open(db: &Sqlite) -> Result<Vec<RunId>, StoreError> {
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM runs WHERE settled = 0 ORDER BY created_at, rowid")
            .fetch_all(&db.readers)
            .await?;
    Ok(ids.into_iter().map(RunId::new).collect())
}

pub(super) async fn of_master(
    db: &Sqlite,
    repo: u64,
    master: u64,
) -> Result<Option<Orchestration>, StoreError> {
    let mut tx = db.read().await?;
    let id: Option<String> = sqlx::query_scalar(
        "SELECT id FROM runs WHERE repo_id = ? AND master = ? ORDER BY sequence DESC LIMIT 1",
    )
    .bind(int(repo)?)
    .bind(int(master)?)
    .fetch_optional(&mut *tx)
    .await?;
    match id {
        None => Ok(None),
        Some(id) => Ok(Some(load(&mut tx, &RunId::new(id)).await?.orchestration)),
    }
}

pub(super) async fn newest(db: &Sqlite, limit: u32) -> Result<Vec<Orchestration>, StoreError> {
    let mut tx = db.read().await?;
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM runs ORDER BY created_at DESC, rowid DESC LIMIT ?")
            .bind(limit)
            .fetch_all(&mut *tx)
            .await?;
    let mut runs = Vec::with_capacity(ids.len());
    for id in ids {
        runs.push(load(&mut tx, &RunId::new(id)).await?.orchestration);
    }
    Ok(runs)
}

pub(super) async fn active(db: &Sqlite, repo: u64) -> Result<u32, StoreError> {
    let count = sqlx::query_scalar("SELECT count(*) FROM runs WHERE repo_id = ? AND state = 'active'")
        .bind(int(repo)?)
        .fetch_one(&db.readers)
        .await?;
    small(count)
}

pub(super) async fn named(db: &Sqlite, repo: u64, prefix: &str) -> Result<u32, StoreError> {
    let count = sqlx::query_scalar(
        "SELECT count(*) FROM runs WHERE repo_id = ?1 AND substr(orchestration_id, 1, length(?2)) = ?2",
    )
    .bind(int(repo)?)
    .bind(prefix)
    .fetch_one(&db.readers)
    .await?;
    small(count)
}

pub(super) async fn role_of(db: &Sqlite, repo: u64, number: u64) -> Result<Option<TaskRole>, StoreError> {
    let row: Option<(String, i64, String)> = sqlx::query_as(
        "SELECT run_id, task, role FROM (
             SELECT run_id, number AS task, 'sub_issue' AS role FROM tasks WHERE sub_issue = ?2
             UNION ALL SELECT run_id, number, 'follow_up' FROM tasks WHERE follow_up = ?2
             UNION ALL SELECT run_id, number, 'pull_request' FROM tasks WHERE pull_request = ?2
         ) JOIN runs ON runs.id = run_id
         WHERE repo_id = ?1 ORDER BY created_at DESC, runs.rowid DESC LIMIT 1",
    )
    .bind(int(repo)?)
    .bind(int(number)?)
    .fetch_optional(&db.readers)
    .await?;
    let Some((run, task, role)) = row else { return Ok(None) };
    let (run, task): (RunId, TaskNumber) = (RunId::new(run), small(task)?);
    Ok(Some(match role.as_str() {
        "sub_issue" => TaskRole::SubIssue(run, task),
        "follow_up" => TaskRole::FollowUp(run, task),
        _ => TaskRole::PullRequest(run, task),
    }))
}

pub(super) async fn places(db: &Sqlite, installation: u64) -> Result<Places, StoreError> {
    let mut tx = db.read().await?;
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT slots, (SELECT count(*) FROM attempts WHERE runner = runners.id AND state = 'live'), agents
         FROM runners ORDER BY id",
    )
    .fetch_all(&mut *tx)
    .await?;
    let runners = rows.into_iter().map(|(slots, busy, agents)| {
        Ok(Place { slots: small(slots)?, busy: small(busy)?, agents: from_json(&agents)? })
    });
    let runners = runners.collect::<Result<Vec<Place>, StoreError>>()?;
    let alive = sqlx::query_scalar(
        "SELECT count(*) FROM tasks JOIN runs ON runs.id = run_id
         WHERE tasks.state = 'running' AND runs.installation = ?",
    )
    .bind(int(installation)?)
    .fetch_one(&mut *tx)
    .await?;
    Ok(Places { runners, installation_alive: small(alive)? })
}
