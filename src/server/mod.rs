//! Everything that listens: webhooks, the runner API, health and metrics.
//!
//! HTTP in, domain facts out; no decision is made here. [`app`] puts the doors of the public listener
//! together, so that the access rule ([`Access`]) covers every path that does not say otherwise, and [`serve`]
//! runs any of them on a TCP or Unix socket with the limits that an open port needs.

mod access;
mod body;
mod health;
mod inbox;
mod listen;
mod metrics;
pub mod runner_api;
mod signature;
mod table;
mod webhook;

pub use access::{Access, ApiToken, BadToken, Caller, Role};
pub use body::{Budget, Refused, Reserved, read_body};
pub use health::{Readiness, Ready, health};
pub use inbox::{Inbox, StoreInbox, Stored, Unavailable};
pub use listen::{Door, Limits, Peer, serve};
pub use metrics::{Exposed, metrics, metrics_address};
pub use signature::{BadSecret, Verifier};
pub use webhook::{AllowList, Webhook, webhook};

use axum::Router;

/// The public listener: `open` doors, which guard themselves (webhooks, health, runner API), and everything
/// else behind the access rule; a path that nobody knows is 404 only for those who may ask.
pub fn app(open: Router, guarded: Router, access: Access) -> Router {
    open.fallback_service(access.guard(guarded))
}
