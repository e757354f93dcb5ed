//! The open connections of one listener: how many there are, and whom to drop when it is full.

use crate::clock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing, or sending headers.
    Idle = 0,
    /// Sending a body.
    Receiving = 1,
    /// Waiting for our answer, or reading it.
    Working = 2,
}

/// One connection's phase, and since when (milliseconds since the listener began).
#[derive(Debug)]
pub(super) struct Line {
    began: Instant,
    phase: AtomicU8,
    since: AtomicU64,
}

impl Line {
    /// The connection goes over to `phase`.
    pub(super) fn enter(&self, phase: Phase) {
        let since = clock::instant().duration_since(self.began).as_millis();
        self.since.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Release);
    }
}

/// All connections of a listener.
#[derive(Debug)]
pub(super) struct Table {
    began: Instant,
    open: Mutex<HashMap<u64, Open>>,
    next: AtomicU64,
    freed: Notify,
}

#[derive(Debug)]
struct Open {
    line: Arc<Line>,
    /// Not there yet while the connection's task is being started.
    abort: Option<AbortHandle>,
}

/// A place in the table, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    table: Arc<Table>,
    id: u64,
    pub(super) line: Arc<Line>,
}

impl Table {
    pub(super) fn new() -> Arc<Self> {
        let began = clock::instant();
        Arc::new(Self { began, open: Mutex::default(), next: AtomicU64::new(0), freed: Notify::new() })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections are open.
    pub(super) fn len(&self) -> usize {
        self.open().len()
    }

    /// Resolves after the next connection ended.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    pub(super) fn place(self: &Arc<Self>) -> Place {
        let line = Arc::new(Line { began: self.began, phase: AtomicU8::new(0), since: AtomicU64::new(0) });
        line.enter(Phase::Idle);
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.open().insert(id, Open { line: line.clone(), abort: None });
        Place { table: self.clone(), id, line }
    }

    /// Makes a connection one that [`Table::evict`] may end.
    pub(super) fn started(&self, id: u64, abort: AbortHandle) {
        if let Some(open) = self.open().get_mut(&id) {
            open.abort = Some(abort);
        }
    }

    /// Ends the connection that has been silent or sending for longest; `false` when all are being worked on.
    pub(super) fn evict(&self) -> bool {
        let mut open = self.open();
        let slowest = open
            .iter()
            .filter(|(_, c)| {
                c.abort.is_some() && c.line.phase.load(Ordering::Acquire) != Phase::Working as u8
            })
            .min_by_key(|(_, c)| c.line.since.load(Ordering::Relaxed))
            .map(|(id, _)| *id);
        let Some(connection) = slowest.and_then(|id| open.remove(&id)) else { return false };
        drop(open);
        if let Some(abort) = connection.abort {
            abort.abort();
        }
        true
    }

    /// Ends all that is left.
    pub(super) fn end_all(&self) {
        for (_, connection) in self.open().drain() {
            if let Some(abort) = connection.abort {
                abort.abort();
            }
        }
    }
}

impl Place {
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.open().remove(&self.id);
        self.table.freed.notify_one();
    }
}
