//! The control plane as it runs in `serve`, `demo` and `run`: store, orchestrator, listeners, embedded runner.

use super::behind::Desk;
use super::crash_point;
use super::embedded::{self, Embedded};
use crate::clock;
use crate::config::{self, Config, RunnerConfig};
use crate::dispatch::wire;
use crate::domain::schedule;
use crate::github::{App, AppConfig, Pace};
use crate::orchestrator::{Orchestrator, Settings};
use crate::report::marker;
use crate::server::{self, runner_api};
use crate::store::{Sqlite, Store};
use anyhow::Context as _;
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// One request to GitHub may take so long.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// Time between two summings of the metrics, whether anybody reads them or not.
const SUM_UP_EVERY: Duration = Duration::from_secs(5);

/// A running control plane.
pub(super) struct Plane {
    /// The database, for those who follow a run.
    pub store: Arc<dyn Store>,
    /// Where webhooks arrive.
    pub address: SocketAddr,
    orchestrator: Orchestrator,
    stop: CancellationToken,
    runner_stop: CancellationToken,
    runner: Option<JoinHandle<()>>,
    listeners: Vec<JoinHandle<()>>,
    /// Holds the runners' socket where the data directory's path is too long for one; gone with the plane.
    _socket_dir: Option<tempfile::TempDir>,
    /// Held as long as this is the data directory's control plane.
    _lock: File,
}

/// What differs between the verbs.
pub(super) struct PlaneOptions {
    /// Filter of the runner's log.
    pub runner_log: String,
    /// How fast GitHub is used.
    pub pace: Pace,
    /// The agent that works, whatever repositories ask for.
    pub agent: Option<String>,
    /// The page of the metrics listener; `None` for no such listener.
    pub metrics: Option<crate::telemetry::MetricsPage>,
}

impl Plane {
    /// Opens the store and starts everything.
    ///
    /// # Errors
    /// When the database cannot be opened, an address is taken, the key cannot be read, or the runner cannot start.
    pub async fn start(config: &Config, options: PlaneOptions) -> anyhow::Result<Self> {
        let data_dir = std::path::absolute(&config.data_dir)?;
        let lock = only_one(&data_dir)?;
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&database_file(&config.database.url)?).await?);
        let github = App::new(AppConfig {
            app_id: config.github.app_id,
            private_key: config.github.private_key.clone(),
            api_url: config.github.api_url.clone(),
            request_deadline: REQUEST_DEADLINE,
            pace: options.pace,
        })?;
        let settings = Settings {
            data_dir: data_dir.clone(),
            web_url: config.github.web_url.clone(),
            visibility_lag: config.github.visibility_lag,
            catch_up_every: config.github.deliveries.every(),
            request_deadline: REQUEST_DEADLINE,
            lease: config.runner_api.lease,
            runs_per_repo: config.limits.runs_per_repo,
            cost_per_run: config.limits.cost_per_run,
            attempts_per_installation: config.limits.attempts_per_installation,
            agents: config.agents.keys().cloned().collect(),
            agent: options.agent.clone(),
            marker_key: marker_key(&config.github),
            proof: crash_point::proof(&config.proof),
        };
        let orchestrator = Orchestrator::new(store.clone(), github, settings);
        orchestrator.start().await?;
        let (stop, runner_stop) = (CancellationToken::new(), CancellationToken::new());
        let mut listeners = Vec::new();

        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let app = public(config, address, store.clone(), orchestrator.clone())?;
        listeners.push(serve(listener, app, stop.clone()));
        if let Some(page) = options.metrics {
            let at = server::metrics_address(config.metrics.listen, config.metrics.allow_unauthenticated)?;
            let listener =
                TcpListener::bind(at).await.with_context(|| format!("cannot listen for metrics on {at}"))?;
            let (sums, stopped) = (page.clone(), stop.clone());
            listeners.push(tokio::spawn(async move {
                while clock::within(SUM_UP_EVERY, stopped.cancelled()).await.is_none() {
                    sums.sum_up();
                }
            }));
            listeners.push(serve(listener, server::metrics(move || page.render()), stop.clone()));
        }

        let (socket, socket_dir) = socket_path(&data_dir)?;
        let unix =
            UnixListener::bind(&socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
        let token = SecretString::from(clock::secret_hex(32));
        let api = runner_api::router(runner_api::RunnerApi {
            store: store.clone(),
            behind: Arc::new(Desk(orchestrator.clone())),
            tokens: config.runner_api.tokens.iter().chain([&token]).cloned().collect(),
            lease: config.runner_api.lease,
            heartbeat: wire::heartbeat(config.runner_api.lease),
            silence: wire::SILENCE,
            limits: schedule::Limits { attempts_per_installation: config.limits.attempts_per_installation },
            web_url: config.github.web_url.clone(),
            author: "divisi[bot] <divisi[bot]@users.noreply.github.com>".to_owned(),
        });
        listeners.push(serve(unix, api, stop.clone()));

        let runner = match config.runner.embedded {
            false => None,
            true => {
                let settings =
                    RunnerConfig { data_dir, slots: config.runner.slots, agents: config.agents.clone() };
                let embedded = Embedded { socket, token, settings, log: options.runner_log };
                Some(embedded::start(embedded, runner_stop.clone()).await?)
            }
        };
        Ok(Self {
            store,
            address,
            orchestrator,
            stop,
            runner_stop,
            runner,
            listeners,
            _socket_dir: socket_dir,
            _lock: lock,
        })
    }

    /// Stops in order: the intake (what is delivered is kept for the next start), the runner (its agents with it), the
    /// orchestrator, the listeners.
    pub async fn stop(self) {
        self.orchestrator.stop_intake();
        self.runner_stop.cancel();
        if let Some(runner) = self.runner {
            let _ = runner.await;
        }
        self.orchestrator.stop().await;
        self.stop.cancel();
        for listener in self.listeners {
            let _ = listener.await;
        }
    }
}

fn serve<L: server::Door + Send + 'static>(
    listener: L,
    app: axum::Router,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let limits = server::Limits::default();
    tokio::spawn(
        async move { server::serve(listener, app, limits, async move { stop.cancelled().await }).await },
    )
}

/// One control plane at a time uses a data directory: a second one would take the runner's socket away from the first.
fn only_one(data_dir: &Path) -> anyhow::Result<File> {
    let path = data_dir.join("serve.lock");
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    made.with_context(|| format!("cannot make the data directory {}", data_dir.display()))?;
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "another Divisi uses {}; stop it, or give this one a data_dir of its own",
            data_dir.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// A Unix socket's path may have 107 bytes.
const LONGEST_SOCKET: usize = 100;

/// Where the runners' socket goes: a private directory below the data directory, in which a socket that a killed process
/// left is replaced; or a temporary one when that path is too long.
fn socket_path(data_dir: &Path) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    let dir = data_dir.join("run");
    let socket = dir.join("runner.sock");
    let note = data_dir.join("socket_dir");
    if let Ok(left) = std::fs::read_to_string(&note) {
        remove_left_socket(Path::new(&left));
        let _ = std::fs::remove_file(&note);
    }
    if socket.as_os_str().len() > LONGEST_SOCKET {
        let dir = tempfile::Builder::new().prefix("divisi-").tempdir();
        let dir = dir.context("there is no directory for the runner's socket")?;
        // A process that is killed cannot remove it, so the next one knows where it is.
        std::fs::write(&note, dir.path().as_os_str().as_encoded_bytes())
            .with_context(|| format!("cannot write {}", note.display()))?;
        return Ok((dir.path().join("runner.sock"), Some(dir)));
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
    made.with_context(|| format!("cannot make {}", dir.display()))?;
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot replace {}", socket.display()))
        }
        _ => Ok((socket, None)),
    }
}

/// Removes the directory that a killed process had for its socket: exactly that, whatever the note says.
fn remove_left_socket(dir: &Path) {
    let ours = dir.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("divisi-"));
    if ours && std::fs::symlink_metadata(dir).is_ok_and(|is| is.is_dir()) {
        let _ = std::fs::remove_file(dir.join("runner.sock"));
        let _ = std::fs::remove_dir(dir);
    }
}

/// The routes of the public listener.
fn public(
    config: &Config,
    address: SocketAddr,
    store: Arc<dyn Store>,
    orchestrator: Orchestrator,
) -> anyhow::Result<axum::Router> {
    let inbox = server::StoreInbox::new(store.clone(), move || orchestrator.delivery_stored());
    let hook = match config.github.deliveries {
        // Whoever can reach this address could only send what must not come in this way.
        config::Deliveries::Poll(_) => axum::Router::new(),
        config::Deliveries::Webhook => server::webhook(server::Webhook {
            verifier: server::Verifier::new(&config.github.webhook_secrets)?,
            allow: server::AllowList::default(),
            inbox: Arc::new(inbox),
        }),
    };
    let open = hook.merge(server::health(Arc::new(Health(store))));
    let tokens: Vec<server::ApiToken> = config.api.tokens.iter().map(token).collect();
    let access = server::Access::new(&tokens, address.ip())?;
    Ok(server::app(open, axum::Router::new(), access))
}

fn token(token: &config::ApiToken) -> server::ApiToken {
    let role = match token.role {
        config::Role::Read => server::Role::Read,
        config::Role::Operate => server::Role::Operate,
    };
    server::ApiToken { role, token: token.token.clone() }
}

struct Health(Arc<dyn Store>);

#[async_trait]
impl server::Ready for Health {
    async fn readiness(&self) -> server::Readiness {
        // Agents run without walls until the sandbox tiers exist, and everything that tells of the tier says so.
        server::Readiness {
            database: self.0.ready().await.is_ok(),
            sandbox: Some(crate::runner::TIER.to_owned()),
        }
    }
}

/// The first of the configured secrets signs; the others, and the App's private key, are what signed before.
fn marker_key(github: &config::GitHub) -> marker::Key {
    let bytes = |secret: &SecretString| secret.expose_secret().as_bytes().to_vec();
    let mut secrets = github.marker_secrets.iter().chain([&github.private_key]).map(bytes);
    let key = marker::Key::derive(&secrets.next().unwrap_or_default());
    secrets.fold(key, |key, older| key.accepting(&older))
}

/// The file of `sqlite:PATH`.
fn database_file(url: &str) -> anyhow::Result<PathBuf> {
    let path = url.strip_prefix("sqlite:").context("database.url must begin with `sqlite:`")?;
    Ok(PathBuf::from(path.trim_start_matches("//")))
}
