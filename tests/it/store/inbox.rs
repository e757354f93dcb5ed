//! Deliveries: stored once, looked at in order, settled with what they change.

use super::*;
use divisi::domain::{EffectKey, Scope};
use divisi::store::{Mark, NewEffect, StoreError};

#[test]
fn a_delivery_is_stored_once_however_many_copies_come_together() {
    on_every_engine(|bench| async move {
        for copies in 1..=5 {
            let id = format!("copies-{copies}");
            let mut waiting = tokio::task::JoinSet::new();
            for _ in 0..copies {
                let (store, id) = (bench.store.clone(), id.clone());
                waiting.spawn(async move { store.delivery_received(delivery(&id), at(0)).await.unwrap() });
            }
            let answers = waiting.join_all().await;
            assert_eq!(answers.iter().filter(|a| **a == Received::New).count(), 1, "{copies} copies");
        }
        let bench = bench.reopened().await;
        assert_eq!(
            bench.store.delivery_received(delivery("copies-1"), at(1)).await.unwrap(),
            Received::Known
        );
    });
}

#[test]
fn a_caller_that_goes_away_loses_neither_its_own_delivery_nor_anothers() {
    on_every_engine(|bench| async move {
        let mut calls: Vec<_> = (0..64)
            .map(|n| {
                let store = bench.store.clone();
                tokio::spawn(
                    async move { store.delivery_received(delivery(&format!("d{n:03}")), at(n)).await },
                )
            })
            .collect();
        tokio::task::yield_now().await;
        for call in calls.iter().step_by(2) {
            call.abort();
        }
        for (n, call) in calls.drain(..).enumerate() {
            match call.await {
                Ok(answer) => assert_eq!(answer.unwrap(), Received::New, "d{n:03}"),
                Err(stopped) => assert!(stopped.is_cancelled() && n % 2 == 0),
            }
        }
        for n in (1..64).step_by(2) {
            let again = bench.store.delivery_received(delivery(&format!("d{n:03}")), at(n)).await.unwrap();
            assert_eq!(again, Received::Known, "d{n:03} was answered, so it is stored");
        }
    });
}

#[test]
fn deliveries_are_due_in_the_order_in_which_they_came_and_not_before_their_time() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        for (id, ms) in [("first", 5), ("second", 5), ("third", 9)] {
            store.delivery_received(delivery(id), at(ms)).await.unwrap();
        }
        let due = async |ms| store.delivery_due(at(ms), &[]).await.unwrap().map(|d| d.id.to_string());
        assert_eq!(due(4).await, None);
        assert_eq!(due(10).await.as_deref(), Some("first"));
        store.delivery_deferred(&DeliveryId::new("first"), at(100), "later").await.unwrap();
        assert_eq!(due(99).await.as_deref(), Some("second"));
        let first = store.delivery_due(at(100), &[]).await.unwrap().expect("it is due");
        assert_eq!((first.id.as_str(), first.tries, first.received_at), ("first", 1, at(5)));
        assert_eq!((first.event.as_str(), first.payload.as_slice()), ("issues", b"{\"a\":1}".as_slice()));
        assert_eq!(store.delivery_settled(settlement("first"), at(101)).await.unwrap(), Settled::Done);
        assert_eq!(due(200).await.as_deref(), Some("second"));
        // A late word about a settled delivery does not bring it back.
        store.delivery_deferred(&DeliveryId::new("first"), at(0), "again").await.unwrap();
        assert_eq!(due(200).await.as_deref(), Some("second"));
    });
}

#[test]
fn a_second_delivery_about_the_same_thing_changes_nothing() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        for id in ["one", "two"] {
            store.delivery_received(delivery(id), at(0)).await.unwrap();
        }
        let with = |id: &str, run: &str, master| Settlement {
            trigger: Some("comment:17".into()),
            start: Some(orchestration(run, master, 1, 2)),
            effects: vec![NewEffect { key: EffectKey::Notice, payload: serde_json::json!({"issue": 1}) }],
            ..settlement(id)
        };
        assert_eq!(store.delivery_settled(with("one", "r1", 1), at(1)).await.unwrap(), Settled::Done);
        assert_eq!(store.delivery_settled(with("two", "r2", 2), at(2)).await.unwrap(), Settled::Duplicate);
        assert_eq!(store.runs(10).await.unwrap().len(), 1);
        assert_eq!(store.answers_due(at(9)).await.unwrap().len(), 1);
        assert!(store.delivery_due(at(9), &[]).await.unwrap().is_none(), "both are done");
        // The same settlement again, as after a lost answer.
        assert_eq!(store.delivery_settled(with("one", "r3", 3), at(3)).await.unwrap(), Settled::Duplicate);
        assert_eq!(store.runs(10).await.unwrap().len(), 1);
        let unknown = store.delivery_settled(settlement("never seen"), at(3)).await;
        assert!(matches!(unknown, Err(StoreError::Corrupt(_))), "{unknown:?}");
    });
}

#[test]
fn a_conflict_changes_nothing_at_all() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        assert_eq!(started(store, &orchestration("r1", 1, 1, 2)).await, Settled::Done);
        type Case = (&'static str, Option<Orchestration>, Option<(RunId, RunEvent)>);
        let conflicts: [Case; 4] = [
            ("live run", Some(orchestration("r2", 1, 2, 2)), None),
            (
                "name taken",
                {
                    let mut other = orchestration("r3", 2, 1, 1);
                    other.run.orchestration_id = "orch-1-20261124".into();
                    Some(other)
                },
                None,
            ),
            ("refused", None, Some((RunId::new("r1"), RunEvent::Ended))),
            ("no such task", None, Some((RunId::new("r1"), RunEvent::Task(9, TaskEvent::RetryAsked)))),
        ];
        for (name, start, change) in conflicts {
            store.delivery_received(delivery(name), at(1)).await.unwrap();
            let effects = vec![NewEffect { key: EffectKey::Notice, payload: serde_json::Value::Null }];
            let wanted = Settlement {
                trigger: Some(format!("trigger of {name}")),
                effects,
                start,
                change,
                ..settlement(name)
            };
            assert_eq!(store.delivery_settled(wanted, at(2)).await.unwrap(), Settled::Conflict, "{name}");
            assert_eq!(store.delivery_due(at(9), &[]).await.unwrap().expect(name).id.as_str(), name);
            assert_eq!(store.runs(10).await.unwrap().len(), 1, "{name}");
            assert!(store.answers_due(at(9)).await.unwrap().is_empty(), "{name}");
            // Looked at again with another decision, it settles: the trigger was not used up.
            let again = Settlement { trigger: Some(format!("trigger of {name}")), ..settlement(name) };
            assert_eq!(store.delivery_settled(again, at(3)).await.unwrap(), Settled::Done, "{name}");
        }
        store.delivery_received(delivery("gone"), at(1)).await.unwrap();
        let change = Some((RunId::new("nowhere"), RunEvent::Ended));
        let gone = store.delivery_settled(Settlement { change, ..settlement("gone") }, at(2)).await;
        assert!(matches!(gone, Err(StoreError::NoSuchRun(_))), "{gone:?}");
        assert!(store.delivery_due(at(9), &[]).await.unwrap().is_some());
    });
}

#[test]
fn two_starts_of_one_master_at_once_make_one_run() {
    on_every_engine(|bench| async move {
        let mut racing = tokio::task::JoinSet::new();
        for n in 0..8 {
            let store = bench.store.clone();
            racing.spawn(async move {
                let mut run = orchestration(&format!("r{n}"), 1, 1, 2);
                run.run.orchestration_id = format!("orch-1-20261124-{n}");
                run.run.sequence = n + 1;
                started(&*store, &run).await
            });
        }
        let outcomes = racing.join_all().await;
        assert_eq!(outcomes.iter().filter(|o| **o == Settled::Done).count(), 1, "{outcomes:?}");
        assert_eq!(bench.store.runs_active(7).await.unwrap(), 1);
    });
}

#[test]
fn pruning_keeps_what_is_new_open_or_not_yet_answered() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        for (id, ms) in [("old", 0), ("open", 0), ("unanswered", 0), ("young", 50)] {
            store.delivery_received(delivery(id), at(ms)).await.unwrap();
        }
        let answer = |id: &str| Settlement {
            trigger: Some(format!("comment:{id}")),
            effects: vec![NewEffect { key: EffectKey::Notice, payload: serde_json::json!(id) }],
            ..settlement(id)
        };
        for id in ["old", "unanswered", "young"] {
            store.delivery_settled(answer(id), at(60)).await.unwrap();
        }
        for id in ["old", "young"] {
            let scope = Scope::Delivery(DeliveryId::new(id));
            store.effect_intended(&scope, EffectKey::Notice, "1", at(61)).await.unwrap();
            store.effect_applied(&scope, EffectKey::Notice, "1", None, None, at(62)).await.unwrap();
        }
        assert_eq!(store.deliveries_pruned(at(50)).await.unwrap(), 1);
        assert_eq!(store.deliveries_pruned(at(50)).await.unwrap(), 0);
        assert_eq!(store.delivery_due(at(99), &[]).await.unwrap().expect("the open one").id.as_str(), "open");
        let due = store.answers_due(at(99)).await.unwrap();
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].payload, serde_json::json!("unanswered"));
        // What it was about is remembered: a copy that comes after the pruning changes nothing.
        assert_eq!(store.delivery_received(delivery("old"), at(100)).await.unwrap(), Received::New);
        assert_eq!(store.delivery_settled(answer("old"), at(101)).await.unwrap(), Settled::Duplicate);
        assert_eq!(store.answers_due(at(200)).await.unwrap().len(), 1);
    });
}

#[test]
fn what_is_known_of_a_list_of_deliveries_survives_and_marks_move_forward_only() {
    on_every_engine(|bench| async move {
        let store = bench.store.clone();
        assert!(!store.deliveries_waiting().await.unwrap());
        store.delivery_received(delivery("here"), at(0)).await.unwrap();
        assert!(store.deliveries_waiting().await.unwrap());
        let settlement = Settlement {
            trigger: Some("label:1:7:x".to_owned()),
            ..Settlement::only(DeliveryId::new("here"))
        };
        store.delivery_settled(settlement, at(1)).await.unwrap();
        assert!(!store.deliveries_waiting().await.unwrap());
        assert_eq!(store.mark(Mark::Deliveries).await.unwrap(), None);
        store.mark_moved(Mark::Deliveries, at(50)).await.unwrap();
        store.mark_moved(Mark::Deliveries, at(20)).await.unwrap();

        let store = bench.reopened().await.store;
        let asked = ["here", "elsewhere", "he\"re"].map(DeliveryId::new);
        let known = store.deliveries_known(&asked).await.unwrap();
        assert_eq!(known.into_iter().collect::<Vec<_>>(), [DeliveryId::new("here")]);
        assert!(store.deliveries_known(&[]).await.unwrap().is_empty());
        assert_eq!(store.mark(Mark::Deliveries).await.unwrap(), Some(at(50)));
        assert_eq!(store.mark(Mark::Labelled).await.unwrap(), None);
        for (repo, issue, expected) in [(1, 7, true), (1, 70, false), (1, 6, false), (2, 7, false)] {
            assert_eq!(store.label_known(repo, issue).await.unwrap(), expected, "{repo} {issue}");
        }
    });
}
