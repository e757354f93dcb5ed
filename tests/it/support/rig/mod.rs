//! Whole runs in one process and in virtual time: the real orchestrator over the real SQLite store, against the
//! simulated GitHub over loopback, with a runner that only tells facts.
//!
//! A [`Hub`] is a simulated GitHub with its clock; [`Hub::play`] plays one [`Script`] in a repository of its own. A life of
//! Divisi is a runtime on a thread of its own ([`life`]); a crash drops that runtime where it stands.

mod dice;
mod idle;
mod life;
mod runner;
pub mod stage;
mod weather;

pub use dice::Dice;
pub use life::Crash;
pub use runner::Fate;
pub use weather::{Sky, Storm};

use divisi::clock::{self, Virtual};
use divisi::domain::DeliveryId;
use divisi::github::Pace;
use divisi::orchestrator::{Point, Without};
use divisi::simulator::{NewIssue, Options, RepoContent, Role, Simulator, World};
use divisi::store::NewDelivery;
use jiff::SignedDuration;
use life::{Life, Shared};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A person with write access.
pub const MAINTAINER: &str = "mia";
/// How long the clock's owner rests between two looks.
const REST: Duration = Duration::from_micros(150);
/// After so many looks at somebody who never sleeps, time moves all the same.
const BUSY: u32 = 20_000;
/// The trigger label.
const LABEL: &str = "parallel-orchestration";

/// An act of a person in a repository, on its master issue.
pub type Meddling = Box<dyn FnOnce(&Simulator, &str, u64)>;

/// What happens in one run.
pub struct Script {
    /// Text of the master issue.
    pub body: String,
    /// `.github/divisi.toml`.
    pub rules: String,
    /// What becomes of an attempt: (task, attempt) to how long it takes and how it ends.
    pub fate: Box<dyn Fn(u32, u32) -> (Duration, Fate) + Send + Sync>,
    /// What the maintainer comments, each after the run has ended once more: (comment, whether an end follows).
    pub says: Vec<(&'static str, bool)>,
    /// How GitHub behaves.
    pub sky: Sky,
    /// When the process dies: each crash counts crossings from the start of its life.
    pub crashes: VecDeque<Crash>,
    /// What a person does while the process is down for the first time.
    pub meddles: Option<Meddling>,
    /// Virtual time between a crash and the next start.
    pub down: Duration,
    /// Defences that are off.
    pub without: Without,
    /// How fast GitHub is used.
    pub pace: Pace,
    /// The most one request may take.
    pub request_deadline: Duration,
    /// How long lists may lag, as Divisi is told.
    pub visibility_lag: Duration,
    /// Virtual time after which a run that has not ended counts as lost.
    pub patience: Duration,
    /// How often it is looked whether anything is left to do.
    pub look: Duration,
    /// Whether the runner renews its leases and hears when it is to stop.
    pub heartbeats: bool,
}

impl Script {
    /// A run in which every attempt succeeds after a few seconds and GitHub has a good day.
    pub fn new(body: String) -> Self {
        Self {
            body,
            rules: "agent = \"test\"\nmax_retries = 1\nstatus_interval = \"1h\"\n".to_owned(),
            fate: Box::new(|task, _| (Duration::from_secs(2 + u64::from(task)), Fate::Pushed)),
            says: Vec::new(),
            sky: Sky::default(),
            crashes: VecDeque::new(),
            meddles: None,
            down: Duration::ZERO,
            without: Without::default(),
            pace: Pace::of(60_000),
            request_deadline: Duration::from_secs(10),
            visibility_lag: Duration::from_secs(5),
            patience: Duration::from_secs(3600),
            look: Duration::from_secs(2),
            heartbeats: false,
        }
    }
}

/// What was seen of one run.
pub struct Played {
    /// The repository.
    pub repo: String,
    /// The master issue.
    pub master: u64,
    /// Every boundary that was crossed, over all lives.
    pub crossed: Vec<Point>,
    /// Crashes that happened.
    pub crashes: u32,
    /// Whether it came to rest in time, with every trigger answered by its end.
    pub ended: bool,
    /// Virtual time that passed.
    pub took: Duration,
}

/// A simulated GitHub on a thread of its own, in virtual time.
pub struct Hub {
    pub github: Simulator,
    pub clock: Virtual,
    storm: Arc<Storm>,
    dir: TempDir,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
    app_id: u64,
    ahead: SignedDuration,
    played: u64,
    idle: idle::Idle,
}

impl Hub {
    /// Starts it; files go to memory where the machine has a directory for that.
    pub fn start() -> Self {
        Self::with(SignedDuration::ZERO, |_| ())
    }

    /// Starts one whose clock is so far ahead of Divisi's, with other options.
    pub fn with(ahead: SignedDuration, change: impl FnOnce(&mut Options)) -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let dir = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        }
        .expect("a temporary directory");
        let clock = Virtual::starting_at(clock::now());
        let storm = Arc::new(Storm::default());
        let mut options =
            Options::new(include_str!("../../../fixtures/test-app-key.pub.pem"), dir.path().join("github"));
        options.git_in_memory = true;
        options.weather = Some(storm.clone());
        // People's acts are told of, as they are made: see `act`.
        options.events = Vec::new();
        options.rate_limit = u64::MAX;
        change(&mut options);
        let app_id = options.app_id;
        let (stop, (told, hears)) = (CancellationToken::new(), std::sync::mpsc::channel());
        let (its_stop, its_clock) = (stop.clone(), clock.clone());
        let thread = named("github", move || {
            let _entered = its_clock.enter_skewed(ahead);
            runtime(&its_clock, ahead).block_on(async {
                let github = Simulator::start(options).await.expect("the simulator starts");
                told.send(github).expect("somebody waits");
                its_stop.cancelled().await;
            });
        });
        let github = hears.recv().expect("the simulator");
        github.install_app("acme").expect("an installation");
        Self {
            github,
            clock,
            storm,
            dir,
            stop,
            thread: Some(thread),
            app_id,
            ahead,
            played: 0,
            idle: idle::Idle::new(),
        }
    }

    /// Makes the repository and the master issue of a script, and all that outlives a life.
    fn prepare(&mut self, script: Script) -> (Arc<Shared>, u64) {
        // People live by GitHub's clock.
        let _entered = self.clock.enter_skewed(self.ahead);
        self.played += 1;
        let repo = format!("acme/app-{}", self.played);
        let data: PathBuf = self.dir.path().join(format!("run-{}", self.played));
        self.storm.set(Sky::default());
        let content = RepoContent::files(&[("README.md", "# App\n"), (".github/divisi.toml", &script.rules)]);
        self.github.create_repo(&repo, "main", &content).expect("a repository");
        self.github.add_user(&repo, MAINTAINER, Role::Write).expect("a person");
        let issue = NewIssue::new("Epic: the list", script.body.clone());
        let master = self.github.open_issue(&repo, MAINTAINER, issue).expect("an issue");
        self.storm.set(script.sky);

        let shared = Arc::new(Shared {
            clock: self.clock.clone(),
            github: self.github.clone(),
            repo: repo.clone(),
            data: data.clone(),
            app_id: self.app_id,
            pace: script.pace,
            without: script.without,
            request_deadline: script.request_deadline,
            visibility_lag: script.visibility_lag,
            look: script.look,
            heartbeats: script.heartbeats,
            fate: script.fate,
            mail: Mutex::default(),
            bell: tokio::sync::Notify::new(),
            quiet: AtomicBool::new(false),
            held: Mutex::default(),
            crossed: Mutex::default(),
            deliveries: AtomicU64::new(0),
        });
        (shared, master)
    }

    /// Plays one run to its end, or until its patience is over.
    pub fn play(&mut self, mut script: Script) -> Played {
        let (mut crashes, says) = (std::mem::take(&mut script.crashes), std::mem::take(&mut script.says));
        let (down, patience, mut meddles) = (script.down, script.patience, script.meddles.take());
        let (shared, master) = self.prepare(script);
        let (repo, data) = (shared.repo.clone(), shared.data.clone());
        let _entered = self.clock.enter_skewed(self.ahead);
        self.act(&shared, |github| github.label_issue(&repo, MAINTAINER, master, LABEL).expect("a label"));

        let mut crashed = 0;
        let (start, mut ends, mut says) = (self.clock.elapsed(), 1, VecDeque::from(says));
        let mut busy = 0;
        let mut life = Life::begin(&shared, crashes.pop_front());
        let ended = loop {
            if self.clock.elapsed().saturating_sub(start) > patience {
                break false;
            }
            self.pass(&mut busy);
            if life.is_over() {
                life.end();
                crashed += 1;
                if let Some(meddle) = meddles.take() {
                    meddle(&self.github, &repo, master);
                }
                self.clock.skip(down);
                shared.quiet.store(false, Ordering::Release);
                life = Life::begin(&shared, crashes.pop_front());
                continue;
            }
            // Who sleeps is not just about to say that it is quiet.
            if !shared.quiet.load(Ordering::Acquire) || !self.idle.now() {
                continue;
            }
            if self.github.read(|w| reactions(w, &repo, master, "rocket")) < ends {
                // At rest without an end: it can only be lost.
                break false;
            }
            let Some((text, leads_to_an_end)) = says.pop_front() else { break true };
            ends += usize::from(leads_to_an_end);
            self.act(&shared, |github| github.comment(&repo, MAINTAINER, master, text).expect("a comment"));
        };
        life.end();
        let _ = std::fs::remove_dir_all(&data);
        let crossed = std::mem::take(&mut *shared.crossed.lock().unwrap());
        let took = self.clock.elapsed().saturating_sub(start);
        Played { repo, master, crossed, crashes: crashed, ended, took }
    }

    /// Lets time jump when everybody sleeps, or seems to for very long.
    fn pass(&mut self, busy: &mut u32) {
        *busy += 1;
        if self.idle.now() || *busy > BUSY {
            *busy = 0;
            // The first tick only sees that somebody looked since the last.
            let _ = self.clock.tick(Duration::MAX) || self.clock.tick(Duration::MAX);
        }
        clock::sleep_blocking(REST);
    }

    /// A person acts; what GitHub has to tell of it is for whatever life is there. What Divisi does itself is not told
    /// of: its deliveries are ignored, and making them would cost more than all the rest.
    fn act<T>(&self, shared: &Shared, act: impl FnOnce(&Simulator) -> T) -> T {
        shared.quiet.store(false, Ordering::Release);
        self.github.subscribe(&["issues", "issue_comment"]);
        let acted = act(&self.github);
        self.github.subscribe(&[]);
        let told: Vec<NewDelivery> = self.github.read(|w| {
            let told = w.deliveries().iter().filter(|d| d.event != "installation");
            told.map(|d| NewDelivery {
                id: DeliveryId::new(d.guid.clone()),
                event: d.event.clone(),
                payload: d.payload.to_vec(),
            })
            .collect()
        });
        // Nothing is left that the loop over deliveries could find: it would find other runs' as well.
        self.github.forget_deliveries();
        shared.mail.lock().unwrap().extend(told);
        shared.bell.notify_one();
        acted
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A thread with a name, for whoever looks where the time goes.
fn named(name: &str, work: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).expect("a thread")
}

/// A runtime whose every thread is in virtual time.
fn runtime(clock: &Virtual, ahead: SignedDuration) -> tokio::runtime::Runtime {
    let clock = clock.clone();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("blocking")
        .on_thread_start(move || std::mem::forget(clock.enter_skewed(ahead)))
        .build()
        .expect("a runtime")
}

/// Reactions of the App to an issue and its comments.
pub fn reactions(world: &World, repo: &str, issue: u64, content: &str) -> usize {
    let bot = world.bot_login();
    let own = world.issue(repo, issue).map(|i| i.reactions.as_slice()).unwrap_or_default();
    let comments = world.comments(repo, issue);
    let all = own.iter().chain(comments.iter().flat_map(|c| c.reactions.iter()));
    all.filter(|r| r.content == content && r.by == bot).count()
}

/// A list of independent tasks.
pub fn tasks(n: usize) -> String {
    let list: Vec<String> = (1..=n).map(|i| format!("- [ ] Task number {i} of the list")).collect();
    format!("What we want.\n\n## Tasks\n\n{}\n", list.join("\n"))
}
