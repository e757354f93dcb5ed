//! Integration tests: one binary, one module a subject.

mod plan;
mod sandbox;
mod status_file;
mod workspace;

mod webhook;
