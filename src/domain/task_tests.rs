//! `Task::apply`: a table of every event in every state, and random histories.

use super::TaskState as S;
use super::resume_tests::{interrupted, released, resumed};
use super::sample::*;
use super::*;
use proptest::prelude::*;

/// What the table expects of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Becomes {
    State(TaskState),
    Stale,
    Impossible,
}

fn outcome(task: &Task, event: &TaskEvent) -> Becomes {
    match task.apply(event, 0, at(10)) {
        Ok(next) => Becomes::State(next.state),
        Err(Refusal::Stale { .. }) => Becomes::Stale,
        Err(Refusal::Impossible { .. }) => Becomes::Impossible,
        Err(other) => panic!("a task does not refuse with {other:?}"),
    }
}

#[test]
fn every_event_in_every_state() {
    let kind = FailureKind::TestFailure;
    // (event, the states that it moves and where to); everywhere else: refused.
    let table: Vec<(TaskEvent, Vec<(S, S)>)> = vec![
        (TaskEvent::SubIssueKnown(issue(1)), vec![(S::Planned, S::Ready)]),
        (TaskEvent::SubIssueRefused(failure(kind)), vec![(S::Planned, S::Failed)]),
        (claimed("p", 90), vec![(S::Ready, S::Running)]),
        (renewed(3, 90), vec![(S::Running, S::Running)]),
        (pushed(3), vec![(S::Running, S::Publishing)]),
        (failed(3, kind, true), vec![(S::Running, S::Failed)]),
        (failed(3, FailureKind::Cancelled, false), vec![(S::Running, S::Cancelled)]),
        (TaskEvent::LeaseLost { epoch: 3 }, vec![(S::Running, S::Ready)]),
        (released(3, "h"), vec![(S::Running, S::Ready)]),
        (interrupted(3, "h"), vec![(S::Running, S::Ready)]),
        (resumed("h"), vec![(S::Ready, S::Running)]),
        (TaskEvent::PullRequestKnown(9), vec![(S::Publishing, S::Completed)]),
        (TaskEvent::PublishRefused(failure(kind)), vec![(S::Publishing, S::Failed)]),
        (TaskEvent::FollowUpKnown(8), STATES.map(|s| (s, s)).to_vec()),
        (TaskEvent::RetryAsked, vec![(S::Failed, S::Ready), (S::Cancelled, S::Ready)]),
        (
            TaskEvent::CancelAsked(String::new()),
            vec![(S::Planned, S::Cancelled), (S::Ready, S::Cancelled), (S::Running, S::Running)],
        ),
        (
            TaskEvent::GivenUp(String::new()),
            vec![
                (S::Planned, S::Cancelled),
                (S::Ready, S::Cancelled),
                (S::Running, S::Running),
                (S::Publishing, S::Cancelled),
            ],
        ),
        (TaskEvent::HoldAsked, vec![(S::Running, S::Running)]),
        (TaskEvent::PullClosed, vec![(S::Completed, S::Completed), (S::InReview, S::InReview)]),
        (TaskEvent::PullReopened, vec![(S::Completed, S::Completed), (S::InReview, S::InReview)]),
    ];
    for (event, moves) in &table {
        let of_a_lease = matches!(
            event,
            TaskEvent::Renewed { .. }
                | TaskEvent::Pushed { .. }
                | TaskEvent::AttemptFailed { .. }
                | TaskEvent::LeaseLost { .. }
                | TaskEvent::Released { .. }
                | TaskEvent::Interrupted { .. }
        );
        for state in STATES {
            let mut before = task(1, state);
            (before.epoch, before.attempt) = (3, 2);
            let resume = Resume { host: "h".into(), until: at(99), spent: Spent::default() };
            before.resume = (state == S::Ready).then_some(resume);
            let expected = match moves.iter().find(|(from, _)| *from == state) {
                Some((_, to)) => Becomes::State(*to),
                None if of_a_lease => Becomes::Stale,
                None => Becomes::Impossible,
            };
            assert_eq!(outcome(&before, event), expected, "{} in {}", event.name(), state.as_str());
        }
    }
}

#[test]
fn a_message_of_another_lease_is_stale() {
    let mut running = task(1, TaskState::Running);
    running.epoch = 3;
    for epoch in [0, 2, 4, u64::MAX] {
        let kind = FailureKind::Timeout;
        for event in
            [renewed(epoch, 9), pushed(epoch), failed(epoch, kind, true), TaskEvent::LeaseLost { epoch }]
        {
            let refusal = running.apply(&event, 5, at(1)).unwrap_err();
            assert_eq!(refusal, Refusal::Stale { got: epoch, current: 3 }, "{}", event.name());
        }
    }
}

#[test]
fn automatic_retries_are_counted_until_a_person_asks() {
    let mut it = task(1, TaskState::Ready);
    let step = |it: &Task, event: TaskEvent| it.apply(&event, 2, at(5)).expect("it can happen");
    for expected in [TaskState::Ready, TaskState::Ready, TaskState::Failed] {
        it = step(&it, claimed("p", 90));
        let epoch = it.epoch;
        it = step(&it, failed(epoch, FailureKind::ApiError, true));
        assert_eq!(it.state, expected);
        assert_eq!(it.failure.as_ref().map(|f| f.kind), Some(FailureKind::ApiError), "the agent is told");
    }
    assert_eq!((it.retries_used, it.attempt, it.epoch, it.spent.tokens), (2, 3, 3, 30));
    assert_eq!(it.ended_at, Some(at(5)));
    it = step(&it, TaskEvent::RetryAsked);
    assert_eq!((it.retries_used, it.losses, it.attempt, it.epoch, it.ended_at), (0, 0, 3, 3, None));
    it = step(&it, claimed("p", 90));
    it = step(&it, failed(4, FailureKind::PolicyViolation, false));
    assert_eq!(it.state, TaskState::Failed, "not every failure is worth another attempt");
}

#[test]
fn leases_may_be_lost_a_few_times_only() {
    let mut it = task(1, TaskState::Ready);
    for n in 1..=MAX_LOSSES {
        it = it.apply(&claimed("p", 90), 0, at(100)).expect("it is ready");
        it = it.apply(&TaskEvent::LeaseLost { epoch: it.epoch }, 0, at(130)).expect("it runs");
        assert_eq!(it.losses, n);
        assert_eq!((it.runner.as_ref(), it.lease_until), (None, None));
        let expected = if n < MAX_LOSSES { TaskState::Ready } else { TaskState::Failed };
        assert_eq!(it.state, expected);
    }
    assert_eq!(it.spent.seconds, 30.0 * f64::from(MAX_LOSSES));
}

#[test]
fn a_clock_that_steps_back_takes_no_time_off_the_books() {
    let it = task(1, TaskState::Ready).apply(&claimed("p", 90), 0, at(100)).expect("it is ready");
    let it = it.apply(&TaskEvent::LeaseLost { epoch: 1 }, 0, at(40)).expect("it runs");
    assert_eq!(it.spent.seconds, 0.0);
}

#[test]
fn success_forgets_the_failure_and_keeps_the_pushed_head() {
    let mut it = task(1, TaskState::Publishing);
    it.failure = Some(failure(FailureKind::TestFailure));
    let done = it.apply(&TaskEvent::PullRequestKnown(9), 0, at(7)).expect("it is being published");
    assert_eq!((done.pull_request, &done.failure, done.ended_at), (Some(9), &None, Some(at(7))));

    let running = task(1, TaskState::Ready).apply(&claimed("p", 90), 0, at(1)).expect("it is ready");
    let published = running.apply(&pushed(1), 0, at(2)).expect("it runs");
    let refused = published
        .apply(&TaskEvent::PublishRefused(failure(FailureKind::PolicyViolation)), 0, at(3))
        .and_then(|it| it.apply(&TaskEvent::RetryAsked, 0, at(4)))
        .expect("it failed");
    assert_eq!(refused.published, None, "its result is no result");
    assert_eq!(refused.branch_head, Some(sha('b')), "but it is what the next push replaces");
}

#[test]
fn a_retry_of_a_task_without_a_sub_issue_plans_it_anew() {
    let it = task(1, TaskState::Planned)
        .apply(&TaskEvent::SubIssueRefused(failure(FailureKind::ValidationError)), 0, at(1))
        .and_then(|it| it.apply(&TaskEvent::RetryAsked, 0, at(2)))
        .expect("it failed");
    assert_eq!(it.state, TaskState::Planned);
}

#[test]
fn digests_change_with_state_and_attempt_and_with_nothing_else() {
    let digests: std::collections::BTreeSet<String> = STATES.iter().map(|s| task(1, *s).digest()).collect();
    assert_eq!(digests.len(), STATES.len());
    let before = task(1, TaskState::Running);
    let renewed = before.apply(&renewed(0, 500), 0, at(1)).expect("it runs");
    assert_eq!(before.digest(), renewed.digest());
    assert_ne!(before.digest(), Task { attempt: 1, ..before.clone() }.digest());
}

/// An event with an epoch so far from the current one.
fn event(choice: u8, epoch: u64) -> TaskEvent {
    match choice {
        0 => TaskEvent::SubIssueKnown(issue(1)),
        1 => TaskEvent::SubIssueRefused(failure(FailureKind::ValidationError)),
        2 | 3 => claimed("p", 90),
        4 => renewed(epoch, 90),
        5 => pushed(epoch),
        6 => failed(epoch, FailureKind::TestFailure, true),
        7 => failed(epoch, FailureKind::Cancelled, false),
        8 => TaskEvent::LeaseLost { epoch },
        14 | 15 => resumed("h"),
        16 => released(epoch, "h"),
        17 => interrupted(epoch, if epoch.is_multiple_of(4) { "other" } else { "h" }),
        9 => TaskEvent::PullRequestKnown(9),
        10 => TaskEvent::PublishRefused(failure(FailureKind::ValidationError)),
        11 => TaskEvent::FollowUpKnown(8),
        18 => TaskEvent::CancelAsked("@mia cancelled it.".into()),
        19 => TaskEvent::HoldAsked,
        20 => TaskEvent::GivenUp("the repository is gone".into()),
        21 => TaskEvent::LeaseCut { epoch, until: at(50) },
        _ => TaskEvent::RetryAsked,
    }
}

fn epoch_of(event: &TaskEvent) -> Option<u64> {
    match event {
        TaskEvent::Renewed { epoch, .. }
        | TaskEvent::Pushed { epoch, .. }
        | TaskEvent::AttemptFailed { epoch, .. }
        | TaskEvent::LeaseLost { epoch }
        | TaskEvent::LeaseCut { epoch, .. }
        | TaskEvent::Released { epoch, .. }
        | TaskEvent::Interrupted { epoch, .. } => Some(*epoch),
        _ => None,
    }
}

proptest! {
    #[test]
    fn any_history_keeps_the_fence_and_the_books(
        steps in prop::collection::vec((0u8..22, 0u64..3, 0i64..100), 0..80),
        max_retries in 0u32..3,
        planned in any::<bool>(),
    ) {
        let mut it = task(1, if planned { TaskState::Planned } else { TaskState::Ready });
        for (choice, behind, now) in steps {
            let event = event(choice, it.epoch.saturating_sub(behind));
            let stale = epoch_of(&event).is_some_and(|e| e != it.epoch);
            let Ok(next) = it.apply(&event, max_retries, at(now)) else { continue };
            prop_assert!(!stale, "a stale {} changed the task", event.name());
            prop_assert!(next.epoch >= it.epoch && next.attempt >= it.attempt);
            let claim = matches!(event, TaskEvent::Claimed { .. });
            let resume = matches!(event, TaskEvent::Resumed { .. });
            prop_assert_eq!(next.epoch - it.epoch, u64::from(claim || resume));
            prop_assert!(!resume || it.attempt > 0, "only what had begun goes on");
            prop_assert!(next.crashes <= MAX_CRASHES);
            prop_assert_eq!(next.attempt - it.attempt, u32::from(claim));
            if it.state.is_terminal() && next.state != it.state {
                prop_assert_eq!(&event, &TaskEvent::RetryAsked);
            }
            let running = next.state == TaskState::Running;
            prop_assert_eq!(running, next.runner.is_some());
            prop_assert_eq!(running, next.lease_until.is_some());
            prop_assert_eq!(next.state.is_terminal(), next.ended_at.is_some());
            let ended_early = matches!(next.state, TaskState::Failed | TaskState::Cancelled);
            prop_assert!(next.state == TaskState::Planned || ended_early || next.sub_issue.is_some());
            prop_assert!(running || next.halt.is_none(), "only what runs can be told to stop");
            if it.halt == Some(Halt::Cancel) && !running {
                prop_assert!(!matches!(next.state, TaskState::Ready), "what a person cancelled begins again");
            }
            if let (Some(before), Some(after)) = (it.lease_until, next.lease_until)
                && matches!(event, TaskEvent::LeaseCut { .. })
            {
                prop_assert!(after <= before, "a cut makes no lease longer");
            }
            prop_assert!(next.retries_used <= max_retries && next.losses <= MAX_LOSSES);
            prop_assert!(next.spent.tokens >= it.spent.tokens && next.spent.seconds >= it.spent.seconds);
            if matches!(next.state, TaskState::Failed | TaskState::Cancelled) {
                prop_assert!(next.failure.is_some(), "a failure has a reason");
            }
            if next.state == TaskState::Completed {
                prop_assert!(next.pull_request.is_some() && next.published.is_some() && next.failure.is_none());
            }
            it = next;
        }
    }
}

#[test]
fn a_cancel_ends_what_has_not_begun_and_tells_what_runs_to_stop() {
    let asked = TaskEvent::CancelAsked("@mia cancelled it.".into());
    for state in [S::Planned, S::Ready] {
        let cancelled = task(1, state).apply(&asked, 1, at(5)).expect("it is cancelled");
        assert_eq!((cancelled.state, cancelled.ended_at), (S::Cancelled, Some(at(5))));
        assert_eq!(cancelled.failure.map(|f| f.message).as_deref(), Some("@mia cancelled it."));
    }
    let running = task(1, S::Ready).apply(&claimed("p", 90), 1, at(0)).expect("claimed");
    let stopping = running.apply(&asked, 1, at(5)).expect("told to stop");
    assert_eq!((stopping.state, stopping.halt), (S::Running, Some(Halt::Cancel)));
    assert_ne!(stopping.digest(), running.digest(), "people see it");
    // However the attempt ends without a result, a person stopped it: no retry, no failure, no lost runner.
    for end in [
        failed(1, FailureKind::Cancelled, false),
        failed(1, FailureKind::TestFailure, true),
        TaskEvent::LeaseLost { epoch: 1 },
        released(1, "h"),
        interrupted(1, "h"),
    ] {
        let ended = stopping.apply(&end, 1, at(9)).expect("it ends");
        assert_eq!(ended.resume, None, "no host goes on with it: {end:?}");
        assert_eq!((ended.state, ended.halt, ended.losses), (S::Cancelled, None, 0), "{end:?}");
        assert_eq!(ended.failure.map(|f| f.message).as_deref(), Some("@mia cancelled it."));
    }
    let kept = stopping.apply(&pushed(1), 1, at(9)).expect("verified work is kept");
    assert_eq!((kept.state, kept.halt), (S::Publishing, None));
    for state in [S::Publishing, S::Completed, S::Failed, S::Cancelled, S::Blocked, S::InReview] {
        assert!(task(1, state).apply(&asked, 1, at(5)).is_err(), "{state:?}");
        assert!(!task(1, state).may_be_cancelled(), "{state:?}");
    }
}

#[test]
fn a_held_attempt_is_made_again_and_costs_nothing() {
    let running = task(1, S::Ready).apply(&claimed("p", 90), 1, at(0)).expect("claimed");
    let held = running.apply(&TaskEvent::HoldAsked, 1, at(5)).expect("held");
    let ends = [
        failed(1, FailureKind::Cancelled, false),
        TaskEvent::LeaseLost { epoch: 1 },
        released(1, "h"),
        interrupted(1, "h"),
    ];
    for end in ends {
        let waits = held.apply(&end, 0, at(9)).expect("it ends");
        assert_eq!((waits.state, waits.retries_used, waits.losses), (S::Ready, 0, 0), "{end:?}");
        assert_eq!((waits.resume, waits.crashes), (None, 0), "{end:?}");
    }
    let asked = TaskEvent::CancelAsked(String::new());
    let cancelled = held.apply(&asked, 0, at(6)).expect("a person wants more than that");
    assert_eq!(cancelled.halt, Some(Halt::Cancel));
    let again = cancelled.apply(&TaskEvent::HoldAsked, 0, at(7)).expect("told to stop anyway");
    assert_eq!(again.halt, Some(Halt::Cancel), "a cancel stays one");
}

#[test]
fn a_cancelled_task_runs_again_with_the_sub_issue_that_came_late() {
    let asked = TaskEvent::CancelAsked(String::new());
    let cancelled = task(1, S::Planned).apply(&asked, 0, at(1)).expect("cancelled");
    let known = cancelled.apply(&TaskEvent::SubIssueKnown(issue(1)), 0, at(2)).expect("it was under way");
    assert_eq!((known.state, known.sub_issue), (S::Cancelled, Some(issue(1))));
    assert!(known.apply(&TaskEvent::SubIssueKnown(issue(2)), 0, at(3)).is_err(), "one is enough");
    let again = known.apply(&TaskEvent::RetryAsked, 0, at(4)).expect("it was cancelled");
    assert_eq!(again.state, S::Ready, "no second sub-issue");
}

#[test]
fn a_closed_pull_request_leaves_its_task_completed() {
    let done = task(1, S::Completed);
    let closed = done.apply(&TaskEvent::PullClosed, 0, at(1)).expect("closed");
    assert_eq!((closed.state, closed.rejected), (S::Completed, true));
    assert_ne!(closed.digest(), done.digest());
    let open = closed.apply(&TaskEvent::PullReopened, 0, at(2)).expect("opened again");
    assert_eq!(open, done);
    let merged = closed.apply(&TaskEvent::Merged("main".into()), 0, at(3)).expect("merged after all");
    assert!(!merged.rejected);
    assert!(merged.apply(&TaskEvent::PullClosed, 0, at(4)).is_err(), "what is merged stays merged");
}
