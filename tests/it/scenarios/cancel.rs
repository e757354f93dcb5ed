//! `--cancel`: agents are gone within seconds, what is pushed is kept, and nothing is lost for a retry.

use crate::support::figures;
use crate::support::gate::{Gate, agents_alive, until_no_agents};
use crate::support::world::{REPO, Setup, World, said, tasks};
use divisi::simulator::World as GitHub;
use std::time::{Duration, Instant};

/// Ignores SIGTERM, and has children that do: in its session, in one of their own, and forked twice.
const STUBBORN: &str = "trap '' TERM INT HUP\n\
    (while :; do sleep 1; done) &\n\
    setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &\n\
    (setsid sh -c 'trap \"\" TERM; (while :; do sleep 1; done) & wait' &) &";

/// The promise of `product.md`, section 3: within 10 s on each runner that can be reached.
const PROMISED: Duration = Duration::from_secs(10);

fn reacted(w: &GitHub, issue: u64, comment: u64, emoji: &str) -> bool {
    let comment = w.comments(REPO, issue).into_iter().find(|c| c.id == comment);
    comment.is_some_and(|c| c.reactions.iter().any(|r| r.content == emoji))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_agents_that_ignore_sigterm_are_gone_within_ten_seconds() {
    let gate = Gate::new();
    let world = World::new(gate.setup(STUBBORN)).await;
    let mut times = Vec::new();
    let rounds = if figures::full() { 10 } else { 1 };
    let mut stopped = 0;
    for round in 1..=rounds {
        let master = world.trigger(&format!("Epic: the list {round}"), &tasks(5));
        for task in 1..=5 {
            gate.until_began(&world, task, round).await;
        }
        // Each has its children up by then, or soon.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let processes = agents_alive(&world).len();
        assert!(processes >= 5 * 5, "{processes} processes of five agents");
        stopped += processes;
        let begin = Instant::now();
        let comment = world.say(master, "/orchestrate --cancel");
        until_no_agents(&world).await;
        let took = begin.elapsed();
        assert!(took <= PROMISED, "the last process was gone after {took:?}");
        times.push(took.as_secs_f64());
        world
            .until("the cancel has its eyes and its rocket", |w| {
                reacted(w, master, comment, "eyes") && reacted(w, master, comment, "rocket")
            })
            .await;
        let summary = world.summary(master);
        assert!(summary.contains("**Total Sub-Tasks**: 5\n**Successful**: 0\n**Failed**: 0"), "{summary}");
        assert_eq!(summary.matches(": cancelled · Task number").count(), 5, "under Not run: {summary}");
        let told = world.said(master);
        assert_eq!(told.len(), 2, "progress and summary, nothing more: {told:#?}");
        assert!(told.iter().any(|c| c.body.contains("### Divisi has finished: cancelled")), "{told:#?}");
    }
    let follow_ups = world
        .github
        .read(|w| w.issues(REPO).iter().filter(|i| i.labels.iter().any(|l| l == "follow-up")).count());
    assert_eq!((follow_ups, world.github.read(|w| w.pulls(REPO).len())), (0, 0));
    let worst = times.iter().copied().fold(0.0, f64::max);
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    figures::tell(
        "cancel",
        &format!(
            "{rounds} runs of 5 agents that ignore SIGTERM, {stopped} processes; comment to last process gone: worst {worst:.1} s, mean {mean:.1} s (promised 10 s); 0 left"
        ),
    );
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_keeps_what_is_done_and_runs_again_when_asked() {
    let gate = Gate::new();
    let world = World::new(gate.setup("")).await;
    let master = world.trigger("Epic: the list", &tasks(3));
    for task in 1..=3 {
        gate.until_began(&world, task, 1).await;
    }
    world.until("links", |w| w.sub_issues(REPO, master).len() == 3).await;
    gate.go(1);
    world.until("a pull request", |w| w.pulls(REPO).len() == 1).await;
    let child = world.github.read(|w| w.sub_issues(REPO, master)[1].number);
    let one = world.say(child, "/orchestrate --cancel");
    world.until("eyes on the sub-issue's comment", |w| reacted(w, child, one, "eyes")).await;
    let all = world.say(master, "/orchestrate --cancel");
    until_no_agents(&world).await;
    world.until_ended(3).await;
    let summary = world.summary(master);
    assert!(summary.contains("**Total Sub-Tasks**: 3\n**Successful**: 1\n**Failed**: 0"), "{summary}");
    assert!(summary.contains("### Not run\n- [ ] Sub-task 2: cancelled"), "{summary}");
    assert!(world.github.read(|w| reacted(w, child, one, "rocket") && reacted(w, master, all, "rocket")));
    // Over: the answer is its state, once each. Without a run: how to start one.
    world.say(master, "/orchestrate --cancel");
    world.until("the state of the run", |w| said(w, master).len() == 3).await;
    assert!(
        world.said(master)[2].body.contains("The run is over. The run of"),
        "{:?}",
        world.said(master)[2]
    );
    world.say(child, "/orchestrate --cancel");
    world.until("the state of the task", |w| said(w, child).len() == 1).await;
    assert!(world.said(child)[0].body.contains("there is nothing to cancel"), "{:?}", world.said(child));
    let other = world.open("A question", "How?");
    world.github.comment(REPO, "rita", other, "/orchestrate --cancel").expect("a comment");
    world.say(other, "/orchestrate --cancel");
    world.until("an answer", |w| said(w, other).len() == 1).await;
    assert!(world.said(other)[0].body.contains("There is no run of this issue"));
    // A cancelled task runs again, alone.
    gate.open();
    world.say(child, "/orchestrate --retry");
    world.until_ended(4).await;
    assert_eq!((gate.began(1), gate.began(2), gate.began(3)), (1, 2, 1));
    let summary = world.summary(master);
    assert!(summary.contains("**Successful**: 2\n**Failed**: 0"), "{summary}");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_is_heard_while_sub_issues_are_still_being_made() {
    let gate = Gate::new();
    let latency = Duration::from_millis(60);
    let world = World::new(Setup { latency, ..gate.setup("") }).await;
    let master = world.trigger("Epic: the long list", &tasks(40));
    let made = |w: &GitHub| w.issues(REPO).len() - 1;
    world.until("some sub-issues", |w| made(w) >= 3).await;
    world.say(master, "/orchestrate --cancel");
    world.until_ended(2).await;
    let made = world.github.read(made);
    assert!(made < 40, "all {made} were made");
    let summary = world.summary(master);
    assert_eq!(summary.matches(": cancelled · Task number").count(), 40, "{summary}");
    world.end();
}
