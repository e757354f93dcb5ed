//! Integration tests: one binary, one module a subject.

mod plan;
mod status_file;
mod sandbox;
mod workspace;
