//! What a proof asks of the running process: to end itself at one boundary, and to go without a defence.

use crate::config;
use crate::orchestrator::{Boundary, Point, Proof, Without};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The settings as the orchestrator takes them; nothing without a `[proof]` section.
pub(super) fn proof(asked: &config::Proof) -> Proof {
    let without =
        Without { look: asked.without_look, intent: asked.without_intent, wait: asked.without_wait };
    let boundary = asked.crash_at.map(|at| {
        let boundary: Arc<dyn Boundary> = Arc::new(CountDown { at, crossed: AtomicU64::new(0) });
        boundary
    });
    if without != Without::default() {
        tracing::warn!(?without, "a proof has switched defences off");
    }
    Proof { boundary, without }
}

/// Counts crossings and ends the process at one of them, as `kill -9` would.
struct CountDown {
    at: u64,
    crossed: AtomicU64,
}

#[async_trait]
impl Boundary for CountDown {
    async fn cross(&self, point: Point) {
        let n = self.crossed.fetch_add(1, Ordering::SeqCst) + 1;
        tracing::info!(n, %point, "a boundary is crossed");
        if n == self.at {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        if n >= self.at {
            // The signal is on its way, and nothing may be done any more.
            std::future::pending().await
        }
    }
}
