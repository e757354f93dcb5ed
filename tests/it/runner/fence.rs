//! The control plane goes away while agents work: they are dead before their leases end, and no sooner than needed.

use super::counter::{Counter, TOKEN};
use divisi::agents::AgentKind;
use divisi::clock;
use divisi::domain::{RunPolicy, TaskState};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_dead_before_its_lease_ends() {
    const LEASE: Duration = Duration::from_secs(12);
    let dir = tempfile::tempdir().unwrap();
    let counter = Counter::new(dir.path(), 1, RunPolicy::default(), LEASE).await;
    let pulse = dir.path().join("pulse");
    // As stubborn as an agent can be.
    let script = format!("trap '' TERM INT HUP; while :; do date > {}; sleep 0.1; done", pulse.display());
    let shutdown = CancellationToken::new();
    let options = options(dir.path(), &counter, &script).await;
    let running = tokio::spawn(runner::run(options, shutdown.clone()));
    until("the agent works", Duration::from_secs(30), async || pulse.exists()).await;
    // Longer than one lease: it is renewed.
    clock::sleep(LEASE + Duration::from_secs(2)).await;
    assert!(age(&pulse) < Duration::from_secs(2), "the agent was stopped although its lease was renewed");

    let lease_until = counter.task(1).await.lease_until.unwrap();
    counter.close();
    until("the agent is gone", LEASE * 2, async || age(&pulse) > Duration::from_secs(1)).await;
    let died = std::fs::metadata(&pulse).unwrap().modified().unwrap();
    let died = jiff::Timestamp::try_from(died).unwrap();
    assert!(died < lease_until, "the agent died at {died}, its lease ended at {lease_until}");
    let early = lease_until.as_millisecond() - died.as_millisecond();
    assert!(early < 9_000, "the agent was stopped {early} ms before its lease ended");

    shutdown.cancel();
    let ended = clock::within(Duration::from_secs(15), running).await;
    ended.expect("it ends in time").unwrap().unwrap();
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
