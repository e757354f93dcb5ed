//! Trouble that lasts: outages, answers that get lost, lists that lag. All of it is seeded, so that a bad night can be
//! had again.

use super::service::Simulator;
use super::world::World;
use crate::clock;
use jiff::Timestamp;
use std::time::Duration;

/// A time in which nothing is answered.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// When it begins, by the simulator's clock.
    pub from: Timestamp,
    /// When it is over.
    pub until: Timestamp,
    /// How it shows.
    pub kind: OutageKind,
}

/// How an outage shows to those who ask. Nothing is done in any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageKind {
    /// A gateway answers 502 with a page.
    BadGateway,
    /// There is no answer, and the connection stays open.
    Silent,
    /// The connection is closed without an answer.
    Reset,
    /// Nobody listens: connections are refused, and the open ones are cut.
    Refused,
}

/// A request as it came in, also when it was not answered.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When.
    pub at: Timestamp,
    /// The installation whose token it carried, or whose token it asked for.
    pub installation: Option<u64>,
    /// Upper-case method.
    pub method: String,
    /// Path without the query.
    pub path: String,
}

/// What goes wrong for longer than one request.
#[derive(Default)]
pub(super) struct Trouble {
    outages: Vec<Outage>,
    /// Percentage, and the state of the generator.
    losses: Option<(u8, u64)>,
    /// Longest lag, and the seed.
    lag: Option<(Duration, u64)>,
    pub arrivals: Vec<Arrival>,
}

impl Trouble {
    /// The outage of this time.
    pub fn outage(&self, now: Timestamp) -> Option<Outage> {
        self.outages.iter().find(|o| o.from <= now && now < o.until).copied()
    }

    /// The next time in which connections are refused, or the present one.
    pub fn next_refusal(&self, now: Timestamp) -> Option<Outage> {
        let refusals = self.outages.iter().filter(|o| o.kind == OutageKind::Refused && now < o.until);
        refusals.min_by_key(|o| o.from).copied()
    }

    /// Whether the answer to this write gets lost.
    pub fn loses(&mut self) -> bool {
        let Some((percent, state)) = &mut self.losses else { return false };
        *state = state.wrapping_add(1);
        mixed(*state) % 100 < u64::from(*percent)
    }
}

impl World {
    /// Whether lists show an object by now; by its number or id it is there at once.
    pub(super) fn is_listed(&self, id: u64, created_at: Timestamp) -> bool {
        let Some((longest, seed)) = self.trouble.lag else { return true };
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).max(1);
        let lag = Duration::from_millis(mixed(seed ^ id) % longest);
        created_at.checked_add(lag).is_ok_and(|shown| shown <= clock::now())
    }

    /// Every request to the API that came in, oldest first: also those that an outage or a fault swallowed.
    pub fn arrivals(&self) -> &[Arrival] {
        &self.trouble.arrivals
    }
}

impl Simulator {
    /// Plans an outage.
    pub fn plan_outage(&self, outage: Outage) {
        self.shared.world().trouble.outages.push(outage);
        self.shared.outages.notify_one();
    }

    /// From now on so many percent of the writes with an installation's token are done and their connection is closed
    /// without an answer; which ones follows from the seed. 0 ends it.
    pub fn lose_answers(&self, percent: u8, seed: u64) {
        self.shared.world().trouble.losses = (percent > 0).then_some((percent, mixed(seed)));
    }

    /// From now on lists show a new issue, comment or pull request only after a lag of up to `longest`, which follows
    /// from its id and the seed.
    pub fn lag_lists(&self, longest: Duration, seed: u64) {
        self.shared.world().trouble.lag = Some((longest, mixed(seed)));
    }
}

/// A good mixture of the bits (the finaliser of splitmix64).
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
