//! Integration tests: one binary, one module a subject.

mod egress;
mod sandbox;
mod status_file;
mod workspace;
