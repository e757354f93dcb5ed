//! What this process holds: each attempt with its lease, and the keeper that renews them all.
//!
//! The fence: an attempt whose lease cannot be renewed is stopped so long before the lease ends that its agent is surely
//! gone when the control plane may give the task away.

use super::halt::{Halt, Staged};
use crate::agents::Stop;
use crate::clock;
use crate::dispatch::{CallError, Client, wire};
use crate::domain::{AttemptId, Progress};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The longest time between the fence and the lease's end. An agent is killed without grace then, which takes at most 2 s
/// even when the machine is busy.
const MARGIN: Duration = Duration::from_secs(15);
/// How soon a heartbeat that got no answer is sent again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often leases are compared with the clock.
const LOOK: Duration = Duration::from_millis(200);

/// An attempt that is carried out here.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) attempt: AttemptId,
    pub(super) epoch: u64,
    progress: Mutex<Progress>,
    lease_until: Mutex<Instant>,
    stopped: CancellationToken,
    why: OnceLock<Stop>,
    /// Tells the keeper that people should see something now.
    news: OnceLock<Arc<Notify>>,
}

impl Held {
    /// An attempt under a lease that lasts at least until `lease_until`.
    pub(super) fn new(attempt: AttemptId, epoch: u64, lease_until: Instant) -> Self {
        Self {
            attempt,
            epoch,
            progress: Mutex::default(),
            lease_until: Mutex::new(lease_until),
            stopped: CancellationToken::new(),
            why: OnceLock::new(),
            news: OnceLock::new(),
        }
    }

    /// Stops it. The first reason holds.
    pub(super) fn stop(&self, why: Stop) {
        let _ = self.why.set(why);
        self.stopped.cancel();
    }

    /// Returns when it is stopped.
    pub(super) async fn stopped(&self) -> Stop {
        self.stopped.cancelled().await;
        self.why.get().copied().unwrap_or(Stop::Shutdown)
    }

    /// Why it was stopped, if it was.
    pub(super) fn stop_reason(&self) -> Option<Stop> {
        self.why.get().copied()
    }

    /// Does a piece of work unless the attempt is stopped meanwhile; then the work is dropped.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Staged<T> {
        tokio::select! {
            biased;
            why = self.stopped() => Err(Halt::Stopped(why)),
            done = work => Ok(done),
        }
    }

    /// Names what is done now.
    pub(super) fn stage(&self, stage: &str) {
        *lock(&self.progress) = Progress { stage: stage.to_owned(), ..Progress::default() };
        if let Some(news) = self.news.get() {
            news.notify_one();
        }
    }

    /// Changes what people see.
    pub(super) fn show(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut lock(&self.progress));
    }

    /// What people see.
    pub(super) fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }
}

/// All attempts of this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds {
    all: Arc<Mutex<BTreeMap<AttemptId, Arc<Held>>>>,
    /// Wakes the keeper: there is a new one, or one has come to another stage.
    more: Arc<Notify>,
}

impl Holds {
    /// Adds one; `None` when it is here already.
    pub(super) fn add(&self, held: Held) -> Option<Arc<Held>> {
        let mut all = lock(&self.all);
        if all.contains_key(&held.attempt) {
            return None;
        }
        let _ = held.news.set(self.more.clone());
        let held = Arc::new(held);
        all.insert(held.attempt.clone(), held.clone());
        self.more.notify_one();
        Some(held)
    }

    pub(super) fn remove(&self, attempt: &AttemptId) {
        lock(&self.all).remove(attempt);
    }

    pub(super) fn ids(&self) -> Vec<AttemptId> {
        lock(&self.all).keys().cloned().collect()
    }

    pub(super) fn list(&self) -> Vec<Arc<Held>> {
        lock(&self.all).values().cloned().collect()
    }
}

/// Renews leases until it is dropped.
pub(super) async fn keep(client: &Client, holds: &Holds, terms: &wire::Registered) {
    let lease = Duration::from_millis(terms.lease_ms);
    let every = Duration::from_millis(terms.heartbeat_ms).max(Duration::from_millis(50));
    let beat = async {
        loop {
            let pause = if renew(client, holds, lease).await { every } else { AGAIN.min(every) };
            let _ = clock::within(pause, holds.more.notified()).await;
        }
    };
    let fence = async {
        loop {
            clock::sleep(LOOK.min(every)).await;
            stop_overdue(holds, margin(lease));
        }
    };
    tokio::join!(beat, fence);
}

/// One heartbeat for everything; false when it got no answer.
async fn renew(client: &Client, holds: &Holds, lease: Duration) -> bool {
    let all = holds.list();
    if all.is_empty() {
        return true;
    }
    let beats = all
        .iter()
        .map(|held| wire::Beat {
            attempt: held.attempt.clone(),
            epoch: held.epoch,
            progress: held.progress(),
        })
        .collect();
    // The lease runs from when the control plane hears it, which is after this moment.
    let sent = clock::instant();
    match client.heartbeat(beats).await {
        Ok(verdicts) => {
            for (held, verdict) in all.iter().zip(verdicts) {
                match verdict {
                    wire::Verdict::Renewed => *lock(&held.lease_until) = sent + lease,
                    wire::Verdict::Lost => held.stop(Stop::LostLease),
                    wire::Verdict::Cancel => {
                        *lock(&held.lease_until) = sent + lease;
                        held.stop(Stop::Cancelled);
                    }
                }
            }
            true
        }
        Err(error @ (CallError::NoAnswer(_) | CallError::Refused(_) | CallError::Lost)) => {
            tracing::warn!(%error, attempts = all.len(), "Leases could not be renewed.");
            false
        }
    }
}

fn margin(lease: Duration) -> Duration {
    MARGIN.min(lease / 3)
}

/// Stops every attempt whose lease ends within `margin`.
fn stop_overdue(holds: &Holds, margin: Duration) {
    let now = clock::instant();
    for held in holds.list() {
        if *lock(&held.lease_until) < now + margin && held.stop_reason().is_none() {
            tracing::warn!(attempt = %held.attempt, "The lease could not be renewed in time: stopping the attempt.");
            held.stop(Stop::LostLease);
        }
    }
}

/// A lock whose holder cannot have left it half done: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunId;

    fn held(task: u32, lease: Duration) -> Held {
        let attempt = AttemptId { run: RunId::new("r"), task, attempt: 1 };
        Held::new(attempt, 1, clock::instant() + lease)
    }

    #[tokio::test]
    async fn the_fence_stops_what_cannot_be_renewed_and_nothing_else() {
        let holds = Holds::default();
        let late = holds.add(held(1, Duration::from_secs(9))).unwrap();
        let fine = holds.add(held(2, Duration::from_secs(60))).unwrap();
        stop_overdue(&holds, margin(Duration::from_secs(30)));
        assert_eq!(late.stop_reason(), Some(Stop::LostLease));
        assert_eq!(fine.stop_reason(), None);
        assert!(matches!(
            late.unless_stopped(std::future::pending::<()>()).await,
            Err(Halt::Stopped(Stop::LostLease))
        ));
        assert!(fine.unless_stopped(async { 1 }).await.is_ok());
    }

    #[test]
    fn the_first_reason_holds() {
        let held = held(1, Duration::ZERO);
        held.stop(Stop::Cancelled);
        held.stop(Stop::LostLease);
        assert_eq!(held.stop_reason(), Some(Stop::Cancelled));
    }

    #[test]
    fn an_attempt_is_held_once() {
        let holds = Holds::default();
        assert!(holds.add(held(1, Duration::ZERO)).is_some());
        assert!(holds.add(held(1, Duration::ZERO)).is_none());
        holds.remove(&holds.ids()[0]);
        assert!(holds.ids().is_empty());
    }

    #[test]
    fn a_short_lease_keeps_most_of_its_time() {
        assert_eq!(margin(Duration::from_secs(90)), Duration::from_secs(15));
        assert_eq!(margin(Duration::from_secs(3)), Duration::from_secs(1));
    }
}
