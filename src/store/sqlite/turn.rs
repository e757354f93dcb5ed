//! Whose turn it is to write. SQLite lets one connection write at a time, and whoever waits for its lock sleeps and tries again: under
//! load a transaction could starve. So those of this process queue up here, first come, first served.

use crate::store::StoreError;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{SqlSafeStr as _, Sqlite, Transaction};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The queue. Clones are the same queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn(Arc<Mutex<()>>);

impl Turn {
    /// Waits on this thread, which must not be one of the runtime's.
    pub fn take_blocking(&self) -> OwnedMutexGuard<()> {
        self.0.clone().blocking_lock_owned()
    }
}

/// A transaction that may write, during its turn. Dropping it rolls it back.
#[derive(Debug)]
pub(super) struct Tx {
    /// Before `turn`: it is dropped first.
    inner: Transaction<'static, Sqlite>,
    turn: OwnedMutexGuard<()>,
}

impl Tx {
    pub async fn begin(pool: &SqlitePool, turn: &Turn) -> Result<Self, StoreError> {
        // The connection first: waiting for it has a deadline, and nobody holds the turn meanwhile.
        let connection = pool.acquire().await?;
        let turn = turn.0.clone().lock_owned().await;
        let inner = Transaction::begin(connection, Some("BEGIN IMMEDIATE".into_sql_str())).await?;
        Ok(Self { inner, turn })
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        let Self { inner, turn } = self;
        inner.commit().await?;
        drop(turn);
        Ok(())
    }
}

impl Deref for Tx {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }
}
