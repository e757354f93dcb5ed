//! Posted plans, and what attempts took.

use super::*;
use divisi::domain::estimate::Basis;
use divisi::domain::{EffectKey, Failure, Scope, StartOptions, Usd};
use divisi::store::{LinkedIssue, NewEffect, PostedPlan, Told};

fn posted(delivery: &str, issue: u64, body: &str) -> PostedPlan {
    let linked = LinkedIssue { open: true, text: "f".into() };
    PostedPlan {
        repo: 7,
        issue,
        delivery: DeliveryId::new(delivery),
        at: at(5),
        options: StartOptions { only: vec![2, 3], budget: Usd::read("2.50"), ..StartOptions::default() },
        title: "Epic".into(),
        body: body.into(),
        policy: RunPolicy { max_workers: Some(2), run_usd: Usd::read("2.50"), ..RunPolicy::default() },
        plan: divisi::plan::read("Epic", body, Some(issue), None),
        linked: [(12, linked)].into(),
    }
}

/// Settles a delivery that posts the plan.
async fn post(store: &dyn Store, plan: &PostedPlan) {
    let id = plan.delivery.as_str();
    store.delivery_received(delivery(id), at(0)).await.unwrap();
    let effects = vec![NewEffect { key: EffectKey::Notice, payload: serde_json::Value::Null }];
    let settlement = Settlement { posted: Some(Box::new(plan.clone())), effects, ..settlement(id) };
    assert_eq!(store.delivery_settled(settlement, at(1)).await.unwrap(), Settled::Done);
}

const BODY: &str = "## Tasks\n\n- [ ] One in `a.rs`\n- [ ] Two in `a.rs`\n- [ ] Three (depends on task 1)\n";

#[test]
fn the_newest_plan_of_an_issue_is_kept_until_a_run_starts() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        assert!(store.plan_posted(7, 1).await.unwrap().is_none());
        post(store, &posted("a", 1, BODY)).await;
        post(store, &posted("b", 2, BODY)).await;
        let newest = posted("c", 1, "- [ ] Other\n");
        post(store, &newest).await;
        let bench = bench.reopened().await;
        let store = &*bench.store;
        assert_eq!(store.plan_posted(7, 1).await.unwrap(), Some((newest, Told::NotYet)));
        assert!(store.plan_posted(8, 1).await.unwrap().is_none(), "another repository's");
        assert_eq!(started(store, &orchestration("r", 1, 1, 1)).await, Settled::Done);
        assert!(store.plan_posted(7, 1).await.unwrap().is_none());
        assert_eq!(store.plan_posted(7, 2).await.unwrap().map(|(plan, _)| plan), Some(posted("b", 2, BODY)));
    });
}

#[test]
fn what_people_can_have_seen_follows_from_the_comment() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let told = async || store.plan_posted(7, 1).await.unwrap().map(|(_, told)| told);
        post(store, &posted("a", 1, BODY)).await;
        let scope = Scope::Delivery(DeliveryId::new("a"));
        store.effect_intended(&scope, EffectKey::Notice, "1", at(2)).await.unwrap();
        assert_eq!(told().await, Some(Told::NotYet));
        store.effect_applied(&scope, EffectKey::Notice, "1", None, None, at(3)).await.unwrap();
        assert_eq!(told().await, Some(Told::Yes));
        store.deliveries_pruned(at(100)).await.unwrap();
        assert_eq!(told().await, Some(Told::Yes), "it outlives the delivery");
        post(store, &posted("b", 1, BODY)).await;
        let scope = Scope::Delivery(DeliveryId::new("b"));
        store.effect_refused(&scope, EffectKey::Notice, "422", None, at(4)).await.unwrap();
        assert_eq!(told().await, Some(Told::Never));
    });
}

#[test]
fn a_duplicate_of_a_settled_delivery_keeps_no_plan() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let first = posted("a", 1, BODY);
        post(store, &first).await;
        let late = posted("a", 1, "- [ ] Other\n");
        let settlement = Settlement { posted: Some(Box::new(late)), ..settlement("a") };
        assert_eq!(store.delivery_settled(settlement, at(9)).await.unwrap(), Settled::Duplicate);
        assert_eq!(store.plan_posted(7, 1).await.unwrap().map(|(plan, _)| plan), Some(first));
    });
}

#[test]
fn results_are_the_history_of_their_agent() {
    on_every_engine(|bench| async move {
        let store = &*bench.store;
        let none = store.history(7, "command").await.unwrap();
        assert!(none.samples.is_empty());
        let run = ready_run(store, "r", 1, 2).await;
        let (runner, _) = registered(store, "r1", "h1").await;
        let first = claimed(store, &runner, &[], at(100)).await.unwrap();
        let pushed = TaskEvent::Pushed { epoch: first.epoch, published: published(), spent: spent() };
        changed(store, &run, first.attempt.task, pushed, at(200)).await;
        let second = claimed(store, &runner, &[], at(300)).await.unwrap();
        let failure = Failure::new(divisi::domain::FailureKind::TestFailure, "no");
        let failed = TaskEvent::AttemptFailed { epoch: second.epoch, failure, spent: spent(), again: false };
        changed(store, &run, second.attempt.task, failed, at(400)).await;
        let here = store.history(7, "command").await.unwrap();
        assert_eq!((here.basis, here.samples.len()), (Basis::Repository, 1), "failures are none");
        let sample = here.samples[0];
        assert_eq!(
            (sample.size, sample.seconds, sample.cost_usd),
            (Size::M, spent().seconds, spent().cost_usd)
        );
        let elsewhere = store.history(8, "command").await.unwrap();
        assert_eq!((elsewhere.basis, elsewhere.samples.len()), (Basis::Server, 1));
        assert!(store.history(7, "other").await.unwrap().samples.is_empty());
    });
}
