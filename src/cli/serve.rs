//! `divisi serve`: the control plane and its embedded runner, until SIGTERM or Ctrl-C.

use super::exit::Exit;
use super::plane::{Plane, PlaneOptions};
use super::terminal;
use crate::config::{self, Deliveries, host};
use crate::github::Pace;
use crate::telemetry::{self, LogOptions, MetricsPage, Redactor};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Receive webhooks, orchestrate, and run agents.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file [default: divisi.toml if there is one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log JSON lines instead of text.
    #[arg(long)]
    log_json: bool,
}

pub(super) async fn main(args: Args) -> anyhow::Result<Exit> {
    let loaded = config::load(args.config.as_deref())?;
    let filter = host::log_filter();
    let redactor = Arc::new(Redactor::new(loaded.config.secrets()));
    telemetry::init(LogOptions { json: args.log_json, filter: filter.as_deref() }, &redactor)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    protect_memory();
    let options = PlaneOptions {
        runner_log: filter.unwrap_or_else(|| telemetry::DEFAULT_FILTER.to_owned()),
        pace: Pace::of(loaded.config.github.writes_per_minute),
        agent: None,
        metrics: Some(MetricsPage::install()?),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let plane = Plane::start(&loaded.config, options).await?;
    match loaded.config.github.deliveries {
        Deliveries::Webhook => {
            tracing::info!(address = %plane.address, "Divisi listens; point the App's webhook at /webhooks/github");
        }
        Deliveries::Poll(every) => {
            tracing::info!(address = %plane.address, ?every, "Divisi listens for health checks and reads GitHub's list of deliveries");
        }
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        () = plane.stop() => Ok(Exit::Done),
        _ = terminate.recv() => Err(terminal::ended(Exit::Interrupted, "stopped by a second signal")),
        _ = tokio::signal::ctrl_c() => Err(terminal::ended(Exit::Interrupted, "stopped by a second signal")),
    }
}

/// The App key is in this process's memory: no core dumps, and no reading by others of the same user.
fn protect_memory() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be switched off");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "this process's memory could not be shielded from others of the same user");
    }
}
