//! Which of SQLite's errors mean "try again later".

use crate::store::StoreError;
use sqlx::migrate::MigrateError;

/// SQLite's primary result codes that mean "not now": NOMEM, BUSY, LOCKED, READONLY, INTERRUPT, IOERR, FULL,
/// CANTOPEN, PROTOCOL (<https://www.sqlite.org/rescode.html>).
const NOT_NOW: &[i32] = &[7, 5, 6, 8, 9, 10, 13, 14, 15];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let not_now = match &error {
            E::Database(e) => e
                .code()
                .and_then(|code| code.parse::<i32>().ok())
                .is_some_and(|extended| NOT_NOW.contains(&(extended & 0xff))),
            E::Io(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::BeginFailed
            | E::InvalidSavePointStatement => true,
            _ => false,
        };
        if not_now { Self::Unavailable(error.to_string()) } else { Self::Corrupt(error.to_string()) }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|e| e.extended_code & 0xff);
        if code.is_some_and(|code| NOT_NOW.contains(&code)) {
            Self::Unavailable(error.to_string())
        } else {
            Self::Corrupt(error.to_string())
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) => e.into(),
            other => Self::Corrupt(other.to_string()),
        }
    }
}
