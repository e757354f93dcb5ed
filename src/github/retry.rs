//! The one place that repeats requests: what does no harm when it is done twice.

use super::error::{Error, Result};
use crate::clock;
use std::time::{Duration, Instant};

/// Repetitions, after the first try.
const RETRIES: u32 = 3;
/// The wait before the first repetition, on average; doubled each time.
const BACKOFF: Duration = Duration::from_millis(250);

/// A failure, and what the one who failed thinks of another try.
pub(super) enum Again {
    /// Useless.
    No(Error),
    /// After the usual wait.
    Soon(Error),
    /// After this wait.
    After(Error, Duration),
}

impl From<Error> for Again {
    /// Tries again what got no clear answer, and what was limited when the wait is short.
    fn from(error: Error) -> Self {
        match &error {
            Error::RateLimited { retry_at, .. } => {
                let left = Duration::try_from(retry_at.duration_since(clock::now()));
                Self::After(error, left.unwrap_or(Duration::ZERO))
            }
            Error::Unknown { .. } | Error::NotSent { .. } => Self::Soon(error),
            _ => Self::No(error),
        }
    }
}

/// The tries of one call.
pub(super) struct Tries {
    start: Instant,
    deadline: Duration,
    made: u32,
}

impl Tries {
    /// The last try begins before `deadline`.
    pub(super) fn within(deadline: Duration) -> Self {
        Self { start: clock::instant(), deadline, made: 0 }
    }

    /// Waits, jittered, before the next try; the error when there is none: it failed for good, was tried [`RETRIES`]
    /// times more, or the deadline would pass.
    pub(super) async fn another(&mut self, failed: Again) -> Result<()> {
        let backoff = BACKOFF.mul_f64((0.5 + clock::jitter()) * f64::from(1 << self.made));
        let (error, wait) = match failed {
            Again::No(error) => return Err(error),
            Again::Soon(error) => (error, backoff),
            Again::After(error, wait) => (error, backoff.max(wait)),
        };
        if self.made == RETRIES || clock::since(self.start) + wait >= self.deadline {
            return Err(error);
        }
        self.made += 1;
        tracing::debug!(error = %error, ?wait, "trying again");
        clock::sleep(wait).await;
        Ok(())
    }
}

/// Works until it succeeds or there are no more tries.
pub(super) async fn retry<T, W: Future<Output = Result<T>>>(
    deadline: Duration,
    mut work: impl FnMut() -> W,
) -> Result<T> {
    let mut tries = Tries::within(deadline);
    loop {
        match work().await {
            Ok(done) => return Ok(done),
            Err(error) => tries.another(error.into()).await?,
        }
    }
}
