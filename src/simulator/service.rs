//! Starting and stopping: the listener, the task that sends webhooks, and the shared state.

use super::deliveries;
use super::git::{GitError, bin_dir_of_git};
use super::http;
use super::options::Options;
use super::refusal::Refusal;
use super::world::World;
use crate::clock;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// A running simulated GitHub. Clones are handles of the same one; it stops when the last is dropped.
#[derive(Clone)]
pub struct Simulator {
    pub(super) shared: Arc<Shared>,
    _running: Arc<DropGuard>,
    stop: CancellationToken,
}

/// Why the simulator could not be started or could not do something.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// No loopback address could be listened on.
    #[error("cannot listen on a loopback address")]
    Listen(#[source] std::io::Error),
    /// The HTTP client that sends webhooks could not be made.
    #[error("cannot make the client that sends webhooks")]
    Client(#[source] reqwest::Error),
    /// The directory of the repositories could not be made.
    #[error("cannot make the directory {0}")]
    Directory(PathBuf, #[source] std::io::Error),
    /// Git is missing or failed.
    #[error("git is needed behind the simulated GitHub")]
    Git(#[from] GitError),
    /// The simulated GitHub refused.
    #[error("the simulated GitHub refused")]
    Refused(#[from] Refusal),
}

/// What the tasks and handles share.
pub(super) struct Shared {
    world: Mutex<World>,
    pub queued: Notify,
    /// Rung when an outage is planned.
    pub outage_planned: Notify,
    changes: watch::Sender<()>,
    pub client: reqwest::Client,
    pub tasks: TaskTracker,
    pub git_backend: PathBuf,
}

/// How long open connections get to end when the simulator stops.
const GRACE: Duration = Duration::from_secs(2);

impl Shared {
    /// The state, locked; hold it for no await.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the sender of webhooks and those who wait that something happened.
    pub fn changed(&self) {
        self.queued.notify_one();
        self.changes.send_replace(());
    }

    pub fn watch(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Changes the state.
    pub fn act<T>(&self, change: impl FnOnce(&mut World) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let outcome = change(&mut self.world());
        self.changed();
        outcome
    }
}

impl Simulator {
    /// Starts a GitHub without accounts and repositories on a free loopback port.
    ///
    /// # Errors
    /// When nothing can be listened on, git is missing, or the directory cannot be made.
    pub async fn start(options: Options) -> Result<Simulator, SimulatorError> {
        let root = options.git_root.clone();
        std::fs::create_dir_all(&root).map_err(|e| SimulatorError::Directory(root, e))?;
        let git_backend = bin_dir_of_git()?.join("git-http-backend");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(SimulatorError::Listen)?;
        let address = listener.local_addr().map_err(SimulatorError::Listen)?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(SimulatorError::Client)?;
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(options, format!("http://{address}"))),
            queued: Notify::new(),
            outage_planned: Notify::new(),
            changes: watch::channel(()).0,
            client,
            tasks: TaskTracker::new(),
            git_backend,
        });
        let stop = CancellationToken::new();
        shared.tasks.spawn(serve(Arc::clone(&shared), listener, stop.clone()));
        shared.tasks.spawn(deliveries::deliver(Arc::clone(&shared), stop.clone()));
        Ok(Simulator { shared, _running: Arc::new(stop.clone().drop_guard()), stop })
    }

    /// Base of the API, such as `http://127.0.0.1:4321` (what `github.api_url` is set to).
    pub fn base_url(&self) -> String {
        self.shared.world().base.clone()
    }

    /// Base of pages and of git (`<web_url>/<owner>/<name>.git`).
    pub fn web_url(&self) -> String {
        self.base_url()
    }

    /// Stops listening and sending, and waits until everything has ended (2 s at most for open connections).
    pub async fn stop(&self) {
        self.stop.cancel();
        self.shared.tasks.close();
        let _ = clock::within(GRACE * 2, self.shared.tasks.wait()).await;
    }
}

/// Listens, except in outages in which nobody does.
async fn serve(shared: Arc<Shared>, mut listener: TcpListener, stop: CancellationToken) {
    let Ok(address) = listener.local_addr() else { return };
    loop {
        let refused = tokio::select! {
            () = listen(Arc::clone(&shared), &listener, &stop) => return,
            until = refusal(&shared) => until,
        };
        drop(listener);
        let now = clock::now();
        let left = Duration::try_from(refused.duration_since(now)).unwrap_or(Duration::ZERO);
        tokio::select! {
            () = clock::sleep(left) => {}
            () = stop.cancelled() => return,
        }
        listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(error) => {
                    tracing::warn!(%error, "the simulated GitHub could not listen again; trying");
                    clock::sleep(Duration::from_millis(50)).await;
                }
            }
        };
    }
}

/// Returns when connections begin to be refused: until when.
async fn refusal(shared: &Shared) -> Timestamp {
    loop {
        let now = clock::now();
        let next = shared.world().outages.next_refusal(now);
        let Some(outage) = next else {
            shared.outage_planned.notified().await;
            continue;
        };
        let wait = Duration::try_from(outage.from.duration_since(now)).unwrap_or(Duration::ZERO);
        if wait.is_zero() {
            return outage.until;
        }
        tokio::select! {
            () = clock::sleep(wait) => {}
            () = shared.outage_planned.notified() => {}
        }
    }
}

/// Accepts until the stop. Dropped earlier, it cuts every connection.
async fn listen(shared: Arc<Shared>, listener: &TcpListener, stop: &CancellationToken) {
    let graceful = GracefulShutdown::new();
    let cut = CancellationToken::new();
    let _cut_when_dropped = cut.clone().drop_guard();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the simulated GitHub could not accept a connection");
                    clock::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let shared_here = Arc::clone(&shared);
        let service = service_fn(move |request| http::answer(Arc::clone(&shared_here), request));
        let connection =
            graceful.watch(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        let cut = cut.clone();
        shared.tasks.spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                // An error here is a client that went away, or a planned fault.
                _ = connection => {}
            }
        });
    }
    let _ = clock::within(GRACE, graceful.shutdown()).await;
    cut.cancel();
}
