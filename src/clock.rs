//! The one reader of wall time, the one sleeper and the one source of randomness.
//!
//! Everything else takes `now` as an argument. `clippy.toml` forbids the calls below elsewhere.

mod virtual_time;

use jiff::Timestamp;
use std::time::{Duration, Instant};

pub use virtual_time::{Entered, Virtual};

/// The wall clock, cut to whole milliseconds so that a value survives every store unchanged.
#[expect(clippy::disallowed_methods, reason = "this module is the one reader of wall time")]
pub fn now() -> Timestamp {
    if let Some(now) = virtual_time::now() {
        return now;
    }
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// A monotonic instant: for deadlines and durations, never for records.
#[expect(clippy::disallowed_methods, reason = "this module is the one reader of time")]
pub fn instant() -> Instant {
    virtual_time::instant().unwrap_or_else(Instant::now)
}

/// The machine's own clock: how long it has been up, sleep included. Every process of the machine reads the same, so a time on it means
/// the same to whoever hears of it, however late; no setting of the wall clock moves it.
#[expect(clippy::disallowed_methods, reason = "this module is the one reader of time")]
pub fn machine() -> Duration {
    virtual_time::machine().unwrap_or_else(|| {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    })
}

/// How long ago `earlier` was; zero if it is yet to come.
pub fn since(earlier: Instant) -> Duration {
    instant().saturating_duration_since(earlier)
}

/// Waits on the async runtime.
#[expect(clippy::disallowed_methods, reason = "this module is the one sleeper")]
pub async fn sleep(for_time: Duration) {
    match virtual_time::sleep(for_time) {
        Some(sleep) => sleep.await,
        None => tokio::time::sleep(for_time).await,
    }
}

/// Waits on this thread; only for threads that do nothing else.
#[expect(clippy::disallowed_methods, reason = "this module is the one sleeper")]
pub fn sleep_blocking(for_time: Duration) {
    std::thread::sleep(for_time);
}

/// Runs `work` with a deadline; `None` when it passed.
#[expect(clippy::disallowed_methods, reason = "this module is the one sleeper")]
pub async fn within<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    match virtual_time::sleep(limit) {
        None => tokio::time::timeout(limit, work).await.ok(),
        Some(sleep) => tokio::select! {
            biased;
            done = work => Some(done),
            () = sleep => None,
        },
    }
}

/// A new random UUID (v4) in hyphenated form, such as agents' session ids.
#[expect(clippy::disallowed_methods, reason = "this module is the one source of randomness")]
pub fn uuid() -> String {
    uuid::Uuid::new_v4().hyphenated().to_string()
}

/// A new time-ordered id (UUID v7) in simple form: `[0-9a-f]{32}`.
#[expect(clippy::disallowed_methods, reason = "this module is the one source of randomness")]
pub fn ordered_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// `n` random bytes as lower-case hexadecimal, for tokens; from the operating system's generator.
#[expect(clippy::disallowed_methods, reason = "this module is the one source of randomness")]
pub fn secret_hex(n: usize) -> String {
    let mut bytes = vec![0u8; n];
    rand::RngCore::fill_bytes(&mut rand::rng(), &mut bytes);
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A factor in `0.0..1.0` for jittered waits.
#[expect(clippy::disallowed_methods, reason = "this module is the one source of randomness")]
pub fn jitter() -> f64 {
    rand::Rng::random(&mut rand::rng())
}
