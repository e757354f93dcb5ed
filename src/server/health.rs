//! `/healthz` (the process answers) and `/readyz` (it can work). Neither tells versions.

use crate::clock;
use async_trait::async_trait;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// A probe that takes longer counts as "not ready".
const PROBE: Duration = Duration::from_secs(2);

/// Whether the control plane can work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The database can be written and its migrations are applied: the only thing that makes the answer 503.
    pub database: bool,
    /// The sandbox tier of the embedded runner, once it is known; for people, never a reason for 503.
    pub sandbox: Option<String>,
}

/// Asks the parts that [`Readiness`] tells of.
#[async_trait]
pub trait Ready: Send + Sync {
    /// The state now.
    async fn readiness(&self) -> Readiness;
}

/// The two routes; open to everybody.
pub fn health(ready: Arc<dyn Ready>) -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(readyz)).with_state(ready)
}

async fn readyz(State(ready): State<Arc<dyn Ready>>) -> Response {
    let state = clock::within(PROBE, ready.readiness()).await.unwrap_or_default();
    let status = if state.database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(state)).into_response()
}
