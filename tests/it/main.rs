//! Integration tests: one binary, one module a subject.

mod architecture;
mod status_file;
mod sandbox;
mod workspace;
