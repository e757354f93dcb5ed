//! End-to-end tests with the real agent CLI.

mod claude_alone;
mod cli;
mod model_server;
mod scripts;
