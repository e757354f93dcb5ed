//! A runner without agents: it claims, waits, and tells how the attempt ended. What it holds outlives the control plane.

use super::MAINTAINER;
use super::life::Shared;
use divisi::clock;
use divisi::domain::schedule::Limits;
use divisi::domain::{
    AttemptId, Failure, FailureKind, Progress, Published, RunEvent, RunnerId, Sha, Spent, TaskEvent,
};
use divisi::orchestrator::Orchestrator;
use divisi::store::{Claimed, RunnerSeen, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Time between two heartbeats, where there are any.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Attempts side by side.
const SLOTS: usize = 5;

/// How an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A verified commit is pushed.
    Pushed,
    /// It fails; `again` says whether an automatic retry makes sense.
    Failed { again: bool },
    /// It was told to stop.
    Cancelled,
}

/// An attempt under way.
pub struct Held {
    claimed: Claimed,
    ends_at: Timestamp,
    fate: Fate,
    /// What was pushed: a push outlives the control plane too.
    published: Option<Published>,
}

/// Claims and finishes as long as the control plane lives.
pub async fn work(shared: Arc<Shared>, store: Arc<dyn Store>, orchestrator: Orchestrator, lease: Duration) {
    let me = RunnerId::new("runner-1");
    let seen = RunnerSeen {
        runner: me.clone(),
        host_id: "host-1".to_owned(),
        slots: SLOTS as u32,
        agents: vec!["test".to_owned()],
        tier: "none".to_owned(),
        found: Vec::new(),
    };
    store.runner_registered(seen, clock::now()).await.expect("a runner registers");
    loop {
        let holds: Vec<AttemptId> =
            shared.held.lock().unwrap().iter().map(|h| h.claimed.attempt.clone()).collect();
        if holds.len() < SLOTS {
            let limits = Limits { attempts_per_installation: 20 };
            let claimed = store.attempt_claimed(&me, &holds, &limits, lease, clock::now()).await;
            if let Ok(Some(claimed)) = claimed {
                orchestrator.run_changed(&claimed.attempt.run);
                let (time, fate) = (shared.fate)(claimed.attempt.task, claimed.attempt.attempt);
                let ends_at = clock::now() + SignedDuration::try_from(time).expect("a short time");
                shared.held.lock().unwrap().push(Held { claimed, ends_at, fate, published: None });
                continue;
            }
        }
        if shared.heartbeats {
            beat(&shared, &*store, lease).await;
        }
        let due = shared.held.lock().unwrap().iter().map(|h| h.ends_at).min();
        let wait = due.map_or(Duration::from_secs(60), |due| {
            Duration::try_from(due.duration_since(clock::now())).unwrap_or(Duration::ZERO)
        });
        let wait = if shared.heartbeats { wait.min(HEARTBEAT) } else { wait };
        if due.is_some() && wait.is_zero() {
            finish(&shared, &*store, &orchestrator).await;
            continue;
        }
        tokio::select! {
            () = orchestrator.work() => {}
            () = clock::sleep(wait) => {}
        }
    }
}

/// Renews what is held, and ends what the control plane wants stopped.
async fn beat(shared: &Shared, store: &dyn Store, lease: Duration) {
    let held: Vec<(AttemptId, u64)> =
        shared.held.lock().unwrap().iter().map(|h| (h.claimed.attempt.clone(), h.claimed.epoch)).collect();
    for (attempt, epoch) in held {
        let until = clock::now() + SignedDuration::try_from(lease).expect("a short time");
        let renewed = TaskEvent::Renewed { epoch, until, progress: Progress::default() };
        let event = RunEvent::Task(attempt.task, renewed);
        let Ok(after) = store.run_changed(&attempt.run, event, clock::now()).await else { continue };
        if after.after.task(attempt.task).is_some_and(|t| t.halt.is_some()) {
            let mut held = shared.held.lock().unwrap();
            for held in held.iter_mut().filter(|h| h.claimed.attempt == attempt) {
                (held.ends_at, held.fate) = (clock::now(), Fate::Cancelled);
            }
        }
    }
}

/// Tells the end of the attempt that is due first; it is let go once the control plane has it.
async fn finish(shared: &Shared, store: &dyn Store, orchestrator: &Orchestrator) {
    let (attempt, event) = {
        let mut held = shared.held.lock().unwrap();
        let first = held.iter_mut().min_by_key(|h| h.ends_at).expect("one is due");
        let (attempt, epoch) = (first.claimed.attempt.clone(), first.claimed.epoch);
        let spent = Spent::default();
        let event = match first.fate {
            Fate::Pushed => {
                let published = first.published.get_or_insert_with(|| push(shared, &first.claimed)).clone();
                TaskEvent::Pushed { epoch, published, spent }
            }
            Fate::Cancelled => {
                let failure = Failure::new(FailureKind::Cancelled, "It was told to stop.");
                TaskEvent::AttemptFailed { epoch, failure, spent, again: false }
            }
            Fate::Failed { again } => {
                let failure = Failure::new(FailureKind::TestFailure, "The tests failed.");
                TaskEvent::AttemptFailed { epoch, failure, spent, again }
            }
        };
        (attempt, event)
    };
    let run = attempt.run.clone();
    match store.run_changed(&run, RunEvent::Task(attempt.task, event), clock::now()).await {
        // A refusal is the repetition of a message that was committed without an answer.
        Ok(_) | Err(StoreError::Refused(_)) => {
            shared.held.lock().unwrap().retain(|h| h.claimed.attempt != attempt);
            orchestrator.run_changed(&run);
        }
        Err(_) => clock::sleep(Duration::from_secs(1)).await,
    }
}

fn push(shared: &Shared, claimed: &Claimed) -> Published {
    let task = claimed.orchestration.task(claimed.attempt.task).expect("the task");
    let path = format!("work-{}.txt", task.number);
    let text = format!("attempt {}\n", claimed.attempt.attempt);
    let files = [(path.as_str(), Some(text.as_str()))];
    let head =
        shared.github.push_files(&shared.repo, MAINTAINER, &task.branch, "Work", &files).expect("a push");
    Published {
        head: Sha::parse(&head).expect("a commit"),
        base: claimed.orchestration.run.base_sha.clone(),
        commits: 1,
        paths: vec![path],
        verify: Vec::new(),
        said: "I did it.".to_owned(),
    }
}
