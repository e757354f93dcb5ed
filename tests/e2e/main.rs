//! End-to-end tests with the real agent CLI.

mod claude_alone;
mod cli;
mod model_server;
mod scripts;
#[expect(dead_code, reason = "the integration tests' world, of which only a part is needed here")]
#[path = "../it/support/mod.rs"]
mod support;
mod whole;
