//! Integration tests: one binary, one module a subject.

mod architecture;
mod egress;
mod plan;
mod sandbox;
mod status_file;

mod github;
mod simulator;
mod store;
mod support;
mod webhook;
mod workspace;
