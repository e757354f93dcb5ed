//! Outages of every kind.

use super::{Bench, DEMO};
use divisi::clock::{self, Virtual};
use divisi::simulator::{Outage, OutageKind};
use jiff::SignedDuration;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn nothing_is_done_and_nothing_is_answered_until_it_is_over() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let issues = format!("{DEMO}/issues");
    let time = Virtual::starting_at(clock::now());
    let _entered = time.enter();
    for kind in [OutageKind::BadGateway, OutageKind::Silent, OutageKind::Reset, OutageKind::Refused] {
        let from = clock::now();
        let until = from + SignedDuration::from_hours(1);
        // Connections from before are cut too.
        let client = reqwest::Client::builder().no_proxy().user_agent("bench").build().unwrap();
        let ask = async |wait: Duration| {
            let request = client.post(format!("{}{issues}", bench.sim.base_url())).bearer_auth(&token);
            request.json(&json!({"title": "t"})).timeout(wait).send().await
        };
        let before = bench.sim.read(|world| (world.issues("acme/demo").len(), world.arrivals().len()));
        bench.sim.plan_outage(Outage { from, until, kind });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let outcome = ask(Duration::from_millis(200)).await;
        match kind {
            OutageKind::BadGateway => assert_eq!(outcome.unwrap().status(), 502),
            OutageKind::Silent => assert!(outcome.unwrap_err().is_timeout()),
            OutageKind::Reset => assert!(!outcome.unwrap_err().is_connect()),
            OutageKind::Refused => assert!(outcome.unwrap_err().is_connect()),
        }
        let seen = usize::from(kind != OutageKind::Refused);
        let after = bench.sim.read(|world| (world.issues("acme/demo").len(), world.arrivals().len()));
        assert_eq!(after, (before.0, before.1 + seen), "{kind:?}");
        time.skip(Duration::from_secs(3600));
        // The simulator shares this thread: it listens again by then.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(ask(Duration::from_secs(60)).await.unwrap().status(), 201, "{kind:?}");
    }
}
