//! Integration tests: one binary, one module a subject.

mod architecture;
mod deploy_files;
mod docs;
mod egress;
mod github;
mod plan;
mod runner;
mod sandbox;
mod scenarios;
mod simulator;
mod status_file;
mod store;
mod support;
mod webhook;
mod workspace;
