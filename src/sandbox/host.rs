//! Commands of the host's own: hermetic git on repositories that no agent can write.

use super::launcher::Launcher;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A command that runs as ourselves, outside the launcher's confinement. Never for anything that an agent wrote.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// A path, or a name that is looked up in the `PATH` of [`Self::env`].
    pub program: String,
    /// Arguments. They are visible to every user of the machine: no secrets.
    pub args: Vec<std::ffi::OsString>,
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
    #[error("cannot start `{program}`")]
    Start {
        /// The program.
        program: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
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
        source: std::io::Error,
    },
}

impl Launcher {
    /// Runs a command of the host's own to its end. It dies with this process.
    ///
    /// # Errors
    /// See [`HostError`]; a non-zero exit code is no error.
    pub async fn run_host(&self, spec: HostSpec) -> Result<HostOutput, HostError> {
        let _ = spec;
        todo!()
    }
}
