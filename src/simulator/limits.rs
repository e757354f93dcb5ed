//! GitHub's limits beside the hourly one, and a record of who asks while being told not to.

use super::refusal::Refusal;
use super::world::World;
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;

/// What an installation may do (docs, "Rate limits for the REST API").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Issues, comments, pull requests and links made in a minute.
    pub creations_per_minute: usize,
    /// The same in an hour.
    pub creations_per_hour: usize,
    /// Points in a minute: a read is 1, a write 5.
    pub points_per_minute: u32,
    /// Requests at the same time.
    pub in_flight: u32,
    /// Whether a refusal says how long to wait; GitHub does not always.
    pub says_how_long: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            creations_per_minute: 80,
            creations_per_hour: 500,
            points_per_minute: 900,
            in_flight: 100,
            says_how_long: true,
        }
    }
}

/// A request in a time in which its installation had been told to send none.
#[derive(Clone, Debug)]
pub struct Violation {
    /// When it came in.
    pub at: Timestamp,
    /// Until when there should have been none.
    pub until: Timestamp,
    /// The installation.
    pub installation: u64,
    /// Method and path.
    pub request: String,
}

/// What an installation has used.
#[derive(Default)]
pub(super) struct Ledger {
    creations: VecDeque<Timestamp>,
    spent: VecDeque<(Timestamp, u32)>,
    in_flight: u32,
    /// When it was told to be quiet, and until when.
    quiet: Option<(Timestamp, Timestamp)>,
}

/// A secondary limit lasts so long.
const QUIET: SignedDuration = SignedDuration::from_secs(60);
/// What was on its way when the answer was given is no violation.
const ON_THE_WAY: SignedDuration = SignedDuration::from_secs(2);

impl Ledger {
    /// Until when there must be no request, for one that comes in now.
    fn forbidden(&self, now: Timestamp) -> Option<Timestamp> {
        let (told, until) = self.quiet?;
        (now < until && now.duration_since(told) > ON_THE_WAY).then_some(until)
    }

    fn spend(&mut self, limits: &Limits, now: Timestamp, write: bool, creates: bool) -> bool {
        let minute = now - SignedDuration::from_mins(1);
        let hour = now - SignedDuration::from_hours(1);
        while self.creations.front().is_some_and(|t| *t <= hour) {
            self.creations.pop_front();
        }
        while self.spent.front().is_some_and(|(t, _)| *t <= minute) {
            self.spent.pop_front();
        }
        let points: u32 = self.spent.iter().map(|(_, points)| points).sum();
        let cost = if write { 5 } else { 1 };
        let lately = self.creations.iter().filter(|t| **t > minute).count();
        let too_much = points + cost > limits.points_per_minute
            || self.in_flight > limits.in_flight
            || (creates
                && (lately >= limits.creations_per_minute
                    || self.creations.len() >= limits.creations_per_hour));
        if !too_much {
            self.spent.push_back((now, cost));
            if creates {
                self.creations.push_back(now);
            }
        }
        !too_much
    }
}

impl World {
    /// A request of an installation came in.
    pub(super) fn arrived(&mut self, installation: u64, method: &str, path: &str, now: Timestamp) {
        let ledger = self.ledgers.entry(installation).or_default();
        ledger.in_flight += 1;
        if let Some(until) = ledger.forbidden(now) {
            let request = format!("{method} {path}");
            self.violations.push(Violation { at: now, until, installation, request });
        }
    }

    /// It was answered, or its connection was closed.
    pub(super) fn left(&mut self, installation: u64) {
        let ledger = self.ledgers.entry(installation).or_default();
        ledger.in_flight = ledger.in_flight.saturating_sub(1);
    }

    /// Refuses what is too much; a refused request costs nothing. The second part is `retry-after`.
    pub(super) fn within_limits(
        &mut self,
        installation: u64,
        method: &str,
        path: &str,
        now: Timestamp,
    ) -> Result<(), (Refusal, Option<i64>)> {
        let Some(limits) = self.options.limits else { return Ok(()) };
        let made = ["/issues", "/comments", "/pulls", "/sub_issues", "/blocked_by"];
        let creates = method == "POST" && made.iter().any(|end| path.ends_with(end));
        let ledger = self.ledgers.entry(installation).or_default();
        let closed = ledger.quiet.is_some_and(|(_, until)| now < until);
        if !closed && ledger.spend(&limits, now, method != "GET", creates) {
            return Ok(());
        }
        let message =
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        Err((Refusal::new(403, message), limits.says_how_long.then_some(QUIET.as_secs())))
    }

    /// An answer went to an installation: if it says to be quiet, that is remembered.
    pub(super) fn told<'a>(
        &mut self,
        installation: u64,
        status: u16,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
        now: Timestamp,
    ) {
        let (mut wait, mut remaining, mut reset) = (None, None, None);
        for (name, value) in headers {
            let number = value.parse::<i64>().ok();
            match name {
                "retry-after" => wait = number,
                "x-ratelimit-remaining" => remaining = number,
                "x-ratelimit-reset" => reset = number,
                _ => {}
            }
        }
        let limited = matches!(status, 403 | 429);
        let until = match (wait.filter(|_| limited), remaining, reset) {
            (Some(wait), ..) => now.checked_add(SignedDuration::from_secs(wait)).ok(),
            (None, Some(0), Some(reset)) => Timestamp::from_second(reset).ok(),
            _ => None,
        };
        if let Some(until) = until {
            self.quiet(installation, now, until);
        }
    }

    /// A secondary limit was told without saying how long: GitHub's documentation asks for a minute.
    pub(super) fn told_unsaid(&mut self, installation: u64, now: Timestamp) {
        self.quiet(installation, now, now + QUIET);
    }

    fn quiet(&mut self, installation: u64, now: Timestamp, until: Timestamp) {
        let ledger = self.ledgers.entry(installation).or_default();
        ledger.quiet = match ledger.quiet {
            // It has been told before; those who did not listen then are no better off.
            Some((told, before)) if now < before => Some((told, before.max(until))),
            _ => Some((now, until)),
        };
    }

    /// Requests that came in while their installation had been told to send none; what was on its way then is not
    /// among them.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_move_on_and_what_is_refused_costs_nothing() {
        let start: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let at = |second| start + SignedDuration::from_secs(second);
        let limits = Limits { creations_per_minute: 2, creations_per_hour: 3, ..Limits::default() };
        let mut ledger = Ledger::default();
        let mut create = |second| ledger.spend(&limits, at(second), true, true);
        assert_eq!(
            [create(0), create(30), create(59), create(60), create(61)],
            [true, true, false, true, false]
        );
        assert_eq!([create(3599), create(3600), create(3601)], [false, true, false]);
        let limits = Limits { points_per_minute: 10, ..Limits::default() };
        let mut ledger = Ledger::default();
        let mut spend = |second, write| ledger.spend(&limits, at(second), write, false);
        assert_eq!(
            [spend(0, true), spend(1, false), spend(2, true), spend(60, true)],
            [true, true, false, true]
        );
        ledger.in_flight = 101;
        assert!(!ledger.spend(&limits, at(200), false, false));
    }

    #[test]
    fn a_window_that_was_told_is_forbidden_after_what_was_on_its_way() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let until = now + QUIET;
        let ledger = Ledger { quiet: Some((now, until)), ..Ledger::default() };
        let forbidden = |second| ledger.forbidden(now + SignedDuration::from_secs(second)).is_some();
        assert_eq!([forbidden(2), forbidden(3), forbidden(59), forbidden(60)], [false, true, true, false]);
    }
}
