//! Limits that are enforced, and the record of who does not listen.

use super::{Bench, DEMO};
use divisi::simulator::Limits;
use serde_json::json;
use std::time::Duration;

async fn strict(limits: Limits) -> (Bench, String) {
    let bench = Bench::with(|o| o.limits = Some(limits)).await;
    let token = bench.token().await;
    (bench, token)
}

#[tokio::test]
async fn too_many_creations_are_refused_and_those_who_go_on_are_noted() {
    let (bench, token) = strict(Limits { creations_per_minute: 3, ..Limits::default() }).await;
    let issues = format!("{DEMO}/issues");
    let post = async || bench.call(&token, "POST", &issues, json!({"title": "t"})).await;
    for _ in 0..3 {
        post().await.expect(201);
    }
    // Edits are no creations.
    bench.call(&token, "PATCH", &format!("{issues}/1"), json!({"title": "u"})).await.expect(200);
    let refused = post().await;
    assert_eq!((refused.status, refused.header("retry-after")), (403, "60"));
    assert!(refused.body["message"].as_str().unwrap().contains("secondary rate limit"));
    // What was on its way is no violation; what comes later is, and is refused whatever it is.
    bench.get(&token, DEMO).await;
    bench.sim.read(|world| assert!(world.violations().is_empty(), "{:?}", world.violations()));
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    assert_eq!(bench.get(&token, DEMO).await.status, 403);
    bench.sim.read(|world| {
        let [violation] = world.violations() else { panic!("{:?}", world.violations()) };
        assert_eq!(
            (violation.installation, violation.request.as_str()),
            (bench.installation, "GET /repos/acme/demo")
        );
    });
}

#[tokio::test]
async fn points_are_counted_and_a_limit_may_come_without_a_time() {
    let limits = Limits { points_per_minute: 12, says_how_long: false, ..Limits::default() };
    let (bench, token) = strict(limits).await;
    let issues = format!("{DEMO}/issues");
    for _ in 0..2 {
        bench.call(&token, "POST", &issues, json!({"title": "t"})).await.expect(201);
    }
    bench.get(&token, DEMO).await.expect(200);
    bench.get(&token, DEMO).await.expect(200);
    let refused = bench.get(&token, DEMO).await;
    assert_eq!((refused.status, refused.header("retry-after")), (403, ""));
}
