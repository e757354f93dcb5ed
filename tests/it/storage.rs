//! Storage in trouble: 503 for GitHub, no new agents, reading goes on, and it recovers by itself.

use crate::support::small_disk::SmallDisk;
use crate::support::world::{REPO, Setup, World, tasks};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::path::Path;
use std::time::Duration;

/// An agent that notes each start where a full disk does not hinder it.
fn noting(dir: &Path) -> String {
    format!("echo start >> {}/starts\n{}", dir.display(), crate::support::world::WORKS)
}

fn starts(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("starts")).map_or(0, |text| text.lines().count())
}

async fn get(world: &World, path: &str) -> u16 {
    let address = world.divisi.as_ref().map(|d| d.address.clone()).unwrap_or_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    client.get(format!("http://{address}{path}")).send().await.expect("an answer").status().as_u16()
}

/// Waits until every delivery was attempted, and returns the last status.
async fn last_status(world: &World) -> u16 {
    world.until("it was attempted", |w| w.all_delivered()).await;
    world.github.read(|w| w.deliveries().last().map_or(0, |d| d.status_code))
}

async fn integrity(path: &Path) -> String {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("it opens");
    sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_intake_and_agents_until_there_is_room() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("skipped: mounting a small tmpfs needs CAP_SYS_ADMIN");
        return;
    };
    let notes = tempfile::tempdir().expect("a directory");
    let env = vec![("DIVISI_DATA_DIR", disk.path().display().to_string())];
    let agent = format!("sleep 1\n{}", noting(notes.path()));
    let world = World::new(Setup { env, agent, slots: 1, ..Setup::default() }).await;
    let first = world.trigger("Epic: begun with room", &tasks(3));
    world.until("an agent has worked", |w| w.pulls(REPO).len() == 1).await;

    let ballast = disk.fill();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let begun = starts(notes.path());
    let second = world.open("Epic: begun without room", &tasks(2));
    world.label(second);
    assert_eq!(last_status(&world).await, 503, "nothing is accepted that cannot be kept");
    assert_eq!((get(&world, "/healthz").await, get(&world, "/readyz").await), (200, 503));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(starts(notes.path()), begun, "no agent starts on a full disk");
    assert!(begun < 3, "the disk was full in time");

    std::fs::remove_file(ballast).expect("room again");
    let refused = world.github.read(|w| w.deliveries().last().map(|d| d.id));
    world.github.redeliver(refused.expect("a delivery")).expect("asked for");
    world.until_ended(2).await;
    world.github.read(|w| {
        assert_eq!(w.sub_issues(REPO, first).len() + w.sub_issues(REPO, second).len(), 5);
        assert_eq!(w.issues(REPO).iter().filter(|i| i.labels.iter().any(|l| l == "sub-issue")).count(), 5);
    });
    assert_eq!(get(&world, "/readyz").await, 200);
    world.end();
    assert_eq!(integrity(&disk.path().join("divisi.db")).await, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_another_holds_is_waited_for_and_then_used_again() {
    let world = World::new(Setup::default()).await;
    let options = SqliteConnectOptions::new().filename(world.data().join("divisi.db"));
    let mut other = SqliteConnection::connect_with(&options).await.expect("it opens");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("the lock");
    let master = world.open("Epic: the list", &tasks(2));
    world.label(master);
    assert_eq!(last_status(&world).await, 503, "GitHub is told in time that it is not stored");
    assert_eq!(get(&world, "/healthz").await, 200);
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("released");
    other.close().await.expect("closed");
    let refused = world.github.read(|w| w.deliveries().last().map(|d| d.id));
    world.github.redeliver(refused.expect("a delivery")).expect("asked for");
    world.until_ended(1).await;
    world.github.read(|w| assert_eq!(w.sub_issues(REPO, master).len(), 2));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_taken_away_accepts_nothing_until_it_is_back() {
    let world = World::new(Setup::default()).await;
    let (here, away) = (world.data().join("divisi.db"), world.data().join("away.db"));
    std::fs::rename(&here, &away).expect("taken away");
    let master = world.open("Epic: the list", &tasks(2));
    world.label(master);
    assert_eq!(last_status(&world).await, 503, "what would be lost with the process is not accepted");
    assert_eq!((get(&world, "/healthz").await, get(&world, "/readyz").await), (200, 503));
    std::fs::rename(&away, &here).expect("put back");
    let refused = world.github.read(|w| w.deliveries().last().map(|d| d.id));
    world.github.redeliver(refused.expect("a delivery")).expect("asked for");
    world.until_ended(1).await;
    world.github.read(|w| assert_eq!(w.sub_issues(REPO, master).len(), 2));
    world.end();
}
