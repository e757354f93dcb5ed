//! The launcher: the one door through which foreign programs run.

use super::exec;
use super::exit::Exit;
use super::keeper;
use super::lines::Lines;
use super::namespace::Confinement;
use super::process::{Handle, Process, Shared};
use super::sampler;
use super::spec::{LaunchError, Mount, Spec, Stream};
use super::supervisor::Supervisor;
use super::wire;
use crate::clock;
use rustix::process::Pid;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{mpsc, watch};

/// How long a shim may take to answer a probe or to take its order.
const SHIM_LIMIT: Duration = Duration::from_secs(20);

/// The machine cannot run a launcher at all.
#[derive(Debug, thiserror::Error)]
pub enum LauncherError {
    /// Our own binary does not run as a shim.
    #[error("`{exe}` does not run as the launcher's shim: {reason}")]
    Shim {
        /// The binary that was tried.
        exe: PathBuf,
        /// What it did instead.
        reason: String,
    },
}

/// Starts foreign programs, each in its own tree of processes. Cheap to clone; one per process is enough.
#[derive(Clone, Debug)]
pub struct Launcher {
    exe: Arc<Path>,
    confinement: Confinement,
}

impl Launcher {
    /// A launcher whose shim is `exe`: the absolute path of this very binary (its hidden subcommands `agent-shim` and `sandbox-exec`).
    /// Tries which confinement the machine allows, the best first.
    ///
    /// # Errors
    /// When `exe` does not answer as a shim.
    pub async fn new(exe: impl Into<PathBuf>) -> Result<Self, LauncherError> {
        let exe = exe.into();
        let mut reason = String::new();
        for confinement in Confinement::ALL {
            match probe(&exe, confinement).await {
                Ok(true) => return Ok(Self { exe: exe.into(), confinement }),
                Ok(false) => {}
                Err(error) => reason = error.to_string(),
            }
        }
        if reason.is_empty() {
            "it refused every confinement".clone_into(&mut reason);
        }
        Err(LauncherError::Shim { exe, reason })
    }

    /// A launcher with a confinement that is known, such as the lesser one of a machine that allows more.
    pub fn with_confinement(exe: impl Into<PathBuf>, confinement: Confinement) -> Self {
        Self { exe: exe.into().into(), confinement }
    }

    /// What holds the programs' processes together on this machine.
    pub fn confinement(&self) -> Confinement {
        self.confinement
    }

    pub(super) fn exe(&self) -> &Path {
        &self.exe
    }

    /// Starts a program. That it does not exist or may not be run comes back in its end, as [`Status::NotStarted`](super::Status::NotStarted).
    ///
    /// # Errors
    /// When the launcher itself fails.
    pub async fn start(&self, spec: Spec) -> Result<Process, LaunchError> {
        let mut env = spec.env;
        env.insert("HOME".to_owned(), path_text(&spec.home)?);
        env.insert("TMPDIR".to_owned(), path_text(&spec.tmp)?);
        let order = wire::Order {
            program: spec.program,
            args: spec.args,
            env,
            cwd: spec.cwd,
            deadline_ms: u64::try_from(spec.deadline.as_millis()).unwrap_or(u64::MAX),
            grace_ms: u64::try_from(spec.grace.as_millis()).unwrap_or(u64::MAX),
            max_open_files: spec.limits.max_open_files,
        };
        let frame = wire::frame(&order, spec.stdin.len()).map_err(LaunchError::Spec)?;
        let started = clock::instant();
        let (mut shim, mut control) = self.shim().await.map_err(LaunchError::Shim)?;
        let sent = async {
            control.write_all(&frame).await?;
            control.write_all(&spec.stdin).await
        };
        // A shim that fails at once says why on standard error, and its end is told like any other.
        match clock::within(SHIM_LIMIT, sent).await {
            Some(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(abandon(shim, error));
            }
            None => return Err(abandon(shim, io::Error::other("it did not take its order"))),
            Some(_) => {}
        }
        let ends = Ends::of(&mut shim).map_err(LaunchError::Shim);
        let ends = match ends {
            Ok(ends) => ends,
            Err(LaunchError::Shim(error)) => return Err(abandon(shim, error)),
            Err(other) => return Err(other),
        };
        let (orders, inbox) = mpsc::unbounded_channel();
        let usage = sampler::watch(ends.pid, spec.limits, orders.clone());
        let shared = Arc::new(Shared::new(started, orders, spec.stall, usage));
        let (tell, ended) = watch::channel(None);
        let supervisor = Supervisor {
            child: shim,
            exit: ends.exit,
            control,
            orders: inbox,
            shared: Arc::clone(&shared),
            started,
            deadline: spec.deadline,
            grace: spec.grace,
            confinement: self.confinement,
            ended: tell,
        };
        tokio::spawn(supervisor.run());
        Ok(Process {
            stdout: Lines::new(ends.stdout, Stream::Stdout, spec.limits.max_line),
            stderr: Lines::new(ends.stderr, Stream::Stderr, spec.limits.max_line),
            max_output: spec.limits.max_output,
            discard: false,
            ended,
            read_until: None,
            handle: Handle(shared),
        })
    }

    /// The shim, and our end of the socket to it.
    async fn shim(&self) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(self.exe());
        command.arg0("divisi-agent-shim").args(["agent-shim", "run", self.confinement.as_str()]);
        command.arg(std::process::id().to_string()).env_clear().current_dir("/");
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok((keeper::spawn(command).await?, UnixStream::from_std(ours)?))
    }

    /// The words of a command that another program can start (git's `--upload-pack`) so that `program` runs in the same confinement: own session,
    /// parent-death signal, PID namespace, and exactly the environment `env`, which stands in the words: no secrets. Further arguments may be appended.
    /// For a shell, quote each word.
    ///
    /// `mounts` are the paths that it needs: without walls it reaches whatever the user can reach.
    pub fn command_line(
        &self,
        mounts: &[Mount],
        env: &BTreeMap<String, String>,
        program: &str,
    ) -> Vec<OsString> {
        let _ = mounts;
        exec::words(self.exe(), self.confinement, env.iter(), program)
    }

    /// Resident memory of all programs alive under this process's launchers, in bytes, as of the last sample (one a second).
    pub fn memory_bytes(&self) -> u64 {
        sampler::total()
    }
}

/// Our ends of a shim's pipes.
struct Ends {
    pid: i32,
    exit: Exit,
    stdout: Receiver,
    stderr: Receiver,
}

impl Ends {
    fn of(shim: &mut Child) -> io::Result<Self> {
        let missing = || io::Error::other("a pipe to it is missing");
        Ok(Self {
            pid: Pid::from_child(shim).as_raw_nonzero().get(),
            exit: Exit::of(shim)?,
            stdout: Receiver::from_owned_fd(shim.stdout.take().ok_or_else(missing)?.into())?,
            stderr: Receiver::from_owned_fd(shim.stderr.take().ok_or_else(missing)?.into())?,
        })
    }
}

/// Ends a shim that cannot be used.
fn abandon(mut shim: Child, error: io::Error) -> LaunchError {
    let _ = shim.kill();
    let _ = shim.wait();
    LaunchError::Shim(error)
}

fn path_text(path: &Path) -> Result<String, LaunchError> {
    let text =
        path.to_str().ok_or_else(|| LaunchError::Spec(format!("`{}` is not UTF-8", path.display())))?;
    Ok(text.to_owned())
}

/// Whether this machine allows a confinement.
async fn probe(exe: &Path, confinement: Confinement) -> io::Result<bool> {
    let mut command = Command::new(exe);
    command.args(["agent-shim", "probe", confinement.as_str()]).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = keeper::spawn(command).await?;
    if clock::within(SHIM_LIMIT, Exit::of(&child)?.wait()).await.is_none() {
        let _ = child.kill();
    }
    Ok(child.wait()?.success())
}
