//! Processes that end in the middle: nothing is left, and the next life does the work again.

use crate::support::world::{Setup, WORKS, World, tasks};
use divisi::clock;
use std::path::Path;
use std::time::{Duration, Instant};

/// Waits until a file is there.
async fn until_exists(path: &Path) {
    let wait = async {
        while !path.exists() {
            clock::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(clock::within(Duration::from_secs(60), wait).await.is_some(), "{} does not come", path.display());
}

/// Time since a file was last written.
fn age(path: &Path) -> Duration {
    let modified = std::fs::metadata(path).and_then(|m| m.modified()).expect("a file");
    modified.elapsed().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_that_a_stop_or_a_crash_cut_off_are_done_again() {
    let proof = tempfile::tempdir().expect("a directory");
    let (first, second) = (proof.path().join("first"), proof.path().join("second"));
    // Task 1 hangs in its first and in its second life; it is told apart by what it finds.
    let agent = format!(
        "if [ \"$AGENT_ID\" = agent-1 ]; then for mark in {} {}; do\n\
         test -e $mark || {{ trap '' TERM; while :; do date > $mark; sleep 0.1; done; }}\n\
         done; fi\n{WORKS}",
        first.display(),
        second.display()
    );
    let mut world = World::new(Setup { agent, ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(2));

    until_exists(&first).await;
    let began = Instant::now();
    let mut divisi = world.divisi.take().expect("it runs");
    assert_eq!(divisi.stop(), Some(0), "{}", divisi.log_text());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let kept = std::fs::read_dir(world.data().join("attempts")).expect("a directory").count();
    assert!(kept > 0, "its work stays for the next life");

    world.start();
    until_exists(&second).await;
    world.divisi.take().expect("it runs").kill();
    clock::sleep(Duration::from_secs(1)).await;
    assert!(age(&second) > Duration::from_millis(600), "the agent outlives its control plane");
    let left = std::fs::read_dir(world.data().join("attempts")).expect("a directory").count();
    assert!(left > 0, "a crash leaves directories, which the next start uses or removes");

    world.start();
    world.until_ended(1).await;
    let summary = world.summary(master);
    assert!(summary.contains("**Successful**: 2\n**Failed**: 0"), "{summary}");
    world.end();
}
