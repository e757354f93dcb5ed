//! Runs: stored as they are, changed by events alone, found again.

use super::*;
use divisi::domain::{EffectKey, Failure, FailureKind, Refusal, Scope};
use divisi::store::{StoreError, TaskRole};

#[test]
fn a_run_survives_being_stored_and_reopened_unchanged() {
    on_every_engine(|bench| async move {
        let mut run = orchestration("r1", 1, 1, 3);
        run.run.policy.max_workers = Some(2);
        run.run.policy.success_threshold = 0.1 + 0.7;
        run.tasks[1].title = "Grüße 👩‍👩‍👧 \"; DROP TABLE runs; --".into();
        run.tasks[2].state = TaskState::InReview;
        run.tasks[2].sub_issue = Some(IssueRef { number: 12, id: 120 });
        started(&*bench.store, &run).await;
        assert_eq!(bench.store.snapshot(&run.run.id).await.unwrap().orchestration, run);
        let bench = bench.reopened().await;
        let snapshot = bench.store.snapshot(&run.run.id).await.unwrap();
        assert_eq!(snapshot.orchestration, run);
        assert!(snapshot.effects.is_empty());
        assert_eq!(bench.store.runs_open().await.unwrap(), [run.run.id.clone()]);
        bench.store.ready().await.unwrap();
    });
}

#[test]
fn an_event_is_applied_or_refused_whole() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let run = ready_run(store, "r1", 1, 2).await;
        let before = store.snapshot(&run).await.unwrap().orchestration;
        let refused = store.run_changed(&run, RunEvent::Ended, at(5)).await;
        assert!(matches!(refused, Err(StoreError::Refused(Refusal::Run(_)))), "{refused:?}");
        let tasks = vec![1, 2];
        let reopened =
            RunEvent::Reopened { tasks, target: Target::Comment(3), delivery: DeliveryId::new("d") };
        let refused = store.run_changed(&run, reopened, at(5)).await;
        assert!(matches!(refused, Err(StoreError::Refused(Refusal::Impossible { .. }))), "{refused:?}");
        assert_eq!(store.snapshot(&run).await.unwrap().orchestration, before);
        let missing = store.run_changed(&RunId::new("nowhere"), RunEvent::Ended, at(5)).await;
        assert!(matches!(missing, Err(StoreError::NoSuchRun(_))), "{missing:?}");
        assert!(matches!(store.snapshot(&RunId::new("nowhere")).await, Err(StoreError::NoSuchRun(_))));
    });
}

#[test]
fn events_that_come_at_once_are_all_applied() {
    on_every_engine(|bench| async move {
        let run = ready_run(&*bench.store, "r1", 1, 1).await;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let (store, run) = (bench.store.clone(), run.clone());
            calls.spawn(async move { store.run_changed(&run, RunEvent::CallsMade(1), at(1)).await.unwrap() });
        }
        calls.join_all().await;
        assert_eq!(bench.store.snapshot(&run).await.unwrap().orchestration.run.usage.api_calls, 40);
    });
}

#[test]
fn a_run_is_settled_only_if_nothing_happened_since_it_was_read() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let run = ready_run(store, "r1", 1, 1).await;
        let seen = store.snapshot(&run).await.unwrap().orchestration;
        let claim = claimed(store, &runner, &[], at(10)).await.expect("a task");
        assert!(!store.run_settled(&seen).await.unwrap(), "a claim came between");
        assert_eq!(store.runs_open().await.unwrap(), std::slice::from_ref(&run));
        let seen = store.snapshot(&run).await.unwrap().orchestration;
        assert!(store.run_settled(&seen).await.unwrap());
        assert!(store.run_settled(&seen).await.unwrap(), "again");
        assert!(store.runs_open().await.unwrap().is_empty());
        // Counters wake nobody.
        store.run_changed(&run, RunEvent::CallsMade(3), at(11)).await.unwrap();
        let measured = RunEvent::Measured { memory_mb: 300, tier: "reduced".into() };
        store.run_changed(&run, measured, at(11)).await.unwrap();
        assert!(store.runs_open().await.unwrap().is_empty());
        let pushed = TaskEvent::Pushed { epoch: claim.epoch, published: published(), spent: spent() };
        let after = changed(store, &run, 1, pushed, at(12)).await;
        assert_eq!(store.runs_open().await.unwrap(), std::slice::from_ref(&run));
        assert!(store.run_settled(&after).await.unwrap(), "what an event returned counts as read");
    });
}

#[test]
fn a_settled_run_with_fractions_settles_again_after_more_of_them() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let run = ready_run(store, "r1", 1, 1).await;
        for n in 1..=20 {
            let claim = claimed(store, &runner, &[], at(n * 10)).await.expect("a task");
            let failure = Failure::new(FailureKind::TestFailure, "no");
            let failed =
                TaskEvent::AttemptFailed { epoch: claim.epoch, failure, spent: spent(), again: false };
            let after = changed(store, &run, 1, failed, at(n * 10 + 3)).await;
            assert!(store.run_settled(&after).await.unwrap(), "attempt {n}, computed");
            let read = store.snapshot(&run).await.unwrap().orchestration;
            assert!(store.run_settled(&read).await.unwrap(), "attempt {n}, read");
            changed(store, &run, 1, TaskEvent::RetryAsked, at(n * 10 + 5)).await;
        }
    });
}

#[test]
fn a_forgotten_effect_opens_a_run_even_if_it_comes_while_the_run_is_being_settled() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let run = ready_run(store, "r1", 1, 1).await;
        let scope = Scope::Run(run.clone());
        store.effect_intended(&scope, EffectKey::Progress, "a", at(1)).await.unwrap();
        store.effect_applied(&scope, EffectKey::Progress, "a", None, None, at(2)).await.unwrap();
        let seen = store.snapshot(&run).await.unwrap().orchestration;
        store.effect_forgotten(&scope, EffectKey::Progress).await.unwrap();
        assert!(!store.run_settled(&seen).await.unwrap(), "forgotten since it was read");
        assert_eq!(store.runs_open().await.unwrap(), std::slice::from_ref(&run));
        assert!(store.run_settled(&seen).await.unwrap(), "and looked at again");
        store.effect_forgotten(&scope, EffectKey::Progress).await.unwrap();
        assert_eq!(store.runs_open().await.unwrap(), [run]);
    });
}

#[test]
fn runs_are_found_by_master_repository_and_name() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let first = ready_run(store, "r1", 12, 1).await;
        assert_eq!((store.runs_active(7).await.unwrap(), store.runs_active(8).await.unwrap()), (1, 0));
        ended(store, &first, &runner).await;
        assert_eq!(store.runs_active(7).await.unwrap(), 0);
        let second = orchestration("r2", 12, 2, 2);
        assert_eq!(started(store, &second).await, Settled::Done);
        let other = orchestration("r3", 1, 1, 1);
        assert_eq!(started(store, &other).await, Settled::Done);
        assert_eq!(store.runs_active(7).await.unwrap(), 2);

        let newest = store.run_of_master(7, 12).await.unwrap().expect("a run");
        assert_eq!(newest, second);
        assert!(store.run_of_master(8, 12).await.unwrap().is_none());
        assert!(store.run_of_master(7, 13).await.unwrap().is_none());
        assert_eq!(store.orchestrations_named(7, "orch-12-20261124").await.unwrap(), 2);
        assert_eq!(store.orchestrations_named(7, "orch-1-20261124").await.unwrap(), 1);
        assert_eq!(store.orchestrations_named(7, "orch-_2-20261124").await.unwrap(), 0);
        assert_eq!(store.orchestrations_named(8, "orch-12-20261124").await.unwrap(), 0);
        let ids = async |limit| {
            let runs = store.runs(limit).await.unwrap();
            runs.into_iter().map(|r| r.run.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(ids(1).await, ["r2"], "r2 was created last");
        assert_eq!(ids(10).await.len(), 3);

        // The first run cannot come back while the second is live.
        let failed = RunEvent::Reopened {
            tasks: vec![],
            target: Target::Comment(1),
            delivery: DeliveryId::new("retry"),
        };
        let refused = store.run_changed(&first, failed, at(500)).await;
        assert!(matches!(refused, Err(StoreError::Refused(Refusal::Run(_)))), "{refused:?}");
    });
}

#[test]
fn a_number_is_told_by_the_newest_run_that_knows_it() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (runner, _) = registered(store, "p1", "h1").await;
        let first = ready_run(store, "r1", 12, 1).await;
        ended(store, &first, &runner).await;
        changed(store, &first, 1, TaskEvent::FollowUpKnown(80), at(500)).await;
        let role = async |repo, number| store.role_of(repo, number).await.unwrap();
        assert_eq!(role(7, 1201).await, Some(TaskRole::SubIssue(first.clone(), 1)));
        assert_eq!(role(7, 70).await, Some(TaskRole::PullRequest(first.clone(), 1)));
        assert_eq!(role(7, 80).await, Some(TaskRole::FollowUp(first.clone(), 1)));
        assert_eq!(role(7, 12).await, None, "a master issue is no task");
        assert_eq!(role(8, 70).await, None);

        let mut second = orchestration("r2", 12, 2, 3);
        second.tasks[2].sub_issue = Some(IssueRef { number: 1201, id: 6201 });
        second.tasks[2].adopted = true;
        assert_eq!(started(store, &second).await, Settled::Done);
        assert_eq!(role(7, 1201).await, Some(TaskRole::SubIssue(RunId::new("r2"), 3)));
        assert_eq!(role(7, 70).await, Some(TaskRole::PullRequest(first, 1)));
    });
}
