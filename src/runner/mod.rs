//! The data plane: claims attempts, keeps their leases, and carries each one out from the mirror to the push.
//!
//! It knows the control plane by the runner API alone. What an attempt is told, allowed and given comes from there; what
//! happened goes back as facts. Reading order: `options`, `service` (the loop), `lease`, `attempt` (one attempt end
//! to end) and what that needs: `checkout`, `agent`, `commands`, `publish`, `log`, `memory`; `survey` (searches for the control plane); `record`, `resume` and `sweep` (what
//! outlives a process).

mod agent;
mod attempt;
mod brief;
mod checkout;
mod commands;
mod disk;
mod halt;
mod home;
mod lease;
mod log;
mod memory;
mod options;
mod publish;
mod record;
mod resume;
mod service;
mod survey;
mod sweep;
mod tally;

pub use attempt::TIER;
pub use home::HomeError;
pub use options::{AgentConfig, Redact, RedactStream, RunnerError, RunnerOptions};
pub use service::run;
