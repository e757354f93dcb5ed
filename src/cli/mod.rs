//! The command line: one verb a file, all wiring, the only printer and the only exit code.

mod behind;
mod config;
mod crash_point;
mod demo;
mod demo_agent;
mod embedded;
mod exit;
mod healthcheck;
mod issue_file;
mod live;
mod local;
mod plan;
mod plan_lines;
mod plane;
mod run;
mod runner;
mod serve;
mod terminal;

use crate::sandbox;
use clap::{CommandFactory as _, Parser, Subcommand};
use exit::Exit;
use std::process::ExitCode;

/// Divisi: a master issue becomes sub-issues, parallel agents, verified pull requests and a summary.
#[derive(Debug, Parser)]
#[command(name = "divisi", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Args),
    Run(run::Args),
    Plan(plan::Args),
    Serve(serve::Args),
    Healthcheck(healthcheck::Args),
    Config(config::Args),
    #[command(hide = true)]
    Runner(runner::Args),
    /// The demo's own agent.
    #[command(hide = true)]
    DemoAgent,
}

/// Words that are no verbs for people: processes that the sandbox starts of this program.
const AGENT_SHIM: &str = "agent-shim";
const SANDBOX_EXEC: &str = "sandbox-exec";

/// The command tree, for tests of the documentation.
pub fn command() -> clap::Command {
    Cli::command()
}

/// What `main` does.
pub fn main() -> ExitCode {
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    match words.get(1).and_then(|w| w.to_str()) {
        // Before anything else: these must have no threads and no runtime.
        Some(AGENT_SHIM) => return code(sandbox::shim_main(words.into_iter().skip(2))),
        Some(SANDBOX_EXEC) => return code(sandbox::exec_main(words.into_iter().skip(2))),
        _ => {}
    }
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Other.into() } else { Exit::Done.into() };
        }
    };
    match cli.verb {
        Verb::DemoAgent => demo_agent::main(),
        Verb::Healthcheck(args) => healthcheck::main(&args),
        Verb::Config(args) => ended_as(config::main(args)),
        Verb::Demo(args) => async_main(demo::main(args)),
        Verb::Plan(args) => async_main(plan::main(args)),
        Verb::Run(args) => async_main(run::main(args)),
        Verb::Serve(args) => async_main(serve::main(args)),
        Verb::Runner(args) => async_main(runner::main(args)),
    }
}

fn code(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(255))
}

fn async_main(work: impl Future<Output = anyhow::Result<Exit>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::error(&anyhow::anyhow!("the async runtime cannot be started: {error}"));
            return Exit::Other.into();
        }
    };
    let ended = runtime.block_on(work);
    runtime.shutdown_background();
    ended_as(ended)
}

fn ended_as(ended: anyhow::Result<Exit>) -> ExitCode {
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            terminal::error(&error);
            terminal::exit_of(&error).into()
        }
    }
}
