//! The layers put together: defaults < file < environment, and the result checked as a whole.

use super::environment::{PREFIX, Warning, read_environment};
use super::machine::default_slots;
use super::problem::{ConfigError, Place, Problem};
use super::reader::{Entry, read};
use super::schema::SERVER;
use super::value::read_token;
use super::{
    Agent, AgentKind, Api, ApiToken, Config, Database, Deliveries, GitHub, Limits, Metrics, Proof, Runner,
    RunnerApi, host, secret,
};
use crate::domain::Usd;
use crate::domain::duration::read_duration;
use config::builder::DefaultState;
use config::{ConfigBuilder, File, FileFormat};
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file that is read when neither `--config` nor `DIVISI_CONFIG` names one and it exists.
const USUAL_FILE: &str = "divisi.toml";

/// What goes in. [`load`] fills it from the real file and environment.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Name (for messages) and text of the file.
    pub file: Option<(String, String)>,
    /// Variables whose names start with `DIVISI_`.
    pub environment: Vec<(String, String)>,
    /// The default of `runner.slots`; raised to 1.
    pub slots: u32,
}

/// What comes out.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What should be said but does not stop the start.
    pub warnings: Vec<Warning>,
}

/// What was found in layers that hold no mistake.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// What `divisi serve` needs beside them before it starts.
    pub absent: Vec<Problem>,
    /// What should be said but does not stop the start.
    pub warnings: Vec<Warning>,
}

/// Reads the file at `path` (else `DIVISI_CONFIG`, else `divisi.toml` here if there is one) and the environment.
///
/// A file that was named must exist; a file with a mistake is an error, whatever the environment says.
pub fn load(path: Option<&Path>) -> Result<Loaded, ConfigError> {
    Layers::read(path)?.resolve()
}

/// Checks one server file alone: its syntax, keys and values, not whether anything is missing.
pub fn check(name: &str, text: &str) -> Result<(), ConfigError> {
    read(name, text, SERVER).map(drop).map_err(|problems| ConfigError::invalid(Some((name, text)), problems))
}

/// The agents that the same file and environment configure, for commands that need no App.
///
/// # Errors
/// As [`load`], but nothing is missing without `[github]`.
pub fn load_agents(path: Option<&Path>) -> Result<BTreeMap<String, Agent>, ConfigError> {
    Layers::read(path)?.agents()
}

impl Layers {
    /// The file and the environment as [`load`] finds them.
    ///
    /// # Errors
    /// [`ConfigError::Read`] when a file that was named, or is there, cannot be read.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let named = path.map(Path::to_owned).or_else(|| host::variable(host::CONFIG).map(PathBuf::from));
        let must_exist = named.is_some();
        let path = named.unwrap_or_else(|| PathBuf::from(USUAL_FILE));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => Some((path.display().to_string(), text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => None,
            Err(source) => return Err(ConfigError::Read { file: path, source }),
        };
        Ok(Self { file, environment: host::own_variables(), slots: default_slots() })
    }

    /// What [`Layers::resolve`] would say, told apart: what is wrong is the error, what is only not here comes back.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all mistakes, but without what is only absent.
    pub fn check(&self) -> Result<Checked, ConfigError> {
        let (raw, entries, warnings) = self.merged()?;
        let problems = assemble(raw, &entries, self.slots).err().unwrap_or_default();
        let (absent, wrong): (Vec<_>, Vec<_>) = problems.into_iter().partition(|problem| problem.absent);
        if wrong.is_empty() { Ok(Checked { absent, warnings }) } else { Err(self.wrong(wrong)) }
    }

    /// Puts the layers together.
    pub fn resolve(self) -> Result<Loaded, ConfigError> {
        let (raw, entries, warnings) = self.merged()?;
        let config = assemble(raw, &entries, self.slots).map_err(|problems| self.wrong(problems))?;
        Ok(Loaded { config, warnings })
    }

    /// The `[agents]` sections alone.
    pub fn agents(self) -> Result<BTreeMap<String, Agent>, ConfigError> {
        let (raw, entries, _) = self.merged()?;
        let mut problems = Vec::new();
        let agents = agents(raw.agents, &entries, &mut problems);
        if problems.is_empty() { Ok(agents) } else { Err(self.wrong(problems)) }
    }

    fn file(&self) -> Option<(&str, &str)> {
        self.file.as_ref().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    fn wrong(&self, problems: Vec<Problem>) -> ConfigError {
        ConfigError::invalid(self.file(), problems)
    }

    /// Every value that was given, checked against its key: the file's in its order, then the environment's.
    pub(super) fn entries(&self) -> Result<(Vec<Entry>, Vec<Warning>), ConfigError> {
        let mut entries = match self.file() {
            Some((name, text)) => read(name, text, SERVER).map_err(|problems| self.wrong(problems))?,
            None => Vec::new(),
        };
        let (variables, warnings, problems) = read_environment(&self.environment);
        if !problems.is_empty() {
            return Err(self.wrong(problems));
        }
        entries.extend(variables);
        Ok((entries, warnings))
    }

    /// All values, and where each was given.
    fn merged(&self) -> Result<(Raw, Vec<Entry>, Vec<Warning>), ConfigError> {
        let (entries, warnings) = self.entries()?;
        let from_environment = entries.iter().filter(|entry| is_variable(&entry.place));
        let raw = merge(self.file().map(|(_, text)| text), from_environment).map_err(|error| {
            // Each layer was checked alone, so this is a disagreement between them.
            self.wrong(vec![missing("", &error.to_string())])
        })?;
        Ok((raw, entries, warnings))
    }
}

#[derive(Deserialize)]
struct Raw {
    listen: String,
    data_dir: PathBuf,
    #[serde(default)]
    github: RawGitHub,
    database: RawDatabase,
    runner: RawRunner,
    runner_api: RawRunnerApi,
    #[serde(default)]
    agents: BTreeMap<String, RawAgent>,
    limits: RawLimits,
    api: RawApi,
    metrics: RawMetrics,
    #[serde(default)]
    proof: RawProof,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawGitHub {
    app_id: Option<u64>,
    private_key: Option<SecretString>,
    private_key_path: Option<PathBuf>,
    webhook_secret: Option<OneOrMore>,
    marker_secret: Option<OneOrMore>,
    deliveries: String,
    poll_interval: String,
    api_url: String,
    web_url: String,
    visibility_lag: String,
    writes_per_minute: u32,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(SecretString),
    More(Vec<SecretString>),
}

impl OneOrMore {
    fn all(self) -> Vec<SecretString> {
        match self {
            Self::One(secret) => vec![secret],
            Self::More(secrets) => secrets,
        }
    }
}

#[derive(Deserialize)]
struct RawDatabase {
    url: String,
}

#[derive(Deserialize)]
struct RawRunner {
    embedded: bool,
    slots: Option<u32>,
}

#[derive(Deserialize)]
struct RawRunnerApi {
    lease: String,
    tokens: Vec<SecretString>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAgent {
    kind: Option<String>,
    command: Option<Vec<String>>,
    env: BTreeMap<String, String>,
    model_base_url: Option<String>,
    key: Option<SecretString>,
}

#[derive(Deserialize)]
struct RawLimits {
    runs_per_repo: u32,
    attempts_per_installation: u32,
    cost_per_run_usd: f64,
}

#[derive(Deserialize)]
struct RawApi {
    tokens: Vec<String>,
}

#[derive(Deserialize)]
struct RawMetrics {
    listen: String,
    allow_unauthenticated: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawProof {
    crash_at: Option<u64>,
    without: Vec<String>,
}

/// Defaults < file < environment.
fn merge<'a>(
    file: Option<&str>,
    environment: impl Iterator<Item = &'a Entry>,
) -> Result<Raw, config::ConfigError> {
    let mut layers: ConfigBuilder<DefaultState> = config::Config::builder();
    for key in SERVER {
        // A test parses every default, so one that does not parse is none.
        if let Some(value) = key.default_value() {
            layers = layers.set_default(key.path, plain(&value))?;
        }
    }
    if let Some(text) = file {
        layers = layers.add_source(File::from_str(text, FileFormat::Toml));
    }
    for entry in environment {
        layers = layers.set_override(entry.path.join("."), plain(&entry.value))?;
    }
    layers.build()?.try_deserialize()
}

fn plain(value: &toml::Value) -> config::Value {
    let kind = match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(n) => (*n).into(),
        toml::Value::Float(n) => (*n).into(),
        toml::Value::Boolean(b) => (*b).into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(list) => config::ValueKind::Array(list.iter().map(plain).collect()),
        toml::Value::Table(table) => {
            config::ValueKind::Table(table.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
    };
    config::Value::new(None, kind)
}

fn missing(key: &str, message: &str) -> Problem {
    Problem {
        place: Place::Nowhere,
        key: key.to_owned(),
        message: message.to_owned(),
        expected: String::new(),
        nearest: None,
        absent: false,
    }
}

/// Whether the environment gave it, which is the higher layer.
fn is_variable(place: &Place) -> bool {
    matches!(place, Place::Variable(_))
}

/// Where a key was given last, and thereby which layer won.
fn place_of(entries: &[Entry], key: &str) -> Option<Place> {
    entries.iter().rev().find(|entry| entry.path.join(".") == key).map(|entry| entry.place.clone())
}

fn assemble(raw: Raw, entries: &[Entry], slots: u32) -> Result<Config, Vec<Problem>> {
    let mut problems = Vec::new();
    let data_dir = raw.data_dir;

    let github = github(raw.github, entries, &mut problems);
    let metrics = metrics(&raw.metrics, entries, &mut problems);
    let agents = agents(raw.agents, entries, &mut problems);
    let proof = proof(&raw.proof, github.as_ref(), entries, &mut problems);
    let listen =
        raw.listen.parse().map_err(|_| missing("listen", "is no address")).map_err(|p| problems.push(p));

    match (github, metrics, listen) {
        (Some(github), Some(metrics), Ok(listen)) if problems.is_empty() => Ok(Config {
            listen,
            github,
            database: Database { url: raw.database.url.replace("{data_dir}", &data_dir.to_string_lossy()) },
            runner: Runner { embedded: raw.runner.embedded, slots: raw.runner.slots.unwrap_or(slots).max(1) },
            runner_api: RunnerApi {
                // Was checked against its kind; the default is one too.
                lease: read_duration(&raw.runner_api.lease).unwrap_or(RunnerApi::default().lease),
                tokens: raw.runner_api.tokens,
            },
            agents,
            limits: Limits {
                runs_per_repo: raw.limits.runs_per_repo,
                attempts_per_installation: raw.limits.attempts_per_installation,
                // Was checked against its kind.
                cost_per_run: Usd::of(raw.limits.cost_per_run_usd).unwrap_or(Limits::default().cost_per_run),
            },
            api: Api { tokens: raw.api.tokens.iter().filter_map(|text| api_token(text)).collect() },
            metrics,
            proof,
            data_dir,
        }),
        _ => Err(problems),
    }
}

fn api_token(text: &str) -> Option<ApiToken> {
    let (role, token) = read_token(text)?;
    Some(ApiToken { role, token: SecretString::from(token.to_owned()) })
}

fn github(raw: RawGitHub, entries: &[Entry], problems: &mut Vec<Problem>) -> Option<GitHub> {
    let before = problems.len();
    let absent = |key: &str| {
        let variable = format!("{PREFIX}{}", key.replace('.', "__").to_uppercase());
        let message = format!("is missing; set it in the file, or as {variable}");
        Problem { absent: true, ..missing(key, &message) }
    };
    if raw.app_id.is_none() {
        problems.push(absent("github.app_id"));
    }
    let webhook_secrets = raw.webhook_secret.map(OneOrMore::all).unwrap_or_default();
    let polls = raw.deliveries == "poll";
    if webhook_secrets.is_empty() && !polls {
        problems.push(absent("github.webhook_secret"));
    }
    let private_key = private_key(raw.private_key, raw.private_key_path, entries)
        .unwrap_or_else(|| Err(Box::new(absent("github.private_key"))))
        .map_err(|problem| problems.push(*problem));
    let trimmed = |url: String| url.trim_end_matches('/').to_owned();
    match (raw.app_id, private_key) {
        (Some(app_id), Ok(private_key)) if problems.len() == before => Some(GitHub {
            app_id,
            private_key,
            deliveries: if polls {
                Deliveries::Poll(read_duration(&raw.poll_interval)?)
            } else {
                Deliveries::Webhook
            },
            webhook_secrets,
            marker_secrets: raw.marker_secret.map(OneOrMore::all).unwrap_or_default(),
            api_url: trimmed(raw.api_url),
            web_url: trimmed(raw.web_url),
            visibility_lag: read_duration(&raw.visibility_lag)?,
            writes_per_minute: raw.writes_per_minute,
        }),
        _ => None,
    }
}

/// Either form; if both are given, the one of the higher layer, and two in one layer are a mistake.
fn private_key(
    text: Option<SecretString>,
    path: Option<PathBuf>,
    entries: &[Entry],
) -> Option<Result<SecretString, Box<Problem>>> {
    use secrecy::ExposeSecret as _;
    let text_place = place_of(entries, "github.private_key");
    let path_place = place_of(entries, "github.private_key_path");
    let wins = |place: &Option<Place>| place.as_ref().is_some_and(is_variable);
    let (key, place, result) = match (text, path) {
        (Some(_), Some(_)) if wins(&text_place) == wins(&path_place) => {
            let mut problem = missing("github.private_key_path", "is given beside `github.private_key`");
            "only one of the two".clone_into(&mut problem.expected);
            problem.place = path_place.unwrap_or(Place::Nowhere);
            return Some(Err(Box::new(problem)));
        }
        (Some(text), path) if path.is_none() || wins(&text_place) => {
            ("github.private_key", text_place, secret::from_text(text.expose_secret()))
        }
        (_, Some(path)) => ("github.private_key_path", path_place, secret::from_file(&path)),
        _ => return None,
    };
    Some(result.map_err(|error| {
        let place = place.unwrap_or(Place::Nowhere);
        let absent = matches!(error, secret::KeyError::Read { .. });
        Box::new(Problem { place, absent, ..missing(key, &error.to_string()) })
    }))
}

fn metrics(raw: &RawMetrics, entries: &[Entry], problems: &mut Vec<Problem>) -> Option<Metrics> {
    let listen: std::net::SocketAddr = raw.listen.parse().ok()?;
    if !listen.ip().is_loopback() && !raw.allow_unauthenticated {
        problems.push(Problem {
            place: place_of(entries, "metrics.listen").unwrap_or(Place::Nowhere),
            expected: "a loopback address, or metrics.allow_unauthenticated = true".to_owned(),
            ..missing("metrics.listen", &format!("{listen} can be reached by others without a token"))
        });
        return None;
    }
    Some(Metrics { listen, allow_unauthenticated: raw.allow_unauthenticated })
}

/// Only against a simulated GitHub: what is switched off or breaks here protects real repositories elsewhere.
fn proof(raw: &RawProof, github: Option<&GitHub>, entries: &[Entry], problems: &mut Vec<Problem>) -> Proof {
    let mut proof = Proof { crash_at: raw.crash_at, ..Proof::default() };
    for word in &raw.without {
        match word.as_str() {
            "look" => proof.without_look = true,
            "intent" => proof.without_intent = true,
            "wait" => proof.without_wait = true,
            other => problems.push(Problem {
                place: place_of(entries, "proof.without").unwrap_or(Place::Nowhere),
                expected: "look, intent, wait".to_owned(),
                ..missing("proof.without", &format!("`{other}` is no defence"))
            }),
        }
    }
    if proof != Proof::default() && github.is_some_and(|github| !is_loopback(&github.api_url)) {
        let key = if raw.crash_at.is_some() { "proof.crash_at" } else { "proof.without" };
        problems.push(Problem {
            place: place_of(entries, key).unwrap_or(Place::Nowhere),
            expected: "a simulated GitHub on this machine, or nothing below `proof`".to_owned(),
            ..missing(key, "is for proofs, and github.api_url is no loopback address")
        });
    }
    proof
}

/// Whether the address names this machine by number, which no name service can change.
fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.parse::<std::net::SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
        || authority.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn agents(
    raw: BTreeMap<String, RawAgent>,
    entries: &[Entry],
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Agent> {
    let mut agents = BTreeMap::from([("claude".to_owned(), Agent::claude())]);
    for (name, raw) in raw {
        let by_name = if name == "claude" { AgentKind::Claude } else { AgentKind::Command };
        let kind = raw.kind.as_deref().and_then(AgentKind::parse).unwrap_or(by_name);
        let command = match (raw.command, kind) {
            (Some(command), _) => command,
            (None, AgentKind::Claude) => Agent::claude().command,
            (None, AgentKind::Command) => {
                let section = format!("agents.{name}");
                let place =
                    entries.iter().find(|entry| entry.path.starts_with(&["agents".to_owned(), name.clone()]));
                problems.push(Problem {
                    place: place.map_or(Place::Nowhere, |entry| entry.place.clone()),
                    expected: "command = [\"PROGRAM\", …], or kind = \"claude\"".to_owned(),
                    ..missing(&format!("{section}.command"), "is missing")
                });
                continue;
            }
        };
        let model_base_url = raw.model_base_url.map(|url| url.trim_end_matches('/').to_owned());
        agents.insert(name, Agent { kind, command, env: raw.env, model_base_url, key: raw.key });
    }
    agents
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
