//! Tasks that wait for merges.

use super::sample::*;
use super::{
    Action, FailureKind, Orchestration, RunEvent, RunState, Snapshot, Target, TaskEvent, TaskNumber,
    TaskState as S, decide,
};
use std::collections::BTreeMap;

/// Tasks in these states, each with what has to be merged before it.
fn ordered(tasks: &[(S, &[TaskNumber])]) -> Orchestration {
    let states: Vec<S> = tasks.iter().map(|(state, _)| *state).collect();
    let mut it = run(&states);
    for (task, (_, after)) in it.tasks.iter_mut().zip(tasks) {
        task.after_merge = after.to_vec();
    }
    it
}

fn states(it: &Orchestration) -> Vec<S> {
    it.tasks.iter().map(|t| t.state).collect()
}

fn happens(it: &Orchestration, task: TaskNumber, event: TaskEvent, seconds: i64) -> Orchestration {
    it.apply(&RunEvent::Task(task, event), at(seconds)).expect("it can happen")
}

fn bases(it: &Orchestration, seconds: i64) -> Vec<Action> {
    let snapshot = Snapshot { orchestration: it.clone(), effects: BTreeMap::new() };
    let about_bases = |a: &Action| matches!(a, Action::ReadBase(_) | Action::WakeAt(_));
    decide(&snapshot, at(seconds)).into_iter().filter(about_bases).collect()
}

#[test]
fn a_task_starts_when_all_is_merged_and_its_base_is_read() {
    let it = ordered(&[(S::Completed, &[]), (S::Completed, &[]), (S::Ready, &[1, 2])]);
    assert_eq!(it.unmerged_before(&it.tasks[2]), [1, 2]);
    assert!(!it.may_start(&it.tasks[2]) && it.apply(&RunEvent::Task(3, claimed("p", 90)), at(1)).is_err());
    assert_eq!(bases(&it, 1), []);
    let one = happens(&it, 1, TaskEvent::Merged("main".into()), 10);
    assert_eq!((one.unmerged_before(&one.tasks[2]), bases(&one, 60)), (vec![2], vec![]));
    let both = happens(&one, 2, TaskEvent::Merged("main".into()), 20);
    assert!(!both.may_start(&both.tasks[2]), "what is merged is not in the base that it knows");
    assert_eq!(bases(&both, 20), [Action::WakeAt(at(25))], "a replica may still show the branch as it was");
    assert_eq!(bases(&both, 25), [Action::ReadBase(3)]);
    let read = happens(&both, 3, TaskEvent::BaseSeen(sha('d')), 26);
    assert!(read.may_start(&read.tasks[2]));
    assert_eq!(read.base_of(&read.tasks[2]), ("main", &sha('d')));
    assert_eq!(
        read.base_of(&read.tasks[0]),
        ("main", &sha('a')),
        "who waits for nothing starts where the run did"
    );
    assert_eq!(bases(&read, 30), []);
}

#[test]
fn the_base_is_read_again_for_a_retry_and_a_lost_one_fails_the_task() {
    let mut it = ordered(&[(S::InReview, &[]), (S::Failed, &[1])]);
    it.tasks[0].merged_into = Some("main".into());
    it.tasks[1].base_sha = Some(sha('d'));
    let event = RunEvent::Reopened {
        tasks: vec![2],
        target: Target::Comment(4),
        delivery: super::DeliveryId::new("d"),
    };
    let again = it.apply(&event, at(30)).expect("it failed");
    assert_eq!((again.tasks[1].state, &again.tasks[1].base_sha), (S::Ready, &None));
    assert_eq!(bases(&again, 31), [Action::ReadBase(2)]);
    let gone = TaskEvent::BaseRefused(failure(FailureKind::ResourceError));
    assert_eq!(happens(&again, 2, gone, 32).tasks[1].state, S::Failed);
}

#[test]
fn who_waits_in_vain_is_blocked_down_the_line_until_there_is_hope_again() {
    // 1 waits for 2, which waits for 3: numbers say nothing about the order.
    let it = ordered(&[(S::Planned, &[2]), (S::Ready, &[3]), (S::Running, &[]), (S::Ready, &[])]);
    let failed_once = happens(&it, 3, failed(0, FailureKind::TestFailure, false), 5);
    assert_eq!(states(&failed_once), [S::Blocked, S::Blocked, S::Failed, S::Ready]);
    let why = |n: usize| failed_once.tasks[n].failure.as_ref().map(|f| f.message.clone()).unwrap_or_default();
    assert_eq!(why(1), "Task 3, which it waits for, failed.");
    assert_eq!(why(0), "Task 2, which it waits for, is blocked itself.");
    let mut over = failed_once.clone();
    over.run.state = RunState::Ended(super::Outcome::Failed);
    let event = RunEvent::Reopened {
        tasks: vec![3],
        target: Target::Comment(4),
        delivery: super::DeliveryId::new("d"),
    };
    let again = over.apply(&event, at(9)).expect("it failed");
    assert_eq!(states(&again), [S::Planned, S::Ready, S::Ready, S::Ready]);
    assert_eq!(again.tasks[0].failure, None);
}

#[test]
fn a_closed_pull_request_blocks_and_an_open_one_lets_go() {
    let it = ordered(&[(S::Completed, &[]), (S::Ready, &[1]), (S::Ready, &[2])]);
    let closed = happens(&it, 1, TaskEvent::PullClosed, 5);
    assert_eq!(states(&closed), [S::Completed, S::Blocked, S::Blocked]);
    assert_eq!(closed.awaited().len(), 1, "it may be opened again, and nobody may tell us");
    let open = happens(&closed, 1, TaskEvent::PullReopened, 6);
    assert_eq!(states(&open), [S::Completed, S::Ready, S::Ready]);
    let merged = happens(&closed, 1, TaskEvent::Merged("main".into()), 7);
    assert_eq!(states(&merged), [S::Completed, S::Ready, S::Ready]);
    let cancelled = RunEvent::CancelAsked {
        tasks: None,
        why: "so".into(),
        target: None,
        delivery: super::DeliveryId::new("d"),
    };
    let ended = open.apply(&cancelled, at(8)).expect("two wait");
    assert_eq!(states(&ended), [S::Completed, S::Cancelled, S::Cancelled]);
}

#[test]
fn reports_change_with_merges_that_somebody_waits_for_and_with_no_others() {
    let plain = ordered(&[(S::Completed, &[]), (S::Ready, &[])]);
    assert_eq!(happens(&plain, 1, TaskEvent::Merged("main".into()), 5).digest(), plain.digest());
    let waits = ordered(&[(S::Completed, &[]), (S::Ready, &[1])]);
    let merged = happens(&waits, 1, TaskEvent::Merged("main".into()), 5);
    assert_ne!(merged.digest(), waits.digest());
}

#[test]
fn tasks_of_an_older_version_wait_for_no_merge() {
    let mut json = serde_json::to_value(task(1, S::Ready)).expect("JSON");
    for key in ["after_merge", "base_sha", "merged_at"] {
        json.as_object_mut().and_then(|o| o.remove(key)).expect("a field");
    }
    let read: super::Task = serde_json::from_value(json).expect("it still opens");
    assert_eq!(read, task(1, S::Ready));
}
