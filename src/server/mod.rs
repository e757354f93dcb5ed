//! server.
pub mod runner_api;
