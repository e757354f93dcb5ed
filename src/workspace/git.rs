//! The host's git: the command line with a hermetic environment.

use crate::sandbox::{Fence, HostError, HostOutput, HostSpec, Launcher, Tail};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How long a command that only looks may take.
pub(super) const QUICK: Duration = Duration::from_secs(60);
/// How long a command that moves objects or writes a work tree may take.
pub(super) const SLOW: Duration = Duration::from_secs(600);
/// The most output of one command, in bytes.
const MAX_OUTPUT: usize = 64 << 20;
/// How many last lines of git's standard error go into a message.
const MESSAGE_LINES: usize = 6;

/// Variables of every git that we start: no configuration but the repository's own and ours, no question, no network behind our back.
pub(super) const HERMETIC: &[(&str, &str)] = &[
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("LC_ALL", "C"),
];

/// Configuration of every git that we start; it wins over the repository's.
pub(super) const CONFIG: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.pager", "cat"),
    ("commit.gpgSign", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
];

/// Further configuration of the host's git, which talks to servers and takes objects in.
const HOST_CONFIG: &[(&str, &str)] = &[
    ("credential.helper", ""),
    ("core.askPass", ""),
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("submodule.recurse", "false"),
];

/// Where git is and what it may need from the operator's environment.
#[derive(Clone, Debug)]
pub struct GitSettings {
    /// `PATH` for git and its helpers.
    pub path: String,
    /// Further variables for the host's git, such as `HTTPS_PROXY` or `GIT_SSL_CAINFO`; those that would loosen the hermetic environment are overwritten.
    pub env: BTreeMap<String, String>,
}

impl GitSettings {
    /// The environment of a git that runs inside the launcher: nothing of the operator's but `PATH`.
    pub(super) fn confined_env(&self) -> BTreeMap<String, String> {
        let mut env = BTreeMap::from([("PATH".to_owned(), self.path.clone())]);
        env.extend(HERMETIC.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        add_config(&mut env, CONFIG.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        env
    }
}

/// Puts configuration into an environment, where other users do not see it (they see arguments).
pub(super) fn add_config(env: &mut BTreeMap<String, String>, pairs: impl Iterator<Item = (String, String)>) {
    let mut count: usize = env.get("GIT_CONFIG_COUNT").and_then(|n| n.parse().ok()).unwrap_or(0);
    for (key, value) in pairs {
        env.insert(format!("GIT_CONFIG_KEY_{count}"), key);
        env.insert(format!("GIT_CONFIG_VALUE_{count}"), value);
        count += 1;
    }
    env.insert("GIT_CONFIG_COUNT".to_owned(), count.to_string());
}

/// A git command of the host's that failed for no reason of its own type.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It gave no result.
    #[error("git could not {what}: {source}")]
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
    #[error("cannot {what}: {source}")]
    Io {
        /// What we were doing.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl GitError {
    /// Whether the disk was full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Failed { message, .. } => message.contains("No space left on device"),
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            Self::Host { .. } | Self::Answer { .. } => false,
        }
    }

    /// The kind of failure that it is for a task.
    pub fn kind(&self) -> crate::domain::FailureKind {
        if self.is_disk_full() {
            crate::domain::FailureKind::ResourceError
        } else {
            crate::domain::FailureKind::Unknown
        }
    }

    pub(super) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    pub(super) fn answer(what: &'static str, answer: &[u8]) -> Self {
        Self::Answer { what, answer: String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned() }
    }
}

/// Runs git as the host, never on anything that an agent could write. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HostGit {
    launcher: Launcher,
    settings: GitSettings,
}

/// One command for [`HostGit`].
pub(super) struct Call {
    what: &'static str,
    args: Vec<OsString>,
    stdin: Vec<u8>,
    config: Vec<(String, String)>,
    protocols: &'static str,
    deadline: Duration,
    max_output: usize,
    outward: bool,
}

impl Call {
    /// `what` completes "git could not …".
    pub(super) fn new<A: Into<OsString>>(what: &'static str, args: impl IntoIterator<Item = A>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self {
            what,
            args,
            stdin: Vec::new(),
            config: Vec::new(),
            protocols: "",
            deadline: QUICK,
            max_output: MAX_OUTPUT,
            outward: false,
        }
    }

    pub(super) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    pub(super) fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }

    /// The transports that it may use, such as `http:https`; none by default.
    pub(super) fn protocols(mut self, list: &'static str) -> Self {
        self.protocols = list;
        self
    }

    /// It changes what others see: it stands still behind the fence of a lease.
    pub(super) fn outward(mut self) -> Self {
        self.outward = true;
        self
    }

    pub(super) fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit;
        self
    }

    pub(super) fn max_output(mut self, limit: usize) -> Self {
        self.max_output = limit;
        self
    }
}

impl HostGit {
    /// Git as the host runs it.
    pub fn new(launcher: Launcher, settings: GitSettings) -> Self {
        Self { launcher, settings }
    }

    /// The same for work under a lease: a push stands still behind the fence.
    pub fn under(&self, fence: &Fence) -> Self {
        Self { launcher: self.launcher.under(fence), settings: self.settings.clone() }
    }

    /// The launcher that it runs through.
    pub fn launcher(&self) -> &Launcher {
        &self.launcher
    }

    /// Where git is.
    pub fn settings(&self) -> &GitSettings {
        &self.settings
    }

    /// Runs a command to its end, whatever its exit code.
    pub(super) async fn run(&self, call: Call) -> Result<HostOutput, GitError> {
        let mut env = self.settings.env.clone();
        // Nothing of the operator's may say where the repository is or how git is configured.
        env.retain(|name, _| {
            !name.starts_with("GIT_") || name.starts_with("GIT_SSL_") || name == "GIT_PROXY_SSL_CAINFO"
        });
        env.insert("PATH".to_owned(), self.settings.path.clone());
        env.insert("HOME".to_owned(), "/nonexistent".to_owned());
        env.insert(
            "GIT_ALLOW_PROTOCOL".to_owned(),
            if call.protocols.is_empty() { "none" } else { call.protocols }.to_owned(),
        );
        env.extend(HERMETIC.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let fixed = CONFIG.iter().chain(HOST_CONFIG).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        add_config(&mut env, fixed.chain(call.config));
        let spec = HostSpec {
            program: "git".to_owned(),
            args: call.args,
            env,
            cwd: PathBuf::from("/"),
            stdin: call.stdin,
            deadline: call.deadline,
            max_output: call.max_output,
            outward: call.outward,
        };
        self.launcher.run_host(spec).await.map_err(|source| GitError::Host { what: call.what, source })
    }

    /// Runs a command that has to succeed and returns its standard output.
    pub(super) async fn ok(&self, call: Call) -> Result<Vec<u8>, GitError> {
        let what = call.what;
        let output = self.run(call).await?;
        if output.code == 0 { Ok(output.stdout) } else { Err(failed(what, &output)) }
    }
}

/// The error of a command that ended with a code that nobody expects.
pub(super) fn failed(what: &'static str, output: &HostOutput) -> GitError {
    GitError::Failed { what, code: output.code, message: message(&output.stderr) }
}

/// The last lines of git's standard error as one text.
pub(super) fn message(stderr: &[u8]) -> String {
    let mut tail = Tail::new(MESSAGE_LINES);
    tail.push_text(stderr);
    tail.into_lines().join("\n")
}

/// `'…'` for a shell.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_any_shell() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $(x)"), r"'it'\''s $(x)'");
    }

    #[test]
    fn configuration_goes_on_counting() {
        let mut env =
            GitSettings { path: "/bin".into(), env: BTreeMap::from([("SECRET".into(), "x".into())]) }
                .confined_env();
        assert!(!env.contains_key("SECRET"));
        add_config(&mut env, std::iter::once(("a.b".into(), "c".into())));
        let last = CONFIG.len();
        assert_eq!(env["GIT_CONFIG_COUNT"], (last + 1).to_string());
        assert_eq!(
            (
                env[&format!("GIT_CONFIG_KEY_{last}")].as_str(),
                env[&format!("GIT_CONFIG_VALUE_{last}")].as_str()
            ),
            ("a.b", "c")
        );
    }
}
