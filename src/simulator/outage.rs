//! Outages: times in which nothing is answered; and a record of what came in, answered or not.

use super::service::Simulator;
use super::world::World;
use jiff::Timestamp;

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

/// The planned outages, and who came.
#[derive(Default)]
pub(super) struct Outages {
    planned: Vec<Outage>,
    pub arrivals: Vec<Arrival>,
}

impl Outages {
    /// The outage of this time.
    pub fn outage(&self, now: Timestamp) -> Option<Outage> {
        self.planned.iter().find(|o| o.from <= now && now < o.until).copied()
    }

    /// The next time in which connections are refused, or the present one.
    pub fn next_refusal(&self, now: Timestamp) -> Option<Outage> {
        let refusals = self.planned.iter().filter(|o| o.kind == OutageKind::Refused && now < o.until);
        refusals.min_by_key(|o| o.from).copied()
    }
}

impl World {
    /// Every request to the API that came in, oldest first: also those that an outage or a fault swallowed.
    pub fn arrivals(&self) -> &[Arrival] {
        &self.outages.arrivals
    }
}

impl Simulator {
    /// Plans an outage.
    pub fn plan_outage(&self, outage: Outage) {
        self.shared.world().outages.planned.push(outage);
        self.shared.outage_planned.notify_one();
    }
}
