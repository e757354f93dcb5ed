//! Attempts that were cut off: who is handed them next, and a database of an earlier release with one in it.

use super::*;
use divisi::domain::{Failure, FailureKind, RESUME_GRACE};

async fn came_back(store: &dyn Store, runner: &str, host: &str, found: &[AttemptId]) -> RunnerId {
    let seen = RunnerSeen {
        runner: RunnerId::new(runner),
        host_id: host.into(),
        slots: 4,
        agents: vec!["command".into(), "test".into()],
        tier: "reduced".into(),
        found: found.to_vec(),
    };
    store.runner_registered(seen, at(1_000)).await.unwrap();
    RunnerId::new(runner)
}

#[test]
fn a_host_gets_back_what_it_was_cut_off_in_and_others_have_to_wait() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (old, _) = registered(store, "p1", "h1").await;
        let (other, _) = registered(store, "p2", "h2").await;
        let run = ready_run(store, "r1", 1, 3).await;
        let begun = claimed(store, &old, &[], at(100)).await.expect("a task").attempt;
        let unheard =
            claimed(store, &old, std::slice::from_ref(&begun), at(100)).await.expect("another").attempt;
        let kept = store.attempts_kept("h1", vec![begun.clone()]).await.unwrap();
        assert_eq!(kept, std::slice::from_ref(&begun));

        let new = came_back(store, "p3", "h1", std::slice::from_ref(&begun)).await;
        let crashes = |o: &Orchestration, a: &AttemptId| o.task(a.task).map(|t| (t.crashes, t.losses));
        let after = store.snapshot(&run).await.unwrap().orchestration;
        assert_eq!(crashes(&after, &begun), Some((1, 0)), "what had begun counts as a crash");
        assert_eq!(crashes(&after, &unheard), Some((0, 0)), "what was not heard of costs nothing");

        // The third task is anybody's; the two others are not, for a while.
        let third = claimed(store, &other, &[], at(1_001)).await.expect("the third").attempt;
        assert!(third != begun && third != unheard);
        assert!(claimed(store, &other, std::slice::from_ref(&third), at(1_002)).await.is_none());
        let kept =
            store.attempts_kept("h1", vec![third.clone(), begun.clone(), unheard.clone()]).await.unwrap();
        assert_eq!(kept, [begun.clone(), unheard.clone()]);
        assert!(store.attempts_kept("h2", vec![begun.clone()]).await.unwrap().is_empty());

        let again = claimed(store, &new, &[], at(1_003)).await.expect("its own");
        assert_eq!((&again.attempt, again.epoch), (&begun, 2));
        // Over its grace, another host starts the other one from scratch.
        let late = 1_001 + i64::try_from(RESUME_GRACE.as_millis()).unwrap();
        let scratch = claimed(store, &other, &[third], at(late)).await.expect("the other");
        assert_eq!((scratch.attempt.task, scratch.attempt.attempt, scratch.epoch), (unheard.task, 2, 2));
        assert!(store.attempts_kept("h1", vec![unheard]).await.unwrap().is_empty(), "too late for its host");
    });
}

#[test]
fn handing_back_may_be_repeated_and_is_the_holders_alone() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let (other, _) = registered(store, "p2", "h2").await;
        let run = ready_run(store, "r1", 1, 1).await;
        let mut epoch = claimed(store, &runner, &[], at(100)).await.expect("a task").epoch;
        for round in 0..40 {
            let now = at(200 + round);
            let attempt = AttemptId { run: run.clone(), task: 1, attempt: 1 };
            let spent = Spent { tokens: 5, ..Spent::default() };
            assert!(!store.attempt_released(&other, &attempt, epoch, spent, now).await.unwrap());
            assert!(!store.attempt_released(&runner, &attempt, epoch + 1, spent, now).await.unwrap());
            assert!(store.attempt_released(&runner, &attempt, epoch, spent, now).await.unwrap());
            assert!(
                !store.attempt_released(&runner, &attempt, epoch, spent, now).await.unwrap(),
                "a repetition"
            );
            assert!(!store.lease_held(&attempt, epoch, &runner).await.unwrap());
            let again = claimed(store, &runner, &[], now).await.expect("the same again");
            assert_eq!((&again.attempt, again.epoch), (&attempt, epoch + 1));
            epoch = again.epoch;
        }
        let task = store.snapshot(&run).await.unwrap().orchestration.tasks[0].clone();
        assert_eq!((task.attempt, task.losses, task.crashes, task.retries_used), (1, 0, 0, 0));
        let failure = Failure::new(FailureKind::TestFailure, "no");
        let failed = TaskEvent::AttemptFailed { epoch, failure, spent: spent(), again: false };
        changed(store, &run, 1, failed, at(300)).await;
        let attempt = AttemptId { run, task: 1, attempt: 1 };
        assert_eq!(store.attempt_ended_by(&attempt).await.unwrap(), Some((epoch, runner)));
    });
}

/// The first release's database in the middle of a run.
const RELEASE_1: &str = include_str!("../../fixtures/store/release-1.sql");

#[tokio::test]
async fn a_run_begun_by_an_earlier_release_ends_after_the_upgrade() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("divisi.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut old = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::raw_sql(RELEASE_1).execute(&mut old).await.unwrap();
    sqlx::Connection::close(old).await.unwrap();

    let store = Sqlite::open(&path).await.expect("it is brought up to date");
    store.ready().await.unwrap();
    let run = store.runs_open().await.unwrap().pop().expect("the live run");
    let before = store.snapshot(&run).await.unwrap().orchestration;
    let states: Vec<TaskState> = before.tasks.iter().map(|t| t.state).collect();
    use TaskState as S;
    assert_eq!(states, [S::Completed, S::Running, S::Failed, S::Completed]);

    // Its host comes back with a runner of the new release.
    let host = "c63433da-3a14-4e28-90a0-c7a11a096b09";
    let cut_off = AttemptId { run: run.clone(), task: 2, attempt: 1 };
    let runner = came_back(&store, "new", host, std::slice::from_ref(&cut_off)).await;
    let now = before.run.created_at + jiff::SignedDuration::from_mins(10);
    let again = claimed(&store, &runner, &[], now).await.expect("what it was cut off in");
    assert_eq!((again.attempt, again.epoch), (cut_off, 2));
    let pushed = TaskEvent::Pushed { epoch: 2, published: published(), spent: spent() };
    changed(&store, &run, 2, pushed, now).await;
    changed(&store, &run, 2, TaskEvent::PullRequestKnown(9), now).await;
    let ended = store.run_changed(&run, RunEvent::Ended, now).await.unwrap().after;
    assert!(matches!(ended.run.state, RunState::Ended(_)));
    assert_eq!((ended.tasks[1].attempt, ended.tasks[1].pull_request), (1, Some(9)));
    let store = {
        drop(store);
        Sqlite::open(&path).await.unwrap()
    };
    assert_eq!(store.snapshot(&run).await.unwrap().orchestration, ended);
}
