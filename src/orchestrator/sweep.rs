//! What is looked at by the clock: lost wake-ups, expired leases, old deliveries.

use super::Orchestrator;
use super::continuity::Continuity;
use super::merges::LOOK_FOR_MERGES;
use crate::clock;
use crate::store::{StoreError, Tick};
use crate::telemetry::names;
use jiff::SignedDuration;
use std::time::{Duration, Instant};

/// Settled deliveries are kept so long: GitHub can redeliver for 3 days, 7 on Enterprise Server.
const KEEP_DELIVERIES: SignedDuration = SignedDuration::from_hours(8 * 24);

/// How often old deliveries are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

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
        let mut continuity = Continuity::new(self.shared.settings.lease);
        let every = continuity.every();
        let mut pruned: Option<Instant> = None;
        let mut looked: Option<Instant> = None;
        loop {
            if self.shared.stop.is_cancelled() {
                return;
            }
            if let Err(error) = self.judge_leases(&mut continuity).await {
                continuity.broken();
                tracing::warn!(%error, "the store's clock could not be ticked; no lease is judged for one lease");
            }
            let prune = pruned.is_none_or(|at| clock::since(at) >= PRUNE_EVERY);
            match self.sweep_once(prune).await {
                Ok(()) if prune => pruned = Some(clock::instant()),
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "a sweep failed; the next one repeats it"),
            }
            if looked.is_none_or(|at| clock::since(at) >= LOOK_FOR_MERGES) {
                looked = Some(clock::instant());
                if let Err(error) = self.look_for_merges().await {
                    tracing::warn!(%error, "merges could not be looked for; the next look repeats it");
                }
            }
            tokio::select! {
                () = clock::sleep(every) => {}
                () = self.shared.stop.cancelled() => {}
            }
        }
    }

    /// Ticks the store's clock, which ends the leases that ran out while their runners could have renewed them.
    async fn judge_leases(&self, continuity: &mut Continuity) -> Result<(), StoreError> {
        let now = clock::now();
        let continues = continuity.tick(now, clock::instant());
        let lease = self.shared.settings.lease;
        let ticked = self.shared.store.clock_ticked(Tick { now, lease, continues }).await?;
        if ticked.cut > 0 {
            tracing::warn!(
                leases = ticked.cut,
                "the wall clock was set back: leases that ended too late by it were cut"
            );
        }
        for run in ticked.changed {
            tracing::warn!(%run, "a lease was not renewed; its task goes to another runner");
            metrics::counter!(names::LEASES_LOST).increment(1);
            self.wake(&run);
        }
        Ok(())
    }

    async fn sweep_once(&self, prune: bool) -> Result<(), StoreError> {
        for run in self.shared.store.runs_open().await? {
            self.wake(&run);
        }
        if prune {
            self.shared.store.deliveries_pruned(clock::now() - KEEP_DELIVERIES).await?;
        }
        Ok(())
    }
}
