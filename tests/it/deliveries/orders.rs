//! Six events in every order in which they can arrive: one end state.
//!
//! All six acts have happened on GitHub when the first of them arrives, and all arrive while the run is live. Which of them comes first
//! decides nothing: what an event says is a hint, how things stand is read.

use crate::support::figures;
use crate::support::rig::stage::Stage;
use crate::support::rig::{Fate, Hub, MAINTAINER, Script, reactions, tasks};
use divisi::domain::{Orchestration, RunState, TaskState};
use divisi::simulator::World;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// The tasks: 1 is closed by hand while it runs; 2's sub-issue is closed by hand and opened again while it runs; 3's pull request is
/// merged; 4 has failed and is retried; 5 runs until everything has arrived, so that the run is live all the time.
fn script() -> Script {
    let fate = |task: u32, attempt: u32| match (task, attempt) {
        (1, _) => (MINUTE * 9, Fate::Pushed),
        (2, _) => (MINUTE * 4, Fate::Pushed),
        (4, 1) => (Duration::from_secs(4), Fate::Failed { again: false }),
        (5, _) => (MINUTE * 3, Fate::Pushed),
        _ => (Duration::from_secs(5), Fate::Pushed),
    };
    let rules = "agent = \"test\"\nstatus_interval = \"1h\"\ndraft = false\n".to_owned();
    Script { fate: Box::new(fate), rules, heartbeats: true, look: MINUTE, ..Script::new(tasks(5)) }
}

/// The permutations of `0..6` with numbers `from, from + step, …`.
fn orders(from: usize, step: usize) -> impl Iterator<Item = Vec<usize>> {
    (from..720).step_by(step).map(|mut number| {
        let mut left: Vec<usize> = (0..6).collect();
        (1..=6)
            .rev()
            .map(|n| {
                let block = (1..n).product::<usize>();
                let at = number / block;
                number %= block;
                left.remove(at)
            })
            .collect()
    })
}

/// Everything that must be the same, whatever the order.
fn picture(world: &World, stage_repo: &str, master: u64, end: &Orchestration) -> String {
    let tasks: Vec<String> = end
        .tasks
        .iter()
        .map(|t| {
            let failure = t.failure.as_ref().map(|f| f.kind.to_string()).unwrap_or_default();
            let merged = t.merged_into.is_some();
            format!("{}:{}:{}:{failure}:{merged}", t.number, t.state.as_str(), t.attempt)
        })
        .collect();
    let issues = world.issues(stage_repo);
    let open = |labelled: &str| {
        let with = |i: &&divisi::simulator::Issue| i.labels.iter().any(|l| l == labelled);
        issues.iter().filter(|i| with(i)).map(|i| i.state.as_str()).collect::<Vec<_>>().join(",")
    };
    let bot = world.bot_login();
    let said = |n: u64| world.comments(stage_repo, n).iter().filter(|c| c.author.login == bot).count();
    format!(
        "{} {} | sub-issues {} | issues {} | pulls {} | comments on the master {} | eyes {} rockets {}",
        end.run.state.as_str(),
        tasks.join(" "),
        open("sub-issue"),
        issues.len(),
        world.pulls(stage_repo).len(),
        said(master),
        reactions(world, stage_repo, master, "eyes"),
        reactions(world, stage_repo, master, "rocket"),
    )
}

fn play(hub: &mut Hub, order: &[usize]) -> String {
    let mut stage = Stage::begin(hub, script());
    let (repo, master) = (stage.repo.clone(), stage.master);
    let ready = stage.until(MINUTE, |w| {
        let follow_ups = w.issues(&repo).iter().filter(|i| i.title.contains("Follow")).count();
        w.pulls(&repo).len() == 1 && (follow_ups == 1 || w.issues(&repo).len() == 7)
    });
    assert!(ready, "the first attempts end");
    // What is known of the merge's pull request is recorded by now.
    stage.pass(MINUTE / 2);
    let sub = |n: u32| {
        let title = format!("Task number {n} ");
        stage.by_hand(|g| {
            g.read(|w| {
                let of = w.sub_issues(&repo, master).into_iter().find(|i| i.title.contains(&title));
                of.map(|i| i.number).expect("a sub-issue")
            })
        })
    };
    let (first, second, fourth) = (sub(1), sub(2), sub(4));
    let pull = stage.by_hand(|g| g.read(|w| w.pulls(&repo)[0].number));
    let _ = stage.acts();
    stage.by_hand(|g| {
        g.close_issue(&repo, MAINTAINER, first).expect("closed");
        g.close_issue(&repo, MAINTAINER, second).expect("closed");
        g.reopen_issue(&repo, MAINTAINER, second).expect("opened again");
        g.merge_pr(&repo, MAINTAINER, pull).expect("merged");
        g.comment(&repo, MAINTAINER, fourth, "/orchestrate --retry").expect("a comment");
        g.comment(&repo, MAINTAINER, master, "/orchestrate").expect("a comment");
    });
    let mut events = stage.acts();
    // A merge closes the sub-issue too, as its consequence; that event comes with it.
    let consequences: Vec<_> = events
        .iter()
        .filter(|d| {
            let value: serde_json::Value = serde_json::from_slice(&d.payload).expect("JSON");
            let number = value["issue"]["number"].as_u64();
            d.event == "issues" && ![Some(first), Some(second)].contains(&number)
        })
        .map(|d| d.id.clone())
        .collect();
    events.retain(|d| !consequences.contains(&d.id));
    assert_eq!(events.len(), 6, "{:?}", events.iter().map(|d| &d.event).collect::<Vec<_>>());
    for at in order {
        stage.post(vec![events[*at].clone()]);
    }
    let ended = stage.until(MINUTE * 30, |w| reactions(w, &repo, master, "rocket") >= 1);
    assert!(ended, "{order:?} leads to no end");
    stage.pass(MINUTE * 2);
    let github = stage.by_hand(Clone::clone);
    let end = stage.end();
    assert!(matches!(end.run.state, RunState::Ended(_)));
    assert_eq!(end.task(1).map(|t| t.state), Some(TaskState::Cancelled), "{order:?}");
    assert_eq!(
        end.task(2).map(|t| t.state),
        Some(TaskState::Completed),
        "{order:?}: a close that was taken back"
    );
    github.read(|w| picture(w, &repo, master, &end))
}

fn all_orders(from: usize) {
    let step = if figures::full() { 2 } else { 24 };
    let mut hub = Hub::start();
    let expected = play(&mut hub, &[0, 1, 2, 3, 4, 5]);
    let mut played = 0;
    for order in orders(from, step) {
        assert_eq!(play(&mut hub, &order), expected, "in the order {order:?}");
        played += 1;
    }
    figures::tell("orders", &format!("{played} orders of six events, one end state ({expected})"));
}

#[test]
fn every_even_order_of_six_events_leads_to_one_end() {
    all_orders(0);
}

#[test]
fn every_odd_order_of_six_events_leads_to_one_end() {
    all_orders(if figures::full() { 1 } else { 13 });
}
