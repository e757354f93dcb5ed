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

fn cancel(tasks: Option<&[TaskNumber]>) -> RunEvent {
    let (why, delivery) = ("@mia cancelled it.".to_owned(), DeliveryId::new("d3"));
    RunEvent::CancelAsked { tasks: tasks.map(<[_]>::to_vec), why, target: Some(Target::Comment(9)), delivery }
}

#[test]
fn a_cancelled_run_keeps_what_is_pushed_and_ends_as_cancelled() {
    let all = run(&[S::Planned, S::Ready, S::Running, S::Publishing, S::Completed, S::Failed]);
    let after = all.apply(&cancel(None), at(5)).expect("it is active");
    let states: Vec<S> = after.tasks.iter().map(|t| t.state).collect();
    assert_eq!(states, [S::Cancelled, S::Cancelled, S::Running, S::Publishing, S::Completed, S::Failed]);
    assert_eq!(after.tasks[2].halt, Some(Halt::Cancel));
    assert_eq!(after.run.triggers, [Target::Issue(1), Target::Comment(9)], "its command gets the rocket too");
    assert!(after.apply(&cancel(None), at(6)).is_err(), "nothing is left to cancel");
    let opened = RunEvent::Task(4, TaskEvent::PullRequestKnown(77));
    let after = after.apply(&opened, at(7)).expect("its pull request opens");
    let stopped = RunEvent::Task(3, TaskEvent::LeaseLost { epoch: 0 });
    let after = after.apply(&stopped, at(8)).and_then(|o| o.apply(&RunEvent::Ended, at(9))).expect("it ends");
    assert_eq!(after.run.state, RunState::Ended(Outcome::Cancelled), "whatever was completed before");
    let again = RunEvent::Reopened {
        tasks: vec![1, 2, 3, 6],
        target: Target::Comment(10),
        delivery: DeliveryId::new("d4"),
    };
    let again = after.apply(&again, at(20)).expect("cancelled tasks can be retried");
    assert!(!again.run.stops.cancelled);
    assert_eq!(again.count(S::Ready) + again.count(S::Planned), 4);
}

#[test]
fn a_cancel_that_stops_nothing_does_not_change_the_outcome() {
    let mut late = run(&[S::Completed, S::Publishing]);
    assert!(late.apply(&cancel(None), at(5)).is_err());
    late.run.stops.cancelled = true;
    late.tasks[1].state = S::Completed;
    assert_eq!(late.outcome(), Outcome::Succeeded);
}

#[test]
fn one_task_is_cancelled_alone() {
    let both = run(&[S::Ready, S::Ready]);
    let after = both.apply(&cancel(Some(&[2])), at(5)).expect("it is active");
    assert_eq!((after.tasks[0].state, after.tasks[1].state), (S::Ready, S::Cancelled));
    assert!(!after.run.stops.cancelled, "the run goes on");
    assert!(both.apply(&cancel(Some(&[3])), at(5)).is_err());
    let over = run(&[S::Completed]).apply(&RunEvent::Ended, at(9)).expect("all is terminal");
    assert_eq!(over.apply(&cancel(None), at(10)), Err(Refusal::Run("over already")));
}

#[test]
fn a_paused_run_begins_nothing_and_finishes_what_runs() {
    let both = run(&[S::Running, S::Ready]);
    let paused = both.apply(&RunEvent::PauseAsked, at(5)).expect("it is active");
    assert_ne!(paused.digest(), both.digest(), "people see it");
    assert!(!paused.may_start(&paused.tasks[1]));
    assert!(paused.apply(&RunEvent::Task(2, claimed("p", 90)), at(6)).is_err());
    assert!(paused.apply(&RunEvent::PauseAsked, at(6)).is_err(), "once");
    let pushed = paused.apply(&RunEvent::Task(1, pushed(0)), at(7)).expect("what runs goes on");
    assert_eq!(pushed.tasks[0].state, S::Publishing);
    let goes_on = pushed.apply(&RunEvent::ResumeAsked, at(8)).expect("it is paused");
    assert!(goes_on.may_start(&goes_on.tasks[1]));
    assert!(goes_on.apply(&RunEvent::ResumeAsked, at(9)).is_err(), "once");
    let text = serde_json::to_string(&paused).expect("it serialises");
    assert_eq!(
        serde_json::from_str::<Orchestration>(&text).expect("it reads"),
        paused,
        "also after a restart"
    );
    let older = text.replace("\"stops\"", "\"of a later version\"");
    let older = serde_json::from_str::<Orchestration>(&older).expect("a run of an older version reads");
    assert_eq!(older.run.stops, Stops::default());
}

#[test]
fn two_tasks_of_one_file_never_work_together_whichever_is_run_again() {
    let mut ordered = run(&[S::Ready, S::Running]);
    ordered.tasks[1].waits_for = vec![1];
    assert!(!ordered.may_start(&ordered.tasks[0]), "the later one is at work");
    ordered.tasks[1].state = S::Publishing;
    assert!(!ordered.may_start(&ordered.tasks[0]));
    assert_eq!(ordered.in_the_way_of(&ordered.tasks[0]), [2]);
    for over in [S::Ready, S::Completed, S::Failed, S::Cancelled] {
        ordered.tasks[1].state = over;
        assert!(ordered.may_start(&ordered.tasks[0]), "{over:?}");
    }
    ordered.tasks[1].state = S::Ready;
    assert!(!ordered.may_start(&ordered.tasks[1]));
}

#[test]
fn what_has_not_begun_is_blocked_by_a_closed_pull_request_until_it_is_open_again() {
    let mut chain = run(&[S::Completed, S::Ready, S::Planned, S::Running, S::Ready]);
    for at in 1..4 {
        chain.tasks[at].waits_for = vec![1];
    }
    let closed = chain.apply(&RunEvent::Task(1, TaskEvent::PullClosed), at(5)).expect("closed");
    let states: Vec<S> = closed.tasks.iter().map(|t| t.state).collect();
    assert_eq!(states, [S::Completed, S::Blocked, S::Blocked, S::Running, S::Ready]);
    let why = closed.tasks[1].failure.as_ref().map(|f| (f.kind, f.message.contains("task 1")));
    assert_eq!(why, Some((FailureKind::Blocked, true)));
    let open = closed.apply(&RunEvent::Task(1, TaskEvent::PullReopened), at(6)).expect("opened again");
    let states: Vec<S> = open.tasks.iter().map(|t| t.state).collect();
    assert_eq!(states, [S::Completed, S::Ready, S::Planned, S::Running, S::Ready]);
    let mut over = closed.clone();
    over.run.state = RunState::Ended(Outcome::Failed);
    let open = over.apply(&RunEvent::Task(1, TaskEvent::PullReopened), at(6)).expect("opened again");
    assert_eq!(open.tasks[1].state, S::Blocked, "a run that is over stays over");
    let mut cancelled = closed.clone();
    cancelled.run.stops.cancelled = true;
    let open = cancelled.apply(&RunEvent::Task(1, TaskEvent::PullReopened), at(6)).expect("opened again");
    assert_eq!(open.count(S::Blocked), 2, "what was cancelled is not begun after all");
    let gone = closed.apply(&RunEvent::Gone(Gone::Uninstalled), at(6)).expect("gone");
    let open = gone.apply(&RunEvent::Task(1, TaskEvent::PullReopened), at(7)).expect("heard of late");
    assert_eq!(open.count(S::Blocked), 2);
    let mut result = closed;
    result.tasks[0].published = Some(published());
    assert_eq!(result.stands_on(&result.tasks[1]), None, "nothing stands on what was refused");
}

#[test]
fn a_suspended_app_holds_the_run_and_an_end_of_it_lets_it_go_on() {
    let look_at = at(300);
    let held = run(&[S::Running, S::Ready]).apply(&RunEvent::Suspended { look_at }, at(5)).expect("held");
    assert_eq!(held.run.stops.suspended, Some(Suspension { since: at(5), look_at }));
    assert_eq!(held.tasks[0].halt, Some(Halt::Hold));
    assert!(!held.may_start(&held.tasks[1]));
    let later = held.apply(&RunEvent::Suspended { look_at: at(600) }, at(300)).expect("still held");
    assert_eq!(later.run.stops.suspended, Some(Suspension { since: at(5), look_at: at(600) }));
    let stopped = RunEvent::Task(1, failed(0, FailureKind::Cancelled, false));
    let on = later.apply(&RunEvent::Unsuspended, at(601)).and_then(|o| o.apply(&stopped, at(602)));
    let on = on.expect("the agent may be told late");
    assert_eq!(on.tasks[0].state, S::Ready, "it is made again");
    assert!(on.may_start(&on.tasks[0]) && on.may_start(&on.tasks[1]));
}

#[test]
fn a_run_that_is_gone_ends_whatever_arrives_late() {
    for gone in Gone::ALL {
        let all = run(&[S::Planned, S::Ready, S::Running, S::Publishing, S::Completed]);
        let after = all.apply(&RunEvent::Gone(gone), at(5)).expect("it was not gone");
        assert!(after.apply(&RunEvent::Gone(gone), at(6)).is_err(), "once");
        assert_eq!(after.count(S::Cancelled), 3);
        let late = after.apply(&RunEvent::Task(3, pushed(0)), at(7)).expect("the runner finished");
        assert_eq!(late.tasks[2].state, S::Cancelled, "it cannot be published");
        let ended = late.apply(&RunEvent::Ended, at(8)).expect("all is terminal");
        assert_eq!(ended.run.state, RunState::Ended(Outcome::Cancelled));
    }
}
