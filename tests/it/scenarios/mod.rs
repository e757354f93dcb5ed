//! What people see: each scenario drives the shipped binary through webhooks and looks at the simulated GitHub.

mod agents;
mod interleaving;
mod lost_answers;
mod order;
mod plans;
mod retry;
mod triggers;
mod whole;
