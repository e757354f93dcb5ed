//! Deliveries: every attempt to send a webhook, and the task that makes them.

use super::refusal::Refusal;
use super::service::Shared;
use super::world::World;
use crate::clock;
use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One attempt to deliver an event.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Database id of the attempt.
    pub id: u64,
    /// The event's id (`X-GitHub-Delivery`), shared by all attempts.
    pub guid: String,
    /// Event, such as `issues`.
    pub event: String,
    /// Action, such as `labeled`.
    pub action: Option<String>,
    /// Installation it was sent for.
    pub installation: Option<u64>,
    /// Repository it is about.
    pub repo: Option<u64>,
    /// Whether somebody asked for it again.
    pub redelivery: bool,
    /// The exact bytes.
    pub payload: Bytes,
    /// When it was sent; `None` while it waits.
    pub delivered_at: Option<Timestamp>,
    /// How long the receiver took.
    pub duration: Duration,
    /// Status the receiver answered; 0 when it did not.
    pub status_code: u16,
    /// `OK`, or what went wrong.
    pub status: String,
    /// Headers that were sent.
    pub request_headers: Vec<(String, String)>,
    /// What the receiver answered, at most 4 KiB of it.
    pub response_body: String,
}

/// After this time the next delivery is started although the receiver has not answered this one.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long an attempt is shown and can be asked for again.
const KEPT: SignedDuration = SignedDuration::from_hours(3 * 24);

impl Delivery {
    /// Whether it was attempted, and not so long ago that GitHub has forgotten it.
    pub(super) fn is_kept(&self) -> bool {
        self.delivered_at.is_some_and(|at| clock::now().duration_since(at) <= KEPT)
    }

    pub(super) fn first(
        id: u64,
        event: &str,
        action: Option<&str>,
        installation: Option<u64>,
        repo: Option<u64>,
        payload: &Value,
    ) -> Delivery {
        Delivery {
            id,
            guid: clock::uuid(),
            event: event.to_owned(),
            action: action.map(str::to_owned),
            installation,
            repo,
            redelivery: false,
            payload: Bytes::from(payload.to_string()),
            delivered_at: None,
            duration: Duration::ZERO,
            status_code: 0,
            status: String::new(),
            request_headers: Vec::new(),
            response_body: String::new(),
        }
    }
}

impl World {
    /// Queues a new attempt of a delivery, with its GUID and its bytes.
    pub(super) fn redeliver(&mut self, id: u64) -> Result<(), Refusal> {
        let old = self.deliveries.iter().find(|d| d.id == id && d.is_kept());
        let mut again = old.cloned().ok_or_else(Refusal::not_found)?;
        again.id = self.next_id();
        again.redelivery = true;
        again.delivered_at = None;
        again.status = String::new();
        again.status_code = 0;
        self.deliveries.push(again);
        Ok(())
    }
}

/// Sends what is queued, in order, until it is told to stop.
pub(super) async fn deliver(shared: Arc<Shared>, stop: CancellationToken) {
    let mut sent_up_to = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.queued.notified() => {}
        }
        while let Some(next) = next_after(&shared, sent_up_to) {
            sent_up_to = next.id;
            let mut sending = shared.tasks.spawn(send(Arc::clone(&shared), next, stop.clone()));
            // Normally in order; a slow receiver does not hold up the rest.
            let _ = clock::within(PATIENCE, &mut sending).await;
            if stop.is_cancelled() {
                return;
            }
        }
    }
}

fn next_after(shared: &Shared, id: u64) -> Option<Delivery> {
    shared.world().deliveries.iter().find(|d| d.id > id && d.delivered_at.is_none()).cloned()
}

async fn send(shared: Arc<Shared>, mut delivery: Delivery, stop: CancellationToken) {
    let (target, secret, timeout, app) = {
        let world = shared.world();
        let options = &world.options;
        (
            options.webhook_target.clone(),
            options.webhook_secret.clone(),
            options.webhook_timeout,
            world.app.id,
        )
    };
    delivery.request_headers = headers(&delivery, secret.as_deref(), app);
    let started = clock::instant();
    delivery.delivered_at = Some(clock::now());
    match target {
        None => delivery.status = "failed to connect to host".to_owned(),
        Some(url) => {
            let attempt = clock::within(timeout, post(&shared.client, &url, &delivery));
            let outcome = tokio::select! {
                outcome = attempt => outcome,
                () = stop.cancelled() => None,
            };
            match outcome {
                None => delivery.status = "timed out".to_owned(),
                Some(Err(error)) => {
                    delivery.status = "failed to connect to host".to_owned();
                    delivery.response_body = error.to_string();
                }
                Some(Ok((code, body))) => {
                    let ok = (200..300).contains(&code);
                    delivery.status =
                        if ok { "OK".to_owned() } else { format!("Invalid HTTP Response: {code}") };
                    delivery.status_code = code;
                    delivery.response_body = body;
                }
            }
        }
    }
    delivery.duration = clock::since(started);
    let mut world = shared.world();
    if let Some(record) = world.deliveries.iter_mut().find(|d| d.id == delivery.id) {
        *record = delivery;
    }
    drop(world);
    shared.changed();
}

async fn post(
    client: &reqwest::Client,
    url: &str,
    delivery: &Delivery,
) -> Result<(u16, String), reqwest::Error> {
    let mut request = client.post(url).body(delivery.payload.clone());
    for (name, value) in &delivery.request_headers {
        request = request.header(name, value);
    }
    let answer = request.send().await?;
    let code = answer.status().as_u16();
    let body: String = answer.text().await?.chars().take(4096).collect();
    Ok((code, body))
}

fn headers(delivery: &Delivery, secret: Option<&str>, app: u64) -> Vec<(String, String)> {
    let mut headers = vec![
        ("Accept".to_owned(), "*/*".to_owned()),
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("User-Agent".to_owned(), "GitHub-Hookshot/51d1a2b".to_owned()),
        ("X-GitHub-Delivery".to_owned(), delivery.guid.clone()),
        ("X-GitHub-Event".to_owned(), delivery.event.clone()),
        ("X-GitHub-Hook-ID".to_owned(), "424242".to_owned()),
        ("X-GitHub-Hook-Installation-Target-ID".to_owned(), app.to_string()),
        ("X-GitHub-Hook-Installation-Target-Type".to_owned(), "integration".to_owned()),
    ];
    if let Some(signature) = secret.and_then(|s| signature(s, &delivery.payload)) {
        headers.push(("X-Hub-Signature-256".to_owned(), signature));
    }
    headers
}

/// `sha256=` and the HMAC-SHA256 of the bytes in lower-case hexadecimal.
fn signature(secret: &str, bytes: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(bytes);
    let digest = mac.finalize().into_bytes();
    Some(digest.iter().fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn the_official_vector_is_signed() {
        // docs.github.com, "Validating webhook deliveries".
        assert_eq!(
            signature("It's a Secret to Everybody", b"Hello, World!").as_deref(),
            Some("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
        );
    }
}
