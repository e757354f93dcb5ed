//! An installation's token: minted once however many calls wait for it, and replaced in time.

use super::{Error, Result};
use secrecy::SecretString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A token is replaced when this much of its life is left, so that no call starts with one that ends soon.
/// Of a token that lives shorter (a test, an odd server) the last half.
const MARGIN: Duration = Duration::from_mins(5);
/// For so long after minting, some of GitHub's replicas may not know a token and answer 401, 403 or 404.
const SETTLES: Duration = Duration::from_secs(5);

/// A token as it was minted. Its life is measured by the monotonic clock: GitHub says how long it lives by its
/// own clock, and ours may be wrong or be set right meanwhile.
#[derive(Clone)]
pub(super) struct Minted {
    pub(super) token: SecretString,
    pub(super) minted_at: Instant,
    pub(super) life: Duration,
}

impl Minted {
    fn fresh(&self, now: Instant) -> bool {
        let margin = MARGIN.min(self.life / 2);
        now.saturating_duration_since(self.minted_at) + margin < self.life
    }

    /// Whether a refusal may only mean that GitHub does not know the token everywhere yet.
    pub(super) fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.minted_at) < SETTLES
    }
}

/// The cache. The lock is held while a token is minted: that is the single flight.
#[derive(Default)]
pub(super) struct TokenCache {
    slot: Mutex<Slot>,
    /// How often minting has failed; with it, those who waited for a failed flight share its error.
    failures: AtomicU64,
}

#[derive(Default)]
struct Slot {
    /// Counts the tokens, so that a refusal of an old one does not throw away its successor.
    generation: u64,
    token: Option<Minted>,
    failed: Option<Error>,
}

impl TokenCache {
    /// The next call takes a new token: what this one may do was settled when it was minted.
    pub(super) async fn forget(&self) {
        self.slot.lock().await.token = None;
    }

    /// A token that is good now, and its generation. `refused` is the generation that GitHub just answered
    /// with 401; if it is still the current one, it is replaced. `mint` has its own deadline.
    pub(super) async fn get<F, M>(&self, now: Instant, refused: Option<u64>, mint: F) -> Result<(Minted, u64)>
    where
        F: FnOnce() -> M,
        M: Future<Output = Result<Minted>>,
    {
        let failures = self.failures.load(Ordering::Acquire);
        let mut slot = self.slot.lock().await;
        let current = slot.token.as_ref().filter(|t| t.fresh(now) && refused != Some(slot.generation));
        if let Some(token) = current {
            return Ok((token.clone(), slot.generation));
        }
        if self.failures.load(Ordering::Acquire) != failures
            && let Some(error) = &slot.failed
        {
            return Err(error.clone());
        }
        slot.token = None;
        let token = match mint().await {
            Ok(token) => token,
            Err(error) => {
                slot.failed = Some(error.clone());
                self.failures.fetch_add(1, Ordering::Release);
                return Err(error);
            }
        };
        slot.generation += 1;
        slot.token = Some(token.clone());
        Ok((token, slot.generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn lasting(seconds: u64) -> Minted {
        let life = Duration::from_secs(seconds);
        Minted { token: SecretString::from("ghs_test"), minted_at: clock::instant(), life }
    }

    #[test]
    fn five_minutes_before_the_end_or_at_half_life() {
        let hour = lasting(3600);
        assert!(hour.fresh(hour.minted_at + Duration::from_secs(3299)));
        assert!(!hour.fresh(hour.minted_at + Duration::from_secs(3300)));
        let short = lasting(30);
        assert!(short.fresh(short.minted_at));
        assert!(!short.fresh(short.minted_at + Duration::from_secs(15)));
        assert!(hour.is_young(hour.minted_at + Duration::from_secs(4)));
        assert!(!hour.is_young(hour.minted_at + Duration::from_secs(5)));
    }

    #[tokio::test]
    async fn the_refusal_of_an_old_token_keeps_its_successor() {
        let cache = TokenCache::default();
        let now = clock::instant();
        let (_, first) = cache.get(now, None, || async { Ok(lasting(3600)) }).await.unwrap();
        let (_, second) = cache.get(now, Some(first), || async { Ok(lasting(3600)) }).await.unwrap();
        assert_ne!(first, second);
        let never = || async { panic!("minted again") };
        let (_, third) = cache.get(now, Some(first), never).await.unwrap();
        assert_eq!(third, second);
    }
}
