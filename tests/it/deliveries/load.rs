//! Deliveries under load while the process is killed again and again: what was answered with 2xx is in the database.

use crate::support::figures;
use crate::support::world::{Setup, World};
use divisi::clock;
use divisi::domain::DeliveryId;
use divisi::store::{Sqlite, Store as _};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What all senders share.
struct Load {
    address: Mutex<String>,
    left: AtomicUsize,
    accepted: Mutex<Vec<DeliveryId>>,
    refused: AtomicUsize,
}

/// A closed issue that is nobody's: routed, stored, and soon settled.
fn body() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/webhooks/issues/closed.derived.json");
    let mut value: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).expect("the fixture")).expect("JSON");
    value["installation"] = serde_json::json!({ "id": 1 });
    serde_json::to_vec(&value).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_there_whenever_the_process_dies() {
    let n = if figures::full() { 10_000 } else { 1_500 };
    let env = vec![
        ("DIVISI_RUNNER__EMBEDDED", "false".to_owned()),
        ("RUST_LOG", "warn,divisi::cli=info".to_owned()),
    ];
    let mut world = World::new(Setup { env, ..Setup::default() }).await;
    world.github.set_webhook_target(None);
    let address = |world: &World| world.divisi.as_ref().map(|d| d.address.clone()).unwrap_or_default();
    let load = Arc::new(Load {
        address: Mutex::new(address(&world)),
        left: AtomicUsize::new(n),
        accepted: Mutex::default(),
        refused: AtomicUsize::new(0),
    });
    let body = Arc::new(body());
    let senders: Vec<_> = (0..16).map(|_| tokio::spawn(send(load.clone(), body.clone()))).collect();
    let mut rng = StdRng::seed_from_u64(11);
    let mut kills = 0;
    while load.left.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..=500))).await;
        world.divisi.as_mut().expect("it runs").kill();
        kills += 1;
        world.start();
        world.github.set_webhook_target(None);
        *load.address.lock().expect("a lock") = address(&world);
    }
    for sender in senders {
        sender.await.expect("a sender");
    }
    world.divisi.as_mut().expect("it runs").kill();
    let accepted = std::mem::take(&mut *load.accepted.lock().expect("a lock"));
    let store = Sqlite::open(&world.data().join("divisi.db")).await.expect("the database opens");
    let known = store.deliveries_known(&accepted).await.expect("an answer");
    let missing = accepted.iter().filter(|id| !known.contains(id)).count();
    store.close().await;
    assert_eq!(missing, 0, "of {} accepted deliveries", accepted.len());
    assert_eq!(accepted.len(), n);
    assert!(kills >= 3, "{kills} kills are no storm");
    let refused = load.refused.load(Ordering::Relaxed);
    figures::tell(
        "deliveries",
        &format!("{n} accepted under {kills} kill -9 ({refused} attempts failed), {missing} missing"),
    );
    world.start();
    world.end();
}

/// Sends until nothing is left; a delivery without a 2xx is sent again under the same GUID, as a person would by hand.
async fn send(load: Arc<Load>, body: Arc<Vec<u8>>) {
    let client =
        reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(9)).build().expect("a client");
    let signature = crate::support::world::signature(&body);
    while load.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
        let guid = clock::uuid();
        loop {
            let address = load.address.lock().expect("a lock").clone();
            let request = client
                .post(format!("http://{address}/webhooks/github"))
                .header("content-type", "application/json")
                .header("x-github-event", "issues")
                .header("x-github-delivery", &guid)
                .header("x-hub-signature-256", &signature)
                .body(body.to_vec());
            match request.send().await {
                Ok(answer) if answer.status().is_success() => break,
                _ => {
                    load.refused.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        load.accepted.lock().expect("a lock").push(DeliveryId::new(guid));
    }
}
