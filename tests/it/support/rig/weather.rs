//! How the simulated GitHub behaves, decided by a seed.

use super::Dice;
use divisi::simulator::{FaultEffect, Weather};
use std::sync::Mutex;
use std::time::Duration;

/// Chances, in percent of the requests.
#[derive(Clone, Debug, Default)]
pub struct Sky {
    /// Decides everything below.
    pub seed: u64,
    /// Writes that are done and whose answer is lost.
    pub lost_answers: u64,
    /// Writes that never arrive (the connection is closed).
    pub lost_requests: u64,
    /// Writes that are done and answered with a 502.
    pub bad_gateways: u64,
    /// Reads that are answered with a 502.
    pub bad_reads: u64,
    /// Requests that take up to `slowness`.
    pub slow: u64,
    /// The most a slow request takes.
    pub slowness: Duration,
    /// The shortest and the longest that lists lag.
    pub least_lag: Duration,
    pub lag: Duration,
    /// Ends after so many requests; 0 for never.
    pub until: u64,
}

/// The weather of a hub; it changes with every run.
#[derive(Default)]
pub struct Storm(Mutex<(Sky, Option<Dice>, u64)>);

impl Storm {
    /// From now on.
    pub fn set(&self, sky: Sky) {
        let dice = Dice::new(sky.seed);
        *self.0.lock().unwrap() = (sky, Some(dice), 0);
    }
}

impl Weather for Storm {
    fn strikes(&self, method: &str, path: &str) -> Option<FaultEffect> {
        let mut state = self.0.lock().unwrap();
        let (sky, dice, requests) = &mut *state;
        let dice = dice.as_mut()?;
        *requests += 1;
        if sky.until > 0 && *requests > sky.until {
            return None;
        }
        let time = Duration::from_millis(1 + dice.roll(sky.slowness.as_millis() as u64));
        let is_slow = dice.percent(sky.slow);
        let is_write = method != "GET" && path.starts_with("/repos/");
        let roll = dice.roll(100);
        if is_write && roll < sky.lost_answers {
            return Some(if is_slow {
                FaultEffect::DelayThenDrop(time)
            } else {
                FaultEffect::DropAfterApplying
            });
        }
        if is_write && roll < sky.lost_answers + sky.lost_requests {
            return Some(FaultEffect::Drop);
        }
        if is_write && roll < sky.lost_answers + sky.lost_requests + sky.bad_gateways {
            return Some(FaultEffect::AnswerAfterApplying { status: 502 });
        }
        if method == "GET" && roll < sky.bad_reads {
            return Some(FaultEffect::AnswerAfterApplying { status: 502 });
        }
        is_slow.then_some(FaultEffect::Delay(time))
    }

    fn lag(&self, id: u64) -> Duration {
        let state = self.0.lock().unwrap();
        let (least, longest) = (state.0.least_lag, state.0.lag);
        let span = longest.saturating_sub(least).as_millis() as u64;
        least + Duration::from_millis(Dice::new(state.0.seed ^ id).roll(span))
    }
}
