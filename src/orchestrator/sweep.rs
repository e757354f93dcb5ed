//! What is looked at by the clock: lost wake-ups, expired leases, old deliveries.

use super::Orchestrator;
use crate::clock;
use crate::store::StoreError;
use crate::telemetry::names;
use jiff::SignedDuration;
use std::time::Duration;

/// Time between two sweeps.
const EVERY: Duration = Duration::from_secs(5);

/// Settled deliveries are kept so long: GitHub can redeliver for 3 days, 7 on Enterprise Server.
const KEEP_DELIVERIES: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Old deliveries are removed once in so many sweeps.
const PRUNE_EVERY: u64 = 720;

impl Orchestrator {
    /// Puts effects that a dead process left half-done in doubt; nothing may be sent before.
    pub(super) async fn doubt_interrupted(&self) -> Result<(), StoreError> {
        let wait = self.shared.settings.wait_out();
        let look_at = clock::now() + SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_secs(60));
        match self.shared.store.effects_interrupted(look_at).await? {
            0 => {}
            n => tracing::info!(
                effects = n,
                "effects were cut off by the last stop; they are looked up before they are repeated"
            ),
        }
        Ok(())
    }

    /// The sweeping loop.
    pub(super) async fn sweep(&self) {
        let started = clock::instant();
        for round in 0_u64.. {
            if self.shared.stop.is_cancelled() {
                return;
            }
            // A lease that ran out while nobody could renew it is not lost: wait for one whole lease first.
            let judge_leases = clock::since(started) > self.shared.settings.lease;
            if let Err(error) = self.sweep_once(judge_leases, round % PRUNE_EVERY == 0).await {
                tracing::warn!(%error, "a sweep failed; the next one repeats it");
            }
            tokio::select! {
                () = clock::sleep(EVERY) => {}
                () = self.shared.stop.cancelled() => {}
            }
        }
    }

    async fn sweep_once(&self, judge_leases: bool, prune: bool) -> Result<(), StoreError> {
        let now = clock::now();
        if judge_leases {
            for run in self.shared.store.leases_expired(now).await? {
                metrics::counter!(names::LEASES_LOST).increment(1);
                self.wake(&run);
            }
        }
        for run in self.shared.store.runs_open().await? {
            self.wake(&run);
        }
        if prune {
            self.shared.store.deliveries_pruned(now - KEEP_DELIVERIES).await?;
        }
        Ok(())
    }
}
