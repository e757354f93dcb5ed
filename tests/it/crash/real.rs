//! The shipped binary with real git and real agents: it kills itself at a boundary, is started again, and in the end
//! everything is there once.

use super::cast::Expected;
use super::check::{Verdict, look};
use crate::support::figures;
use crate::support::world::{MAINTAINER, REPO, Setup, World, rockets, tasks};
use divisi::clock;
use divisi::store::{Sqlite, Store};
use futures_util::{StreamExt as _, stream};
use jiff::SignedDuration;
use std::time::{Duration, Instant};

/// Sampled boundaries of one test, in this many tests.
const SAMPLE: usize = 16;
const PARTS: usize = 4;
/// A run crosses about this many; the points beyond are reached by some runs only.
const BOUNDARIES: usize = 78;
/// With `--full`, every boundary up to this one.
const ALL: usize = 96;
/// Worlds side by side in one test: most of their time is waiting.
const SIDE_BY_SIDE: usize = 4;
/// The longest that a run may take after its crash.
const PATIENCE: Duration = Duration::from_secs(120);

/// The third task fails twice: once, and when it is tried again.
const AGENT: &str = "cat > /dev/null\n\
    [ \"$AGENT_ID\" = agent-3 ] && exit 1\n\
    echo \"work of $AGENT_ID\" > \"$AGENT_ID.txt\"\n\
    git add -A && git commit -qm \"Work of $AGENT_ID\"\n";

fn expected() -> Expected {
    Expected {
        tasks: 5,
        completed: vec![1, 2, 4, 5],
        follow_ups: vec![(3, true)],
        eyes: 1,
        rockets: 1,
        ..Expected::default()
    }
}

/// One run that dies at the nth boundary; whether it did.
async fn dies_at(n: usize) -> bool {
    let setup = Setup {
        agent: AGENT.to_owned(),
        rules: "max_retries = 1\n".to_owned(),
        env: vec![("DIVISI_PROOF__CRASH_AT", n.to_string())],
        ..Setup::default()
    };
    let mut world = World::new(setup).await;
    let master = world.trigger("Epic: the list", &tasks(5));
    let end = Instant::now() + PATIENCE;
    let mut died = false;
    // Until it dies, or has done everything before it came so far.
    while Instant::now() < end {
        died = world.divisi.as_mut().is_some_and(|d| d.has_ended());
        if died || is_settled(&world).await {
            break;
        }
        clock::sleep(Duration::from_millis(100)).await;
    }
    if died {
        world.divisi.as_mut().expect("a process").kill();
        world.set_env("DIVISI_PROOF__CRASH_AT", None);
        world.start();
        while Instant::now() < end && !is_settled(&world).await {
            clock::sleep(Duration::from_millis(200)).await;
        }
    }
    let mut verdict = Verdict::default();
    world.github.read(|w| look(w, REPO, master, &expected(), &mut verdict));
    assert!(
        is_settled(&world).await && verdict.is_clean() && verdict.folded == 0,
        "crash at {n}: {verdict:#?}\n{}\n--- log ---\n{}",
        world.picture(),
        world.divisi.as_ref().map(|d| d.log_text()).unwrap_or_default()
    );
    let by_hand = world.github.read(|w| w.issue(REPO, master).map(|i| i.author.login.clone()));
    assert_eq!(by_hand.as_deref(), Some(MAINTAINER));
    world.end();
    died
}

/// Whether the run has its 🚀 and the database wants nothing more.
async fn is_settled(world: &World) -> bool {
    if world.github.read(rockets) == 0 {
        return false;
    }
    let Ok(store) = Sqlite::open(&world.data().join("divisi.db")).await else { return false };
    let later = clock::now() + SignedDuration::from_hours(24);
    let settled = store.runs_open().await.is_ok_and(|open| open.is_empty())
        && store.answers_due(later).await.is_ok_and(|due| due.is_empty())
        && store.deliveries_waiting().await.is_ok_and(|waiting| !waiting);
    store.close().await;
    settled
}

/// Every `PARTS`th of the chosen boundaries.
async fn part(k: usize) {
    let points: Vec<usize> = if figures::full() {
        (1..=ALL).collect()
    } else {
        (0..SAMPLE * PARTS).map(|j| 1 + j * BOUNDARIES / (SAMPLE * PARTS)).collect()
    };
    let points: Vec<usize> = points.into_iter().skip(k).step_by(PARTS).collect();
    let runs = points.len();
    let died: Vec<bool> = stream::iter(points).map(dies_at).buffer_unordered(SIDE_BY_SIDE).collect().await;
    let crashes = died.iter().filter(|d| **d).count();
    assert!(crashes + 1 >= runs.min(SAMPLE), "only {crashes} of {runs} runs came to their boundary");
    figures::tell("crash", &format!("real-runs={runs} real-crashes={crashes} duplicates=0 lost=0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_survives_its_boundaries_part_1() {
    part(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_survives_its_boundaries_part_2() {
    part(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_survives_its_boundaries_part_3() {
    part(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_survives_its_boundaries_part_4() {
    part(3).await;
}
