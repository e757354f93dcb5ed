//! Integration tests: one binary, one module a subject.

mod architecture;
mod egress;
mod github;
mod plan;
mod sandbox;
mod status_file;
mod store;
mod webhook;
mod workspace;
mod simulator;
mod support;
