//! Commands of the host's own: hermetic git on repositories that no agent can write.

use super::exec;
use super::exit::Exit;
use super::keeper;
use super::launcher::Launcher;
use super::tree;
use crate::clock;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};

/// How long the tree of a command that is killed may take to go.
const KILL_LIMIT: Duration = Duration::from_secs(2);

/// A command that runs as ourselves, outside the launcher's confinement. Never for anything that an agent wrote.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// A path, or a name that is looked up in the `PATH` of [`Self::env`].
    pub program: String,
    /// Arguments. They are visible to every user of the machine: no secrets.
    pub args: Vec<OsString>,
    /// The complete environment: nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// What it reads on standard input, followed by its end.
    pub stdin: Vec<u8>,
    /// How long it may run; then its whole tree is killed.
    pub deadline: Duration,
    /// The most bytes kept of each output stream; more ends the command.
    pub max_output: usize,
    /// Whether it changes something that others see, such as a branch on GitHub. Under a launcher with a [`Fence`](super::Fence) such a command stands
    /// still behind it like an agent; all others go on, since nobody but this host sees what they do.
    pub outward: bool,
}

/// What a host command gave.
#[derive(Clone, Debug)]
pub struct HostOutput {
    /// Exit code, or 128 + the signal that killed it.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// A host command that gave no result.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It could not be started.
    #[error("cannot start `{program}`: {reason}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        reason: String,
    },
    /// It ran longer than its deadline and was killed.
    #[error("`{program}` did not end within {limit:?} and was killed")]
    Deadline {
        /// The program.
        program: String,
        /// The deadline.
        limit: Duration,
    },
    /// It printed more than it may and was killed.
    #[error("`{program}` printed more than {limit} bytes and was killed")]
    TooMuchOutput {
        /// The program.
        program: String,
        /// [`HostSpec::max_output`].
        limit: usize,
    },
    /// A pipe to it failed.
    #[error("the pipes to `{program}` failed")]
    Pipe {
        /// The program.
        program: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl Launcher {
    /// Runs a command of the host's own to its end. It dies with this process, and when the returned future is dropped.
    ///
    /// # Errors
    /// See [`HostError`]; a non-zero exit code is no error.
    pub async fn run_host(&self, spec: HostSpec) -> Result<HostOutput, HostError> {
        if spec.outward && self.is_fenced() {
            return self.run_fenced(spec).await;
        }
        let program = spec.program.clone();
        let mut command = Command::new(self.exe());
        command
            .args(["sandbox-exec", "host", &std::process::id().to_string(), "--", &spec.program])
            .args(&spec.args);
        command.env_clear().envs(&spec.env).current_dir(&spec.cwd);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = keeper::spawn(command)
            .await
            .map_err(|e| HostError::Start { program: program.clone(), reason: e.to_string() })?;
        let pipe = |source| HostError::Pipe { program: program.clone(), source };
        let mut running = Running(Some(child));
        let (exit, stdin, stdout, stderr) = running.ends().map_err(pipe)?;
        let work = async {
            let feed = async {
                let mut stdin = stdin;
                // A program that does not read its input to the end is judged by its exit code.
                let _ = stdin.write_all(&spec.stdin).await;
            };
            let drain = async {
                tokio::try_join!(read_all(stdout, spec.max_output), read_all(stderr, spec.max_output))
            };
            let both = tokio::join!(feed, drain).1?;
            exit.wait().await;
            Ok::<_, io::Error>(both)
        };
        let (stdout, stderr) = match clock::within(spec.deadline, work).await {
            None => return Err(HostError::Deadline { program, limit: spec.deadline }),
            Some(Err(source)) if source.kind() == io::ErrorKind::FileTooLarge => {
                return Err(HostError::TooMuchOutput { program, limit: spec.max_output });
            }
            Some(Err(source)) => return Err(pipe(source)),
            Some(Ok(both)) => both,
        };
        let code = running.reap().map_err(pipe)?;
        if code == exec::NOT_STARTED
            && let Some(reason) = String::from_utf8_lossy(&stderr).strip_prefix(exec::CANNOT_START)
        {
            return Err(HostError::Start { program, reason: reason.trim_end().to_owned() });
        }
        Ok(HostOutput { code, stdout, stderr })
    }
}

/// Everything up to the end; an error of kind `FileTooLarge` when there is more than `limit`.
pub(super) async fn read_all(from: Receiver, limit: usize) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut all).await?;
    if all.len() > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(all) }
}

/// A host command that is killed with its tree when this is dropped before its end.
struct Running(Option<Child>);

impl Running {
    /// Its end and our ends of its pipes.
    fn ends(&mut self) -> io::Result<(Exit, Sender, Receiver, Receiver)> {
        let missing = || io::Error::other("a pipe is missing");
        let child = self.0.as_mut().ok_or_else(missing)?;
        Ok((
            Exit::of(child)?,
            Sender::from_owned_fd(child.stdin.take().ok_or_else(missing)?.into())?,
            Receiver::from_owned_fd(child.stdout.take().ok_or_else(missing)?.into())?,
            Receiver::from_owned_fd(child.stderr.take().ok_or_else(missing)?.into())?,
        ))
    }

    /// Its exit code, once it has ended.
    fn reap(&mut self) -> io::Result<i32> {
        let mut child = self.0.take().ok_or_else(|| io::Error::other("it was waited for already"))?;
        let status = child.wait()?;
        Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        // Looking through /proc and waiting take a moment; the caller may be on a runtime thread.
        let kill = move || {
            tree::kill_descendants(i32::try_from(child.id()).unwrap_or(i32::MAX), KILL_LIMIT, || ());
            let _ = child.kill();
            let _ = child.wait();
        };
        // Out of threads, the parent-death signal still ends it with this process.
        let _ = std::thread::Builder::new().name("host-kill".to_owned()).spawn(kill);
    }
}
