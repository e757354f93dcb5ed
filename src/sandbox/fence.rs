//! The fence: until when the programs under it may run.
//!
//! Work that is done under a lease must stand still before the lease can be given to another host. So everything that is started under a fence freezes when
//! its time has come, goes on when it is moved on, and is killed when nobody moved it for too long. Two keep watch, each by itself: the launcher, and the
//! shim around each program, so that a runner that is stopped (SIGSTOP, a paused machine, a hang) keeps no agent alive past its lease.
//!
//! The time is one on the machine's clock, which is the same for every process: a word about it that is delivered late means what it meant when it was
//! written. "So many more seconds" would grow when its writer is stopped between looking at the clock and writing.

use crate::clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Shared by the lease's keeper and everything that runs under the lease. Clones are the same fence.
#[derive(Clone, Debug)]
pub struct Fence {
    at: Arc<watch::Sender<Duration>>,
    patience: Duration,
}

impl Fence {
    /// A fence at `at` (on [`clock::machine`]); what stands frozen behind it for longer than `patience` is killed.
    pub fn new(at: Duration, patience: Duration) -> Self {
        Self { at: Arc::new(watch::Sender::new(at)), patience }
    }

    /// Moves it on. Never back: two answers about the same lease may overtake each other.
    pub fn move_on(&self, at: Duration) {
        self.at.send_if_modified(|old| {
            let further = at > *old;
            *old = at.max(*old);
            further
        });
    }

    /// Where it stands, on [`clock::machine`].
    pub fn at(&self) -> Duration {
        *self.at.borrow()
    }

    /// How long what is frozen may stand behind it.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Whether its time has come.
    pub fn has_passed(&self) -> bool {
        clock::machine() >= self.at()
    }

    /// For how long its time has passed; zero before.
    pub fn passed_for(&self) -> Duration {
        clock::machine().saturating_sub(self.at())
    }

    /// Returns at once while its time has not come, else when it was moved on.
    pub async fn open(&self) {
        let mut moved = self.at.subscribe();
        while self.has_passed() {
            // The sender lives as long as this does.
            if moved.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn follow(&self) -> watch::Receiver<Duration> {
        self.at.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_moved_on_and_never_back() {
        let now = clock::machine();
        let fence = Fence::new(now, Duration::ZERO);
        assert!(fence.has_passed());
        let waits = tokio::spawn({
            let fence = fence.clone();
            async move { fence.open().await }
        });
        fence.move_on(now.saturating_sub(Duration::from_secs(5)));
        assert_eq!(fence.at(), now);
        fence.move_on(now + Duration::from_secs(60));
        clock::within(Duration::from_secs(5), waits).await.expect("it is open").unwrap();
        assert!(!fence.has_passed());
        assert_eq!(fence.passed_for(), Duration::ZERO);
    }
}
