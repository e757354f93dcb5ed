//! A token that was just minted: some of GitHub's replicas may not know it for some seconds.

use super::stub::{Reply, Setup, Stub, issue};
use divisi::clock::{self, Virtual};
use divisi::github::{CallCounter, Error, Permission};
use serde_json::json;
use std::time::Duration;

fn lost() -> Reply {
    Reply::json(404, &json!({ "message": "Not Found" }))
}

#[tokio::test]
async fn a_read_that_finds_nothing_is_repeated_while_the_token_is_young_and_not_later() {
    let setup = Setup { patient: true, ..Setup::default() };
    let stub = Stub::with(setup, |seen| match (seen.path.rsplit('/').next(), seen.nth) {
        (Some("permission"), 0..=2) => lost(),
        (Some("permission"), _) => Reply::json(200, &json!({ "permission": "write" })),
        (_, 4) => Reply::json(403, &json!({ "message": "Resource not accessible by integration" })),
        (_, 5) => Reply::json(200, &issue(1)),
        _ => lost(),
    })
    .await;
    let calls = CallCounter::default();
    let client = stub.repo(&calls);
    assert_eq!(
        client.permission("mia").await.unwrap(),
        Permission::Write,
        "not refused for a lagging replica"
    );
    assert_eq!(client.issue(1).await.unwrap().number, 1);
    assert_eq!(calls.get(), 6);
    let time = Virtual::starting_at(clock::now());
    let _entered = time.enter();
    time.skip(Duration::from_secs(5));
    assert!(matches!(client.issue(2).await, Err(Error::NotFound { .. })));
    assert_eq!(calls.get(), 7, "an old token is known everywhere");
}

#[tokio::test]
async fn a_write_is_never_repeated_but_its_refusal_is_not_final_while_the_token_is_young() {
    let time = Virtual::starting_at(clock::now());
    let _entered = time.enter();
    for status in [403, 404] {
        let stub = Stub::start(move |_| Reply::json(status, &json!({ "message": "Not for you" }))).await;
        let calls = CallCounter::default();
        let client = stub.repo(&calls);
        let first = client.create_comment(1, "x").await;
        assert!(matches!(first, Err(Error::NotSent { .. })), "{first:?}");
        time.skip(Duration::from_secs(5));
        let second = client.create_comment(1, "x").await;
        assert!(matches!(second, Err(Error::Forbidden { .. } | Error::NotFound { .. })), "{second:?}");
        assert_eq!((calls.get(), stub.count("POST", "/comments")), (2, 2));
    }
    let stub = Stub::start(|_| Reply::json(422, &json!({ "message": "No" }))).await;
    let refused = stub.repo(&CallCounter::default()).create_comment(1, "x").await;
    assert!(matches!(refused, Err(Error::Invalid { .. })), "what GitHub understood is final at once");
}
