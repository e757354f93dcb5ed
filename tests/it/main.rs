//! Integration tests: one binary, one module a subject.

mod architecture;
mod egress;
mod github;
mod plan;
mod sandbox;
mod simulator;
mod status_file;
mod store;
mod support;
mod webhook;
mod workspace;
