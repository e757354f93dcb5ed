//! Planned faults, latency, and stopping.

use super::{Bench, DEMO, REPO};
use divisi::clock;
use divisi::simulator::{Fault, FaultEffect, NewIssue};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_planned_answer_is_given_instead_of_doing_it() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let issues = format!("{DEMO}/issues");
    let limited = FaultEffect::Answer {
        status: 403,
        headers: vec![("retry-after".to_owned(), "1".to_owned())],
        body: json!({"message": "You have exceeded a secondary rate limit."}),
    };
    bench.sim.plan_fault(Fault::once("POST", &issues, limited).after(1).times(2));
    let post = async || bench.call(&token, "POST", &issues, json!({"title": "t"})).await;
    post().await.expect(201);
    for _ in 0..2 {
        let refused = post().await;
        assert_eq!((refused.status, refused.header("retry-after")), (403, "1"));
    }
    post().await.expect(201);
    bench.get(&token, &issues).await.expect(200);
    bench.sim.read(|world| assert_eq!(world.issues(REPO).len(), 2));
}

#[tokio::test]
async fn work_may_be_done_and_its_answer_lost() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let issues = format!("{DEMO}/issues");
    bench.sim.plan_fault(Fault::once("POST", &issues, FaultEffect::AnswerAfterApplying { status: 502 }));
    assert_eq!(bench.call(&token, "POST", &issues, json!({"title": "one"})).await.status, 502);
    let client = reqwest::Client::builder().no_proxy().user_agent("bench").build().unwrap();
    for (effect, made) in [(FaultEffect::DropAfterApplying, 2), (FaultEffect::Drop, 2)] {
        bench.sim.plan_fault(Fault::once("POST", "", effect));
        let url = format!("{}{issues}", bench.sim.base_url());
        let sent = client.post(url).bearer_auth(&token).json(&json!({"title": "two"})).send().await;
        assert!(sent.is_err());
        bench.sim.read(|world| assert_eq!(world.issues(REPO).len(), made));
    }
    bench.sim.plan_fault(Fault::once("GET", "", FaultEffect::Delay(Duration::from_millis(150))));
    let started = clock::instant();
    bench.get(&token, &issues).await.expect(200);
    assert!(started.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn calls_take_the_latency_side_by_side() {
    let bench = Bench::with(|o| o.latency = Duration::from_millis(120)).await;
    let token = bench.token().await;
    let started = clock::instant();
    let calls = (0..8).map(|_| bench.get(&token, DEMO));
    futures_util::future::join_all(calls).await;
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(120) && took < Duration::from_millis(700), "{took:?}");
}

#[tokio::test]
async fn nothing_listens_after_the_stop() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.get(&token, DEMO).await.expect(200);
    bench.sim.open_issue(REPO, "alice", NewIssue::new("one", "")).unwrap();
    let started = clock::instant();
    bench.sim.stop().await;
    assert!(started.elapsed() < Duration::from_secs(3));
    let address = bench.sim.base_url();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(client.get(address).send().await.is_err());
    bench.sim.read(|world| assert_eq!(world.issues(REPO).len(), 1));
}
