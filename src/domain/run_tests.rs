//! `Orchestration::apply` and the outcome rule.

use super::TaskState as S;
use super::sample::*;
use super::*;
use proptest::prelude::*;

#[test]
fn four_of_five_are_enough_and_three_are_not() {
    // Exhaustive for the default threshold, in whole numbers: partial from 80 % on.
    for ran in 0..=20usize {
        for completed in 0..=ran {
            let expected = match (completed, ran - completed) {
                (0, 0) => Outcome::Cancelled,
                (_, 0) => Outcome::Succeeded,
                (k, _) if 10 * k >= 8 * ran && k > 0 => Outcome::Partial,
                _ => Outcome::Failed,
            };
            assert_eq!(Outcome::of(completed, ran - completed, 0.8), expected, "{completed} of {ran}");
        }
    }
}

#[test]
fn every_threshold_in_percent_is_met_exactly_at_its_share() {
    // Up to the most tasks that a run can have: 0.07 * 100 is more than 7 in floating point.
    for percent in 0..=100usize {
        for ran in 1..=100usize {
            for completed in 0..ran {
                let met = completed > 0 && 100 * completed >= percent * ran;
                let expected = if met { Outcome::Partial } else { Outcome::Failed };
                let got = Outcome::of(completed, ran - completed, percent as f64 / 100.0);
                assert_eq!(got, expected, "{completed} of {ran} at {percent} %");
            }
        }
    }
}

#[test]
fn only_completed_and_failed_tasks_count() {
    let outcome = |states: &[S]| run(states).outcome();
    assert_eq!(outcome(&[S::Completed, S::Cancelled, S::Blocked, S::InReview]), Outcome::Succeeded);
    assert_eq!(outcome(&[S::Cancelled, S::Blocked]), Outcome::Cancelled);
    assert_eq!(outcome(&[S::InReview]), Outcome::Cancelled);
    assert_eq!(outcome(&[S::Completed, S::Failed, S::Cancelled]), Outcome::Failed);
    let mut four = vec![S::Completed; 4];
    four.push(S::Failed);
    assert_eq!(outcome(&four), Outcome::Partial);
}

#[test]
fn a_run_ends_once_and_only_when_all_is_terminal() {
    let active = run(&[S::Completed, S::Running]);
    assert_eq!(active.apply(&RunEvent::Ended, at(9)), Err(Refusal::Run("not finished")));
    let ended = run(&[S::Completed, S::Failed]).apply(&RunEvent::Ended, at(9)).expect("all is terminal");
    assert_eq!(ended.run.state, RunState::Ended(Outcome::Failed));
    assert_eq!((ended.run.ended_at, ended.run.usage.active_seconds), (Some(at(9)), 9.0));
    assert_eq!(ended.apply(&RunEvent::Ended, at(10)), Err(Refusal::Run("over already")));
}

#[test]
fn a_retry_reopens_the_same_run() {
    let retry = |tasks: &[TaskNumber]| RunEvent::Reopened {
        tasks: tasks.to_vec(),
        target: Target::Comment(77),
        delivery: DeliveryId::new("d2"),
    };
    let ended = run(&[S::Completed, S::Failed]).apply(&RunEvent::Ended, at(9)).expect("all is terminal");
    for wrong in [&[1][..], &[2, 1], &[3]] {
        assert!(ended.apply(&retry(wrong), at(20)).is_err(), "{wrong:?}");
    }
    let again = ended.apply(&retry(&[2]), at(20)).expect("task 2 failed");
    assert_eq!((again.run.state, again.run.ended_at, again.run.round), (RunState::Active, None, 2));
    assert_eq!((again.run.active_since, again.tasks[1].state), (at(20), S::Ready));
    assert_eq!(again.run.triggers, [Target::Issue(1), Target::Comment(77)]);
    assert_eq!(again.run.deliveries, [DeliveryId::new("d2")]);

    // Time between the end and the retry is nobody's work.
    let failed = again.apply(&RunEvent::Task(2, claimed("p", 90)), at(21)).expect("it is ready");
    let failed = failed.apply(&RunEvent::Task(2, failed_at(1)), at(25)).expect("it runs");
    let over = failed.apply(&RunEvent::Ended, at(26)).expect("all is terminal");
    assert_eq!(over.run.usage.active_seconds, 9.0 + 6.0);

    // A retry while the run goes on does not start its clock anew.
    let active = run(&[S::Running, S::Failed]);
    let more = active.apply(&retry(&[2]), at(50)).expect("task 2 failed");
    assert_eq!((more.run.active_since, more.run.round), (at(0), 2));
}

fn failed_at(epoch: u64) -> TaskEvent {
    failed(epoch, FailureKind::TestFailure, false)
}

#[test]
fn a_task_starts_when_what_it_waits_for_is_over() {
    let waiting = |first: S| {
        let mut run = run(&[first, S::Ready]);
        run.tasks[1].waits_for = vec![1, 9];
        run.apply(&RunEvent::Task(2, claimed("p", 90)), at(1)).is_ok()
    };
    for state in STATES {
        assert_eq!(waiting(state), state.is_terminal(), "{}", state.as_str());
    }
}

#[test]
fn work_stands_on_the_latest_completed_task_that_it_waited_for() {
    let mut run = run(&[S::Completed, S::Completed, S::Failed, S::Ready]);
    run.tasks[3].waits_for = vec![1, 2, 3];
    let on = |run: &Orchestration| run.stands_on(&run.tasks[3]).map(|t| t.number);
    assert_eq!(on(&run), None, "nothing was published");
    for at in 0..3 {
        run.tasks[at].published = Some(published());
    }
    assert_eq!(on(&run), Some(2));
    run.tasks[1].state = S::Cancelled;
    assert_eq!(on(&run), Some(1));
}

#[test]
fn counters_add_up_and_a_new_name_is_taken_over() {
    let before = run(&[S::Ready, S::Ready]);
    let after = before
        .apply(&RunEvent::CallsMade(3), at(1))
        .and_then(|o| o.apply(&RunEvent::CallsMade(4), at(1)))
        .and_then(|o| o.apply(&RunEvent::Measured { memory_mb: 700, tier: "full".into() }, at(1)))
        .and_then(|o| o.apply(&RunEvent::Measured { memory_mb: 300, tier: "full".into() }, at(1)))
        .and_then(|o| o.apply(&RunEvent::Task(1, claimed("p", 90)), at(1)))
        .and_then(|o| o.apply(&RunEvent::Task(2, claimed("p", 90)), at(1)))
        .and_then(|o| o.apply(&RunEvent::Task(2, TaskEvent::LeaseLost { epoch: 1 }), at(1)))
        .expect("all of it can happen");
    let usage = after.run.usage;
    assert_eq!((usage.api_calls, usage.peak_memory_mb, usage.max_concurrent), (7, 700, 2));
    let mut renamed = before.run.repo.clone();
    renamed.name = "new".into();
    let seen = before.apply(&RunEvent::RepoSeen(renamed), at(1)).expect("always");
    assert_eq!(seen.run.repo.full_name(), "octo/new");
}

proptest! {
    #[test]
    fn any_history_of_a_run_keeps_its_promises(
        steps in prop::collection::vec((1u32..5, 0u8..12, 0u64..2), 0..120)
    ) {
        let mut it = run(&[S::Planned, S::Planned, S::InReview]);
        it.tasks[1].waits_for = vec![1];
        for (now, (number, choice, behind)) in (0..).zip(steps) {
            let epoch = it.task(number).map_or(0, |t| t.epoch.saturating_sub(behind));
            let event = match choice {
                0 => TaskEvent::SubIssueKnown(issue(number)),
                1 => TaskEvent::SubIssueRefused(failure(FailureKind::ValidationError)),
                2 | 3 => claimed("p", 90),
                4 | 5 => pushed(epoch),
                6 => failed(epoch, FailureKind::TestFailure, true),
                7 => TaskEvent::LeaseLost { epoch },
                8 => TaskEvent::PullRequestKnown(9),
                9 => TaskEvent::FollowUpKnown(8),
                10 => TaskEvent::RetryAsked,
                _ => TaskEvent::PublishRefused(failure(FailureKind::ValidationError)),
            };
            let event = match (choice, number) {
                (10, _) => RunEvent::Reopened {
                    tasks: vec![number],
                    target: Target::Comment(now),
                    delivery: DeliveryId::new(now.to_string()),
                },
                (9, 4) => RunEvent::Ended,
                _ => RunEvent::Task(number, event),
            };
            let Ok(next) = it.apply(&event, at(i64::try_from(now).expect("small"))) else { continue };
            prop_assert_eq!(next.tasks.len(), it.tasks.len());
            for (old, new) in it.tasks.iter().zip(&next.tasks) {
                prop_assert_eq!(old.number, new.number);
                prop_assert!(new.epoch >= old.epoch);
                let touched = match &event {
                    RunEvent::Task(n, _) => *n == old.number,
                    RunEvent::Reopened { tasks, .. } => tasks.contains(&old.number),
                    _ => false,
                };
                prop_assert!(touched || old == new, "an event changed another task");
            }
            if matches!(next.run.state, RunState::Ended(_)) {
                prop_assert!(next.tasks.iter().all(|t| t.state.is_terminal()), "an ended run has work");
                prop_assert!(next.run.ended_at.is_some());
            }
            let first = next.tasks[0].state;
            let started = it.tasks[1].state != S::Running && next.tasks[1].state == S::Running;
            prop_assert!(!started || first.is_terminal(), "task 2 did not wait for task 1");
            it = next;
        }
    }
}
