//! The floors: the least that a small program without features needs for the same work, as processes of their own.
//!
//! *A* verifies the signature and answers. *B* also commits event and body to SQLite (WAL, `synchronous=FULL`), many in one commit, before
//! it answers. Both are axum with one route; B's writer is a thread with one handle.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, StatusCode};
use rusqlite::Connection;
use sha2::Sha256;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Most rows in one commit, as in the shipped program.
const BATCH: usize = 256;

type Row = (String, String, Bytes, oneshot::Sender<()>);

struct Floor {
    key: Hmac<Sha256>,
    queue: Option<mpsc::Sender<Row>>,
}

/// Serves on `address` until it is killed; with `database` it is B, without A.
pub fn serve(address: &str, secret: &str, database: Option<&Path>) {
    let queue = database.map(|path| {
        let (queue, rows) = mpsc::channel(BATCH);
        let connection = open(path);
        std::thread::spawn(move || write(connection, rows));
        queue
    });
    let key = Hmac::new_from_slice(secret.as_bytes()).expect("any key");
    let app =
        Router::new().route("/webhooks/github", post(receive)).with_state(Arc::new(Floor { key, queue }));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await.expect("the address");
        axum::serve(listener, app).await.expect("it serves");
    });
}

async fn receive(State(floor): State<Arc<Floor>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut mac = floor.key.clone();
    mac.update(&body);
    let given = text("x-hub-signature-256").strip_prefix("sha256=").and_then(unhex);
    if given.is_none_or(|given| mac.verify_slice(&given).is_err()) {
        return StatusCode::UNAUTHORIZED;
    }
    if let Some(queue) = &floor.queue {
        let (answer, committed) = oneshot::channel();
        let row = (text("x-github-delivery").to_owned(), text("x-github-event").to_owned(), body, answer);
        if queue.send(row).await.is_err() || committed.await.is_err() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    StatusCode::ACCEPTED
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    (text.len() == 64).then_some(bytes)
}

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE inbox (delivery_id TEXT PRIMARY KEY, event TEXT NOT NULL, payload BLOB NOT NULL) STRICT;",
        )
        .expect("a table");
    connection
}

fn write(connection: Connection, mut rows: mpsc::Receiver<Row>) {
    let mut insert = connection
        .prepare("INSERT INTO inbox (delivery_id, event, payload) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .expect("a statement");
    let mut begin = connection.prepare("BEGIN IMMEDIATE").expect("a statement");
    let mut commit = connection.prepare("COMMIT").expect("a statement");
    let mut batch = Vec::with_capacity(BATCH);
    while rows.blocking_recv_many(&mut batch, BATCH) > 0 {
        begin.execute(()).expect("begun");
        for (id, event, body, _) in &batch {
            insert.execute((id, event, &body[..])).expect("a row");
        }
        commit.execute(()).expect("committed");
        for (_, _, _, answer) in batch.drain(..) {
            let _ = answer.send(());
        }
    }
}
