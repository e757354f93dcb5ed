//! The contract of `store::Store`: one suite, run on every engine, and what is particular to an engine.

mod effects;
mod inbox;
mod leases;
mod limits;
mod plans;
mod resume;
mod runs;
mod sqlite;

use divisi::domain::schedule::Limits;
use divisi::domain::{
    AttemptId, DeliveryId, IssueRef, IssueTitle, Orchestration, Outcome, Published, Repo, Run, RunEvent,
    RunId, RunPolicy, RunState, RunnerId, Sha, Size, Spent, Stops, Target, Task, TaskEvent, TaskNumber,
    TaskState, Usage,
};
use divisi::store::{Claimed, NewDelivery, Received, RunnerSeen, Settled, Settlement, Sqlite, Store};
use jiff::Timestamp;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A new database of some engine, which can be closed and opened again.
struct Bench {
    store: Arc<dyn Store>,
    engine: Engine,
}

enum Engine {
    Sqlite { path: PathBuf, store: Sqlite },
}

impl Bench {
    async fn sqlite(dir: &TempDir) -> Self {
        let path = dir.path().join("data/divisi.db");
        let store = Sqlite::open(&path).await.expect("a new database opens");
        Self { store: Arc::new(store.clone()), engine: Engine::Sqlite { path, store } }
    }

    /// The same database as a new process would find it.
    async fn reopened(mut self) -> Self {
        let Engine::Sqlite { path, store } = self.engine;
        store.close().await;
        let store = Sqlite::open(&path).await.expect("the database opens again");
        self.store = Arc::new(store.clone());
        self.engine = Engine::Sqlite { path, store };
        self
    }
}

/// Runs a test of the contract on a new database of each engine.
fn on_every_engine<F: Future<Output = ()>>(test: impl Fn(Bench) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let dir = TempDir::new().expect("a temporary directory");
    runtime.expect("a runtime").block_on(async { test(Bench::sqlite(&dir).await).await });
}

const LEASE: Duration = Duration::from_secs(90);
const LIMITS: Limits = Limits { attempts_per_installation: 20 };

/// So many milliseconds after the suite's zero.
fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_764_000_000_000 + ms).expect("a time")
}

fn delivery(id: &str) -> NewDelivery {
    NewDelivery { id: DeliveryId::new(id), event: "issues".into(), payload: b"{\"a\":1}".to_vec() }
}

fn settlement(id: &str) -> Settlement {
    Settlement {
        delivery: DeliveryId::new(id),
        trigger: None,
        note: "test".into(),
        effects: vec![],
        start: None,
        change: None,
        posted: None,
    }
}

/// A run of master issue `master` in repository 7 whose tasks are `planned`.
fn orchestration(id: &str, master: u64, sequence: u32, tasks: u32) -> Orchestration {
    let sha = Sha::parse(&"a".repeat(40)).expect("a commit id");
    let run = Run {
        id: RunId::new(id),
        repo: Repo {
            id: 7,
            owner: "octo".into(),
            name: "demo".into(),
            installation: 99,
            default_branch: "main".into(),
        },
        master: IssueTitle { number: master, id: 1_000 + master, title: "Master".into() },
        orchestration_id: if sequence == 1 {
            format!("orch-{master}-20261124")
        } else {
            format!("orch-{master}-20261124-{sequence}")
        },
        sequence,
        requester: "mona".into(),
        context: String::new(),
        base: "main".into(),
        base_sha: sha,
        policy: RunPolicy { agent: "command".into(), ..RunPolicy::default() },
        state: RunState::Active,
        created_at: at(i64::from(sequence)),
        active_since: at(0),
        ended_at: None,
        triggers: vec![Target::Issue(master)],
        round: 1,
        deliveries: vec![],
        usage: Usage::default(),
        sandbox_tier: String::new(),
        stops: Stops::default(),
        notes: Vec::new(),
    };
    Orchestration { run, tasks: (1..=tasks).map(task).collect() }
}

fn task(number: TaskNumber) -> Task {
    Task::planned(number, format!("Task {number}"), format!("divisi/1/{number}-task"), "command".into())
}

/// Starts the run through a delivery, as the intake does.
async fn started(store: &dyn Store, run: &Orchestration) -> Settled {
    let id = format!("start-{}", run.run.id);
    assert_eq!(store.delivery_received(delivery(&id), at(0)).await.unwrap(), Received::New);
    let settlement = Settlement { start: Some(run.clone()), ..settlement(&id) };
    store.delivery_settled(settlement, at(0)).await.unwrap()
}

/// Starts a run whose tasks are all `ready`; task `n` has sub-issue `100 * master + n`.
async fn ready_run(store: &dyn Store, id: &str, master: u64, tasks: u32) -> RunId {
    let run = orchestration(id, master, 1, tasks);
    assert_eq!(started(store, &run).await, Settled::Done);
    for number in 1..=tasks {
        let issue = 100 * master + u64::from(number);
        let known = TaskEvent::SubIssueKnown(IssueRef { number: issue, id: 5_000 + issue });
        changed(store, &run.run.id, number, known, at(1)).await;
    }
    run.run.id
}

async fn changed(
    store: &dyn Store,
    run: &RunId,
    task: TaskNumber,
    event: TaskEvent,
    now: Timestamp,
) -> Orchestration {
    store.run_changed(run, RunEvent::Task(task, event), now).await.expect("the event is applied").after
}

async fn registered(store: &dyn Store, runner: &str, host: &str) -> (RunnerId, Vec<RunId>) {
    let seen = RunnerSeen {
        runner: RunnerId::new(runner),
        host_id: host.into(),
        slots: 4,
        agents: vec!["command".into()],
        tier: "reduced".into(),
        found: vec![],
    };
    let id = seen.runner.clone();
    let runs = store.runner_registered(seen, at(10)).await.unwrap();
    (id, runs)
}

async fn claimed(
    store: &dyn Store,
    runner: &RunnerId,
    holds: &[AttemptId],
    now: Timestamp,
) -> Option<Claimed> {
    store.attempt_claimed(runner, holds, &LIMITS, LEASE, now).await.unwrap()
}

fn published() -> Published {
    Published {
        head: Sha::parse(&"b".repeat(40)).expect("a commit id"),
        base: Sha::parse(&"a".repeat(40)).expect("a commit id"),
        commits: 1,
        paths: vec!["README.md".into()],
        verify: vec![],
        said: "done".into(),
    }
}

fn spent() -> Spent {
    // Sums of these have no short decimal form: they show whether a state survives being stored.
    Spent { tokens: 10, cost_usd: 0.1 + 0.2, seconds: 1.0 / 3.0 }
}

/// Brings a ready run with one task to its end.
async fn ended(store: &dyn Store, run: &RunId, runner: &RunnerId) -> Orchestration {
    let claim = claimed(store, runner, &[], at(100)).await.expect("the task is handed out");
    assert_eq!(&claim.attempt.run, run);
    let pushed = TaskEvent::Pushed { epoch: claim.epoch, published: published(), spent: spent() };
    changed(store, run, 1, pushed, at(200)).await;
    changed(store, run, 1, TaskEvent::PullRequestKnown(70), at(300)).await;
    let after = store.run_changed(run, RunEvent::Ended, at(400)).await.unwrap().after;
    assert_eq!(after.run.state, RunState::Ended(Outcome::Succeeded));
    after
}
