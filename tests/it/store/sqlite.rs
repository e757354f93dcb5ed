//! What is particular to SQLite: the file, kill -9 while deliveries come in, a full disk, a foreign lock.

use super::*;
use crate::support::small_disk::SmallDisk;
use divisi::clock;
use divisi::store::StoreError;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

async fn integrity(path: &Path) -> String {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn the_file_and_its_directory_are_the_owners_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a/b/divisi.db");
    let store = Sqlite::open(&path).await.unwrap();
    store.delivery_received(delivery("d"), at(0)).await.unwrap();
    let mode = |p: &Path| p.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
    store.close().await;
    assert!(matches!(store.ready().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.delivery_received(delivery("e"), at(0)).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_file_that_is_no_database_of_ours_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("divisi.db");
    std::fs::write(
        &path,
        "this is text, and long enough to be looked at as a header of a database".repeat(20),
    )
    .unwrap();
    assert!(matches!(Sqlite::open(&path).await, Err(StoreError::Corrupt(_))));
    let nowhere = Sqlite::open(Path::new("/proc/nowhere/divisi.db")).await;
    assert!(matches!(nowhere, Err(StoreError::Unavailable(_))), "{nowhere:?}");

    let newer = dir.path().join("newer.db");
    let store = Sqlite::open(&newer).await.unwrap();
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&newer)).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'from the future', 1, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    assert!(matches!(store.ready().await, Err(StoreError::Corrupt(_))), "readiness sees another schema");
    store.close().await;
    assert!(matches!(Sqlite::open(&newer).await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn a_row_that_someone_else_wrote_is_an_error_and_no_panic() {
    let dir = TempDir::new().unwrap();
    let bench = Bench::sqlite(&dir).await;
    let run = ready_run(&*bench.store, "r1", 1, 1).await;
    let Engine::Sqlite { path, .. } = &bench.engine;
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap();
    sqlx::query("UPDATE tasks SET data = '{\"number\":1}'").execute(&mut connection).await.unwrap();
    let broken = bench.store.snapshot(&run).await;
    assert!(matches!(broken, Err(StoreError::Corrupt(_))), "{broken:?}");
}

const CHILD_DATABASE: &str = "DIVISI_TEST_INGEST_DATABASE";

/// Not a test: the process that `an_answered_delivery_survives_kill_nine` starts and kills.
#[test]
#[ignore = "a helper process of another test"]
#[expect(clippy::disallowed_methods, reason = "the helper's parameter comes by the environment")]
fn ingest_until_killed() {
    let Some(path) = std::env::var_os(CHILD_DATABASE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Sqlite::open(Path::new(&path)).await.unwrap();
        let mut producers = tokio::task::JoinSet::new();
        for producer in 0..32 {
            let store = store.clone();
            producers.spawn(async move {
                for n in 0..100_000 {
                    let id = format!("p{producer}-{n}");
                    let mut new = delivery(&id);
                    new.payload = vec![b'x'; 10_240];
                    store.delivery_received(new, at(n)).await.unwrap();
                    // One write call a line, so that a line that arrives was answered as a whole.
                    std::io::stdout().write_all(format!("acked {id}\n").as_bytes()).unwrap();
                }
            });
        }
        producers.join_all().await;
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "starts this test binary again, to kill it")]
fn an_answered_delivery_survives_kill_nine() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("divisi.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["store::sqlite::ingest_until_killed", "--exact", "--ignored", "--nocapture"])
        .env(CHILD_DATABASE, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acked = Vec::new();
    let mut note = |line: String| {
        if let Some(at) = line.find("acked ") {
            acked.push(line[at + 6..].to_owned());
        }
    };
    for line in lines.by_ref().map_while(Result::ok).take(2_000) {
        note(line);
    }
    child.kill().unwrap();
    // What it had written before it died.
    lines.map_while(Result::ok).for_each(&mut note);
    child.wait().unwrap();
    assert!(acked.len() > 1_500, "only {} answers came", acked.len());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Sqlite::open(&path).await.unwrap();
        for id in &acked {
            let known = store.delivery_received(delivery(id), at(0)).await.unwrap();
            assert_eq!(known, Received::Known, "{id} was answered, but is gone");
        }
        store.close().await;
        assert_eq!(integrity(&path).await, "ok");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_makes_the_store_unavailable_until_there_is_room() {
    let Some(disk) = SmallDisk::new() else {
        let _ = writeln!(std::io::stderr(), "skipped: mounting a small tmpfs needs CAP_SYS_ADMIN");
        return;
    };
    let path = disk.path().join("divisi.db");
    let store = Sqlite::open(&path).await.unwrap();
    let run = ready_run(&store, "r1", 1, 1).await;
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0u8; 4 << 20]).unwrap();

    let big = |n: i64| NewDelivery { payload: vec![b'x'; 200_000], ..delivery(&format!("big-{n}")) };
    let mut acked = 0;
    let refused = loop {
        match store.delivery_received(big(acked), at(acked)).await {
            Ok(_) => acked += 1,
            Err(error) => break error,
        }
        assert!(acked < 100, "an 8 MiB disk does not hold this");
    };
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(acked > 2, "{acked}");
    // Fill what is left, so that small writes fail too, each in its own way of ending a transaction.
    let mut rest = std::fs::File::create(disk.path().join("rest")).unwrap();
    while rest.write_all(&[0u8; 4096]).is_ok() {}
    for n in 0..3 {
        let answer = store.delivery_received(big(1_000 + n), at(0)).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    let mut full = false;
    for n in 0..2_000 {
        match store.run_changed(&run, RunEvent::CallsMade(1), at(n)).await {
            Ok(_) => {}
            Err(StoreError::Unavailable(_)) => {
                full = true;
                break;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(full, "a full disk takes no changes for ever");
    let calls = store.snapshot(&run).await.expect("reading needs no room").orchestration.run.usage.api_calls;

    drop(rest);
    std::fs::remove_file(disk.path().join("rest")).unwrap();
    std::fs::remove_file(&ballast).unwrap();
    store.ready().await.expect("there is room again");
    assert_eq!(store.delivery_received(delivery("small"), at(0)).await.unwrap(), Received::New);
    store.run_changed(&run, RunEvent::CallsMade(1), at(0)).await.unwrap();
    assert_eq!(store.snapshot(&run).await.unwrap().orchestration.run.usage.api_calls, calls + 1);
    for n in 0..acked {
        assert_eq!(store.delivery_received(big(n), at(0)).await.unwrap(), Received::Known, "big-{n}");
    }
    store.close().await;
    assert_eq!(integrity(&path).await, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_held_by_another_process_is_an_outage_and_not_a_hang() {
    let dir = TempDir::new().unwrap();
    let bench = Bench::sqlite(&dir).await;
    let run = ready_run(&*bench.store, "r1", 1, 1).await;
    let Engine::Sqlite { path, .. } = &bench.engine;
    let options = SqliteConnectOptions::new().filename(path);
    let mut foreign = SqliteConnection::connect_with(&options).await.unwrap();
    let held = foreign.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let begun = clock::instant();
    let (one, two) = tokio::join!(
        bench.store.run_changed(&run, RunEvent::CallsMade(1), at(1)),
        bench.store.delivery_received(delivery("d"), at(1)),
    );
    assert!(matches!(one, Err(StoreError::Unavailable(_))), "{one:?}");
    assert!(matches!(two, Err(StoreError::Unavailable(_))), "{two:?}");
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert!(bench.store.snapshot(&run).await.is_ok(), "reading goes on");
    held.rollback().await.unwrap();
    bench.store.ready().await.unwrap();
    assert_eq!(bench.store.delivery_received(delivery("d"), at(1)).await.unwrap(), Received::New);
}
