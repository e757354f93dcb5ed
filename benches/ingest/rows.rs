//! A database that has seen much.

use divisi::clock;
use rusqlite::Connection;
use std::path::Path;

/// Adds settled deliveries of now with small bodies.
pub fn fill(path: &Path, rows: u32) {
    let connection = Connection::open(path).expect("the database");
    connection.pragma_update(None, "synchronous", "OFF").expect("a setting");
    let mut insert = connection
        .prepare(
            "INSERT INTO inbox (delivery_id, event, received_at, state, due_at, payload)
             VALUES (?1, 'issues', ?2, 'done', ?2, zeroblob(200))",
        )
        .expect("a statement");
    // Sorted as the index is: the pages become the same, sooner.
    let mut ids: Vec<String> = (0..rows).map(|_| clock::uuid()).collect();
    ids.sort_unstable();
    let now = clock::now().as_millisecond();
    connection.execute_batch("BEGIN").expect("begun");
    for id in ids {
        insert.execute((id, now)).expect("a row");
    }
    connection.execute_batch("COMMIT").expect("committed");
    drop(insert);
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("checked in");
}
