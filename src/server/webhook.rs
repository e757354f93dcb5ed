//! `POST /webhooks/github`: verify the raw body, store what is routed, answer.

use super::body::{Budget, Refused, read_body};
use super::inbox::{Inbox, Stored};
use super::signature::Verifier;
use crate::clock;
use crate::domain::DeliveryId;
use crate::github::event::{Headline, Routed, route};
use crate::telemetry::names;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// GitHub sends up to 25 MB and delivers nothing that is larger.
const MAX_BODY: usize = 26 << 20;
/// So many bodies of full size may be in memory at once.
const BODIES: usize = 8;
/// From the end of the headers to the answer; GitHub hangs up after ten seconds.
const DEADLINE: Duration = Duration::from_secs(8);

/// Outcomes in metrics and logs.
const STORED: &str = "stored";
const MALFORMED: &str = "malformed";
const REPEATED: &str = "repeated";
const IGNORED: &str = "ignored";
const PING: &str = "ping";
const REFUSED: &str = "refused";

/// Events that have a name of their own in the metrics; any other counts as `other`, so that a sender cannot
/// make up label values.
const COUNTED: &[&str] = &[
    "check_run",
    "check_suite",
    "github_app_authorization",
    "installation",
    "installation_repositories",
    "issue_comment",
    "issue_dependencies",
    "issues",
    "label",
    "merge_group",
    "ping",
    "pull_request",
    "pull_request_review",
    "push",
    "repository",
    "sub_issues",
    "workflow_run",
];

/// Whose deliveries are accepted; an empty list does not narrow.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    /// Installations by number.
    pub installations: HashSet<u64>,
    /// Repositories as `owner/name` in lower case.
    pub repositories: HashSet<String>,
}

impl AllowList {
    fn accepts(&self, headline: &Headline) -> bool {
        let installation =
            self.installations.is_empty() || self.installations.contains(&headline.installation);
        let repository =
            self.repositories.is_empty() || self.repositories.contains(&headline.repository.to_lowercase());
        installation && repository
    }
}

/// What the webhook route needs.
pub struct Webhook {
    /// The signature check.
    pub verifier: Verifier,
    /// Whose deliveries are accepted.
    pub allow: AllowList,
    /// Where routed deliveries go.
    pub inbox: Arc<dyn Inbox>,
}

struct Hook {
    webhook: Webhook,
    budget: Budget,
}

/// How a delivery ends: the status for GitHub, the outcome for metrics, the words for logs.
struct Outcome {
    status: StatusCode,
    name: &'static str,
    /// Fixed words, which GitHub shows on its page of the delivery.
    words: &'static str,
    repository: String,
}

/// The route. It guards itself by the signature and needs no other access rule.
pub fn webhook(webhook: Webhook) -> Router {
    let hook = Arc::new(Hook { webhook, budget: Budget::new(BODIES * MAX_BODY) });
    Router::new().route("/webhooks/github", post(receive)).with_state(hook)
}

async fn receive(State(hook): State<Arc<Hook>>, request: Request) -> Response {
    let start = clock::instant();
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let event = text(headers, "x-github-event").unwrap_or_default().to_owned();
    let delivery = delivery_id(headers);
    let outcome = hook.receive(headers, &event, delivery.clone(), body).await;

    let counted = COUNTED.iter().find(|name| **name == event).copied().unwrap_or("other");
    metrics::counter!(names::WEBHOOKS, "event" => counted, "outcome" => outcome.name).increment(1);
    metrics::histogram!(names::WEBHOOK_SECONDS).record(clock::instant().duration_since(start));
    let delivery = delivery.as_ref().map_or("", DeliveryId::as_str);
    let (repo, name, words) = (outcome.repository.as_str(), outcome.name, outcome.words);
    match name {
        STORED | MALFORMED | REPEATED => {
            tracing::info!(delivery, event, repo, outcome = name, "webhook: {words}");
        }
        REFUSED => {
            // The sender may be anybody: nothing of its own words is logged.
            let status = outcome.status.as_u16();
            tracing::warn!(delivery, event = counted, outcome = name, status, "webhook refused: {words}");
        }
        _ => tracing::debug!(delivery, event, repo, outcome = name, "webhook: {words}"),
    }
    outcome.answer()
}

impl Hook {
    async fn receive(
        &self,
        headers: &HeaderMap,
        event: &str,
        delivery: Option<DeliveryId>,
        body: axum::body::Body,
    ) -> Outcome {
        let start = clock::instant();
        if !is_json(headers) {
            return Outcome::refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the hook's content type must be application/json",
            );
        }
        let Some(delivery) = delivery else {
            return Outcome::refused(StatusCode::BAD_REQUEST, "X-GitHub-Delivery is missing or no UUID");
        };
        if event.is_empty() {
            return Outcome::refused(StatusCode::BAD_REQUEST, "X-GitHub-Event is missing");
        }

        let mut check = self.webhook.verifier.check();
        let read = read_body(body, MAX_BODY, &self.budget, DEADLINE, |piece| check.update(piece)).await;
        let (body, _share) = match read {
            Ok(read) => read,
            Err(refused) => {
                let (status, words) = match refused {
                    Refused::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 26 MiB"),
                    Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many bodies at once"),
                    Refused::Late => (StatusCode::REQUEST_TIMEOUT, "the body took too long"),
                    Refused::Broken => (StatusCode::BAD_REQUEST, "the body broke off"),
                };
                return Outcome::refused(status, words);
            }
        };
        if !check.accepts(headers) {
            return Outcome::refused(StatusCode::UNAUTHORIZED, "no valid signature");
        }

        let headline = match route(event, &body) {
            Routed::Ping => return Outcome::new(StatusCode::OK, PING, "pong"),
            Routed::Ignored(why) => return Outcome::new(StatusCode::ACCEPTED, IGNORED, why),
            Routed::Handled(headline) => headline,
        };
        if !headline.malformed && !self.webhook.allow.accepts(&headline) {
            return Outcome::new(StatusCode::ACCEPTED, IGNORED, "not on the allow-list");
        }
        let left = DEADLINE.saturating_sub(clock::instant().duration_since(start));
        let stored = clock::within(left, self.webhook.inbox.store(delivery, event.to_owned(), body)).await;
        let outcome = match stored {
            Some(Ok(Stored::Known)) => Outcome::new(StatusCode::OK, REPEATED, "known already"),
            Some(Ok(Stored::New)) if headline.malformed => {
                Outcome::new(StatusCode::ACCEPTED, MALFORMED, "stored, but the body is not as documented")
            }
            Some(Ok(Stored::New)) => Outcome::new(StatusCode::ACCEPTED, STORED, "stored"),
            Some(Err(error)) => {
                tracing::error!(%error, "a delivery cannot be stored");
                Outcome::refused(StatusCode::SERVICE_UNAVAILABLE, "it cannot be stored now")
            }
            None => Outcome::refused(StatusCode::SERVICE_UNAVAILABLE, "storing it took too long"),
        };
        Outcome { repository: headline.repository, ..outcome }
    }
}

impl Outcome {
    fn new(status: StatusCode, name: &'static str, words: &'static str) -> Self {
        Self { status, name, words, repository: String::new() }
    }

    fn refused(status: StatusCode, words: &'static str) -> Self {
        Self::new(status, REFUSED, words)
    }

    fn answer(self) -> Response {
        // What was refused may still be sending its body: end the connection with the answer.
        match self.status {
            // Every wrong signature gets the same bytes.
            StatusCode::UNAUTHORIZED => self.status.into_response(),
            status if status.is_success() => (status, self.words).into_response(),
            status => (status, [(header::CONNECTION, "close")], self.words).into_response(),
        }
    }
}

/// The header's only value, as text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    value.to_str().ok()
}

/// The delivery's GUID, hyphenated, in lower case.
fn delivery_id(headers: &HeaderMap) -> Option<DeliveryId> {
    let id = text(headers, "x-github-delivery").filter(|id| id.len() == 36)?;
    let id = uuid::Uuid::try_parse(id).ok()?;
    Some(DeliveryId::new(id.hyphenated().to_string()))
}

/// `application/json`, with parameters or without.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = text(headers, "content-type").and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
