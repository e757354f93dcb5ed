//! One restart after the other while runs go on.

use super::status;
use crate::support::figures;
use crate::support::world::{REPO, Setup, WORKS, World, rockets, tasks};
use divisi::clock;
use std::collections::BTreeSet;
use std::time::Duration;

/// Tasks of one run.
const TASKS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_lose_nothing_and_do_nothing_twice() {
    let restarts = if figures::full() { 100 } else { 3 };
    let agent = format!("sleep 1\n{WORKS}");
    let rules = "max_retries = 0\nverify = [\"sleep 0.3\"]\n".to_owned();
    let mut world = World::new(Setup { agent, rules, slots: 3, ..Setup::default() }).await;
    let mut masters = vec![world.trigger("Epic: the list", &tasks(TASKS))];
    for _ in 0..restarts {
        // Short and long lives: some end before the runner has registered, some in the middle of a push.
        clock::sleep(Duration::from_secs_f64(0.2 + 2.8 * clock::jitter())).await;
        let mut divisi = world.divisi.take().expect("it runs");
        assert_eq!(divisi.stop(), Some(0), "{}", divisi.log_text());
        world.start();
        if world.github.read(rockets) >= masters.len() {
            masters.push(world.trigger("Epic: one more list", &tasks(TASKS)));
        }
    }
    world.until_ended(masters.len()).await;

    for master in &masters {
        let summary = world.summary(*master);
        assert!(summary.contains(&format!("**Successful**: {TASKS}\n**Failed**: 0")), "{summary}");
    }
    let last = *masters.last().expect("one");
    for task in 1..=TASKS {
        assert_eq!(status(&world, last, task)["attempt"], 1, "task {task}: {}", status(&world, last, task));
    }
    world.github.read(|w| {
        let pulls = w.pulls(REPO);
        let heads: BTreeSet<&str> =
            pulls.iter().filter_map(|p| p.pull.as_ref()).map(|p| p.head.as_str()).collect();
        assert_eq!((pulls.len(), heads.len()), (TASKS * masters.len(), TASKS * masters.len()), "one each");
        assert_eq!(w.issues(REPO).len(), (TASKS + 1) * masters.len(), "no follow-up, no sub-issue twice");
    });
    figures::tell(
        "leftovers",
        &format!("{restarts} rolling restarts of {} tasks: 0 lost, 0 twice", TASKS * masters.len()),
    );
    world.end();
}
