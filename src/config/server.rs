//! The server's settings as the rest of the program sees them: checked, complete, with the defaults filled in.
//!
//! Which keys there are, their defaults and what they mean for people is in `schema.rs`.

use crate::domain::Usd;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that `divisi serve` is told. Holds secrets; it has no `Serialize`, and its `Debug` hides them.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the public listener: webhooks, API, health.
    pub listen: SocketAddr,
    /// Directory for the database, mirrors, worktrees and logs. Relative to the working directory if not absolute.
    pub data_dir: PathBuf,
    /// The GitHub App.
    pub github: GitHub,
    /// The store.
    pub database: Database,
    /// The embedded runner.
    pub runner: Runner,
    /// The counter at which runners fetch their work.
    pub runner_api: RunnerApi,
    /// The agents that runners of this configuration offer, by name. `claude` is always there.
    pub agents: BTreeMap<String, Agent>,
    /// Upper bounds on work.
    pub limits: Limits,
    /// Who may use the JSON API.
    pub api: Api,
    /// The metrics listener.
    pub metrics: Metrics,
    /// What a proof asks for; nothing in service.
    pub proof: Proof,
}

/// How Divisi reaches GitHub and proves who it is.
#[derive(Clone, Debug)]
pub struct GitHub {
    /// The App's id, as its settings page shows it.
    pub app_id: u64,
    /// The App's private key in PEM form (from `private_key`, or read from `private_key_path`).
    pub private_key: SecretString,
    /// How deliveries come in.
    pub deliveries: Deliveries,
    /// One or two webhook secrets, two while a secret is being rotated; empty only when nothing comes through the webhook.
    pub webhook_secrets: Vec<SecretString>,
    /// What the hidden markers are signed with: the first writes, all of them are recognised. Empty: the private key.
    pub marker_secrets: Vec<SecretString>,
    /// REST base without a trailing slash, such as `https://api.github.com`.
    pub api_url: String,
    /// Base of links and of git over HTTPS, without a trailing slash, such as `https://github.com`.
    pub web_url: String,
    /// How long GitHub may take to show in a list what was just written; a look for an earlier write that
    /// finds nothing is trusted only after it.
    pub visibility_lag: Duration,
    /// How many writes a minute go to one installation in the long run. The default stays below GitHub's limits; an
    /// Enterprise Server without limits allows more.
    pub writes_per_minute: u32,
}

/// How deliveries come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliveries {
    /// GitHub sends them; what did not come is looked for every 5 minutes.
    Webhook,
    /// They are read from GitHub's list, and in no other way, this often.
    Poll(Duration),
}

impl Deliveries {
    /// The time between two looks at GitHub's list.
    pub fn every(self) -> Duration {
        match self {
            Self::Webhook => Duration::from_secs(300),
            Self::Poll(every) => every,
        }
    }
}

/// Where the state is kept.
#[derive(Clone, Debug)]
pub struct Database {
    /// `sqlite:PATH`, with `{data_dir}` already filled in.
    pub url: String,
}

/// The runner that `serve` starts as a child process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// Whether `serve` starts one.
    pub embedded: bool,
    /// How many agents it runs at the same time, at least 1.
    pub slots: u32,
}

/// The counter at which runners fetch their work.
#[derive(Clone, Debug)]
pub struct RunnerApi {
    /// How long a lease lasts after each heartbeat, at least 1 s.
    pub lease: Duration,
    /// Tokens of runners that `serve` does not start itself, each at least 16 characters.
    pub tokens: Vec<SecretString>,
}

impl Default for RunnerApi {
    fn default() -> Self {
        Self { lease: Duration::from_secs(90), tokens: Vec::new() }
    }
}

/// What an agent is to Divisi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentKind {
    /// The Claude Code command line.
    Claude,
    /// Any program: prompt on standard input, facts decide.
    Command,
}

impl AgentKind {
    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "claude" => Some(Self::Claude),
            "command" => Some(Self::Command),
            _ => None,
        }
    }

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Command => "command",
        }
    }
}

/// One `[agents.NAME]` section.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Which adapter speaks to it.
    pub kind: AgentKind,
    /// Program and first arguments, never empty; no shell is involved.
    pub command: Vec<String>,
    /// Extra environment of the agent.
    pub env: BTreeMap<String, String>,
    /// Base URL of the model's API, without a trailing slash; `None` for the provider's own.
    pub model_base_url: Option<String>,
    /// The model key. It stays with the runner; the agent gets a dummy.
    pub key: Option<SecretString>,
}

impl Agent {
    /// The agent `claude` as it is without any configuration.
    pub fn claude() -> Self {
        Self {
            kind: AgentKind::Claude,
            command: vec!["claude".to_owned()],
            env: BTreeMap::new(),
            model_base_url: None,
            key: None,
        }
    }

    /// An agent of kind `command` that runs `command`.
    pub fn command(command: Vec<String>) -> Self {
        Self { kind: AgentKind::Command, command, ..Self::claude() }
    }
}

/// Upper bounds on work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Live runs per repository.
    pub runs_per_repo: u32,
    /// Live attempts per installation of the App.
    pub attempts_per_installation: u32,
    /// What one run may cost.
    pub cost_per_run: Usd,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs_per_repo: 2, attempts_per_installation: 20, cost_per_run: Usd::whole(50) }
    }
}

/// What a holder of an API token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Read,
    /// Look and act: start, retry, cancel.
    Operate,
}

/// One API token.
#[derive(Clone, Debug)]
pub struct ApiToken {
    /// What it allows.
    pub role: Role,
    /// At least 16 characters.
    pub token: SecretString,
}

/// Who may use the JSON API.
#[derive(Clone, Debug, Default)]
pub struct Api {
    /// Empty: the API answers on a loopback listener with a loopback `Host` only.
    pub tokens: Vec<ApiToken>,
}

/// The metrics listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Where it listens. Anything but loopback was allowed explicitly.
    pub listen: SocketAddr,
    /// Whether an address that others can reach was allowed.
    pub allow_unauthenticated: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9091)), allow_unauthenticated: false }
    }
}

/// What a proof asks for. Accepted only while `github.api_url` is a loopback address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The process ends itself at this crossing of a boundary, counted from its start.
    pub crash_at: Option<u64>,
    /// Do not look for an effect before it is sent again.
    pub without_look: bool,
    /// Record the intent of an effect only after its answer.
    pub without_intent: bool,
    /// Do not wait out an unknown outcome.
    pub without_wait: bool,
}

impl Config {
    /// Every secret in it, so that logs can be cleaned of them.
    pub fn secrets(&self) -> Vec<&str> {
        let keys = self.agents.values().filter_map(|a| a.key.as_ref());
        let tokens = self.api.tokens.iter().map(|t| &t.token);
        let (github, runners) = (&self.github, self.runner_api.tokens.iter());
        let own = github.webhook_secrets.iter().chain(&github.marker_secrets).chain([&github.private_key]);
        own.chain(keys).chain(tokens).chain(runners).map(|s| s.expose_secret()).collect()
    }

    /// The defaults around a given App, data directory and number of slots, without reading any file or
    /// environment: for `demo`, `run` and tests, which make their own.
    pub fn new(data_dir: &Path, github: GitHub, slots: u32) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data_dir: data_dir.to_owned(),
            github,
            database: Database { url: format!("sqlite:{}/divisi.db", data_dir.display()) },
            runner: Runner { embedded: true, slots: slots.max(1) },
            runner_api: RunnerApi::default(),
            agents: BTreeMap::from([("claude".to_owned(), Agent::claude())]),
            limits: Limits::default(),
            api: Api::default(),
            metrics: Metrics::default(),
            proof: Proof::default(),
        }
    }

    /// The part that a runner process is given: no App key, no webhook secret, no database.
    pub fn for_runner(&self) -> super::RunnerConfig {
        super::RunnerConfig {
            data_dir: self.data_dir.clone(),
            slots: self.runner.slots,
            agents: self.agents.clone(),
        }
    }
}
