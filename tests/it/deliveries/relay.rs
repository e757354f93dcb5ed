//! A road between GitHub and Divisi on which deliveries get lost and are doubled.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::sync::{Arc, Mutex};

/// The relay. It ends with the runtime of its test.
pub struct Relay {
    /// Where GitHub delivers to.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    client: reqwest::Client,
    target: Mutex<String>,
    rng: Mutex<StdRng>,
    lost: f64,
    counts: Mutex<Counts>,
}

/// What happened on the road.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Deliveries that GitHub sent.
    pub sent: usize,
    /// Of these lost.
    pub lost: usize,
    /// Copies that were sent on.
    pub copies: usize,
}

impl Relay {
    /// A relay to `target` that loses this share of the deliveries and sends the others on 1 to 5 times at once.
    pub async fn start(target: &str, lost: f64, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            client: reqwest::Client::builder().no_proxy().build().expect("a client"),
            target: Mutex::new(target.to_owned()),
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            lost,
            counts: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let url = format!("http://{}/webhooks/github", listener.local_addr().expect("an address"));
        let app = axum::Router::new()
            .route("/webhooks/github", axum::routing::post(pass_on))
            .with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared }
    }

    /// Where copies go from now on.
    pub fn set_target(&self, target: &str) {
        *self.shared.target.lock().expect("a lock") = target.to_owned();
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        *self.shared.counts.lock().expect("a lock")
    }
}

async fn pass_on(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let copies = {
        let mut rng = shared.rng.lock().expect("a lock");
        let copies = if rng.random_bool(shared.lost) { 0 } else { rng.random_range(1..=5) };
        let mut counts = shared.counts.lock().expect("a lock");
        counts.sent += 1;
        counts.copies += copies;
        counts.lost += usize::from(copies == 0);
        copies
    };
    let target = shared.target.lock().expect("a lock").clone();
    let sending: Vec<_> = (0..copies)
        .map(|_| {
            let mut request = shared.client.post(&target).body(body.clone());
            for (name, value) in &headers {
                if name.as_str().starts_with("x-") || name == "content-type" {
                    request = request.header(name, value);
                }
            }
            tokio::spawn(request.send())
        })
        .collect();
    let mut answer = StatusCode::BAD_GATEWAY;
    for copy in sending {
        if let Ok(Ok(response)) = copy.await {
            answer = response.status();
        }
    }
    answer
}
