//! Whether time has gone on without a break, as far as this process can tell: what a lease is judged by.
//!
//! A lease that ran out while nobody could renew it is not lost. So the store's clock counts only time in which this process ran, each tick reached the
//! store, and the wall clock (by which leases end) went as fast as the monotonic one. Everything else begins the count anew, and costs one lease of
//! waiting at most.

use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// The longest time between two ticks.
const EVERY: Duration = Duration::from_secs(5);
/// How far the wall clock may be from the monotonic one: less than every margin that runners keep.
const DRIFT: Duration = Duration::from_secs(1);

/// The ticks so far.
#[derive(Debug)]
pub(super) struct Continuity {
    lease: Duration,
    /// Both clocks when the count began.
    began: Option<(Timestamp, Instant)>,
    last: Option<Instant>,
}

impl Continuity {
    /// Before the first tick.
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, began: None, last: None }
    }

    /// Time between two ticks: several in the shortest time that a gap may last.
    pub(super) fn every(&self) -> Duration {
        EVERY.min(self.lease / 8)
    }

    /// A tick at this time of both clocks: whether it continues the ticks before.
    pub(super) fn tick(&mut self, wall: Timestamp, instant: Instant) -> bool {
        let gap = self.last.map(|last| instant.saturating_duration_since(last));
        let drift = self.began.map(|(wall_then, then)| {
            let by_wall = wall.duration_since(wall_then);
            let by_instant = SignedDuration::try_from(instant.saturating_duration_since(then));
            by_instant.map_or(SignedDuration::MAX, |by| by_wall.saturating_sub(by)).unsigned_abs()
        });
        self.last = Some(instant);
        let goes_on = gap.is_some_and(|gap| gap <= self.lease / 3)
            && drift.is_some_and(|drift| drift <= DRIFT.min(self.lease / 10));
        if !goes_on {
            self.began = Some((wall, instant));
        }
        goes_on
    }

    /// A tick did not reach the store.
    pub(super) fn broken(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const LEASE: Duration = Duration::from_secs(90);

    /// Ticks at (seconds by the wall, seconds by the monotonic clock), and whether each continues the one before.
    #[track_caller]
    fn check(ticks: &[(f64, f64, bool)]) {
        let (wall, instant) = (clock::now(), clock::instant());
        let mut continuity = Continuity::new(LEASE);
        for (n, (by_wall, by_instant, goes_on)) in ticks.iter().enumerate() {
            let wall = wall + SignedDuration::from_millis((by_wall * 1e3) as i64);
            let instant = instant + Duration::from_secs_f64(*by_instant);
            assert_eq!(continuity.tick(wall, instant), *goes_on, "tick {n}");
        }
    }

    #[test]
    fn ticks_without_a_break_count_from_the_first_on() {
        check(&[(0.0, 0.0, false), (5.0, 5.0, true), (10.2, 10.0, true), (25.0, 25.0, true)]);
    }

    #[test]
    fn a_gap_begins_anew() {
        check(&[(0.0, 0.0, false), (31.0, 31.0, false), (36.0, 36.0, true)]);
    }

    #[test]
    fn a_jump_of_the_wall_clock_begins_anew_in_either_direction() {
        check(&[(0.0, 0.0, false), (605.0, 5.0, false), (610.0, 10.0, true)]);
        check(&[(0.0, 0.0, false), (-595.0, 5.0, false), (-590.0, 10.0, true)]);
    }

    #[test]
    fn small_jumps_add_up() {
        check(&[(0.0, 0.0, false), (5.4, 5.0, true), (10.8, 10.0, true), (16.2, 15.0, false)]);
    }

    #[test]
    fn a_tick_that_failed_begins_anew() {
        let (wall, instant) = (clock::now(), clock::instant());
        let mut continuity = Continuity::new(LEASE);
        assert!(!continuity.tick(wall, instant));
        assert!(continuity.tick(wall, instant));
        continuity.broken();
        assert!(!continuity.tick(wall, instant));
        assert!(continuity.tick(wall, instant));
    }

    #[test]
    fn a_short_lease_is_ticked_more_often() {
        assert_eq!(Continuity::new(LEASE).every(), EVERY);
        assert_eq!(Continuity::new(Duration::from_secs(4)).every(), Duration::from_millis(500));
    }
}
