//! The launcher: the one door through which foreign programs run.

use super::exec;
use super::exit::Exit;
use super::fence::Fence;
use super::keeper;
use super::lines::Lines;
use super::namespace::Confinement;
use super::process::{Handle, Process, Shared};
use super::sampler;
use super::spec::{Ended, LaunchError, Limits, Mount, Spec, Stream};
use super::supervisor::{SHIM_SLACK, Supervisor};
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
    fence: Option<Fence>,
}

/// A program under a shim.
pub(super) struct Begun {
    pub(super) stdout: Receiver,
    pub(super) stderr: Receiver,
    pub(super) ended: watch::Receiver<Option<Ended>>,
    pub(super) handle: Handle,
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
                Ok(true) => return Ok(Self { exe: exe.into(), confinement, fence: None }),
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
        Self { exe: exe.into().into(), confinement, fence: None }
    }

    /// What holds the programs' processes together on this machine.
    pub fn confinement(&self) -> Confinement {
        self.confinement
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.fence.is_some()
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
            deadline_ms: wire::millis(spec.deadline),
            grace_ms: wire::millis(spec.grace),
            max_open_files: spec.limits.max_open_files,
            fence: None,
        };
        let begun = self.begin(self.confinement, order, &spec.stdin, spec.limits, spec.stall).await?;
        Ok(Process {
            stdout: Lines::new(begun.stdout, Stream::Stdout, spec.limits.max_line),
            stderr: Lines::new(begun.stderr, Stream::Stderr, spec.limits.max_line),
            max_output: spec.limits.max_output,
            discard: false,
            ended: begun.ended,
            read_until: None,
            handle: begun.handle,
        })
    }

    /// The same launcher for work under a lease: what it starts stands still behind the fence.
    pub fn under(&self, fence: &Fence) -> Self {
        Self { fence: Some(fence.clone()), ..self.clone() }
    }

    /// Starts a shim with an order, under this launcher's fence, and a supervisor for it.
    pub(super) async fn begin(
        &self,
        confinement: Confinement,
        mut order: wire::Order,
        stdin: &[u8],
        limits: Limits,
        stall: Option<Duration>,
    ) -> Result<Begun, LaunchError> {
        order.fence = self.fence.as_ref().map(|fence| wire::Fenced {
            at_ms: wire::millis(fence.at()),
            patience_ms: wire::millis(fence.patience()),
        });
        let frame = wire::frame(&order, stdin.len()).map_err(LaunchError::Spec)?;
        let started = clock::instant();
        let (mut shim, mut control) = self.shim(confinement).await.map_err(LaunchError::Shim)?;
        let sent = async {
            control.write_all(&frame).await?;
            control.write_all(stdin).await
        };
        // A shim that fails at once says why on standard error, and its end is told like any other.
        match clock::within(SHIM_LIMIT, sent).await {
            Some(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(abandon(shim, error));
            }
            None => return Err(abandon(shim, io::Error::other("it did not take its order"))),
            Some(_) => {}
        }
        let ends = match Ends::of(&mut shim) {
            Ok(ends) => ends,
            Err(error) => return Err(abandon(shim, error)),
        };
        let (orders, inbox) = mpsc::unbounded_channel();
        let usage = sampler::watch(ends.pid, limits, orders.clone());
        let shared = Arc::new(Shared::new(started, orders, stall, usage));
        let (tell, ended) = watch::channel(None);
        let grace = Duration::from_millis(order.grace_ms);
        let supervisor = Supervisor {
            child: shim,
            exit: ends.exit,
            control,
            orders: inbox,
            shared: Arc::clone(&shared),
            started,
            kill_at: started + Duration::from_millis(order.deadline_ms) + grace + SHIM_SLACK,
            grace,
            confinement,
            fence: self.fence.clone(),
            held: false,
            still: false,
            frozen: None,
            ended: tell,
        };
        tokio::spawn(supervisor.run());
        Ok(Begun { stdout: ends.stdout, stderr: ends.stderr, ended, handle: Handle(shared) })
    }

    /// The shim, and our end of the socket to it.
    async fn shim(&self, confinement: Confinement) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(self.exe());
        command.arg0("divisi-agent-shim").args(["agent-shim", "run", confinement.as_str()]);
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
