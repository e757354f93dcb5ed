//! What GitHub could not deliver is found at the next start, and in poll mode nothing else is needed.

use crate::support::world::{MAINTAINER, REPO, Setup, World, said, tasks};
use divisi::simulator::{Fault, FaultEffect, NewIssue, RepoContent, Role, World as GitHub};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_on_while_divisi_was_down_starts_with_it() {
    let mut world = World::new(Setup::default()).await;
    world.divisi.as_mut().expect("running").kill();
    let labelled = world.trigger("Epic: the label", &tasks(2));
    let commented = world.open("Epic: the comment", &tasks(3));
    world.say(commented, "/orchestrate");
    let refused = world.open("Not by everybody", &tasks(2));
    world.github.comment(REPO, "rita", refused, "/orchestrate").expect("a comment");
    world.until("all attempts have failed", |w| w.deliveries().iter().all(|d| !d.status.is_empty())).await;
    world.start();
    world.until_ended(2).await;
    world.github.read(|w| {
        assert_eq!(w.sub_issues(REPO, labelled).len(), 2);
        assert_eq!(w.sub_issues(REPO, commented).len(), 3);
        assert_eq!(w.sub_issues(REPO, refused).len(), 0, "a found command is judged like any other");
        assert_eq!((said(w, labelled).len(), said(w, commented).len(), said(w, refused).len()), (2, 2, 0));
    });
    // GitHub's own button sends it again: known, and nothing happens twice.
    let again: Vec<u64> =
        world.github.read(|w| w.deliveries().iter().filter(|d| d.status != "OK").map(|d| d.id).collect());
    for id in again {
        world.github.redeliver(id).expect("asked for");
    }
    world.until("they came", |w| w.deliveries().iter().all(|d| !d.status.is_empty())).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    world
        .github
        .read(|w| assert_eq!(w.sub_issues(REPO, labelled).len() + w.sub_issues(REPO, commented).len(), 5));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_alone_does_the_whole_work() {
    let env = vec![
        ("DIVISI_GITHUB__DELIVERIES", "poll".to_owned()),
        ("DIVISI_GITHUB__POLL_INTERVAL", "1s".to_owned()),
    ];
    let world = World::new(Setup { env, ..Setup::default() }).await;
    assert_eq!(world.deliver("ping", b"{}").await, 404, "there is no other way in");
    // GitHub has an address that nobody answers at.
    world.github.set_webhook_target(Some("http://127.0.0.1:9/webhooks/github"));
    let master = world.trigger("Epic: the list", &tasks(3));
    world.until_ended(1).await;
    world.say(master, "/orchestrate --help");
    world.until("the answer", |w| said(w, master).len() == 3).await;
    world.github.read(|w| {
        assert_eq!(w.sub_issues(REPO, master).len(), 3);
        assert_eq!(w.pulls(REPO).len(), 3);
    });
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_answer_about_one_repository_keeps_no_other_waiting() {
    let world = World::new(Setup::default()).await;
    let content =
        RepoContent::files(&[("README.md", "# Other\n"), (".github/divisi.toml", "agent = \"test\"\n")]);
    world.github.create_repo("acme/other", "main", &content).expect("a repository");
    world.github.add_user("acme/other", MAINTAINER, Role::Write).expect("a person");
    let path = format!("/repos/{REPO}/collaborators/");
    let slow = FaultEffect::Delay(Duration::from_secs(6));
    world.github.plan_fault(Fault::once("GET", path, slow).times(2));
    let first = world.trigger("Epic: slow", &tasks(2));
    let second = world.open("Epic: slow too", &tasks(2));
    world.label(second);
    let new = NewIssue::new("Epic: quick", tasks(2));
    let quick = world.github.open_issue("acme/other", MAINTAINER, new).expect("an issue");
    world.github.label_issue("acme/other", MAINTAINER, quick, "parallel-orchestration").expect("a label");
    let eyes = |w: &GitHub, repo: &str, n: u64| {
        w.issue(repo, n).is_some_and(|i| i.reactions.iter().any(|r| r.content == "eyes"))
    };
    world.until("the quick one is seen", |w| eyes(w, "acme/other", quick)).await;
    world
        .github
        .read(|w| assert!(!eyes(w, REPO, first) && !eyes(w, REPO, second), "the slow ones still wait"));
    world.until_ended(2).await;
    world.end();
}
