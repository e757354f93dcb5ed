//! Integration tests: one binary, one module a subject.

mod plan;
mod architecture;
mod status_file;
mod egress;
mod sandbox;
mod status_file;
mod workspace;

mod webhook;
mod store;
