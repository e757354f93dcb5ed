//! The agents' way to their models: one loopback listener per attempt that adds the real key, counts what is used,
//! and can be shut at once.
//!
//! The agent is told a base URL that is good for its attempt only and a dummy key. The real key is in this process's memory
//! and in the requests that leave it, nowhere else.

mod forward;
mod listener;
mod meter;

pub use forward::{Egress, EgressError, Upstream};
pub use meter::Usage;
