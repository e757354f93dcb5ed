//! Integration tests: one binary, one module a subject.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests start processes, look at the real clock and print figures"
)]

mod answers;
mod architecture;
mod cli;
mod config;
mod crash;
mod deliveries;
mod deploy_files;
mod docs;
mod egress;
mod github;
mod lease;
mod ordered;
mod outage;
mod plan;
mod restart;
mod runner;
mod sandbox;
mod scenarios;
mod simulator;
mod status_file;
mod storage;
mod store;
mod support;
mod webhook;
mod workspace;
