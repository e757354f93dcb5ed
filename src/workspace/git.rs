//! The host's git: the command line with a hermetic environment.

use crate::sandbox::{HostError, Launcher};
use std::collections::BTreeMap;

/// Where git is and what it may need from the operator's environment.
#[derive(Clone, Debug)]
pub struct GitSettings {
    /// `PATH` for git and its helpers.
    pub path: String,
    /// Further variables, such as `HTTPS_PROXY` or `GIT_SSL_CAINFO`; those that would loosen the hermetic environment are overwritten.
    pub env: BTreeMap<String, String>,
}

/// Runs git as the host. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HostGit {
    #[expect(dead_code, reason = "skeleton")]
    launcher: Launcher,
    #[expect(dead_code, reason = "skeleton")]
    settings: GitSettings,
}

/// A git command of the host's that failed for no reason of its own type.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It gave no result.
    #[error("git could not {what}")]
    Host {
        /// What we were doing.
        what: &'static str,
        /// Why.
        #[source]
        source: HostError,
    },
    /// It failed.
    #[error("git could not {what} (exit code {code}): {message}")]
    Failed {
        /// What we were doing.
        what: &'static str,
        /// Its exit code.
        code: i32,
        /// The last lines of its standard error.
        message: String,
    },
    /// It answered with something that we cannot read.
    #[error("git gave an unexpected answer when it was to {what}: {answer}")]
    Answer {
        /// What we were doing.
        what: &'static str,
        /// The beginning of the answer.
        answer: String,
    },
    /// A file or directory around git could not be made or read.
    #[error("cannot {what}")]
    Io {
        /// What we were doing.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl HostGit {
    /// Git as the host runs it.
    pub fn new(launcher: Launcher, settings: GitSettings) -> Self {
        Self { launcher, settings }
    }
}
