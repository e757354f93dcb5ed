//! The SQLite engine: WAL with `synchronous=FULL`, two connections that write in turn and a few that read.
//!
//! In turn, because several that wait for SQLite's lock have tails of seconds. Deliveries go through a
//! thread that commits up to 256 of them at once; every other change is one `BEGIN IMMEDIATE` transaction.

mod effects;
mod error;
mod file;
mod history;
mod inbox;
mod leases;
mod limits;
mod marks;
mod plans;
mod questions;
mod runs;
mod ticks;
mod turn;
mod writer;

use super::{
    Beat, Claimed, InboxDelivery, Intent, Mark, NewDelivery, NewEffect, PostedPlan, Received, Recorded,
    RunnerSeen, Settled, Settlement, Store, StoreError, TaskRole, Tick, Ticked, Told,
};
use crate::domain::estimate::History;
use crate::domain::explain::Places;
use crate::domain::schedule::Limits;
use crate::domain::{
    AttemptId, DeliveryId, Effect, EffectKey, Orchestration, Remote, RunEvent, RunId, RunnerId, Scope,
    Snapshot, Spent,
};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Transaction};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;
use turn::{Turn, Tx};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long one connection waits for another process's lock (an operator's `sqlite3` shell, a backup).
const BUSY: Duration = Duration::from_secs(10);
/// How long a caller waits for a connection: below the runners' heartbeat, so that an outage shows as an error.
const ACQUIRE: Duration = Duration::from_secs(5);
const READERS: u32 = 4;

/// A database in one file. Cheap to clone; the last clone that goes closes it.
#[derive(Clone, Debug)]
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    turn: Turn,
    inbox: writer::Writer,
    file: file::Opened,
}

impl Sqlite {
    /// Opens the database, making it (mode 0600) and its directories (0700) if they are missing, and brings
    /// its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be made or opened; [`StoreError::Corrupt`] when it is no
    /// database or a newer version of the program has migrated it.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        make(path).map_err(|e| StoreError::Unavailable(format!("{}: {e}", path.display())))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY)
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(ACQUIRE)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
                // SQLite rolls a transaction back by itself when the disk is full; the ROLLBACK that sqlx then
                // sends fails and leaves the connection counting a transaction that is none. Such a connection
                // refuses every BEGIN, so it is replaced. The ping waits for that ROLLBACK to have been tried.
                .before_acquire(|connection, _| {
                    Box::pin(async move {
                        connection.ping().await?;
                        Ok(!connection.is_in_transaction())
                    })
                })
        };
        let writer = pool()
            .max_connections(1)
            .connect_with(options.clone().journal_mode(SqliteJournalMode::Wal))
            .await?;
        MIGRATIONS.run(&writer).await?;
        let readers =
            pool().max_connections(READERS).connect_with(options.pragma("query_only", "ON")).await?;
        let file = file::Opened::at(path)?;
        let turn = Turn::default();
        let inbox = writer::Writer::start(file.clone(), turn.clone())?;
        Ok(Self { writer, readers, turn, inbox, file })
    }

    /// Waits for transactions that are under way, then closes every connection; later calls are `Unavailable`.
    pub async fn close(&self) {
        self.inbox.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that may write. Dropping it rolls it back.
    async fn write(&self) -> Result<Tx, StoreError> {
        self.file.still_there()?;
        Tx::begin(&self.writer, &self.turn).await
    }

    /// A transaction that reads: one consistent state of the database.
    async fn read(&self) -> Result<Transaction<'static, sqlx::Sqlite>, StoreError> {
        Ok(self.readers.begin().await?)
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE health SET probes = probes + 1").execute(&mut *tx).await?;
        let at: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        let expected = MIGRATIONS.iter().map(|m| m.version).max();
        if at == expected {
            Ok(())
        } else {
            Err(StoreError::Corrupt(format!("the schema is at {at:?}, this program expects {expected:?}")))
        }
    }
}

/// Makes the file before SQLite does, which would make it as readable as the umask lets it.
fn make(path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

#[async_trait]
impl Store for Sqlite {
    async fn delivery_received(&self, delivery: NewDelivery, now: Timestamp) -> Result<Received, StoreError> {
        self.inbox.received(delivery, now).await
    }
    async fn delivery_due(
        &self,
        now: Timestamp,
        but: &[DeliveryId],
    ) -> Result<Option<InboxDelivery>, StoreError> {
        inbox::due(self, now, but).await
    }
    async fn delivery_deferred(
        &self,
        id: &DeliveryId,
        until: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        inbox::deferred(self, id, until, error).await
    }
    async fn delivery_settled(&self, settlement: Settlement, now: Timestamp) -> Result<Settled, StoreError> {
        inbox::settled(self, settlement, now).await
    }
    async fn deliveries_pruned(&self, before: Timestamp) -> Result<u64, StoreError> {
        inbox::pruned(self, before).await
    }

    async fn deliveries_known(&self, ids: &[DeliveryId]) -> Result<HashSet<DeliveryId>, StoreError> {
        marks::known(self, ids).await
    }
    async fn plan_posted(&self, repo: u64, issue: u64) -> Result<Option<(PostedPlan, Told)>, StoreError> {
        plans::posted(self, repo, issue).await
    }
    async fn deliveries_waiting(&self) -> Result<bool, StoreError> {
        marks::waiting(self).await
    }
    async fn label_known(&self, repo: u64, issue: u64) -> Result<bool, StoreError> {
        marks::label_known(self, repo, issue).await
    }
    async fn mark(&self, mark: Mark) -> Result<Option<Timestamp>, StoreError> {
        marks::mark(self, mark).await
    }
    async fn mark_moved(&self, mark: Mark, at: Timestamp) -> Result<(), StoreError> {
        marks::moved(self, mark, at).await
    }

    async fn snapshot(&self, run: &RunId) -> Result<Snapshot, StoreError> {
        runs::snapshot(self, run).await
    }
    async fn run_changed(
        &self,
        run: &RunId,
        event: RunEvent,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        runs::changed(self, run, &event, now).await
    }
    async fn run_settled(&self, seen: &Orchestration) -> Result<bool, StoreError> {
        runs::settled(self, seen).await
    }
    async fn runs_open(&self) -> Result<Vec<RunId>, StoreError> {
        questions::open(self).await
    }
    async fn run_of_master(&self, repo: u64, master: u64) -> Result<Option<Orchestration>, StoreError> {
        questions::of_master(self, repo, master).await
    }
    async fn runs(&self, limit: u32) -> Result<Vec<Orchestration>, StoreError> {
        questions::newest(self, limit).await
    }
    async fn runs_active(&self, repo: u64) -> Result<u32, StoreError> {
        questions::active(self, repo).await
    }
    async fn orchestrations_named(&self, repo: u64, prefix: &str) -> Result<u32, StoreError> {
        questions::named(self, repo, prefix).await
    }
    async fn role_of(&self, repo: u64, number: u64) -> Result<Option<TaskRole>, StoreError> {
        questions::role_of(self, repo, number).await
    }

    async fn answers_due(&self, now: Timestamp) -> Result<Vec<Effect>, StoreError> {
        effects::answers_due(self, now).await
    }
    async fn effect_intended(
        &self,
        scope: &Scope,
        key: EffectKey,
        digest: &str,
        _now: Timestamp,
    ) -> Result<Intent, StoreError> {
        effects::intended(self, scope, key, digest).await
    }
    async fn effects_interrupted(&self, look_at: Timestamp) -> Result<u64, StoreError> {
        effects::interrupted(self, look_at).await
    }
    async fn effect_applied(
        &self,
        scope: &Scope,
        key: EffectKey,
        digest: &str,
        remote: Option<Remote>,
        event: Option<RunEvent>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        effects::applied(self, scope, key, digest, remote, event, now).await
    }
    async fn effects_wanted(&self, scope: &Scope, effects: Vec<NewEffect>) -> Result<(), StoreError> {
        effects::wanted(self, scope, effects).await
    }
    async fn effect_made_in_doubt(
        &self,
        scope: &Scope,
        key: EffectKey,
        remote: Remote,
        look_at: Timestamp,
    ) -> Result<(), StoreError> {
        effects::made_in_doubt(self, scope, key, remote, look_at).await
    }
    async fn effect_doubted(
        &self,
        scope: &Scope,
        key: EffectKey,
        look_at: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        effects::doubted(self, scope, key, look_at, error).await
    }
    async fn effect_postponed(
        &self,
        scope: &Scope,
        key: EffectKey,
        until: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        effects::postponed(self, scope, key, until, error).await
    }
    async fn effect_refused(
        &self,
        scope: &Scope,
        key: EffectKey,
        error: &str,
        event: Option<RunEvent>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        effects::refused(self, scope, key, error, event, now).await
    }
    async fn effect_forgotten(&self, scope: &Scope, key: EffectKey) -> Result<(), StoreError> {
        effects::forgotten(self, scope, key).await
    }

    async fn runner_registered(&self, seen: RunnerSeen, now: Timestamp) -> Result<Vec<RunId>, StoreError> {
        leases::registered(self, seen, now).await
    }
    async fn attempt_claimed(
        &self,
        runner: &RunnerId,
        holds: &[AttemptId],
        limits: &Limits,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Option<Claimed>, StoreError> {
        leases::claimed(self, runner, holds, limits, lease, now).await
    }
    async fn clock_ticked(&self, tick: Tick) -> Result<Ticked, StoreError> {
        ticks::ticked(self, tick).await
    }
    async fn attempts_renewed(
        &self,
        runner: &RunnerId,
        beats: &[Beat],
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Option<Orchestration>>, StoreError> {
        leases::renewed(self, runner, beats, until, now).await
    }
    async fn attempts_held(
        &self,
        runner: &RunnerId,
        beats: &[Beat],
    ) -> Result<Vec<Option<Orchestration>>, StoreError> {
        leases::all_held(self, runner, beats).await
    }
    async fn attempt_released(
        &self,
        runner: &RunnerId,
        attempt: &AttemptId,
        epoch: u64,
        spent: Spent,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        leases::released(self, runner, attempt, epoch, spent, now).await
    }
    async fn attempts_kept(
        &self,
        host: &str,
        attempts: Vec<AttemptId>,
    ) -> Result<Vec<AttemptId>, StoreError> {
        leases::kept(self, host, attempts).await
    }
    async fn lease_held(
        &self,
        attempt: &AttemptId,
        epoch: u64,
        runner: &RunnerId,
    ) -> Result<bool, StoreError> {
        leases::held(self, attempt, epoch, runner).await
    }
    async fn attempt_ended_by(&self, attempt: &AttemptId) -> Result<Option<(u64, RunnerId)>, StoreError> {
        leases::ended_by(self, attempt).await
    }

    async fn history(&self, repo: u64, agent: &str) -> Result<History, StoreError> {
        history::of(self, repo, agent).await
    }
    async fn places(&self, installation: u64) -> Result<Places, StoreError> {
        questions::places(self, installation).await
    }

    async fn limits_saved(&self, levels: &[(u64, String)], now: Timestamp) -> Result<(), StoreError> {
        limits::saved(self, levels, now).await
    }
    async fn limits_kept(&self) -> Result<Vec<(u64, String)>, StoreError> {
        limits::kept(self).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.probe().await
    }
}
