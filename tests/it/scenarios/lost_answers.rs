//! Answers that never arrive: what was done is found again, and nothing is done twice.

use crate::support::world::{REPO, Setup, World, said, tasks};
use divisi::simulator::{Fault, FaultEffect};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_were_applied_and_not_answered_are_found() {
    let world = World::new(Setup::default()).await;
    for (path, after) in [("issues", 1), ("issues", 3), ("pulls", 0), ("pulls", 1)] {
        let path = format!("/repos/{REPO}/{path}");
        let fault = Fault::once("POST", path, FaultEffect::DropAfterApplying).after(after);
        world.github.plan_fault(fault);
    }
    let master = world.trigger("Epic: the list", &tasks(3));
    world.until_ended(1).await;
    world.github.read(|w| {
        assert_eq!(w.sub_issues(REPO, master).len(), 3);
        assert_eq!(w.issues(REPO).len(), 4, "no second sub-issue");
        assert_eq!(w.pulls(REPO).len(), 3);
        assert_eq!(said(w, master).len(), 2);
    });
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_is_survived() {
    let agent = format!("sleep 1\n{}", crate::support::world::WORKS);
    let mut world = World::new(Setup { agent, ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(4));
    world.until("the first sub-issues", |w| w.issues(REPO).len() >= 3).await;
    if let Some(divisi) = world.divisi.as_mut() {
        divisi.kill();
    }
    world.start();
    world.until_ended(1).await;
    world.github.read(|w| {
        assert_eq!(w.sub_issues(REPO, master).len(), 4);
        assert_eq!(w.issues(REPO).iter().filter(|i| i.labels.iter().any(|l| l == "sub-issue")).count(), 4);
        assert_eq!(w.pulls(REPO).len(), 4);
        assert_eq!(said(w, master).len(), 2);
    });
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_progress_comment_is_made_anew() {
    let agent = format!("sleep 2\n{}", crate::support::world::WORKS);
    let world = World::new(Setup { agent, ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(2));
    world.until("a progress comment", |w| said(w, master).len() == 1).await;
    let first = world.said(master)[0].id;
    world.github.delete_comment("olga", first).expect("deleted");
    world.until_ended(1).await;
    world.until("a new progress comment beside the summary", |w| said(w, master).len() == 2).await;
    world.end();
}
