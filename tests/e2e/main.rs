//! End-to-end tests with the real agent CLI and the real browser.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests start processes, look at the real clock and print figures"
)]

mod claude_alone;
mod cli;
mod mermaid;
mod model_server;
mod resumes;
mod scripts;
#[expect(dead_code, reason = "the integration tests' world, of which only a part is needed here")]
#[path = "../it/support/mod.rs"]
mod support;
mod whole;
