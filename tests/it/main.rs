//! Integration tests: one binary, one module a subject.

mod architecture;
mod sandbox;
mod status_file;
mod workspace;
