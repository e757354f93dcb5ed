//! Few requests: one for a failing write, four for a failing read, and next to none while GitHub is down.

use super::stub::{Reply, Setup, Stub, Ticking, comment, issue, widgets};
use divisi::clock::{self, Virtual};
use divisi::github::{CallCounter, Error};
use serde_json::json;
use std::time::Duration;

/// A name, and what is answered.
type Failure = (&'static str, fn() -> Reply);

/// Every way to fail that leaves the token alone.
fn failures() -> [Failure; 11] {
    [
        ("a gateway's error", || Reply::json(502, &json!({}))),
        ("an error of the server", || Reply::json(500, &json!({ "message": "Server Error" }))),
        ("a broken answer", Reply::cut),
        ("nonsense", || Reply::text(200, "<html>")),
        ("a secondary limit", || {
            Reply::json(403, &json!({ "message": "You have exceeded a secondary rate limit" }))
        }),
        ("a limit", || Reply::json(429, &json!({})).with("retry-after", "1")),
        ("no permission", || {
            Reply::json(403, &json!({ "message": "Resource not accessible by integration" }))
        }),
        ("not found", || Reply::json(404, &json!({ "message": "Not Found" }))),
        ("a conflict", || Reply::json(409, &json!({ "message": "Conflict" }))),
        ("a refusal", || Reply::json(422, &json!({ "message": "Validation Failed" }))),
        ("moved", || Reply::json(301, &json!({}))),
    ]
}

#[tokio::test]
async fn a_failing_write_is_one_request_and_a_failing_read_four_at_most() {
    for (name, reply) in failures() {
        let stub = Stub::start(move |_| reply()).await;
        let calls = CallCounter::default();
        let outcome = stub.repo(&calls).create_comment(1, "x").await;
        assert!(outcome.is_err(), "{name}: {outcome:?}");
        assert_eq!((calls.get(), stub.count("POST", "/comments")), (1, 1), "{name}");

        let stub = Stub::start(move |_| reply()).await;
        let calls = CallCounter::default();
        let outcome = stub.repo(&calls).issue(1).await;
        assert!(outcome.is_err(), "{name}: {outcome:?}");
        let requests = stub.count("GET", "/issues/1");
        assert!((1..=4).contains(&requests) && calls.get() == requests as u64, "{name}: {requests}");
    }
    // 401: the token is replaced once.
    let stub = Stub::start(|_| Reply::json(401, &json!({ "message": "Bad credentials" }))).await;
    let client = stub.repo(&CallCounter::default());
    client.issue(1).await.unwrap_err();
    client.permission("mia").await.unwrap_err();
    assert!(stub.count("GET", "/issues/1") <= 4 && stub.count("GET", "/permission") <= 4);
    let before = stub.count("POST", "/comments");
    client.create_comment(1, "x").await.unwrap_err();
    assert_eq!(stub.count("POST", "/comments") - before, 2);
}

#[tokio::test]
async fn after_five_unclear_answers_only_one_request_in_half_a_minute_goes_out() {
    let time = Virtual::starting_at(clock::now());
    let _entered = time.enter();
    let stub = Stub::start(|seen| match seen.nth {
        0..=7 => Reply::json(502, &json!({})),
        _ => Reply::json(201, &comment(1)),
    })
    .await;
    let calls = CallCounter::default();
    let client = stub.repo(&calls);
    for _ in 0..5 {
        assert!(matches!(client.create_comment(1, "x").await, Err(Error::Unknown { .. })));
    }
    let mut told = None;
    for _ in 0..20 {
        let Err(error) = client.create_comment(1, "x").await else { panic!("sent") };
        told = error.retry_at();
    }
    assert_eq!(calls.get(), 5);
    let wait = told.unwrap().duration_since(clock::now()).as_secs();
    assert!((29..=38).contains(&wait), "{wait}");
    // Three that fail, half a minute or more apart; the fourth is answered, and then all may go.
    for sent in 6..=9 {
        time.skip(Duration::from_secs(151));
        let outcomes: Vec<_> =
            [client.create_comment(1, "x").await, client.create_comment(1, "x").await].into();
        if sent < 9 {
            assert!(matches!(outcomes[0], Err(Error::Unknown { .. })), "{outcomes:?}");
            assert!(matches!(outcomes[1], Err(Error::Unavailable { .. })), "{outcomes:?}");
            assert_eq!(calls.get(), sent);
        } else {
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        }
    }
}

#[tokio::test]
async fn the_circuits_of_installations_and_of_the_app_are_apart() {
    let time = Virtual::starting_at(clock::now());
    let _entered = time.enter();
    let stub = Stub::start(|seen| match seen.method.as_str() {
        "POST" => Reply::json(503, &json!({})),
        _ => Reply::json(200, &issue(1)),
    })
    .await;
    let client = stub.repo(&CallCounter::default());
    for _ in 0..6 {
        client.create_comment(1, "x").await.unwrap_err();
    }
    assert!(matches!(client.issue(1).await, Err(Error::Unavailable { .. })));
    stub.app.installation(2).repo(&widgets(), CallCounter::default()).issue(1).await.unwrap();
    stub.app.installation_of("acme", "widgets").await.unwrap();
    // A runner's token is a matter of its installation: minting is no way around an open circuit.
    let minted = stub.app.mint_scoped(1, 99, &[("metadata", "read")]).await;
    assert!(matches!(minted, Err(Error::Unavailable { .. })), "{minted:?}");
    assert_eq!(stub.app.token_calls().mint, 2);
}

#[tokio::test]
async fn a_dead_mint_costs_as_little_as_any_other_call() {
    let time = Virtual::starting_at(clock::now());
    let _entered = time.enter();
    let setup = Setup { mint_fails: true, ..Setup::default() };
    let stub = Stub::with(setup, |_| Reply::json(201, &comment(1))).await;
    stub.app.info().await.unwrap();
    // From here on nothing succeeds, so a tick that comes too early on a slow machine does no harm.
    let _ticking = Ticking::start(&time);
    let calls = CallCounter::default();
    let client = stub.repo(&calls);
    let start = time.elapsed();
    while time.elapsed() < start + Duration::from_secs(3600) {
        let Err(error) = client.create_comment(1, "x").await else { panic!("sent") };
        let until = error.retry_at().unwrap_or_else(|| clock::now() + Duration::from_secs(1));
        clock::sleep(Duration::try_from(until.duration_since(clock::now())).unwrap_or_default()).await;
    }
    assert_eq!(calls.get(), 0);
    let minted = stub.app.token_calls().mint;
    assert!((30..=125).contains(&minted), "{minted}");
}
