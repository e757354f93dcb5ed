//! Attempts that are cut off: the same attempt goes on at its host, another host starts afresh, and crash loops end.

use super::sample::*;
use super::*;

pub(super) fn resumed(host: &str) -> TaskEvent {
    TaskEvent::Resumed { runner: RunnerId::new("again"), host: host.into(), until: at(190) }
}

pub(super) fn released(epoch: u64, host: &str) -> TaskEvent {
    let spent = Spent { tokens: 7, cost_usd: 0.5, seconds: 3.0 };
    TaskEvent::Released { epoch, host: host.into(), spent }
}

pub(super) fn interrupted(epoch: u64, host: &str) -> TaskEvent {
    TaskEvent::Interrupted { epoch, host: host.into() }
}

#[track_caller]
fn step(it: &Task, event: &TaskEvent, seconds: i64) -> Task {
    it.apply(event, 2, at(seconds)).expect("it can happen")
}

fn running() -> Task {
    step(&task(1, TaskState::Ready), &claimed("p", 90), 100)
}

#[test]
fn a_resume_is_a_new_epoch_of_the_same_attempt() {
    for cut_off in [released(1, "h1"), interrupted(1, "h1")] {
        let waiting = step(&running(), &cut_off, 110);
        let resume = waiting.resume.clone().expect("it may go on");
        assert_eq!((resume.host.as_str(), resume.until), ("h1", at(110) + RESUME_GRACE));
        assert_eq!((waiting.state, &waiting.runner, waiting.lease_until), (TaskState::Ready, &None, None));
        let refused =
            waiting.apply(&resumed("h2"), 2, at(111)).expect_err("another host has nothing to go on with");
        assert!(matches!(refused, Refusal::Impossible { .. }));

        let again = step(&waiting, &resumed("h1"), 111);
        assert_eq!((again.state, again.attempt, again.epoch), (TaskState::Running, 1, 2));
        assert_eq!((again.started_at, &again.resume), (Some(at(100)), &None));
        let late = again.apply(&pushed(1), 2, at(112)).expect_err("the cut-off life is heard no more");
        assert_eq!(late, Refusal::Stale { got: 1, current: 2 });
        let done = step(&again, &pushed(2), 130);
        assert_eq!(done.spent, Spent { tokens: 10, ..done.spent }, "its runner told the sum of all lives");
        assert_eq!((done.losses, done.retries_used), (0, 0));
    }
}

#[test]
fn another_host_starts_from_scratch_and_what_was_used_is_counted() {
    let waiting = step(&running(), &released(1, "h1"), 110);
    assert_eq!(waiting.spent, Spent::default(), "not yet: it may go on");
    let elsewhere = step(&waiting, &claimed("q", 300), 200);
    assert_eq!((elsewhere.attempt, elsewhere.epoch, elsewhere.retries_used), (2, 2, 0));
    assert_eq!(elsewhere.spent, Spent { tokens: 7, cost_usd: 0.5, seconds: 3.0 });
    assert_eq!((elsewhere.started_at, &elsewhere.resume), (Some(at(200)), &None));
    assert!(elsewhere.apply(&resumed("h1"), 2, at(201)).is_err(), "the first host comes too late");
}

#[test]
fn a_clean_hand_back_costs_nothing_however_often() {
    let mut it = running();
    for n in 1..=100_u64 {
        it = step(&it, &released(n, "h1"), 110);
        it = step(&it, &resumed("h1"), 111);
    }
    assert_eq!((it.state, it.attempt, it.epoch), (TaskState::Running, 1, 101));
    assert_eq!((it.crashes, it.losses, it.retries_used), (0, 0, 0));
}

#[test]
fn a_crash_loop_ends_and_a_person_may_begin_anew() {
    let mut it = running();
    for n in 1..=u64::from(MAX_CRASHES) {
        assert_eq!(it.state, TaskState::Running, "crash {n}");
        it = step(&it, &interrupted(n, "h1"), 110);
        if it.state == TaskState::Ready {
            it = step(&it, &resumed("h1"), 111);
        }
    }
    assert_eq!(it.state, TaskState::Failed);
    assert_eq!(it.failure.as_ref().map(|f| f.kind), Some(FailureKind::LostRunner));
    assert_eq!((it.spent.seconds, it.attempt, &it.resume), (10.0, 1, &None));
    let asked = step(&it, &TaskEvent::RetryAsked, 120);
    assert_eq!((asked.state, asked.crashes, asked.attempt), (TaskState::Ready, 0, 1));
}

#[test]
fn a_task_of_an_earlier_release_reads() {
    let mut json = serde_json::to_value(running()).expect("JSON");
    let object = json.as_object_mut().expect("an object");
    assert!(object.remove("resume").is_some() && object.remove("crashes").is_some());
    let read: Task = serde_json::from_value(json).expect("a task");
    assert_eq!(read, running());
}
