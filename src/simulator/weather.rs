//! Misbehaviour that is decided for each request as it comes, where a plan of [`super::Fault`]s is too stiff; and lists
//! that lag behind what was written.

use super::fault::FaultEffect;
use super::world::World;
use crate::clock;
use jiff::Timestamp;
use std::time::Duration;

/// Decides what goes wrong. Asked under the state's lock, so it must be quick.
pub trait Weather: Send + Sync {
    /// What happens to this request, when no planned fault hits it.
    fn strikes(&self, method: &str, path: &str) -> Option<FaultEffect>;

    /// How long after it was made the thing with this database id stays out of lists.
    fn lag(&self, id: u64) -> Duration;
}

impl World {
    /// Whether lists show the thing with this id, made at that time.
    pub(super) fn listed(&self, id: u64, made: Timestamp) -> bool {
        self.options.weather.as_ref().is_none_or(|weather| {
            let passed = clock::now().as_millisecond().saturating_sub(made.as_millisecond());
            passed >= i64::try_from(weather.lag(id).as_millis()).unwrap_or(i64::MAX)
        })
    }
}
