//! The control plane goes away while agents work: they stand still before their leases end, no sooner than needed, and lose nothing.

use super::counter::{Counter, TOKEN, registration};
use divisi::agents::AgentKind;
use divisi::clock;
use divisi::dispatch::wire;
use divisi::domain::{RunEvent, RunPolicy, TaskEvent, TaskState};
use divisi::runner::{self, AgentConfig, Redact, RedactStream, RunnerOptions};
use divisi::sandbox::Launcher;
use divisi::workspace::GitSettings;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Leaves everything as it is.
struct Plain;

impl Redact for Plain {
    fn text(&self, text: &str) -> String {
        text.to_owned()
    }
    fn stream(&self) -> Box<dyn RedactStream> {
        Box::new(Plain)
    }
    fn add(&self, _: &str) {}
    fn remove(&self, _: &str) {}
}

impl RedactStream for Plain {
    fn push(&mut self, piece: &[u8]) -> String {
        String::from_utf8_lossy(piece).into_owned()
    }
    fn finish(&mut self) -> String {
        String::new()
    }
}

async fn options(dir: &Path, counter: &Counter, script: &str) -> RunnerOptions {
    let path = "/usr/local/bin:/usr/bin:/bin".to_owned();
    RunnerOptions {
        data_dir: dir.join("data"),
        socket: counter.socket.clone(),
        token: TOKEN.to_owned().into(),
        slots: 2,
        agents: vec![AgentConfig {
            name: "test".to_owned(),
            kind: AgentKind::Command,
            command: vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()],
            env: BTreeMap::new(),
            model_base_url: None,
            key: None,
        }],
        launcher: Launcher::new(env!("CARGO_BIN_EXE_divisi")).await.unwrap(),
        git: GitSettings { path, env: BTreeMap::new() },
        redact: Arc::new(Plain),
    }
}

async fn until(what: &str, limit: Duration, mut wanted: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !wanted().await {
            clock::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(clock::within(limit, wait).await.is_some(), "waited in vain until {what}");
}

/// Seconds since a file was last written.
fn age(path: &Path) -> Duration {
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    modified.elapsed().unwrap_or_default()
}

/// As stubborn as an agent can be: beats until `go` is there, then works.
fn stubborn(dir: &Path) -> String {
    let (pulse, go, starts) = (dir.join("pulse"), dir.join("go"), dir.join("starts"));
    format!(
        "echo x >> {}; trap '' TERM INT HUP; while test ! -e {}; do date > {}; sleep 0.1; done; echo work > w.txt",
        starts.display(),
        go.display(),
        pulse.display()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_stands_still_before_its_lease_ends_and_goes_on_after_the_outage() {
    const LEASE: Duration = Duration::from_secs(9);
    let dir = tempfile::tempdir().unwrap();
    let mut counter = Counter::new(dir.path(), 1, RunPolicy::default(), LEASE).await;
    let pulse = dir.path().join("pulse");
    let shutdown = CancellationToken::new();
    let options = options(dir.path(), &counter, &stubborn(dir.path())).await;
    let running = tokio::spawn(runner::run(options, shutdown.clone()));
    until("the agent works", Duration::from_secs(30), async || pulse.exists()).await;
    // Longer than one lease: it is renewed.
    clock::sleep(LEASE + Duration::from_secs(2)).await;
    assert!(age(&pulse) < Duration::from_secs(2), "the agent stands still although its lease was renewed");

    let lease_until = counter.task(1).await.lease_until.unwrap();
    counter.close();
    until("the agent stands still", LEASE * 2, async || age(&pulse) > Duration::from_secs(1)).await;
    let frozen = std::fs::metadata(&pulse).unwrap().modified().unwrap();
    let frozen = jiff::Timestamp::try_from(frozen).unwrap();
    assert!(frozen < lease_until, "the agent worked until {frozen}, its lease ended at {lease_until}");
    let early = lease_until.as_millisecond() - frozen.as_millisecond();
    assert!(early < 7_000, "the agent was frozen {early} ms before its lease ended");

    // Long after the lease has ended nothing is lost: nobody looked.
    clock::sleep(LEASE).await;
    counter.open();
    until("the agent goes on", LEASE, async || age(&pulse) < Duration::from_millis(500)).await;
    std::fs::write(dir.path().join("go"), "").unwrap();
    until("it is pushed", Duration::from_secs(40), async || {
        counter.task(1).await.state == TaskState::Publishing
    })
    .await;
    let task = counter.task(1).await;
    assert_eq!((task.attempt, task.losses), (1, 0));
    assert_eq!(std::fs::read_to_string(dir.path().join("starts")).unwrap(), "x\n", "work was done again");

    shutdown.cancel();
    clock::within(Duration::from_secs(15), running).await.expect("it ends in time").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_is_lost_or_left_alone_for_too_long_ends() {
    const LEASE: Duration = Duration::from_secs(6);
    let dir = tempfile::tempdir().unwrap();
    let silence = Duration::from_secs(4);
    let counter = Counter::patient(dir.path(), 2, RunPolicy::default(), LEASE, silence).await;
    let shutdown = CancellationToken::new();
    let mut options = options(dir.path(), &counter, &stubborn(dir.path())).await;
    options.slots = 1;
    let attempts = dir.path().join("data/attempts");
    let alive = async || std::fs::read_dir(&attempts).map_or(0, Iterator::count);
    let running = tokio::spawn(runner::run(options, shutdown.clone()));
    let pulse = dir.path().join("pulse");
    until("the agent works", Duration::from_secs(30), async || pulse.exists()).await;
    let [first] = &counter.store.snapshot(&counter.run).await.unwrap().orchestration.tasks[..1] else {
        panic!()
    };
    // Somebody looked, and the lease is over: it ends at once, long before its fence.
    let lost = RunEvent::Task(1, TaskEvent::LeaseLost { epoch: first.epoch });
    counter.store.run_changed(&counter.run, lost, clock::now()).await.unwrap();
    counter.desk.changed.notify_waiters();
    until("the lost attempt is gone", Duration::from_secs(3), async || {
        counter.task(1).await.runner.is_none()
    })
    .await;
    until("the next one works", Duration::from_secs(30), async || {
        std::fs::read_to_string(dir.path().join("starts")).is_ok_and(|s| s.lines().count() == 2)
    })
    .await;

    counter.close();
    until("the agent stands still", LEASE * 2, async || age(&pulse) > Duration::from_secs(1)).await;
    assert_eq!(alive().await, 1, "it only stands still");
    until("it is given up", silence * 3, async || alive().await == 0).await;
    shutdown.cancel();
    clock::within(Duration::from_secs(15), running).await.expect("it ends in time").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_is_held_open_until_there_is_something_to_say() {
    let dir = tempfile::tempdir().unwrap();
    let counter = Counter::new(dir.path(), 1, RunPolicy::default(), Duration::from_secs(45)).await;
    let client = counter.client("runner-1", TOKEN);
    let register = registration(&client);
    let terms = client.register(&register).await.unwrap();
    assert_eq!((terms.lease_ms, terms.heartbeat_ms, terms.silence_ms), (45_000, 5_000, 900_000));
    let claimed = client.claim(vec![], Duration::ZERO).await.unwrap().expect("there is work");
    let beat = || {
        vec![wire::Beat {
            attempt: claimed.attempt.clone(),
            epoch: claimed.epoch,
            progress: Default::default(),
        }]
    };
    let limit = Duration::from_secs(10);

    // Renewed when it arrives, answered when its time is over: the server grants 5 s, this one asks for 2.
    let before = counter.task(1).await.lease_until.unwrap();
    clock::sleep(Duration::from_millis(20)).await;
    let sent = clock::instant();
    let held = client.heartbeat(beat(), Duration::from_secs(2), limit);
    let look = async {
        clock::sleep(Duration::from_millis(700)).await;
        assert!(counter.task(1).await.lease_until.unwrap() > before, "not renewed before it is answered");
    };
    let (held, ()) = tokio::join!(held, look);
    assert_eq!(held.unwrap(), [wire::Verdict::Renewed]);
    assert!(clock::since(sent) >= Duration::from_secs(2));
    // News beside it are answered at once.
    let sent = clock::instant();
    let both = tokio::join!(client.heartbeat(beat(), Duration::from_secs(5), limit), async {
        let told = client.heartbeat(beat(), Duration::ZERO, limit).await;
        assert!(clock::since(sent) < Duration::from_secs(2));
        // And a loss is told to the one that is held.
        let lost = RunEvent::Task(1, TaskEvent::LeaseLost { epoch: claimed.epoch });
        counter.store.run_changed(&counter.run, lost, clock::now()).await.unwrap();
        counter.desk.changed.notify_waiters();
        told
    });
    assert_eq!((both.0.unwrap(), both.1.unwrap()), (vec![wire::Verdict::Lost], vec![wire::Verdict::Renewed]));
    assert!(clock::since(sent) < Duration::from_secs(4), "the loss was told late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_outage_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut counter = Counter::new(dir.path(), 2, RunPolicy::default(), Duration::from_secs(60)).await;
    let go = dir.path().join("go");
    let script = format!(
        "echo begin; while test ! -e {}; do sleep 0.1; done; echo work > $AGENT_ID.txt; echo end",
        go.display()
    );
    let shutdown = CancellationToken::new();
    let options = options(dir.path(), &counter, &script).await;
    let running = tokio::spawn(runner::run(options, shutdown.clone()));
    until("both work", Duration::from_secs(30), async || {
        counter.desk.lines.lock().unwrap().iter().filter(|l| l.contains("starts test")).count() == 2
    })
    .await;
    counter.close();
    // The agents end while nobody listens.
    std::fs::write(&go, "").unwrap();
    clock::sleep(Duration::from_secs(3)).await;
    counter.open();
    until("both are pushed", Duration::from_secs(40), async || {
        counter.task(1).await.state == TaskState::Publishing
            && counter.task(2).await.state == TaskState::Publishing
    })
    .await;
    let task = counter.task(1).await;
    assert_eq!((task.attempt, task.published.unwrap().paths), (1, vec!["agent-1.txt".to_owned()]));
    let logs = counter.desk.logs.lock().unwrap().clone();
    assert_eq!(logs.len(), 2);
    for log in logs.into_values().map(|log| String::from_utf8(log).unwrap()) {
        assert!(log.contains("agent: begin") && log.contains("agent: end"), "{log}");
    }
    shutdown.cancel();
    clock::within(Duration::from_secs(15), running).await.expect("it ends in time").unwrap().unwrap();
}
