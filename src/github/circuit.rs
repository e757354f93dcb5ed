//! When GitHub gives no clear answer again and again, it is left alone: a circuit for each installation, and one
//! for the App's own calls.
//!
//! Open, it lets one request through after each gap (whatever wants to go first), and answers all others with the
//! time to come back. The first clear answer closes it; a refusal is one.

use super::limiter::after;
use super::transport::Answer;
use super::{Error, Result};
use crate::clock;
use jiff::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row that open it. A single endpoint that times out among others that answer does not.
const OPENS_AFTER: u32 = 5;
/// The least time between two requests while it is open.
const LEAST_GAP: Duration = Duration::from_secs(30);
/// The gaps grow to this, so that the end of an outage is noticed within some minutes at most.
const LARGEST_GAP: Duration = Duration::from_secs(120);

/// The circuit.
#[derive(Default)]
pub(super) struct Circuit {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Requests without a clear answer since the last clear one.
    failures: u32,
    open: Option<Open>,
}

struct Open {
    /// Not before this may the next request go out.
    next: Instant,
    gap: Duration,
}

impl Circuit {
    /// Whether a request would be let through now; takes no turn.
    pub(super) fn check(&self, op: &'static str) -> Result<()> {
        match self.state().shut(clock::instant()) {
            None => Ok(()),
            Some(left) => Err(unavailable(op, left)),
        }
    }

    /// Lets a request through, or says when to come back. Who is let through sends at once and tells the outcome.
    pub(super) fn enter(&self, op: &'static str) -> Result<()> {
        let now = clock::instant();
        let mut state = self.state();
        if let Some(left) = state.shut(now) {
            return Err(unavailable(op, left));
        }
        if let Some(open) = &mut state.open {
            open.gap = open.gap.mul_f64(1.5).min(LARGEST_GAP);
            open.next = now + jittered(open.gap);
        }
        Ok(())
    }

    /// What came of a request that was let through.
    pub(super) fn told(&self, outcome: &Result<Answer>) {
        let mut state = self.state();
        if clear(outcome) {
            if state.open.take().is_some() {
                tracing::info!("GitHub answers again");
            }
            state.failures = 0;
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= OPENS_AFTER && state.open.is_none() {
            tracing::warn!(
                failures = state.failures,
                "GitHub gives no clear answers; it is asked twice a minute at most until it does"
            );
            state.open = Some(Open { next: clock::instant() + jittered(LEAST_GAP), gap: LEAST_GAP });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How long nothing may go out; `None` when something may.
    fn shut(&self, now: Instant) -> Option<Duration> {
        let left = self.open.as_ref()?.next.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

/// An answer of GitHub itself, of whatever kind; a gateway's error is none.
fn clear(outcome: &Result<Answer>) -> bool {
    outcome.as_ref().is_ok_and(|answer| !answer.status.is_server_error() && answer.status.as_u16() != 408)
}

/// Never shorter, a quarter longer at most: those who wait for one GitHub should not come together.
fn jittered(gap: Duration) -> Duration {
    gap.mul_f64(1.0 + clock::jitter() / 4.0)
}

fn unavailable(op: &'static str, left: Duration) -> Error {
    // Records keep whole milliseconds; who comes back must not be early.
    let retry_at: Timestamp = after(clock::now(), left + Duration::from_millis(1));
    Error::Unavailable { op, retry_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use clock::Virtual;
    use http::{HeaderMap, StatusCode};

    fn answered(status: StatusCode) -> Result<Answer> {
        Ok(Answer { status, headers: HeaderMap::new(), body: Bytes::new() })
    }

    fn lost() -> Result<Answer> {
        Err(Error::Unknown { op: "x", why: "reset".to_owned() })
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_one_clear_answer_closes_it() {
        let time = Virtual::starting_at(clock::now());
        let _entered = time.enter();
        let circuit = Circuit::default();
        for outcome in [lost(), lost(), lost(), lost(), answered(StatusCode::NOT_FOUND), lost(), lost()] {
            circuit.enter("x").unwrap();
            circuit.told(&outcome);
        }
        for _ in 0..3 {
            circuit.enter("x").unwrap();
            circuit.told(&answered(StatusCode::BAD_GATEWAY));
        }
        let Err(Error::Unavailable { retry_at, .. }) = circuit.enter("x") else { panic!("closed") };
        let left = retry_at.duration_since(clock::now()).as_secs();
        assert!((30..=38).contains(&left), "{left}");
        time.skip(Duration::from_secs(38));
        circuit.check("x").unwrap();
        circuit.enter("x").unwrap();
        assert!(circuit.check("x").is_err(), "one at a time");
        circuit.told(&answered(StatusCode::FORBIDDEN));
        circuit.enter("x").unwrap();
        circuit.enter("x").unwrap();
    }

    #[test]
    fn while_it_is_open_two_requests_are_half_a_minute_apart_and_two_and_a_half_at_most() {
        let time = Virtual::starting_at(clock::now());
        let _entered = time.enter();
        let circuit = Circuit::default();
        (0..5).for_each(|_| circuit.told(&lost()));
        let mut sent = Vec::new();
        for _ in 0..7200 {
            time.skip(Duration::from_secs(1));
            if circuit.enter("x").is_ok() {
                sent.push(time.elapsed());
                circuit.told(&lost());
            }
        }
        let gaps: Vec<u64> = sent.windows(2).map(|w| (w[1] - w[0]).as_secs()).collect();
        assert!(gaps.len() > 40 && gaps.iter().all(|gap| (30..=151).contains(gap)), "{gaps:?}");
    }
}
