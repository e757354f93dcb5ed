//! The launcher: the one door through which foreign programs run.

use super::namespace::Confinement;
use super::process::Process;
use super::spec::{LaunchError, Mount, Spec};
use std::ffi::OsString;
use std::path::PathBuf;

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
    exe: PathBuf,
    confinement: Confinement,
}

impl Launcher {
    /// A launcher whose shim is `exe`: the absolute path of this very binary (its hidden subcommands `agent-shim` and `sandbox-exec`).
    /// Tries which confinement the machine allows.
    ///
    /// # Errors
    /// When `exe` does not answer as a shim.
    pub async fn new(exe: impl Into<PathBuf>) -> Result<Self, LauncherError> {
        let _ = exe.into();
        todo!()
    }

    /// What holds the programs' processes together on this machine.
    pub fn confinement(&self) -> Confinement {
        self.confinement
    }

    /// Starts a program. That it does not exist or may not be run comes back in its end, as [`Status::NotStarted`](super::Status::NotStarted).
    ///
    /// # Errors
    /// When the launcher itself fails.
    pub async fn start(&self, spec: Spec) -> Result<Process, LaunchError> {
        let _ = spec;
        todo!()
    }

    /// The words of a command that another program can start (git's `--upload-pack`) so that `program` runs in the same confinement: own session,
    /// parent-death signal, PID namespace, an environment of a few fixed names. Further arguments may be appended. Quote each word for a shell.
    pub fn command_line(&self, mounts: &[Mount], program: &str) -> Vec<OsString> {
        let _ = (mounts, program, &self.exe);
        todo!()
    }

    /// Resident memory of all programs alive under this launcher, in bytes, as of the last sample (one a second).
    pub fn memory_bytes(&self) -> u64 {
        todo!()
    }
}
