//! Deliveries that come several times at once, or not at all: each act counts exactly once.

use super::relay::Relay;
use crate::support::figures;
use crate::support::world::{REPO, Setup, World, reactions, tasks};

fn masters() -> usize {
    if figures::full() { 200 } else { 24 }
}

fn setup(env: Vec<(&'static str, String)>) -> Setup {
    let mut all = vec![
        ("DIVISI_RUNNER__EMBEDDED", "false".to_owned()),
        ("DIVISI_LIMITS__RUNS_PER_REPO", "1000".to_owned()),
        ("DIVISI_GITHUB__WRITES_PER_MINUTE", "60000".to_owned()),
    ];
    all.extend(env);
    Setup { env: all, ..Setup::default() }
}

/// Opens the masters, half of them triggered by the label and half by a command.
fn trigger(world: &World, n: usize) -> Vec<u64> {
    let master = |i: usize| {
        let master = world.open(&format!("Epic {i}"), &tasks(2));
        if i.is_multiple_of(2) {
            world.label(master);
        } else {
            world.say(master, "/orchestrate");
        }
        master
    };
    (0..n).map(master).collect()
}

/// Every master has one run: its two sub-issues once, one 👀, one directory of public files.
async fn one_run_each(world: &World, masters: &[u64]) {
    world
        .until("every master has its sub-issues", |w| {
            masters.iter().all(|m| w.sub_issues(REPO, *m).len() == 2) && reactions(w, "eyes") >= masters.len()
        })
        .await;
    world.github.read(|w| {
        assert_eq!(w.issues(REPO).len(), masters.len() * 3, "masters and their sub-issues");
        assert_eq!(reactions(w, "eyes"), masters.len());
    });
    let runs = std::fs::read_dir(world.data().join("runs").join(REPO)).expect("the runs").count();
    assert_eq!(runs, masters.len(), "one run each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_and_losses_make_one_run_each() {
    let n = masters();
    let mut world = World::new(setup(Vec::new())).await;
    let address = |world: &World| {
        let divisi = world.divisi.as_ref().expect("it runs");
        format!("http://{}/webhooks/github", divisi.address)
    };
    let relay = Relay::start(&address(&world), 0.3, 7).await;
    world.github.set_webhook_target(Some(&relay.url));
    let masters = trigger(&world, n);
    world.until("everything was attempted", |w| w.deliveries().iter().all(|d| !d.status.is_empty())).await;
    // The loop that finds the rest runs at start.
    world.divisi.as_mut().expect("it runs").kill();
    world.start();
    relay.set_target(&address(&world));
    world.github.set_webhook_target(Some(&relay.url));
    one_run_each(&world, &masters).await;
    let counts = relay.counts();
    assert!(counts.lost > 0 && counts.copies > counts.sent, "{counts:?}");
    figures::tell(
        "deliveries",
        &format!(
            "webhook mode: {n} triggers, {} deliveries of which {} lost and the others sent {} times, {n} runs, 0 twice, 0 missing",
            counts.sent, counts.lost, counts.copies
        ),
    );
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_makes_one_run_each() {
    let n = masters();
    let world = World::new(setup(vec![
        ("DIVISI_GITHUB__DELIVERIES", "poll".to_owned()),
        ("DIVISI_GITHUB__POLL_INTERVAL", "1s".to_owned()),
    ]))
    .await;
    world.github.set_webhook_target(None);
    let masters = trigger(&world, n);
    one_run_each(&world, &masters).await;
    let deliveries = world.github.read(|w| w.deliveries().len());
    figures::tell(
        "deliveries",
        &format!(
            "poll mode: {n} triggers among {deliveries} failed deliveries, {n} runs, 0 twice, 0 missing"
        ),
    );
    world.end();
}
