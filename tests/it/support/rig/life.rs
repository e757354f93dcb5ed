//! One life of Divisi: its runtime, its thread, and the boundary at which it dies.

use super::runner::{self, Held};
use super::{Fate, named, runtime};
use async_trait::async_trait;
use divisi::clock::{self, Virtual};
use divisi::github::{App, AppConfig, Pace};
use divisi::orchestrator::{Boundary, Orchestrator, Point, Proof, Settings, Without};
use divisi::report::marker;
use divisi::simulator::Simulator;
use divisi::store::{Mark, NewDelivery, Sqlite, Store};
use jiff::SignedDuration;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

const KEY: &str = include_str!("../../../fixtures/test-app-key.pem");
/// Long enough that a lease never runs out here.
const LEASE: Duration = Duration::from_secs(6 * 3600);
/// How often a life looks for deliveries that did not come.
const CATCH_UP: Duration = Duration::from_secs(300);

/// When a life dies.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    /// At the nth crossing of this life, from 1.
    pub at: u64,
    /// So much later; zero is right there, and nothing is sent any more.
    pub after: Duration,
}

/// What outlives a life: the disk, the runner, what GitHub still has to tell.
pub struct Shared {
    pub clock: Virtual,
    pub github: Simulator,
    pub repo: String,
    pub data: PathBuf,
    pub app_id: u64,
    pub pace: Pace,
    pub without: Without,
    pub request_deadline: Duration,
    pub visibility_lag: Duration,
    pub look: Duration,
    /// Whether the runner renews its leases and hears when it is to stop.
    pub heartbeats: bool,
    pub fate: Box<dyn Fn(u32, u32) -> (Duration, Fate) + Send + Sync>,
    /// Deliveries that were not accepted yet.
    pub mail: Mutex<VecDeque<NewDelivery>>,
    /// Rung when there is mail.
    pub bell: Notify,
    /// Nothing is left to do.
    pub quiet: AtomicBool,
    /// Attempts that the runner works on.
    pub held: Mutex<Vec<Held>>,
    /// Every crossing, over all lives.
    pub crossed: Mutex<Vec<Point>>,
    /// Deliveries that were accepted.
    pub deliveries: AtomicU64,
}

/// A life's own boundary.
struct Wire {
    shared: Arc<Shared>,
    crossed: AtomicU64,
    crash: Option<Crash>,
    dead: AtomicBool,
    died: Notify,
}

impl Wire {
    fn die(&self) {
        self.dead.store(true, Ordering::Release);
        self.died.notify_one();
    }
}

#[async_trait]
impl Boundary for Wire {
    async fn cross(&self, point: Point) {
        if self.dead.load(Ordering::Acquire) {
            return std::future::pending().await;
        }
        self.shared.crossed.lock().unwrap().push(point);
        let n = self.crossed.fetch_add(1, Ordering::Relaxed) + 1;
        match self.crash {
            Some(Crash { at, after }) if n == at && after.is_zero() => {
                self.die();
                std::future::pending().await
            }
            _ => {}
        }
    }
}

/// A life that runs on its own thread.
pub struct Life {
    over: Arc<Wire>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Life {
    /// Starts on the same database as the one before.
    pub fn begin(shared: &Arc<Shared>, crash: Option<Crash>) -> Self {
        let wire = Arc::new(Wire {
            shared: shared.clone(),
            crossed: AtomicU64::new(0),
            crash,
            dead: AtomicBool::new(false),
            died: Notify::new(),
        });
        let its_wire = wire.clone();
        let thread = named("divisi", move || {
            let shared = its_wire.shared.clone();
            let _entered = shared.clock.enter();
            let runtime = runtime(&shared.clock, SignedDuration::ZERO);
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = its_wire.died.notified() => {}
                    () = live(&shared, &its_wire) => {}
                }
            });
            // Every task ends where it stands.
            runtime.shutdown_background();
        });
        Self { over: wire, thread: Some(thread) }
    }

    /// Whether it has died.
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_some_and(std::thread::JoinHandle::is_finished)
    }

    /// Ends it at once, wherever it is.
    pub fn end(mut self) {
        self.over.die();
        if let Some(Err(panic)) = self.thread.take().map(std::thread::JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

async fn live(shared: &Arc<Shared>, wire: &Arc<Wire>) {
    let store = Sqlite::open(&shared.data.join("divisi.db")).await.expect("the database opens");
    let store: Arc<dyn Store> = Arc::new(store);
    let github = App::new(AppConfig {
        app_id: shared.app_id,
        private_key: KEY.to_owned().into(),
        api_url: shared.github.base_url(),
        request_deadline: shared.request_deadline,
        pace: shared.pace,
    })
    .expect("the App");
    let settings = Settings {
        data_dir: shared.data.clone(),
        web_url: shared.github.web_url(),
        visibility_lag: shared.visibility_lag,
        request_deadline: shared.request_deadline,
        lease: LEASE,
        catch_up_every: CATCH_UP,
        runs_per_repo: 2,
        cost_per_run: divisi::domain::Usd::whole(50),
        attempts_per_installation: 20,
        agents: vec!["test".to_owned()],
        agent: None,
        marker_key: marker::Key::derive(KEY.as_bytes()),
        proof: Proof { boundary: Some(wire.clone()), without: shared.without },
    };
    // The daily look for labels goes through all repositories of a hub, which are other runs'.
    store.mark_moved(Mark::Labelled, clock::now()).await.expect("a mark");
    let orchestrator = Orchestrator::new(store.clone(), github, settings);
    orchestrator.start().await.expect("the orchestrator starts");
    tokio::spawn(runner::work(shared.clone(), store.clone(), orchestrator.clone(), LEASE));
    tokio::spawn(look_for_rest(shared.clone(), store.clone()));
    if let Some(Crash { at, after }) = wire.crash.filter(|c| !c.after.is_zero()) {
        let wire = wire.clone();
        tokio::spawn(async move {
            while wire.crossed.load(Ordering::Relaxed) < at {
                clock::sleep(Duration::from_millis(100)).await;
            }
            clock::sleep(after).await;
            wire.die();
        });
    }
    // GitHub's deliveries; one that was not accepted comes again.
    loop {
        let next = shared.mail.lock().unwrap().front().cloned();
        let Some(delivery) = next else {
            shared.bell.notified().await;
            continue;
        };
        if store.delivery_received(delivery, clock::now()).await.is_ok() {
            shared.mail.lock().unwrap().pop_front();
            shared.deliveries.fetch_add(1, Ordering::Relaxed);
            orchestrator.delivery_stored();
        }
    }
}

/// Says when nothing is left to do, now or later.
async fn look_for_rest(shared: Arc<Shared>, store: Arc<dyn Store>) {
    loop {
        clock::sleep(shared.look).await;
        let later = clock::now() + SignedDuration::from_hours(24);
        let rest = shared.mail.lock().unwrap().is_empty()
            && store.runs_open().await.is_ok_and(|open| open.is_empty())
            && store.deliveries_waiting().await.is_ok_and(|waiting| !waiting)
            && store.answers_due(later).await.is_ok_and(|due| due.is_empty());
        // Mail that came meanwhile is no rest.
        let rest = rest && shared.mail.lock().unwrap().is_empty();
        shared.quiet.store(rest, Ordering::Release);
    }
}
