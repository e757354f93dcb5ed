//! What a caller hands to the launcher and what it gets back.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One program to run under the launcher.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The program: a path, or a name that is looked up in the `PATH` of [`Self::env`].
    pub program: String,
    /// Its arguments, without the program's name.
    pub args: Vec<String>,
    /// The complete environment: nothing is inherited. The launcher itself sets `HOME` and `TMPDIR` from [`Self::home`] and [`Self::tmp`].
    pub env: BTreeMap<String, String>,
    /// The working directory; it must exist.
    pub cwd: PathBuf,
    /// What the program reads on standard input, followed by its end.
    pub stdin: Vec<u8>,
    /// How long the program may run. The shim enforces it, so it holds even when the runner hangs or is frozen.
    pub deadline: Duration,
    /// How long the program may print no line before it is stopped; `None` for no such limit.
    pub stall: Option<Duration>,
    /// Time between SIGTERM and SIGKILL when it is stopped.
    pub grace: Duration,
    /// Sizes and counts.
    pub limits: Limits,
    /// Private home directory, made by the caller.
    pub home: PathBuf,
    /// Private directory for temporary files, made by the caller.
    pub tmp: PathBuf,
    /// The paths that the program needs. Without walls everything the user can reach is reachable; a launcher with walls shows these and nothing else.
    pub mounts: Vec<Mount>,
}

impl Spec {
    /// The default time between SIGTERM and SIGKILL; a person who cancels waits no longer than that.
    pub const GRACE: Duration = Duration::from_secs(3);

    /// A program without arguments, input or limits of its own beyond the defaults, to be filled in by struct update or assignment.
    pub fn new(
        program: impl Into<String>,
        cwd: impl Into<PathBuf>,
        home: impl Into<PathBuf>,
        tmp: impl Into<PathBuf>,
        deadline: Duration,
    ) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: cwd.into(),
            stdin: Vec::new(),
            deadline,
            stall: None,
            grace: Self::GRACE,
            limits: Limits::default(),
            home: home.into(),
            tmp: tmp.into(),
            mounts: Vec::new(),
        }
    }
}

/// What a program may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest line that is handed on whole, in bytes; the rest of a longer one is dropped (16 MB: an agent's 2 MB answer is a 4 MB line).
    pub max_line: usize,
    /// Both output streams together, in bytes; beyond it the program is stopped.
    pub max_output: u64,
    /// Resident memory of the whole tree in bytes, sampled each second; beyond it the program is stopped. `None` for no limit.
    pub max_memory: Option<u64>,
    /// Processes alive at once in the tree, sampled each second; beyond it the program is stopped.
    pub max_processes: u32,
    /// Open files of each process (`RLIMIT_NOFILE`); lowered to what the host allows.
    pub max_open_files: u64,
}

impl Default for Limits {
    /// 16 MB a line, 100 MiB of output, no memory limit, 2,000 processes, 8,192 open files.
    fn default() -> Self {
        Self {
            max_line: 16 * 1000 * 1000,
            max_output: 100 << 20,
            max_memory: None,
            max_processes: 2_000,
            max_open_files: 8_192,
        }
    }
}

/// A path that a program needs, at the same place inside and outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// An absolute path.
    pub path: PathBuf,
    /// Whether the program may write there.
    pub writable: bool,
}

impl Mount {
    /// A path to read and write.
    pub fn rw(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), writable: true }
    }

    /// A path to read.
    pub fn ro(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), writable: false }
    }
}

/// Which of the two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line that the program printed. Foreign bytes: neither UTF-8 nor harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where it came from.
    pub stream: Stream,
    /// The line without its newline.
    pub line: Vec<u8>,
    /// Whether the line was longer than [`Limits::max_line`] and lost its end.
    pub truncated: bool,
}

/// Why we stopped a program. A program that we stopped has not succeeded, whatever it printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// [`Spec::deadline`] passed.
    Deadline,
    /// It printed no line for [`Spec::stall`].
    Stalled,
    /// The caller stopped it, or dropped its [`Process`](super::Process).
    Stopped,
    /// It printed more than [`Limits::max_output`].
    OutputLimit,
    /// Its tree used more than [`Limits::max_memory`].
    MemoryLimit,
    /// Its tree had more than [`Limits::max_processes`] processes.
    ProcessLimit,
}

impl StopReason {
    /// A phrase that completes "was stopped: …".
    pub fn words(self) -> &'static str {
        match self {
            Self::Deadline => "its time was up",
            Self::Stalled => "it printed nothing for too long",
            Self::Stopped => "on request",
            Self::OutputLimit => "it printed more than the output limit",
            Self::MemoryLimit => "it used more memory than allowed",
            Self::ProcessLimit => "it started more processes than allowed",
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It ended by itself with this exit code.
    Exit(i32),
    /// This signal killed it (ours, after a stop; or another's).
    Signal(i32),
    /// It never ran; the text says why (no such program, no such directory, no permission).
    NotStarted(String),
}

impl Status {
    /// Exit code 0.
    pub fn success(&self) -> bool {
        *self == Status::Exit(0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::Signal(n) => write!(f, "killed by signal {n}"),
            Self::NotStarted(why) => write!(f, "not started: {why}"),
        }
    }
}

/// The end of a program. When a caller holds one, no process of its tree is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub status: Status,
    /// Why we stopped it; `None` when it ended by itself.
    pub reason: Option<StopReason>,
    /// From the start until the last process was gone.
    pub duration: Duration,
    /// The highest sum of resident memory of its tree, sampled each second and shortly after the start; 0 when it ended before the first sample.
    pub peak_rss_bytes: u64,
}

impl Ended {
    /// It ended by itself with exit code 0.
    pub fn success(&self) -> bool {
        self.reason.is_none() && self.status.success()
    }
}

/// The launcher itself could not do its part (the program's own failure to start is [`Status::NotStarted`]).
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The specification cannot be handed to the shim.
    #[error("this program cannot be described to the launcher: {0}")]
    Spec(String),
    /// Our own binary could not be started as the shim, or the pipes to it could not be made.
    #[error("the launcher could not start its shim")]
    Shim(#[source] std::io::Error),
}
