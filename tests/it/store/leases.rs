//! Leases: one live attempt a task, and no word from anyone who lost it.

use super::*;
use divisi::domain::{Failure, FailureKind, Progress, Refusal};
use divisi::store::{Beat, StoreError, Tick, Ticked};

fn renewed(epoch: u64, until: Timestamp) -> TaskEvent {
    TaskEvent::Renewed { epoch, until, progress: Progress { stage: "agent".into(), ..Progress::default() } }
}

/// What a tick ends after a whole lease without a break.
async fn expired(store: &dyn Store, now: Timestamp) -> Vec<RunId> {
    let lease_ago = now - jiff::SignedDuration::try_from(LEASE).unwrap();
    store.clock_ticked(Tick { now: lease_ago, lease: LEASE, continues: false }).await.unwrap();
    store.clock_ticked(Tick { now, lease: LEASE, continues: true }).await.unwrap().changed
}

fn failed(epoch: u64) -> TaskEvent {
    let failure = Failure::new(FailureKind::TestFailure, "cargo test failed");
    TaskEvent::AttemptFailed { epoch, failure, spent: spent(), again: false }
}

#[test]
fn attempts_are_handed_out_fairly_longest_first_then_in_plan_order() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let mut first = orchestration("r1", 1, 1, 3);
        first.tasks[2].size = Size::L;
        let mut second = orchestration("r2", 2, 1, 2);
        second.run.created_at = at(50);
        for run in [&first, &second] {
            started(store, run).await;
            for task in &run.tasks {
                let number = 100 * run.run.master.number + u64::from(task.number);
                let known = TaskEvent::SubIssueKnown(IssueRef { number, id: number });
                changed(store, &run.run.id, task.number, known, at(60)).await;
            }
        }
        let mut holds = Vec::new();
        let mut order = Vec::new();
        while let Some(claim) = claimed(store, &runner, &holds, at(100)).await {
            let task = claim.orchestration.task(claim.attempt.task).expect("its task");
            assert_eq!((task.state, task.epoch), (TaskState::Running, claim.epoch));
            assert_eq!((task.runner.as_ref(), task.lease_until), (Some(&runner), Some(at(100 + 90_000))));
            order.push(format!("{}.{}", claim.attempt.run, claim.attempt.task));
            holds.push(claim.attempt);
        }
        assert_eq!(order, ["r1.3", "r2.1", "r1.1", "r2.2", "r1.2"]);
        assert_eq!(store.snapshot(&first.run.id).await.unwrap().orchestration.run.usage.max_concurrent, 3);
    });
}

#[test]
fn limits_and_agents_hold_work_back() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let mut run = orchestration("r1", 1, 1, 3);
        run.run.policy.max_workers = Some(2);
        for task in &mut run.tasks {
            task.state = TaskState::Ready;
        }
        run.tasks[0].agent = "codex".into();
        started(store, &run).await;
        let stranger = RunnerId::new("never registered");
        assert!(claimed(store, &stranger, &[], at(100)).await.is_none());
        let (runner, _) = registered(store, "p1", "h1").await;
        let none = Limits { attempts_per_installation: 0 };
        assert!(store.attempt_claimed(&runner, &[], &none, LEASE, at(100)).await.unwrap().is_none());
        let one = claimed(store, &runner, &[], at(100)).await.expect("task 2").attempt;
        let two = claimed(store, &runner, std::slice::from_ref(&one), at(100)).await.expect("task 3").attempt;
        assert_eq!((one.task, two.task), (2, 3), "task 1 needs an agent that nobody has");
        let seen = RunnerSeen {
            runner: RunnerId::new("p2"),
            host_id: "h2".into(),
            slots: 1,
            agents: vec!["codex".into()],
            tier: "reduced".into(),
            found: vec![],
        };
        store.runner_registered(seen, at(100)).await.unwrap();
        let other = RunnerId::new("p2");
        assert!(
            claimed(store, &other, &[], at(100)).await.is_none(),
            "two are alive, which is the run's limit"
        );
        changed(store, &run.run.id, 2, failed(1), at(200)).await;
        assert_eq!(claimed(store, &other, &[], at(201)).await.expect("task 1").attempt.task, 1);
    });
}

#[test]
fn a_task_that_waits_for_another_is_handed_out_when_that_one_is_over() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let mut run = orchestration("r1", 1, 1, 3);
        run.tasks[1].waits_for = vec![1];
        run.tasks[2].waits_for = vec![1, 2];
        for task in &mut run.tasks {
            task.state = TaskState::Ready;
        }
        started(store, &run).await;
        let first = claimed(store, &runner, &[], at(100)).await.expect("task 1");
        assert_eq!(first.attempt.task, 1);
        let holds = [first.attempt];
        assert!(claimed(store, &runner, &holds, at(101)).await.is_none(), "task 1 is in flight");
        let pushed = TaskEvent::Pushed { epoch: 1, published: published(), spent: spent() };
        changed(store, &run.run.id, 1, pushed, at(102)).await;
        assert!(
            claimed(store, &runner, &holds, at(103)).await.is_none(),
            "its pull request is not there yet"
        );
        changed(store, &run.run.id, 1, TaskEvent::PullRequestKnown(70), at(104)).await;
        assert_eq!(claimed(store, &runner, &holds, at(105)).await.expect("task 2").attempt.task, 2);
        changed(store, &run.run.id, 2, failed(1), at(106)).await;
        assert_eq!(claimed(store, &runner, &holds, at(107)).await.expect("task 3").attempt.task, 3);
    });
}

#[test]
fn a_claim_whose_answer_was_lost_is_answered_again() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let (other, _) = registered(store, "p2", "h2").await;
        ready_run(store, "r1", 1, 2).await;
        let lost = claimed(store, &runner, &[], at(100)).await.expect("a task");
        let again = claimed(store, &runner, &[], at(5_100)).await.expect("the same task");
        assert_eq!((&again.attempt, again.epoch), (&lost.attempt, lost.epoch));
        let until = again.orchestration.task(again.attempt.task).and_then(|t| t.lease_until);
        assert_eq!(until, Some(at(95_100)), "the lease runs from the answer that arrived");
        let others = claimed(store, &other, &[], at(5_200)).await.expect("the other task");
        assert_ne!(others.attempt.task, lost.attempt.task);
        assert!(claimed(store, &runner, &[lost.attempt], at(5_300)).await.is_none());
    });
}

#[test]
fn many_runners_that_claim_at_once_never_share_an_attempt() {
    on_every_engine(|bench| async move {
        ready_run(&*bench.store, "r1", 1, 10).await;
        let mut claims = tokio::task::JoinSet::new();
        for n in 0..16 {
            let store = bench.store.clone();
            claims.spawn(async move {
                let (runner, _) = registered(&*store, &format!("p{n}"), &format!("h{n}")).await;
                claimed(&*store, &runner, &[], at(100)).await.map(|c| c.attempt.task)
            });
        }
        let mut tasks: Vec<_> = claims.join_all().await.into_iter().flatten().collect();
        tasks.sort_unstable();
        assert_eq!(tasks, (1..=10).collect::<Vec<_>>());
    });
}

#[test]
fn after_a_takeover_the_first_runner_is_heard_no_more() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (slow, _) = registered(store, "p1", "h1").await;
        let (quick, _) = registered(store, "p2", "h2").await;
        let run = ready_run(store, "r1", 1, 1).await;
        let first = claimed(store, &slow, &[], at(100)).await.expect("a task");
        assert!(expired(store, at(90_100)).await.is_empty(), "not before it ran out");
        // Late, but nobody else has it: the heartbeat is accepted.
        changed(store, &run, 1, renewed(first.epoch, at(200_000)), at(95_000)).await;
        assert!(expired(store, at(200_000)).await.is_empty());
        assert_eq!(expired(store, at(200_001)).await, std::slice::from_ref(&run));
        assert!(expired(store, at(200_002)).await.is_empty(), "once");
        let second = claimed(store, &quick, &[], at(200_003)).await.expect("the task again");
        assert_eq!((second.attempt.attempt, second.epoch), (2, 2));

        let before = store.snapshot(&run).await.unwrap().orchestration;
        let pushed = TaskEvent::Pushed { epoch: first.epoch, published: published(), spent: spent() };
        for late in [renewed(first.epoch, at(900_000)), pushed, failed(first.epoch)] {
            let answer = store.run_changed(&run, RunEvent::Task(1, late), at(200_010)).await;
            let stale = matches!(answer, Err(StoreError::Refused(Refusal::Stale { got: 1, current: 2 })));
            assert!(stale, "{answer:?}");
        }
        assert_eq!(store.snapshot(&run).await.unwrap().orchestration, before);
        assert!(!store.lease_held(&first.attempt, first.epoch, &slow).await.unwrap());
        assert!(!store.lease_held(&second.attempt, second.epoch, &slow).await.unwrap());
        assert!(!store.lease_held(&second.attempt, u64::MAX, &quick).await.unwrap());
        assert!(store.lease_held(&second.attempt, second.epoch, &quick).await.unwrap());
        assert_eq!(store.attempt_ended_by(&first.attempt).await.unwrap(), None, "lost, not ended");
        assert_eq!(store.attempt_ended_by(&second.attempt).await.unwrap(), None, "not yet");

        changed(store, &run, 1, failed(second.epoch), at(200_020)).await;
        assert_eq!(store.attempt_ended_by(&second.attempt).await.unwrap(), Some((2, quick.clone())));
        assert!(!store.lease_held(&second.attempt, second.epoch, &quick).await.unwrap());
        let bench = bench.reopened().await;
        assert_eq!(bench.store.attempt_ended_by(&second.attempt).await.unwrap(), Some((2, quick)));
    });
}

#[test]
fn a_new_process_of_a_host_ends_the_leases_of_the_old_one_and_of_nobody_else() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (old, none) = registered(store, "p1", "h1").await;
        assert!(none.is_empty());
        let (neighbour, _) = registered(store, "p9", "h9").await;
        let run = ready_run(store, "r1", 1, 3).await;
        let one = claimed(store, &old, &[], at(100)).await.expect("a task").attempt;
        claimed(store, &old, &[one], at(100)).await.expect("another task");
        let kept = claimed(store, &neighbour, &[], at(100)).await.expect("the third task");

        assert!(registered(store, "p1", "h1").await.1.is_empty(), "the same process again");
        let (new, changed_runs) = registered(store, "p2", "h1").await;
        assert_eq!(changed_runs, std::slice::from_ref(&run));
        let after = store.snapshot(&run).await.unwrap().orchestration;
        assert_eq!((after.count(TaskState::Ready), after.count(TaskState::Running)), (2, 1));
        assert!(store.lease_held(&kept.attempt, kept.epoch, &neighbour).await.unwrap());
        assert!(claimed(store, &old, &[], at(200)).await.is_none(), "the old process gets nothing more");
        let again = claimed(store, &new, &[], at(200)).await.expect("what the old process had");
        assert_eq!((again.attempt.attempt, again.epoch), (1, 2), "the same attempt, a new epoch");
    });
}

#[test]
fn a_task_that_loses_its_lease_too_often_fails() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let run = ready_run(store, "r1", 1, 1).await;
        for n in 1..=divisi::domain::MAX_LOSSES {
            let (runner, _) = registered(store, &format!("p{n}"), "h1").await;
            let claim = claimed(store, &runner, &[], at(i64::from(n) * 100_000)).await.expect("the task");
            assert_eq!(claim.attempt.attempt, n);
            expired(store, at(i64::from(n) * 100_000 + 90_001)).await;
        }
        let after = store.snapshot(&run).await.unwrap().orchestration;
        assert_eq!(after.tasks[0].state, TaskState::Failed);
        let kind = after.tasks[0].failure.as_ref().map(|f| f.kind);
        assert_eq!(kind, Some(FailureKind::LostRunner));
    });
}

#[test]
fn a_paused_or_suspended_run_hands_nothing_out() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let mut run = orchestration("r1", 1, 1, 2);
        run.tasks.iter_mut().for_each(|t| t.state = TaskState::Ready);
        started(store, &run).await;
        let id = &run.run.id;
        let happens = async |event| store.run_changed(id, event, at(50)).await.expect("it happens");
        for (stop, go) in [
            (RunEvent::PauseAsked, RunEvent::ResumeAsked),
            (RunEvent::Suspended { look_at: at(900) }, RunEvent::Unsuspended),
        ] {
            happens(stop).await;
            assert!(claimed(store, &runner, &[], at(100)).await.is_none());
            let places = store.places(run.run.repo.installation).await.unwrap();
            assert_eq!((places.runners.len(), places.runners[0].busy, places.installation_alive), (1, 0, 0));
            happens(go).await;
            let one = claimed(store, &runner, &[], at(101)).await.expect("it goes on").attempt;
            let places = store.places(run.run.repo.installation).await.unwrap();
            assert_eq!((places.runners[0].busy, places.installation_alive), (1, 1));
            let epoch =
                store.snapshot(id).await.unwrap().orchestration.task(one.task).expect("its task").epoch;
            changed(store, id, one.task, failed(epoch), at(102)).await;
        }
    });
}

#[test]
fn an_earlier_task_that_is_run_again_waits_for_the_later_one_at_work() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let mut run = orchestration("r1", 1, 1, 3);
        run.tasks.iter_mut().for_each(|t| t.state = TaskState::Ready);
        run.tasks[1].waits_for = vec![1];
        run.tasks[0].state = TaskState::Failed;
        run.tasks[0].sub_issue = Some(IssueRef { number: 101, id: 101 });
        run.tasks[2].state = TaskState::Completed;
        started(store, &run).await;
        let later = claimed(store, &runner, &[], at(100)).await.expect("task 2").attempt;
        assert_eq!(later.task, 2);
        let again = RunEvent::Reopened {
            tasks: vec![1],
            target: Target::Comment(5),
            delivery: DeliveryId::new("again"),
        };
        store.run_changed(&run.run.id, again, at(101)).await.expect("it failed");
        let holds = std::slice::from_ref(&later);
        assert!(claimed(store, &runner, holds, at(102)).await.is_none(), "both name the same file");
        changed(store, &run.run.id, 2, failed(1), at(103)).await;
        assert_eq!(claimed(store, &runner, holds, at(104)).await.expect("task 1").attempt.task, 1);
    });
}

#[test]
fn a_heartbeat_renews_what_is_the_runners_however_late_and_nothing_else() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (mine, _) = registered(store, "p1", "h1").await;
        let (other, _) = registered(store, "p2", "h2").await;
        let run = ready_run(store, "r1", 1, 3).await;
        let one = claimed(store, &mine, &[], at(100)).await.expect("a task");
        let two = claimed(store, &other, &[], at(100)).await.expect("another");
        let beat = |claim: &Claimed, epoch| Beat {
            attempt: claim.attempt.clone(),
            epoch,
            progress: Progress { stage: "verify".into(), ..Progress::default() },
        };
        let beats =
            [beat(&one, one.epoch), beat(&two, two.epoch), beat(&one, one.epoch + 1), beat(&one, u64::MAX)];
        // Long after its lease ran out.
        let after = store.attempts_renewed(&mine, &beats, at(990_000), at(900_000)).await.unwrap();
        assert_eq!(after.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false, false]);
        let task = after[0].as_ref().and_then(|o| o.task(one.attempt.task)).expect("its task");
        assert_eq!((task.lease_until, task.progress.stage.as_str()), (Some(at(990_000)), "verify"));
        let held = store.attempts_held(&mine, &beats).await.unwrap();
        assert_eq!(held, after);
        // A message that was overtaken takes nothing back.
        store.attempts_renewed(&mine, &beats[..1], at(980_000), at(890_000)).await.unwrap();
        let stored = store.snapshot(&run).await.unwrap().orchestration;
        assert_eq!(stored.task(one.attempt.task).and_then(|t| t.lease_until), Some(at(990_000)));
        assert_eq!(stored.task(two.attempt.task).and_then(|t| t.lease_until), Some(at(90_100)));
        assert!(store.attempts_renewed(&mine, &[], at(1), at(1)).await.unwrap().is_empty());
    });
}

#[test]
fn no_lease_ends_before_the_store_was_reachable_for_a_whole_one() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let run = ready_run(store, "r1", 1, 1).await;
        claimed(store, &runner, &[], at(0)).await.expect("a task");
        let tick = |ms, continues| store.clock_ticked(Tick { now: at(ms), lease: LEASE, continues });
        let ended = |ticked: Result<Ticked, StoreError>| !ticked.unwrap().changed.is_empty();

        // The first tick of a process continues nothing, however long the store was there before.
        assert_eq!(tick(500_000, true).await.unwrap().continuous_since, at(500_000), "the first tick ever");
        assert!(!ended(tick(580_000, true).await));
        // A break just before the lease is full: the count begins anew.
        assert!(!ended(tick(589_000, false).await));
        assert!(!ended(tick(600_000, true).await));
        assert!(!ended(tick(678_999, true).await));
        let bench = bench.reopened().await;
        let store = &*bench.store;
        let tick = |ms, continues| store.clock_ticked(Tick { now: at(ms), lease: LEASE, continues });
        assert!(!ended(tick(679_000, false).await), "another process");
        assert!(!ended(tick(768_999, true).await));
        let last = tick(769_000, true).await.unwrap();
        assert_eq!((last.continuous_since, last.changed, last.cut), (at(679_000), vec![run], 0));
    });
}

#[test]
fn a_clock_that_was_set_back_leaves_no_lease_without_an_end() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let run = ready_run(store, "r1", 1, 1).await;
        let claim = claimed(store, &runner, &[], at(3_600_000)).await.expect("a task");
        let until = async || store.snapshot(&run).await.unwrap().orchestration.tasks[0].lease_until;
        assert_eq!(until().await, Some(at(3_690_000)));
        let tick = |ms, continues| store.clock_ticked(Tick { now: at(ms), lease: LEASE, continues });
        // An hour back. The runner may still live: it gets one lease from now.
        assert_eq!(tick(0, false).await.unwrap().cut, 1);
        assert_eq!(until().await, Some(at(90_000)));
        let beat = [Beat { attempt: claim.attempt, epoch: claim.epoch, progress: Progress::default() }];
        let alive = store.attempts_renewed(&runner, &beat, at(95_000), at(5_000)).await.unwrap();
        assert!(alive[0].is_some());
        assert_eq!(
            tick(90_000, true).await.unwrap(),
            Ticked { continuous_since: at(0), changed: vec![], cut: 0 }
        );
        assert_eq!(tick(95_001, true).await.unwrap().changed, vec![run.clone()]);
    });
}
