//! What a limiter knows, in a form that outlives the process.

use super::transport::Limit;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The longer of the two windows in which creates are counted.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// What to wait when GitHub limits without saying how long; doubled each time.
const UNSAID: Duration = Duration::from_secs(60);
/// The longest of these waits.
const LONGEST_UNSAID: Duration = Duration::from_secs(3600);
/// No limit of GitHub lasts longer; a stored one that does was written by a clock that was wrong.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How much of GitHub's limits an installation has used up, as plain data. The next life of the process starts with it
/// (see [`super::App::restore_levels`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Writes that may go out at once; negative when more are promised.
    pub tokens: f64,
    /// When that was so.
    pub at: Timestamp,
    /// When the creates of the last hour went out or will.
    pub creates: Vec<Timestamp>,
    /// Until when GitHub wants nothing.
    pub closed_until: Option<Timestamp>,
    /// Limits in a row for which GitHub did not say how long.
    pub unsaid: u32,
}

/// When GitHub wants nothing at all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet {
    until: Option<Instant>,
    unsaid: u32,
}

impl Quiet {
    /// Returns how long it lasts. Times only move forward, so a late answer shortens nothing.
    pub(super) fn close(&mut self, limit: Limit, now: Instant) -> Duration {
        let wait = match limit {
            Limit::For(wait) => wait,
            // One limit, told to all that were on the way, is one.
            Limit::Unsaid if !self.left(now).is_zero() => self.left(now),
            Limit::Unsaid => {
                self.unsaid = self.unsaid.saturating_add(1);
                UNSAID.saturating_mul(1 << (self.unsaid - 1).min(6)).min(LONGEST_UNSAID)
            }
        };
        self.until = self.until.max(Some(now + wait));
        self.left(now)
    }

    /// An answer without a limit: the next unsaid limit is a new one.
    pub(super) fn answered(&mut self) {
        self.unsaid = 0;
    }

    /// How long it still lasts.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

impl Level {
    pub(super) fn of(
        tokens: f64,
        creates: &VecDeque<Instant>,
        quiet: &Quiet,
        now: Instant,
        wall: Timestamp,
    ) -> Self {
        let at = |time: Instant| match time.checked_duration_since(now) {
            Some(ahead) => wall.checked_add(ahead).unwrap_or(wall),
            None => wall.checked_sub(now.saturating_duration_since(time)).unwrap_or(wall),
        };
        let recent = creates.iter().filter(|t| now.saturating_duration_since(**t) < HOUR);
        let left = quiet.left(now);
        Self {
            tokens,
            at: wall,
            creates: recent.map(|t| at(*t)).collect(),
            closed_until: (!left.is_zero()).then(|| at(now + left)),
            unsaid: quiet.unsaid,
        }
    }

    /// How long ago it was taken; zero if the clock says that it is yet to come.
    pub(super) fn away(&self, wall: Timestamp) -> Duration {
        Duration::try_from(wall.duration_since(self.at)).unwrap_or(Duration::ZERO)
    }

    /// The creates by this process's monotonic clock, in order. One that is promised for later stays
    /// so, for an hour at most: beyond it, the clock was wrong.
    pub(super) fn creates(&self, now: Instant, wall: Timestamp) -> VecDeque<Instant> {
        let when = |t: &Timestamp| {
            let age = wall.duration_since(*t);
            match Duration::try_from(age) {
                Ok(age) => now.checked_sub(age).unwrap_or(now),
                Err(_) => now + Duration::try_from(-age).unwrap_or(Duration::ZERO).min(HOUR),
            }
        };
        let mut creates: Vec<Instant> = self.creates.iter().map(when).collect();
        creates.sort_unstable();
        creates.into_iter().filter(|t| now.saturating_duration_since(*t) < HOUR).collect()
    }

    pub(super) fn quiet(&self, now: Instant, wall: Timestamp) -> Quiet {
        let left = self.closed_until.and_then(|until| Duration::try_from(until.duration_since(wall)).ok());
        Quiet { until: left.map(|left| now + left.min(LONGEST)), unsaid: self.unsaid }
    }
}
