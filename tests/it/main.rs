//! Integration tests: one binary, one module a subject.

mod architecture;
mod egress;
mod plan;
mod sandbox;
mod status_file;
mod workspace;

mod github;
mod store;
mod webhook;
mod simulator;
mod support;
mod deploy_files;
mod docs;
