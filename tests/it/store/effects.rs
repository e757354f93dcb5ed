//! Effects: what is known about a write to GitHub after every possible crash.

use super::*;
use divisi::domain::{EffectKey, EffectState, Failure, FailureKind, Folded, Remote, Scope};
use divisi::store::{NewEffect, StoreError};

const KEY: EffectKey = EffectKey::SubIssue(1);

async fn planned(store: &dyn Store) -> (RunId, Scope) {
    let run = orchestration("r1", 1, 1, 1);
    assert_eq!(started(store, &run).await, Settled::Done);
    (run.run.id.clone(), Scope::Run(run.run.id))
}

#[test]
fn an_intent_that_a_crash_left_open_is_known_as_possibly_sent() {
    on_every_engine(|bench| async move {
        let (run, scope) = planned(&*bench.store).await;
        let intent = bench.store.effect_intended(&scope, KEY, "1", at(1)).await.unwrap();
        assert!(!intent.may_have_been_sent, "the first intent");
        assert_eq!((intent.effect.state, intent.effect.tries), (EffectState::Sending, 1));
        assert_eq!((intent.effect.wanted.as_str(), intent.effect.applied), ("1", None));

        let bench = bench.reopened().await;
        let intent = bench.store.effect_intended(&scope, KEY, "1", at(2)).await.unwrap();
        assert!(intent.may_have_been_sent, "the process died between intent and record");
        assert_eq!(intent.effect.tries, 2);

        let remote = Remote { id: 55, number: Some(101) };
        let known = RunEvent::Task(1, TaskEvent::SubIssueKnown(IssueRef { number: 101, id: 55 }));
        bench.store.effect_applied(&scope, KEY, "1", Some(remote), Some(known), at(3)).await.unwrap();
        let bench = bench.reopened().await;
        let snapshot = bench.store.snapshot(&run).await.unwrap();
        let row = &snapshot.effects[&KEY];
        assert_eq!((row.state, row.remote, row.applied_at), (EffectState::Done, Some(remote), Some(at(3))));
        assert!(row.settled("1") && !row.settled("2"));
        assert_eq!(snapshot.orchestration.tasks[0].state, TaskState::Ready, "the event came with the record");
        let intent = bench.store.effect_intended(&scope, KEY, "1", at(4)).await.unwrap();
        assert!(!intent.may_have_been_sent, "its answer is recorded");
    });
}

#[test]
fn at_start_what_was_under_way_becomes_doubt_and_nothing_else_does() {
    on_every_engine(|bench| async move {
        let (run, scope) = planned(&*bench.store).await;
        let store = &*bench.store;
        for (key, digest) in [(KEY, "1"), (EffectKey::Progress, "a"), (EffectKey::Summary, "s")] {
            store.effect_intended(&scope, key, digest, at(1)).await.unwrap();
        }
        store.effect_applied(&scope, EffectKey::Progress, "a", None, None, at(2)).await.unwrap();
        store.effect_postponed(&scope, EffectKey::Summary, at(9), "limit").await.unwrap();
        let bench = bench.reopened().await;
        let store = &*bench.store;
        assert_eq!(store.effects_interrupted(at(30_000)).await.unwrap(), 1);
        assert_eq!(store.effects_interrupted(at(40_000)).await.unwrap(), 0);
        let effects = store.snapshot(&run).await.unwrap().effects;
        assert_eq!((effects[&KEY].state, effects[&KEY].not_before), (EffectState::Doubt, Some(at(30_000))));
        assert_eq!(effects[&EffectKey::Progress].state, EffectState::Done);
        assert_eq!(effects[&EffectKey::Summary].state, EffectState::Wanted);
        assert!(store.effect_intended(&scope, KEY, "1", at(30_000)).await.unwrap().may_have_been_sent);
    });
}

#[test]
fn doubt_and_postponement_keep_their_time_and_their_difference() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (run, scope) = planned(store).await;
        let row = async || store.snapshot(&run).await.unwrap().effects[&KEY].clone();
        store.effect_intended(&scope, KEY, "1", at(1)).await.unwrap();
        store.effect_doubted(&scope, KEY, at(31_000), "connection reset").await.unwrap();
        let doubted = row().await;
        assert_eq!((doubted.state, doubted.not_before), (EffectState::Doubt, Some(at(31_000))));
        assert_eq!(doubted.error.as_deref(), Some("connection reset"));
        let intent = store.effect_intended(&scope, KEY, "2", at(31_000)).await.unwrap();
        assert!(intent.may_have_been_sent, "also for another version");
        assert_eq!((intent.effect.tries, intent.effect.not_before), (1, None));

        store.effect_postponed(&scope, KEY, at(60_000), "rate limit").await.unwrap();
        let postponed = row().await;
        assert_eq!((postponed.state, postponed.not_before), (EffectState::Wanted, Some(at(60_000))));
        let intent = store.effect_intended(&scope, KEY, "2", at(60_000)).await.unwrap();
        assert!(!intent.may_have_been_sent, "surely not sent");
        assert_eq!(intent.effect.tries, 2);
    });
}

#[test]
fn what_was_made_in_doubt_is_known_and_looked_for_once_more() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (run, scope) = planned(store).await;
        let row = async |key| store.snapshot(&run).await.unwrap().effects[&key].clone();
        let (first, second) = (Remote { id: 55, number: Some(101) }, Remote { id: 56, number: Some(102) });
        store.effect_intended(&scope, KEY, "1", at(1)).await.unwrap();
        store.effect_doubted(&scope, KEY, at(2), "connection reset").await.unwrap();
        store.effect_intended(&scope, KEY, "1", at(2)).await.unwrap();
        store.effect_made_in_doubt(&scope, KEY, second, at(31_000)).await.unwrap();
        let made = row(KEY).await;
        assert_eq!((made.state, made.not_before), (EffectState::Doubt, Some(at(31_000))));
        assert_eq!((made.remote, made.applied.as_deref()), (Some(second), None));
        assert!(!made.settled("1"), "it is not said to be there before that look");

        let fold = EffectKey::Fold(Folded::SubIssue(1), 102);
        let wanted = || vec![NewEffect { key: fold, payload: serde_json::Value::Null }];
        store.effects_wanted(&scope, wanted()).await.unwrap();
        assert_eq!(row(fold).await.state, EffectState::Wanted);
        let intent = store.effect_intended(&scope, KEY, "1", at(31_000)).await.unwrap();
        assert!(intent.may_have_been_sent && intent.effect.applied.is_none());
        store.effect_applied(&scope, KEY, "1", Some(first), None, at(31_000)).await.unwrap();
        assert_eq!((row(KEY).await.state, row(KEY).await.remote), (EffectState::Done, Some(first)));

        store.effect_intended(&scope, fold, "1", at(31_001)).await.unwrap();
        store.effect_applied(&scope, fold, "1", None, None, at(31_002)).await.unwrap();
        store.effects_wanted(&scope, wanted()).await.unwrap();
        assert_eq!(row(fold).await.state, EffectState::Done, "a row that is there stays as it is");
    });
}

#[test]
fn a_refusal_ends_the_effect_and_tells_the_run() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (run, scope) = planned(store).await;
        store.effect_intended(&scope, KEY, "1", at(1)).await.unwrap();
        let failure = Failure::new(FailureKind::ValidationError, "issues are disabled");
        let event = RunEvent::Task(1, TaskEvent::SubIssueRefused(failure));
        store.effect_refused(&scope, KEY, "410 Gone", Some(event), at(2)).await.unwrap();
        let snapshot = store.snapshot(&run).await.unwrap();
        assert_eq!(snapshot.effects[&KEY].state, EffectState::Refused);
        assert!(snapshot.effects[&KEY].settled("1") && !snapshot.effects[&KEY].settled("2"));
        assert_eq!(snapshot.orchestration.tasks[0].state, TaskState::Failed);
    });
}

#[test]
fn an_event_that_comes_too_late_is_dropped_but_the_effect_is_recorded() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (run, scope) = planned(store).await;
        store.effect_intended(&scope, EffectKey::PullRequest(1), "1", at(1)).await.unwrap();
        let event = RunEvent::Task(1, TaskEvent::PullRequestKnown(9));
        let remote = Some(Remote { id: 90, number: Some(9) });
        let key = EffectKey::PullRequest(1);
        store.effect_applied(&scope, key, "1", remote, Some(event), at(2)).await.unwrap();
        let snapshot = store.snapshot(&run).await.unwrap();
        assert_eq!(snapshot.effects[&key].state, EffectState::Done);
        assert_eq!(snapshot.effects[&key].remote, remote);
        assert_eq!(snapshot.orchestration.tasks[0].state, TaskState::Planned);
    });
}

#[test]
fn an_edit_keeps_what_the_thing_is_called_and_forgetting_makes_it_anew() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (run, scope) = planned(store).await;
        let key = EffectKey::Progress;
        let row = async || store.snapshot(&run).await.unwrap().effects[&key].clone();
        let remote = Some(Remote { id: 77, number: None });
        store.effect_intended(&scope, key, "a", at(1)).await.unwrap();
        store.effect_applied(&scope, key, "a", remote, None, at(2)).await.unwrap();
        let edit = store.effect_intended(&scope, key, "b", at(3)).await.unwrap();
        assert_eq!((edit.effect.remote, edit.effect.applied.as_deref()), (remote, Some("a")));
        assert!(!edit.may_have_been_sent);
        // A look found the older version: it is recorded, and the newer one is still to be made.
        store.effect_applied(&scope, key, "a", remote, None, at(4)).await.unwrap();
        assert_eq!((row().await.state, row().await.wanted.as_str()), (EffectState::Done, "b"));
        assert!(row().await.settled("a") && !row().await.settled("b"));
        store.effect_applied(&scope, key, "b", None, None, at(4)).await.unwrap();
        assert_eq!((row().await.remote, row().await.applied.as_deref()), (remote, Some("b")));

        store.effect_forgotten(&scope, key).await.unwrap();
        let forgotten = row().await;
        assert_eq!((forgotten.state, forgotten.remote, forgotten.applied), (EffectState::Wanted, None, None));
        let anew = store.effect_intended(&scope, key, "b", at(5)).await.unwrap();
        assert!(!anew.may_have_been_sent);

        // The first request for the new one is under way: that may not be forgotten.
        store.effect_forgotten(&scope, key).await.unwrap();
        assert!(store.effect_intended(&scope, key, "b", at(6)).await.unwrap().may_have_been_sent);
        store.effect_forgotten(&scope, EffectKey::Summary).await.unwrap();
        assert!(!store.snapshot(&run).await.unwrap().effects.contains_key(&EffectKey::Summary));
    });
}

#[test]
fn words_about_an_effect_that_was_never_intended_are_errors() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let (run, scope) = planned(store).await;
        let outcomes = [
            store.effect_applied(&scope, KEY, "1", None, None, at(1)).await,
            store.effect_doubted(&scope, KEY, at(1), "x").await,
            store.effect_made_in_doubt(&scope, KEY, Remote { id: 1, number: None }, at(1)).await,
            store.effect_postponed(&scope, KEY, at(1), "x").await,
            store.effect_refused(&scope, KEY, "x", None, at(1)).await,
        ];
        for outcome in outcomes {
            assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
        }
        assert!(store.snapshot(&run).await.unwrap().effects.is_empty());
    });
}

#[test]
fn answers_are_due_until_they_are_given_or_refused() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        store.delivery_received(delivery("d1"), at(0)).await.unwrap();
        let payload = serde_json::json!({"repo": "octo/demo", "issue": 4, "text": "Hilfe ✓"});
        let eyes = EffectKey::React(Target::Comment(9), divisi::domain::Emoji::Confused);
        let effects = vec![
            NewEffect { key: EffectKey::Notice, payload: payload.clone() },
            NewEffect { key: eyes, payload: serde_json::Value::Null },
        ];
        store.delivery_settled(Settlement { effects, ..settlement("d1") }, at(1)).await.unwrap();
        let scope = Scope::Delivery(DeliveryId::new("d1"));
        let due = async |ms| store.answers_due(at(ms)).await.unwrap();
        let both = due(1).await;
        assert_eq!(both.len(), 2);
        let notice = both.iter().find(|e| e.key == EffectKey::Notice).expect("the notice");
        assert_eq!((&notice.scope, &notice.payload, notice.state), (&scope, &payload, EffectState::Wanted));

        let intent = store.effect_intended(&scope, EffectKey::Notice, "1", at(2)).await.unwrap();
        assert_eq!(intent.effect.payload, payload, "the intent keeps what the answer needs");
        assert!(!intent.may_have_been_sent);
        store.effect_postponed(&scope, EffectKey::Notice, at(50), "rate limit").await.unwrap();
        assert_eq!(due(49).await.len(), 1);
        assert_eq!(due(50).await.len(), 2);
        store.effect_intended(&scope, EffectKey::Notice, "1", at(50)).await.unwrap();
        assert_eq!(due(50).await.len(), 2, "under way, or left open by a crash: still due");
        store.effect_applied(&scope, EffectKey::Notice, "1", None, None, at(51)).await.unwrap();
        store.effect_intended(&scope, eyes, "1", at(52)).await.unwrap();
        store.effect_refused(&scope, eyes, "404", None, at(53)).await.unwrap();
        assert!(due(1_000).await.is_empty());
        // A run's effects are no answers.
        let (_, run_scope) = planned(store).await;
        store.effect_intended(&run_scope, KEY, "1", at(60)).await.unwrap();
        assert!(due(1_000).await.is_empty());
    });
}
