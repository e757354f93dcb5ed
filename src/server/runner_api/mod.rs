//! The control plane's side of the runner API (`/runner/v1`, all POST, JSON).
//!
//! Each verb checks the bearer token, then the lease: a message with another epoch than the task's is *lost*.
//! What lies behind the store (credentials, logs, wake-ups) is asked through [`Behind`].

mod attempt;
mod convert;
mod runner;
mod survey;

use crate::dispatch::wire;
use crate::domain::schedule::Limits;
use crate::domain::survey::Answer;
use crate::domain::{AttemptId, Repo, RunId, RunnerId};
use crate::store::{Store, StoreError};
use async_trait::async_trait;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;

/// What the runner API needs besides the store.
#[async_trait]
pub trait Behind: Send + Sync {
    /// A token that can fetch from and push to exactly this repository, remembered for [`Self::attempt_over`].
    ///
    /// # Errors
    /// In words, and whether asking again is useless.
    async fn credential(&self, attempt: &AttemptId, repo: &Repo) -> Result<wire::Credential, NoCredential>;
    /// The attempt ended: its tokens are revoked.
    async fn attempt_over(&self, attempt: &AttemptId);
    /// A hint that the run's state changed.
    fn run_changed(&self, run: &RunId);
    /// Returns when a task may have become ready; a hint, never a promise.
    async fn work(&self);
    /// Returns when a run may have changed, such as by a command; a hint, never a promise.
    async fn changed(&self);
    /// Waits up to `wait` for a repository to search: the question with its token, everything but `clone_url`. To ask says that the
    /// runner could search.
    async fn survey(&self, runner: &RunnerId, wait: Duration) -> Option<wire::SurveyQuestion>;
    /// What a search found; whether somebody still waits for it.
    async fn surveyed(&self, id: u64, found: Result<Answer, String>) -> bool;
    /// Appends lines to the run's session log.
    ///
    /// # Errors
    /// In words, when the disk refuses.
    async fn session_lines(&self, attempt: &AttemptId, lines: &[String]) -> Result<(), String>;
    /// Appends to the task's log what lies beyond what is stored of this attempt; returns how much is stored.
    ///
    /// # Errors
    /// In words, when the disk refuses or the offset leaves a gap.
    async fn log_chunk(&self, attempt: &AttemptId, offset: u64, bytes: &[u8]) -> Result<u64, String>;
}

/// GitHub gives no token.
#[derive(Clone, Debug)]
pub struct NoCredential {
    /// Why.
    pub why: String,
    /// It never will: the App is uninstalled or suspended, or the repository is gone.
    pub is_final: bool,
}

/// What the routes share.
pub struct RunnerApi {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Everything else.
    pub behind: Arc<dyn Behind>,
    /// The tokens of runners.
    pub tokens: Vec<SecretString>,
    /// How long a lease lasts.
    pub lease: Duration,
    /// How long the answer to a heartbeat is held open at most.
    pub heartbeat: Duration,
    /// How long a runner that gets no answer keeps its agents frozen before it ends them.
    pub silence: Duration,
    /// Limits of the scheduler.
    pub limits: Limits,
    /// `https://github.com`, where git goes.
    pub web_url: String,
    /// The App's commit identity, `name <email>`.
    pub author: String,
}

/// One upload of a log carries at most this much.
const LOG_CHUNK: usize = 4 << 20;

/// The routes, for a listener that only runners reach.
pub fn router(api: RunnerApi) -> Router {
    let api = Arc::new(api);
    Router::new()
        .route("/runner/v1/register", post(runner::register))
        .route("/runner/v1/claim", post(runner::claim))
        .route("/runner/v1/heartbeat", post(runner::heartbeat))
        .route("/runner/v1/kept", post(runner::kept))
        .route("/runner/v1/survey", post(survey::wait))
        .route("/runner/v1/surveys/{id}/answer", post(survey::answer))
        .route("/runner/v1/attempts/{attempt}/finish", post(attempt::finish))
        .route("/runner/v1/attempts/{attempt}/release", post(attempt::release))
        .route("/runner/v1/attempts/{attempt}/events", post(attempt::events))
        .route("/runner/v1/attempts/{attempt}/log", post(attempt::log))
        .route("/runner/v1/attempts/{attempt}/credential", post(attempt::credential))
        .route("/runner/v1/attempts/{attempt}/policy", post(attempt::policy))
        .layer(DefaultBodyLimit::max(LOG_CHUNK))
        .layer(middleware::from_fn_with_state(api.clone(), with_token))
        .with_state(api)
}

async fn with_token(State(api): State<Arc<RunnerApi>>, request: Request, next: Next) -> Response {
    let carried = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "))
        .unwrap_or_default();
    // Every one is compared, so that the time tells nothing about which was nearly right.
    let known = api.tokens.iter().filter(|token| same(carried, token.expose_secret())).count();
    if known > 0 {
        next.run(request).await
    } else {
        Problem(StatusCode::UNAUTHORIZED, "the runner token is missing or wrong".to_owned()).into_response()
    }
}

/// Compares in constant time whatever the lengths are: both go through a MAC with a fixed key first.
fn same(a: &str, b: &str) -> bool {
    let mac = |text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"divisi runner token").ok()?;
        mac.update(text.as_bytes());
        Some(mac)
    };
    match (mac(a), mac(b)) {
        (Some(a), Some(b)) => a.verify_slice(&b.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

/// An answer that is not the verb's own.
struct Problem(StatusCode, String);

impl Problem {
    fn lost() -> Self {
        Self(StatusCode::CONFLICT, "the lease on this attempt is not yours any more".to_owned())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            StoreError::Refused(_) | StoreError::NoSuchRun(_) => {
                Self(StatusCode::CONFLICT, error.to_string())
            }
            StoreError::Corrupt(_) => Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(wire::Problem { error: self.1 })).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_whole() {
        assert!(same("abc", "abc"));
        for wrong in ["", "ab", "abcd", "abd"] {
            assert!(!same(wrong, "abc"));
        }
    }
}
