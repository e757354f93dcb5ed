//! The thread that commits deliveries: one SQLite connection of its own, many deliveries in one commit.
//!
//! A thread, not a task: what a delivery costs besides its pages is the way to the connection and back, and the runtime's threads must
//! not wait for a disk. Its commits take turns with all other transactions ([`Turn`]).

use super::file::Opened;
use super::{BUSY, Turn};
use crate::clock;
use crate::store::rows::ms;
use crate::store::{NewDelivery, Received, StoreError};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Statement};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Most deliveries in one commit.
const BATCH: usize = 256;
/// How long a delivery waits to be taken into the queue while the writer is stuck.
const QUEUE_WAIT: Duration = Duration::from_secs(5);

const INSERT: &str = "INSERT INTO inbox (delivery_id, event, received_at, state, due_at, payload)
    VALUES (?1, ?2, ?3, 'new', ?3, ?4) ON CONFLICT (delivery_id) DO NOTHING";

/// The door of the thread. The thread ends when the last clone of its door is gone, or after [`Writer::close`].
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Job>,
}

#[derive(Debug)]
enum Job {
    Store(Waiting),
    Close(oneshot::Sender<()>),
}

/// A delivery and where its answer goes. A caller that has gone away meanwhile costs the others nothing.
#[derive(Debug)]
struct Waiting {
    delivery: NewDelivery,
    now: Timestamp,
    answer: oneshot::Sender<Result<Received, StoreError>>,
}

impl Writer {
    /// # Errors
    /// [`StoreError::Unavailable`] when the system gives no thread.
    pub fn start(file: Opened, turn: Turn) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(BATCH);
        std::thread::Builder::new()
            .name("inbox".to_owned())
            .spawn(move || run(jobs, &file, &turn))
            .map_err(|error| StoreError::Unavailable(format!("no thread for the inbox: {error}")))?;
        Ok(Self { queue })
    }

    /// Returns when the delivery is committed.
    pub async fn received(&self, delivery: NewDelivery, now: Timestamp) -> Result<Received, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Store(Waiting { delivery, now, answer });
        if let Err(full) = self.queue.try_send(job) {
            clock::within(QUEUE_WAIT, self.queue.send(full.into_inner()))
                .await
                .ok_or_else(|| {
                    StoreError::Unavailable("too many deliveries wait to be committed".to_owned())
                })?
                .map_err(|_| stopped())?;
        }
        answered.await.map_err(|_| stopped())?
    }

    /// Waits for what is under way, then closes the connection; later deliveries are refused.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Job::Close(done)).await.is_ok() {
            // An error: another call closed it first.
            let _ = closed.await;
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the inbox writer has stopped".to_owned())
}

fn run(mut jobs: mpsc::Receiver<Job>, file: &Opened, turn: &Turn) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut waiting = Vec::with_capacity(BATCH);
    // Until the end, or until the connection is no longer fit for use: then the next one.
    loop {
        if jobs.blocking_recv_many(&mut batch, BATCH) == 0 {
            return;
        }
        let connection = file.still_there().and_then(|()| Ok(connect(file)?));
        let ended = match &connection {
            Ok(connection) => with(connection, &mut jobs, &mut batch, &mut waiting, file, turn),
            Err(error) => {
                let closed = sort(&mut batch, &mut waiting);
                refuse(&mut waiting, error);
                closed
            }
        };
        drop(connection);
        if !ended.is_empty() {
            jobs.close();
            for done in ended {
                let _ = done.send(());
            }
            return;
        }
    }
}

fn connect(file: &Opened) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file.path(), flags)?;
    connection.busy_timeout(BUSY)?;
    // The journal mode is the file's own; how often it is synced is each connection's.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Works with one connection, beginning with `batch`. Returns who wants to know that it is closed; nobody when the queue ended or the
/// connection must be replaced.
fn with(
    connection: &Connection,
    jobs: &mut mpsc::Receiver<Job>,
    batch: &mut Vec<Job>,
    waiting: &mut Vec<Waiting>,
    file: &Opened,
    turn: &Turn,
) -> Vec<oneshot::Sender<()>> {
    let prepare = |sql| connection.prepare(sql);
    let (mut begin, mut insert, mut commit) =
        match (prepare("BEGIN IMMEDIATE"), prepare(INSERT), prepare("COMMIT")) {
            (Ok(begin), Ok(insert), Ok(commit)) => (begin, insert, commit),
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                let closed = sort(batch, waiting);
                refuse(waiting, &error.into());
                return closed;
            }
        };
    let mut outcomes = Vec::with_capacity(BATCH);
    loop {
        let closed = sort(batch, waiting);
        let mut fit = true;
        if !waiting.is_empty() {
            outcomes.clear();
            let turn = turn.take_blocking();
            let committed = file
                .still_there()
                .and_then(|()| Ok(together(&mut begin, &mut insert, &mut commit, waiting, &mut outcomes)?));
            if committed.is_err() && !connection.is_autocommit() {
                fit = connection.execute_batch("ROLLBACK").is_ok();
            }
            drop(turn);
            match committed {
                Ok(()) => {
                    for (waiting, outcome) in waiting.drain(..).zip(&outcomes) {
                        // Nobody waits any more: the row stays, a redelivery will be `Known`.
                        let _ = waiting.answer.send(Ok(*outcome));
                    }
                }
                Err(error) => refuse(waiting, &error),
            }
        }
        if !closed.is_empty() || !fit || jobs.blocking_recv_many(batch, BATCH) == 0 {
            return closed;
        }
    }
}

/// All in one commit; an error means that none is stored.
fn together(
    begin: &mut Statement<'_>,
    insert: &mut Statement<'_>,
    commit: &mut Statement<'_>,
    batch: &[Waiting],
    outcomes: &mut Vec<Received>,
) -> rusqlite::Result<()> {
    begin.execute(())?;
    for Waiting { delivery, now, .. } in batch {
        let row = (delivery.id.as_str(), &delivery.event, ms(*now), &delivery.payload);
        outcomes.push(if insert.execute(row)? == 1 { Received::New } else { Received::Known });
    }
    commit.execute(())?;
    Ok(())
}

/// Parts deliveries from wishes to close.
fn sort(batch: &mut Vec<Job>, waiting: &mut Vec<Waiting>) -> Vec<oneshot::Sender<()>> {
    let mut closed = Vec::new();
    for job in batch.drain(..) {
        match job {
            Job::Store(delivery) => waiting.push(delivery),
            Job::Close(done) => closed.push(done),
        }
    }
    closed
}

fn refuse(waiting: &mut Vec<Waiting>, error: &StoreError) {
    let why = error.to_string();
    for waiting in waiting.drain(..) {
        let _ = waiting.answer.send(Err(StoreError::Unavailable(why.clone())));
    }
}
