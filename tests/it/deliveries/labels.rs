//! A label that no delivery tells of any more is asked about, once.

use crate::support::divisi::Divisi;
use crate::support::gate::until_quiet;
use crate::support::world::{REPO, Setup, World, said, tasks};
use divisi::clock::{self, Virtual};
use jiff::SignedDuration;
use sqlx::Connection as _;
use std::time::Duration;

/// No traffic for so long: the look is over.
const QUIET: Duration = Duration::from_secs(3);

/// Takes down that there was a look, as if it were a day ago.
async fn a_day_later(world: &World) {
    let path = world.data().join("divisi.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut database = sqlx::SqliteConnection::connect_with(&options).await.expect("the database");
    sqlx::query("DELETE FROM marks WHERE name = 'labelled'").execute(&mut database).await.expect("removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_that_was_put_on_too_long_ago_to_be_heard_of_is_asked_about_once() {
    let mut world = World::new(Setup::default()).await;
    let known = world.trigger("Epic: known", &tasks(2));
    world.until_ended(1).await;
    world.divisi.as_mut().expect("running").kill();
    let (old, unlabelled, closed) = {
        let past = Virtual::starting_at(clock::now() - SignedDuration::from_hours(4 * 24));
        let _then = past.enter();
        let old = world.trigger("Epic: old", &tasks(2));
        let closed = world.trigger("Epic: closed", &tasks(2));
        world.github.close_issue(REPO, "olga", closed).expect("closed");
        (old, world.open("Epic: no label", &tasks(2)), closed)
    };
    let young = world.trigger("Epic: young", &tasks(2));
    world.github.forget_deliveries();
    let asked = |world: &World| {
        world.github.read(|w| [known, old, young, unlabelled, closed].map(|issue| said(w, issue).len()))
    };
    a_day_later(&world).await;
    world.start();
    world.until("it is asked about", |w| said(w, old).len() == 1).await;
    until_quiet(&world, QUIET).await;
    assert_eq!(asked(&world), [2, 1, 0, 0, 0]);
    assert!(world.said(old)[0].body.contains("To start, comment `/orchestrate`"));
    // The next look, a day later and after a restart, has nothing to ask.
    world.divisi.as_mut().expect("running").kill();
    a_day_later(&world).await;
    world.start();
    until_quiet(&world, QUIET).await;
    let log = world.divisi.as_ref().map(Divisi::log_text).unwrap_or_default();
    assert!(log.contains("labelled issues were looked at; nothing is to ask"), "{log}");
    assert_eq!(asked(&world), [2, 1, 0, 0, 0]);
    world.say(old, "/orchestrate");
    world.until_ended(2).await;
    assert_eq!(asked(&world), [2, 3, 0, 0, 0]);
    world.end();
}
