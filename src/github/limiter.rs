//! One limiter per installation: what we send, and what GitHub has forbidden for now.

use super::level::{Level, Quiet};
use super::transport::Limit;
use crate::clock;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How fast one installation is used. The defaults stay below GitHub's published limits (80 content creations
/// a minute and 500 an hour, 100 requests in flight, 900 points a minute of which a write costs 5).
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Writes that may go out at once after a rest.
    pub write_burst: u32,
    /// Writes per second in the long run.
    pub writes_per_second: f64,
    /// Things created (issues, comments, pull requests, links) in any minute.
    pub creates_per_minute: usize,
    /// Things created in any hour.
    pub creates_per_hour: usize,
    /// Requests in flight.
    pub in_flight: usize,
    /// The longest wait inside a call; beyond it the call is refused with the time to come back.
    pub max_wait: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            write_burst: 30,
            writes_per_second: 1.0,
            creates_per_minute: 60,
            creates_per_hour: 400,
            in_flight: 10,
            max_wait: Duration::from_secs(20),
        }
    }
}

impl Pace {
    /// The default pace for 60 writes a minute, and as much faster or slower as asked.
    pub fn of(writes_per_minute: u32) -> Self {
        let usual = Self::default();
        let factor = f64::from(writes_per_minute.max(1)) / 60.0;
        let times = |n: usize| ((n as f64 * factor).ceil() as usize).max(1);
        Self {
            write_burst: (f64::from(usual.write_burst) * factor).ceil() as u32,
            writes_per_second: usual.writes_per_second * factor,
            creates_per_minute: times(usual.creates_per_minute),
            creates_per_hour: times(usual.creates_per_hour),
            ..usual
        }
    }
}

/// What a request costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// A read.
    Read,
    /// A change of something that exists.
    Write,
    /// A write that makes something new, which GitHub counts apart.
    Create,
}

/// The limiter: a token bucket for writes, sliding windows for creates, and the time until which GitHub wants
/// nothing at all. Starts half full, or with less if the last life left less: a process that crashes in a loop
/// must not get a burst each time.
pub(super) struct Limiter {
    pace: Pace,
    slots: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    /// Writes that may go out now; negative when some are already promised.
    tokens: f64,
    filled_at: Instant,
    /// When each create of the last hour goes or went out, in order.
    creates: VecDeque<Instant>,
    quiet: Quiet,
}

impl Limiter {
    /// Goes on at the level that the last life left, if one is known.
    pub(super) fn new(pace: Pace, left: Option<&Level>) -> Self {
        let now = clock::instant();
        let full = State {
            tokens: f64::from(pace.write_burst) / 2.0,
            filled_at: now,
            creates: VecDeque::new(),
            quiet: Quiet::default(),
        };
        let state = match left {
            None => full,
            Some(level) => {
                let away = level.away(clock::now()).as_secs_f64();
                State {
                    tokens: full.tokens.min(level.tokens + away * pace.writes_per_second),
                    creates: level.creates(now, clock::now()),
                    quiet: level.quiet(now, clock::now()),
                    ..full
                }
            }
        };
        Self { pace, slots: Arc::new(Semaphore::new(pace.in_flight.max(1))), state: Mutex::new(state) }
    }

    /// Waits for a turn. `Err` is the time to come back when the wait would be too long; nothing is sent
    /// then. The permit is held until the answer is read.
    pub(super) async fn turn(&self, cost: Cost) -> Result<OwnedSemaphorePermit, Timestamp> {
        let promised = self.state().promise(cost, &self.pace, clock::instant());
        let wait = promised.map_err(|wait| after(clock::now(), wait))?;
        if !wait.is_zero() {
            clock::sleep(wait).await;
        }
        let slot = clock::within(self.pace.max_wait, self.slots.clone().acquire_owned()).await;
        let Some(Ok(permit)) = slot else { return Err(after(clock::now(), self.pace.max_wait)) };
        // GitHub may have closed the door while we stood in the queue.
        loop {
            let left = self.state().quiet.left(clock::instant());
            if left.is_zero() {
                return Ok(permit);
            }
            if left > self.pace.max_wait {
                return Err(after(clock::now(), left));
            }
            clock::sleep(left).await;
        }
    }

    /// GitHub wants nothing for some time; returns when it is over.
    pub(super) fn close(&self, limit: Limit) -> Timestamp {
        let left = self.state().quiet.close(limit, clock::instant());
        after(clock::now(), left)
    }

    /// GitHub answered without a limit.
    pub(super) fn answered(&self) {
        self.state().quiet.answered();
    }

    /// What the next life should know.
    pub(super) fn level(&self) -> Level {
        let state = self.state();
        let (now, wall) = (clock::instant(), clock::now());
        let tokens = state.tokens_at(&self.pace, now);
        Level::of(tokens, &state.creates, &state.quiet, now, wall)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tokens_at(&self, pace: &Pace, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.filled_at).as_secs_f64() * pace.writes_per_second;
        (self.tokens + gained).min(f64::from(pace.write_burst))
    }

    /// Books one request and says how long it must wait, or how long it would have to without booking it.
    fn promise(&mut self, cost: Cost, pace: &Pace, now: Instant) -> Result<Duration, Duration> {
        let mut wait = self.quiet.left(now);
        if cost != Cost::Read {
            self.tokens = self.tokens_at(pace, now);
            self.filled_at = now;
            let missing = 1.0 - self.tokens;
            if missing > 0.0 {
                let seconds = missing / pace.writes_per_second.max(1e-3);
                wait = wait.max(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
            }
        }
        if cost == Cost::Create {
            wait = wait.max(self.create_wait(pace, now));
        }
        if wait > pace.max_wait {
            return Err(wait);
        }
        if cost != Cost::Read {
            self.tokens -= 1.0;
        }
        if cost == Cost::Create {
            self.creates.push_back(now + wait);
        }
        Ok(wait)
    }

    /// How long until neither window holds too many creates.
    fn create_wait(&mut self, pace: &Pace, now: Instant) -> Duration {
        const MINUTE: Duration = Duration::from_secs(60);
        while self.creates.front().is_some_and(|t| now.saturating_duration_since(*t) >= super::level::HOUR) {
            self.creates.pop_front();
        }
        let until_free = |limit: usize, window: Duration| {
            // The create that must have left the window before the next one may go out.
            let nth = self.creates.len().checked_sub(limit.max(1));
            nth.and_then(|i| self.creates.get(i))
                .map_or(Duration::ZERO, |t| (*t + window).saturating_duration_since(now))
        };
        until_free(pace.creates_per_minute, MINUTE).max(until_free(pace.creates_per_hour, super::level::HOUR))
    }
}

/// `wall` plus `wait`, for people and stores.
pub(super) fn after(wall: Timestamp, wait: Duration) -> Timestamp {
    wall.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(tokens: f64, now: Instant) -> State {
        State { tokens, filled_at: now, creates: VecDeque::new(), quiet: Quiet::default() }
    }

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_burst_then_one_a_second() {
        let start = clock::instant();
        let pace = Pace::default();
        let mut state = state(3.0, start);
        let mut next = |at| state.promise(Cost::Write, &pace, start + at).unwrap();
        assert_eq!([next(second(0)), next(second(0)), next(second(0))], [Duration::ZERO; 3]);
        assert_eq!(next(second(0)), second(1));
        assert_eq!(next(second(0)), second(2));
        assert_eq!(next(second(2)), second(1), "two are promised, two seconds have passed");
        assert_eq!(next(second(60)), Duration::ZERO);
    }

    #[test]
    fn reads_cost_nothing_and_a_wait_that_is_too_long_books_nothing() {
        let start = clock::instant();
        let pace = Pace { max_wait: second(1), ..Pace::default() };
        let mut state = state(0.0, start);
        assert_eq!(state.promise(Cost::Read, &pace, start), Ok(Duration::ZERO));
        assert_eq!(state.promise(Cost::Write, &pace, start), Ok(second(1)));
        for _ in 0..3 {
            assert_eq!(state.promise(Cost::Write, &pace, start), Err(second(2)));
        }
    }

    #[test]
    fn no_minute_holds_more_creates_than_allowed_whatever_the_bucket_holds() {
        let start = clock::instant();
        let pace = Pace { write_burst: 1000, max_wait: second(7200), ..Pace::default() };
        let mut state = state(1000.0, start);
        let out: Vec<Duration> =
            (0..500).map(|_| state.promise(Cost::Create, &pace, start).unwrap()).collect();
        for window in out.windows(61) {
            assert!(window[60] - window[0] >= second(60));
        }
        for window in out.windows(401) {
            assert!(window[400] - window[0] >= second(3600));
        }
        assert_eq!(out[59], Duration::ZERO);
        assert_eq!(state.promise(Cost::Write, &pace, start), Ok(Duration::ZERO), "edits are no creates");
    }

    #[test]
    fn nothing_goes_out_while_github_is_closed() {
        let start = clock::instant();
        let pace = Pace::default();
        let mut state = state(30.0, start);
        state.quiet.close(Limit::For(second(90)), start);
        assert_eq!(state.promise(Cost::Read, &pace, start), Err(second(90)));
        assert_eq!(state.promise(Cost::Read, &pace, start + second(80)), Ok(second(10)));
        assert_eq!(state.promise(Cost::Read, &pace, start + second(90)), Ok(Duration::ZERO));
    }

    #[test]
    fn the_next_life_goes_on_where_the_last_one_was_cut_off() {
        let time = clock::Virtual::starting_at(clock::now());
        let _entered = time.enter();
        let pace = Pace { max_wait: second(7200), ..Pace::default() };
        let fresh = Limiter::new(pace, None);
        assert_eq!(fresh.state().tokens, 15.0, "half full");
        for _ in 0..70 {
            fresh.state().promise(Cost::Create, &pace, clock::instant()).unwrap();
        }
        fresh.close(Limit::Unsaid);
        let text = serde_json::to_string(&fresh.level()).unwrap();
        let level: Level = serde_json::from_str(&text).unwrap();
        // Killed and started again ten seconds later.
        time.skip(second(10));
        let next = Limiter::new(pace, Some(&level));
        assert_eq!(next.state().tokens, 15.0 - 70.0 + 10.0);
        assert_eq!(next.state().quiet.left(clock::instant()), second(50));
        let wait = next.state().promise(Cost::Create, &pace, clock::instant()).unwrap();
        assert_eq!(wait, second(50), "when those of the first minute have left their window");
        time.skip(second(50));
        assert_eq!(next.close(Limit::Unsaid), after(clock::now(), second(120)), "longer the second time");
        // However long it was away, it starts half full.
        time.skip(second(100_000));
        assert_eq!(Limiter::new(pace, Some(&level)).state().tokens, 15.0);
        assert!(Limiter::new(pace, Some(&level)).state().creates.is_empty());
    }
}
