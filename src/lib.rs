//! Divisi: a master issue becomes sub-issues, parallel coding agents, verified pull requests and a summary.
//!
//! The modules below are listed in reading order, floor by floor; this list is the code map.
//! Who may import whom is in `ARCHITECTURE.md` and held by `tests/it/architecture.rs`.

// -- ground floor: pure and synchronous; no I/O, clock, randomness, environment
pub mod agents;
pub mod domain;
pub mod plan;
pub mod report;

// -- second floor: one outside thing each
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod egress;
pub mod github;
pub mod sandbox;
pub mod status_file;
pub mod store;
pub mod telemetry;
pub mod workspace;

// -- third floor: use cases
pub mod orchestrator;
pub mod runner;
pub mod simulator;

// -- top floor: people and HTTP
pub mod cli;
pub mod server;
