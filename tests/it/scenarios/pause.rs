//! `--pause`, `--resume`, `--status` and `--explain`.

use crate::support::gate::Gate;
use crate::support::world::{MAINTAINER, REPO, Setup, World, reactions, said, tasks};

/// Two tasks that name the same file, and one that does not.
const ORDERED: &str = "## Tasks\n\n- [ ] Add the soup to `src/menu.txt`\n- [ ] Add the salad to `src/menu.txt`\n- [ ] Write `docs/hours.md`\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_run_starts_nothing_even_after_a_restart_and_goes_on_when_resumed() {
    let gate = Gate::new();
    let mut world = World::new(Setup { slots: 1, ..gate.setup("") }).await;
    let master = world.trigger("Epic: the list", &tasks(2));
    world.until("progress", |w| said(w, master).len() == 1).await;
    let first = loop {
        match (gate.began(1), gate.began(2)) {
            (1, _) => break 1,
            (_, 1) => break 2,
            _ => tokio::time::sleep(std::time::Duration::from_millis(30)).await,
        }
    };
    let waiting = world.github.read(|w| w.sub_issues(REPO, master)[2 - first as usize].number);
    world.say(waiting, "/orchestrate --explain");
    world.until("why it waits", |w| said(w, waiting).len() == 1).await;
    assert!(world.said(waiting)[0].body.contains("capacity: 1 slot is there, and all are taken"));
    world.say(master, "/orchestrate --pause");
    world
        .until("the progress comment says so", |w| said(w, master)[0].body.contains("### Divisi is paused"))
        .await;
    world.say(master, "/orchestrate --pause");
    world.until("an answer to the second", |w| said(w, master).len() == 2).await;
    assert!(world.said(master)[1].body.contains("It is paused already"));
    gate.go(first);
    world.until("what ran is published", |w| w.pulls(REPO).len() == 1).await;
    if let Some(mut divisi) = world.divisi.take() {
        assert_eq!(divisi.stop(), Some(0));
    }
    world.start();
    world.say(waiting, "/orchestrate --explain");
    world.until("why it waits now", |w| said(w, waiting).len() == 2).await;
    assert!(world.said(waiting)[1].body.contains("paused: comment `/orchestrate --resume`"));
    world.say(waiting, "/orchestrate --resume");
    world.until("where that is said", |w| said(w, waiting).len() == 3).await;
    assert!(world.said(waiting)[2].body.contains(&format!("on #{master}")));
    world.say(master, "/orchestrate --status");
    world.until("the state", |w| said(w, master).len() == 3).await;
    let status = world.said(master)[2].body.clone();
    assert!(status.contains("is paused") && status.contains("1 of 2 tasks have ended"), "{status}");
    assert_eq!(gate.began(3 - first), 0, "nothing started");
    gate.open();
    world.say(master, "/orchestrate --resume");
    world.until_ended(1).await;
    assert_eq!(world.github.read(|w| w.pulls(REPO).len()), 2);
    assert_eq!(world.github.read(|w| reactions(w, "rocket")), 1, "of the run, not of a pause");
    world.say(master, "/orchestrate --resume");
    world.until("it is over", |w| said(w, master).len() == 5).await;
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dependent_of_a_pull_request_that_is_closed_unmerged_is_blocked() {
    let gate = Gate::new();
    let world = World::new(Setup { slots: 2, ..gate.setup("") }).await;
    let master = world.trigger("Epic: menu", ORDERED);
    gate.until_began(&world, 1, 1).await;
    gate.until_began(&world, 3, 1).await;
    world.until("progress", |w| said(w, master).len() == 1).await;
    let later = world.github.read(|w| w.sub_issues(REPO, master)[1].number);
    world.say(later, "/orchestrate --explain");
    world.until("why it waits", |w| said(w, later).len() == 1).await;
    assert!(world.said(later)[0].body.contains("dependency: it waits for task 1"));
    world.say(master, "/orchestrate --pause");
    world.until("it is paused", |w| reactions(w, "eyes") == 3).await;
    gate.go(1);
    world.until("the first pull request", |w| w.pulls(REPO).len() == 1).await;
    let pull = world.github.read(|w| w.pulls(REPO)[0].number);
    world.github.close_pr(REPO, MAINTAINER, pull).expect("closed");
    let progress =
        |w: &divisi::simulator::World| said(w, master).first().map(|c| c.body.clone()).unwrap_or_default();
    world.until("the dependent is blocked", |w| progress(w).contains("⏸ blocked")).await;
    assert!(world.github.read(progress).contains("✅ completed (pull request closed)"));
    // Opened again it comes back, and closed again it is blocked for good.
    world.github.reopen_issue(REPO, MAINTAINER, pull).expect("opened");
    world.until("the dependent waits again", |w| !progress(w).contains("⏸ blocked")).await;
    world.github.close_pr(REPO, MAINTAINER, pull).expect("closed");
    world.until("the dependent is blocked again", |w| progress(w).contains("⏸ blocked")).await;
    gate.open();
    world.say(master, "/orchestrate --resume");
    world.until_ended(1).await;
    let summary = world.summary(master);
    assert!(summary.contains("**Successful**: 2\n**Failed**: 0"), "it stays completed: {summary}");
    assert!(summary.contains("### Not run\n- [ ] Sub-task 2: blocked"), "{summary}");
    assert_eq!(gate.began(2), 0);
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_and_explain_without_a_run_say_how_to_start_one_and_what_is_in_the_way() {
    let world = World::new(Setup::default()).await;
    let few = world.open("Epic: short", &tasks(1));
    world.say(few, "/orchestrate --status");
    world.until("how to start", |w| said(w, few).len() == 1).await;
    assert!(world.said(few)[0].body.contains("There is no run of this issue. Comment `/orchestrate`"));
    world.say(few, "/orchestrate --explain");
    world.until("what is in the way", |w| said(w, few).len() == 2).await;
    assert!(world.said(few)[1].body.contains("a run needs at least 2"), "{:?}", world.said(few)[1]);
    let fine = world.open("Epic: the list", &tasks(2));
    world.say(fine, "/orchestrate --explain");
    world.until("nothing is in the way", |w| said(w, fine).len() == 1).await;
    assert!(world.said(fine)[0].body.contains("Nothing stands in the way"));
    world.github.comment(REPO, "rita", fine, "/orchestrate --status").expect("a comment");
    world.github.comment(REPO, "rita", fine, "/orchestrate --explian").expect("a comment");
    world.until("two refusals", |w| reactions(w, "confused") == 2).await;
    world.say(fine, "/orchestrate --explian");
    world.until("the nearest command", |w| said(w, fine).len() == 2).await;
    assert!(world.said(fine)[1].body.contains("Did you mean `/orchestrate --explain`?"));
    world.say(fine, "/orchestrate");
    world.until_ended(1).await;
    world.say(fine, "/orchestrate --explain");
    world.until("it is over", |w| said(w, fine).len() == 5).await;
    assert!(world.said(fine)[4].body.contains("Every task has ended."), "{:?}", world.said(fine)[4]);
    let pull = world.github.read(|w| w.pulls(REPO)[0].number);
    world.say(pull, "/orchestrate --status");
    world.until("the task's state", |w| said(w, pull).len() == 1).await;
    let status = world.said(pull)[0].body.clone();
    assert!(status.contains("✅ completed, attempt 1, pull request #"), "{status}");
    world.end();
}
