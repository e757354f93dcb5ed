//! Integration tests: one binary, one module a subject.

mod status_file;
mod sandbox;
mod workspace;
mod simulator;
mod support;
