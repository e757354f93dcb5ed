//! Integration tests: one binary, one module a subject.

mod sandbox;
mod status_file;
mod workspace;

mod github;
mod webhook;
