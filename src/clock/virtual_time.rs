//! Virtual time: a clock that stands still while anything happens and jumps to the next sleeper when nothing does.
//!
//! Whole nights of waiting (outages, back-offs, lags) pass in milliseconds, with the shipped code and real sockets. A thread that has
//! entered a [`Virtual`] clock reads and sleeps by it; all others are untouched. Who owns the clock calls [`Virtual::tick`] again and
//! again from a thread of its own. A tick that comes too early (a slow machine, work on a thread that has not entered) is never wrong,
//! only a network that was slower.

use jiff::{SignedDuration, Timestamp};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

thread_local! {
    static ENTERED: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// The clock as one thread sees it.
#[derive(Clone)]
struct Seen {
    clock: Virtual,
    /// How wrong this thread's wall clock is.
    skew: SignedDuration,
}

/// A clock that its owner moves. Clones are the same clock.
#[derive(Clone)]
pub struct Virtual {
    inner: Arc<Inner>,
}

struct Inner {
    /// What monotonic instants count from.
    base: Instant,
    start: Timestamp,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    /// Grows with every look at the clock and every new sleeper.
    touched: u64,
    /// `touched` at the last tick.
    seen: u64,
    next: u64,
    waiting: BTreeMap<(Duration, u64), Option<Waker>>,
}

/// While it lives, this thread is in virtual time.
#[must_use]
pub struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        ENTERED.set(None);
    }
}

impl Virtual {
    /// A clock that shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        let inner = Inner { base: super::instant(), start, state: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Puts this thread under the clock, until the result is dropped.
    pub fn enter(&self) -> Entered {
        self.enter_skewed(SignedDuration::ZERO)
    }

    /// The same with a wall clock that is wrong by `skew`.
    pub fn enter_skewed(&self, skew: SignedDuration) -> Entered {
        ENTERED.set(Some(Seen { clock: self.clone(), skew }));
        Entered(())
    }

    /// How much time has passed on it.
    pub fn elapsed(&self) -> Duration {
        self.state().elapsed
    }

    /// Moves to the next sleeper if nobody has looked at the clock since the last tick; says whether it moved. `limit` bounds the time
    /// that passes in all.
    pub fn tick(&self, limit: Duration) -> bool {
        let mut state = self.state();
        if state.touched != state.seen {
            state.seen = state.touched;
            return false;
        }
        match state.waiting.first_key_value() {
            Some(((at, _), _)) if *at <= limit => {
                let by = at.saturating_sub(state.elapsed);
                state.advance(by);
                true
            }
            _ => false,
        }
    }

    /// Lets `by` pass at once.
    pub fn skip(&self, by: Duration) {
        self.state().advance(by);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn advance(&mut self, by: Duration) {
        self.elapsed += by;
        self.touched += 1;
        let elapsed = self.elapsed;
        for waker in self.waiting.range_mut(..=(elapsed, u64::MAX)).filter_map(|(_, waker)| waker.take()) {
            waker.wake();
        }
    }
}

fn seen<T>(look: impl FnOnce(&Seen, &mut State) -> T) -> Option<T> {
    let seen = ENTERED.with_borrow(Clone::clone)?;
    let mut state = seen.clock.state();
    state.touched += 1;
    Some(look(&seen, &mut state))
}

/// The wall clock of this thread, if it is virtual.
pub(super) fn now() -> Option<Timestamp> {
    seen(|seen, state| {
        let passed = SignedDuration::try_from(state.elapsed).unwrap_or(SignedDuration::MAX);
        let now = seen.clock.inner.start.saturating_add(passed.saturating_add(seen.skew));
        now.ok()
            .and_then(|now| Timestamp::from_millisecond(now.as_millisecond()).ok())
            .unwrap_or(Timestamp::MAX)
    })
}

/// The monotonic clock of this thread, if it is virtual.
pub(super) fn instant() -> Option<Instant> {
    seen(|seen, state| seen.clock.inner.base + state.elapsed)
}

/// The machine's clock of this thread, if it is virtual: a machine that had been up for an hour when the clock was made.
pub(super) fn machine() -> Option<Duration> {
    seen(|_, state| state.elapsed + Duration::from_secs(3600))
}

/// A sleep on this thread's clock, if it is virtual.
pub(super) fn sleep(for_time: Duration) -> Option<Sleep> {
    seen(|seen, state| {
        let key = (state.elapsed.saturating_add(for_time), state.next);
        state.next += 1;
        state.waiting.insert(key, None);
        Sleep { clock: seen.clock.clone(), key }
    })
}

/// Ends when the clock has reached its time.
pub(super) struct Sleep {
    clock: Virtual,
    key: (Duration, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state();
        state.touched += 1;
        if state.elapsed >= self.key.0 {
            return Poll::Ready(());
        }
        state.waiting.insert(self.key, Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.state().waiting.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn hours_pass_when_nothing_happens_and_only_then() {
        let start = clock::now();
        let time = Virtual::starting_at(start);
        let entered = time.enter();
        let before = clock::instant();
        let (ticker, done) = (time.clone(), Arc::new(()));
        let running = Arc::downgrade(&done);
        let thread = std::thread::spawn(move || {
            while running.strong_count() > 0 {
                ticker.tick(HOUR * 100);
                clock::sleep_blocking(Duration::from_millis(1));
            }
        });
        clock::sleep(HOUR * 3).await;
        assert!(clock::within(HOUR, std::future::pending::<()>()).await.is_none());
        assert_eq!(clock::within(HOUR, async { 7 }).await, Some(7));
        assert_eq!(clock::since(before), HOUR * 4);
        assert_eq!(clock::now(), start + SignedDuration::from_hours(4));
        drop(done);
        thread.join().unwrap();
        drop(entered);
        assert!(clock::now() < start + SignedDuration::from_hours(1), "out of it, time is real again");
    }

    #[test]
    fn a_skewed_thread_sees_another_wall_clock_and_the_same_durations() {
        let time = Virtual::starting_at(clock::now());
        let right = {
            let _entered = time.enter();
            clock::now()
        };
        let _entered = time.enter_skewed(SignedDuration::from_mins(-5));
        assert_eq!(right.duration_since(clock::now()), SignedDuration::from_mins(5));
        let before = clock::instant();
        time.skip(HOUR);
        assert_eq!(clock::since(before), HOUR);
    }

    #[test]
    fn a_tick_after_a_look_moves_nothing_and_the_limit_holds() {
        let time = Virtual::starting_at(clock::now());
        let _entered = time.enter();
        let _asleep = sleep(HOUR);
        assert!(!time.tick(HOUR), "somebody was there");
        assert!(!time.tick(HOUR / 2), "beyond the limit");
        assert!(time.tick(HOUR));
        assert_eq!(time.elapsed(), HOUR);
    }
}
