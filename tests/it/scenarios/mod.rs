//! What people see: each scenario drives the shipped binary through webhooks and looks at the simulated GitHub.

mod agents;
mod approve;
mod budget;
mod by_hand_issues;
mod by_hand_repository;
mod cancel;
mod interleaving;
mod lost_answers;
mod native;
mod options;
mod order;
mod ordered;
mod pause;
mod plans;
mod retry;
mod triggers;
mod whole;
