//! The embedded runner: `serve` starts `divisi runner` as a child process and keeps it running.
//!
//! The child gets its token and its settings through a pipe that stays open: its end means that the parent is
//! gone. The environment holds nothing but what is needed to find programs.

use crate::clock;
use crate::config::{RunnerConfig, host};
use crate::sandbox;
use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What the child needs.
#[derive(Clone)]
pub(super) struct Embedded {
    pub socket: PathBuf,
    pub token: SecretString,
    pub settings: RunnerConfig,
    /// The filter of its log.
    pub log: String,
}

/// A child that ended by itself is started again after this long.
const RESTART: Duration = Duration::from_secs(1);

/// How long a stopping runner may take before it is killed; its agents die with it.
const GRACE: Duration = Duration::from_secs(15);

/// How often the child is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Starts the child and keeps it running until `stop`; the handle ends when the child is gone.
pub(super) async fn start(embedded: Embedded, stop: CancellationToken) -> anyhow::Result<JoinHandle<()>> {
    let child = spawn(&embedded).await?;
    Ok(tokio::spawn(keep(embedded, child, stop)))
}

async fn spawn(embedded: &Embedded) -> anyhow::Result<Child> {
    let program = host::current_exe().context("this program's own file cannot be found")?;
    let mut command = Command::new(program);
    command
        .arg("runner")
        .arg("--socket")
        .arg(&embedded.socket)
        .arg("--parent")
        .arg(std::process::id().to_string())
        .env_clear()
        .env("PATH", host::search_path())
        .env("RUST_LOG", &embedded.log)
        .stdin(Stdio::piped());
    let mut child = sandbox::spawn(command).await.context("the runner process cannot be started")?;
    let pipe = child.stdin.as_mut().context("the runner process has no standard input")?;
    let lines = [embedded.token.expose_secret(), embedded.settings.to_handover().expose_secret()].join("\n");
    pipe.write_all(format!("{lines}\n").as_bytes()).context("the runner process took no settings")?;
    Ok(child)
}

async fn keep(embedded: Embedded, mut child: Child, stop: CancellationToken) {
    loop {
        tokio::select! {
            status = ended(&mut child) => {
                if stop.is_cancelled() {
                    return;
                }
                tracing::warn!(status, "the runner process ended; it is started again");
            }
            () = stop.cancelled() => {
                end(&mut child).await;
                return;
            }
        }
        loop {
            tokio::select! {
                () = clock::sleep(RESTART) => {}
                () = stop.cancelled() => return,
            }
            match spawn(&embedded).await {
                Ok(next) => {
                    child = next;
                    break;
                }
                Err(error) => {
                    tracing::error!(%error, "the runner process could not be started; trying again")
                }
            }
        }
    }
}

async fn ended(child: &mut Child) -> String {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.to_string(),
            Ok(None) => clock::sleep(LOOK).await,
            Err(error) => return error.to_string(),
        }
    }
}

/// SIGTERM, then SIGKILL.
async fn end(child: &mut Child) {
    if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap_or(0)) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if clock::within(GRACE, ended(child)).await.is_none() {
        tracing::warn!("the runner process did not stop in time and is killed");
        let _ = child.kill();
        let _: std::io::Result<ExitStatus> = child.wait();
    }
}
