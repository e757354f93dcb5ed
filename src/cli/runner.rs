//! `divisi runner`, the child that `serve` starts. Its token and settings come through standard input, which
//! stays open: when it ends, the parent is gone and so is this process.

use super::exit::Exit;
use crate::agents::AgentKind;
use crate::config::{self, Agent, RunnerConfig, host};
use crate::runner::{self, AgentConfig, Redact, RunnerOptions};
use crate::sandbox::Launcher;
use crate::telemetry::{self, LogOptions, Redactor};
use crate::workspace::GitSettings;
use anyhow::Context as _;
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, getppid, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::io::{BufRead as _, Read as _};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Work for the control plane that started this process.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The control plane's private socket.
    #[arg(long)]
    socket: PathBuf,
    /// The process that started this one.
    #[arg(long)]
    parent: i32,
}

pub(super) async fn main(args: Args) -> anyhow::Result<Exit> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("the death signal cannot be set")?;
    // The parent may have gone before the line above.
    anyhow::ensure!(
        getppid().map(Pid::as_raw_nonzero).map(|p| p.get()) == Some(args.parent),
        "the parent process is gone"
    );
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("this process's memory cannot be shielded")?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).context("core dumps cannot be switched off")?;

    let mut input = std::io::stdin().lock();
    let (mut token, mut settings) = (String::new(), String::new());
    input.read_line(&mut token).context("no token on standard input")?;
    input.read_line(&mut settings).context("no settings on standard input")?;
    drop(input);
    let settings = RunnerConfig::from_handover(settings.trim_end())?;
    let token = SecretString::from(token.trim_end().to_owned());

    let keys = settings.agents.values().filter_map(|a| a.key.as_ref()).chain([&token]);
    let redactor = Arc::new(Redactor::new(keys.map(|key| key.expose_secret())));
    let filter = host::log_filter();
    telemetry::init(LogOptions { json: false, filter: filter.as_deref() }, &redactor)?;
    std::thread::Builder::new().name("parent".to_owned()).spawn(die_with_parent)?;

    let options = RunnerOptions {
        data_dir: settings.data_dir.clone(),
        socket: args.socket,
        token,
        slots: settings.slots,
        agents: settings.agents.into_iter().map(agent).collect(),
        launcher: Launcher::new(host::current_exe()?).await?,
        git: GitSettings { path: host::search_path().to_string_lossy().into_owned(), env: BTreeMap::new() },
        redact: Arc::new(Cleaner(redactor)),
    };
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        // Ctrl-C reaches the whole terminal group; the parent decides, so only its SIGTERM counts here.
        terminate.recv().await;
        told.cancel();
        // Told again, it ends at once, and everything that it started with it.
        terminate.recv().await;
        std::process::exit(Exit::Interrupted as i32);
    });
    ignore_interrupts()?;
    runner::run(options, shutdown).await?;
    Ok(Exit::Done)
}

fn agent((name, agent): (String, Agent)) -> AgentConfig {
    let kind = match agent.kind {
        config::AgentKind::Claude => AgentKind::Claude,
        config::AgentKind::Command => AgentKind::Command,
    };
    let Agent { command, env, model_base_url, key, .. } = agent;
    AgentConfig { name, kind, command, env, model_base_url, key }
}

/// The redactor of the logs, for what the runner uploads.
struct Cleaner(Arc<Redactor>);

impl Redact for Cleaner {
    fn text(&self, text: &str) -> String {
        self.0.text(text)
    }

    fn stream(&self) -> Box<dyn runner::RedactStream> {
        Box::new(CleanStream(self.0.stream()))
    }

    fn add(&self, secret: &str) {
        self.0.add(secret);
    }

    fn remove(&self, secret: &str) {
        self.0.remove(secret);
    }
}

struct CleanStream(telemetry::RedactStream);

impl runner::RedactStream for CleanStream {
    fn push(&mut self, piece: &[u8]) -> String {
        self.0.push(piece)
    }

    fn finish(&mut self) -> String {
        self.0.finish()
    }
}

/// A handler that does nothing: Ctrl-C in a terminal is for the parent.
fn ignore_interrupts() -> std::io::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    tokio::spawn(async move { while interrupts.recv().await.is_some() {} });
    Ok(())
}

/// The pipe from the parent ends with it. (The death signal does the same; two ways are safer than one.)
fn die_with_parent() {
    let mut rest = [0_u8; 64];
    while std::io::stdin().read(&mut rest).is_ok_and(|n| n > 0) {}
    std::process::exit(Exit::Other as i32);
}
