//! `POST /webhooks/github`: verify the raw body, store what is routed, answer.

use super::body::{Budget, Refused, read_body};
use super::inbox::{Inbox, Stored};
use super::signature::Verifier;
use crate::clock;
use crate::domain::DeliveryId;
use crate::github::event::{Headline, Routed, route};
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

/// How a delivery ends: the status for GitHub, the outcome for metrics and logs.
struct Outcome {
    status: StatusCode,
    name: &'static str,
    /// Shown on GitHub's page of the delivery, and only to those who know the secret.
    words: &'static str,
    repository: String,
}

/// The route. It guards itself by the signature and needs no other access rule.
pub fn webhook(webhook: Webhook) -> Router {
    let hook = Arc::new(Hook { webhook, budget: Budget::new(BODIES * MAX_BODY) });
    Router::new().route("/webhooks/github", post(receive)).with_state(hook)
}

async fn receive(State(hook): State<Arc<Hook>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let event = text(headers, "x-github-event").unwrap_or_default().to_owned();
    let delivery = delivery_id(headers);
    let outcome = hook.receive(headers, &event, delivery.clone(), body).await;

    let counted = COUNTED.iter().find(|name| **name == event).copied().unwrap_or("other");
    ::metrics::counter!("divisi_webhooks_total", "event" => counted, "outcome" => outcome.name).increment(1);
    let delivery = delivery.as_ref().map_or("", DeliveryId::as_str);
    let (repo, name, status) = (outcome.repository.as_str(), outcome.name, outcome.status.as_u16());
    if outcome.status.is_success() && name != "stored" && name != "malformed" {
        tracing::debug!(delivery, event, repo, outcome = name, words = outcome.words, "webhook answered");
    } else if outcome.status.is_success() {
        tracing::info!(delivery, event, repo, outcome = name, "webhook stored");
    } else {
        tracing::warn!(delivery, event, outcome = name, status, words = outcome.words, "webhook refused");
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
            let words = "set the hook's content type to application/json";
            return Outcome::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", words);
        }
        let Some(delivery) = delivery else {
            let words = "X-GitHub-Delivery is missing or no UUID";
            return Outcome::new(StatusCode::BAD_REQUEST, "no_delivery_id", words);
        };
        if event.is_empty() {
            return Outcome::new(StatusCode::BAD_REQUEST, "no_event", "X-GitHub-Event is missing");
        }

        let mut check = self.webhook.verifier.check();
        let read = read_body(body, MAX_BODY, &self.budget, DEADLINE, |piece| check.update(piece)).await;
        let (body, _share) = match read {
            Ok(read) => read,
            Err(Refused::TooLarge) => {
                return Outcome::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "more than 26 MiB");
            }
            Err(Refused::Busy) => {
                return Outcome::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many bodies at once");
            }
            Err(Refused::Late) => {
                return Outcome::new(StatusCode::REQUEST_TIMEOUT, "late", "the body took too long");
            }
            Err(Refused::Broken) => {
                return Outcome::new(StatusCode::BAD_REQUEST, "broken", "the body broke off");
            }
        };
        if !check.accepts(headers) {
            return Outcome::new(StatusCode::UNAUTHORIZED, "signature", "no valid signature");
        }

        let headline = match route(event, &body) {
            Routed::Ping => return Outcome::new(StatusCode::OK, "ping", "pong"),
            Routed::Ignored(why) => return Outcome::new(StatusCode::ACCEPTED, "ignored", why),
            Routed::Handled(headline) => headline,
        };
        if !headline.malformed && !self.webhook.allow.accepts(&headline) {
            return Outcome::new(StatusCode::ACCEPTED, "not_allowed", "not on the allow-list");
        }
        let left = DEADLINE.saturating_sub(clock::instant().duration_since(start));
        let stored = clock::within(left, self.webhook.inbox.store(delivery, event.to_owned(), body)).await;
        let outcome = match stored {
            Some(Ok(Stored::Known)) => Outcome::new(StatusCode::OK, "known", "known already"),
            Some(Ok(Stored::New)) if headline.malformed => {
                Outcome::new(StatusCode::ACCEPTED, "malformed", "stored, but not as documented")
            }
            Some(Ok(Stored::New)) => Outcome::new(StatusCode::ACCEPTED, "stored", "stored"),
            Some(Err(error)) => {
                tracing::error!(%error, "a delivery cannot be stored");
                Outcome::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "cannot be stored now")
            }
            None => Outcome::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "storing took too long"),
        };
        Outcome { repository: headline.repository, ..outcome }
    }
}

impl Outcome {
    fn new(status: StatusCode, name: &'static str, words: &'static str) -> Self {
        Self { status, name, words, repository: String::new() }
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
