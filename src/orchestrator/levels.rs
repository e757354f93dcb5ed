//! How much of GitHub's limits is used up, kept in the store: a process that is killed and started again must not
//! begin with a burst each time.

use super::Orchestrator;
use crate::clock;
use crate::github::Level;
use crate::store::StoreError;
use std::time::Duration;

/// Levels are written this often at most.
const EVERY: Duration = Duration::from_secs(1);

impl Orchestrator {
    /// Takes over what the last life left; before anything is sent.
    pub(super) async fn restore_levels(&self) -> Result<(), StoreError> {
        let kept = self.shared.store.limits_kept().await?;
        let levels = kept.into_iter().filter_map(|(installation, text)| {
            match serde_json::from_str::<Level>(&text) {
                Ok(level) => Some((installation, level)),
                Err(error) => {
                    // Of another version, perhaps: the limiter starts half full then.
                    tracing::warn!(installation, %error, "a stored level of GitHub's limits cannot be read");
                    None
                }
            }
        });
        self.shared.github.restore_levels(levels);
        Ok(())
    }

    /// Writes the levels soon after they changed, until the stop; a last time then.
    pub(super) async fn keep_levels(&self) {
        let stop = &self.shared.stop;
        while !stop.is_cancelled() {
            tokio::select! {
                () = self.shared.github.levels_changed() => {}
                () = stop.cancelled() => return,
            }
            self.save_levels().await;
            tokio::select! {
                () = clock::sleep(EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Writes the levels as they are now.
    pub(super) async fn save_levels(&self) {
        let levels = self.shared.github.levels().into_iter();
        let texts: Result<Vec<(u64, String)>, serde_json::Error> =
            levels.map(|(installation, level)| Ok((installation, serde_json::to_string(&level)?))).collect();
        let saved = match texts {
            Ok(levels) if levels.is_empty() => return,
            Ok(levels) => self.shared.store.limits_saved(&levels, clock::now()).await,
            Err(error) => Err(StoreError::Corrupt(error.to_string())),
        };
        if let Err(error) = saved {
            tracing::warn!(%error, "the level of GitHub's limits could not be stored; the next change tries again");
        }
    }
}
