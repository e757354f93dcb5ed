//! What a repository's `.github/divisi.toml` and the server's limits say about one run.

use super::Usd;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is done about tasks that would touch the same place. The text form is stored, and stands in the repository's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOverlap {
    /// Those that name the same file run one after the other; a likely overlap is only told.
    #[default]
    Order,
    /// They run side by side, and it is told.
    Warn,
    /// The run does not start, likely overlaps included.
    Stop,
}

impl OnOverlap {
    /// The form with this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "order" => Some(Self::Order),
            "warn" => Some(Self::Warn),
            "stop" => Some(Self::Stop),
            _ => None,
        }
    }
}

/// The rules of one run, read once when it starts (`product.md`, section 9). Never changes afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunPolicy {
    /// How many attempts of this run may be alive at once; `None` means as many as the runners have slots.
    pub max_workers: Option<u32>,
    /// Hard deadline of one attempt's agent.
    pub agent_timeout: Duration,
    /// The most that a command may ask for, if the repository's file says.
    pub timeout_limit: Option<Duration>,
    /// How many times a failed attempt is repeated without being asked.
    pub max_retries: u32,
    /// Share of completed tasks (of completed and failed ones) from which a run counts as `partial`, 0 to 1.
    pub success_threshold: f64,
    /// The progress comment is edited at most this often while nothing ends.
    pub status_interval: Duration,
    /// Whether agent logs carry every event, not only the important ones.
    pub verbose_logging: bool,
    /// A plan with fewer open tasks does not start.
    pub min_tasks: u32,
    /// What is done about tasks that would touch the same place.
    pub on_overlap: OnOverlap,
    /// Which configured agent works, such as `claude`.
    pub agent: String,
    /// The model asked of the agent; empty means the agent's own default.
    pub model: String,
    /// Whether pull requests are opened as drafts.
    pub draft: bool,
    /// The branch that work starts from and goes to; empty means the default branch.
    pub base: String,
    /// Shell commands that run in the work tree before the agent.
    pub setup: Vec<String>,
    /// Shell commands that must pass in the work tree after the agent.
    pub verify: Vec<String>,
    /// Globs of paths that no change may touch.
    pub protected_paths: Vec<String>,
    /// Logins that may start work; empty means everyone with write access.
    pub allow: Vec<String>,
    /// What the run may cost; `None` means that nothing limits it.
    pub run_usd: Option<Usd>,
    /// What each task may cost, over all its attempts.
    pub task_usd: Option<Usd>,
}

impl RunPolicy {
    /// What a change may not touch unless the repository says otherwise: CI, ownership and agents' configuration.
    pub const PROTECTED: &[&str] = &[
        ".github/**",
        ".gitlab-ci.yml",
        ".circleci/**",
        "CODEOWNERS",
        ".claude/**",
        ".mcp.json",
        ".codex/**",
    ];
}

impl RunPolicy {
    /// Whether this person may give commands that change something, as far as the repository's own list says; write
    /// access is another matter.
    pub fn allows(&self, login: &str) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|allowed| allowed.eq_ignore_ascii_case(login))
    }
}

impl Default for RunPolicy {
    fn default() -> Self {
        Self {
            max_workers: None,
            agent_timeout: Duration::from_secs(30 * 60),
            timeout_limit: None,
            max_retries: 0,
            success_threshold: 0.8,
            status_interval: Duration::from_secs(30),
            verbose_logging: false,
            min_tasks: 2,
            on_overlap: OnOverlap::Order,
            agent: "claude".to_owned(),
            model: String::new(),
            draft: true,
            base: String::new(),
            setup: Vec::new(),
            verify: Vec::new(),
            protected_paths: Self::PROTECTED.iter().map(|p| (*p).to_owned()).collect(),
            allow: Vec::new(),
            run_usd: None,
            task_usd: None,
        }
    }
}
