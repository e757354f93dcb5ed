//! What this process holds: each attempt with its lease, and the keeper that renews them all.
//!
//! The fence: an attempt whose lease cannot be renewed stands still (its processes are frozen, its next stage waits) so long before the lease ends that
//! nothing of it runs when the control plane may give the task away. An accepted heartbeat lets it go on; the answer "lost" ends it, and so does
//! [`wire::SILENCE`] behind the fence. No answer is not "lost": an outage costs no work.

use super::halt::{Halt, Staged};
use crate::agents::Stop;
use crate::clock;
use crate::dispatch::{CallError, Client, wire};
use crate::domain::{AttemptId, Progress};
use crate::sandbox::Fence;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The longest time between the fence and the lease's end: freezing takes milliseconds, on a machine that is out of breath a few seconds.
const MARGIN: Duration = Duration::from_secs(15);
/// How soon a heartbeat that got no answer is sent again.
const AGAIN: Duration = Duration::from_secs(1);
/// The shortest time between two heartbeats that tell news.
const NEWS: Duration = Duration::from_millis(100);
/// How often the fences are looked at, to say so and to end what stood behind one for too long.
const LOOK: Duration = Duration::from_millis(200);
/// The longest time for an answer beyond the time for which it may be held open.
const ANSWER: Duration = Duration::from_secs(15);

/// What the control plane grants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// A lease lasts so long after each accepted heartbeat.
    pub(super) lease: Duration,
    /// The answer to a heartbeat may be held open so long.
    hold: Duration,
    /// An attempt may stand behind its fence so long.
    silence: Duration,
}

impl Terms {
    /// As the answer to registering says.
    pub(super) fn of(answer: &wire::Registered) -> Self {
        Self {
            lease: Duration::from_millis(answer.lease_ms),
            hold: Duration::from_millis(answer.heartbeat_ms).max(Duration::from_millis(50)),
            silence: Duration::from_millis(answer.silence_ms),
        }
    }

    /// The time between the fence and the lease's end.
    fn margin(&self) -> Duration {
        MARGIN.min(self.lease / 3)
    }

    /// Where the fence stands for a lease that was asked for (or asked to be renewed) at `sent`, on the machine's clock. The control plane counts from
    /// when it heard that, which was later.
    fn fence_at(&self, sent: Duration) -> Duration {
        sent + self.lease - self.margin()
    }

    /// The fence of an attempt that was asked for at `sent`.
    pub(super) fn fence(&self, sent: Duration) -> Fence {
        Fence::new(self.fence_at(sent), self.silence)
    }

    /// How long an answer may take beyond the time for which it is held: so that there are several tries before the fence.
    fn answer(&self) -> Duration {
        (self.lease / 6).clamp(Duration::from_millis(500), ANSWER)
    }
}

/// An attempt that is carried out here.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) attempt: AttemptId,
    pub(super) epoch: u64,
    /// Until when it may go on.
    pub(super) fence: Fence,
    /// That it stands behind the fence was said.
    frozen: AtomicBool,
    progress: Mutex<Progress>,
    stopped: CancellationToken,
    why: OnceLock<Stop>,
    /// Tells the keeper that people should see something now.
    news: OnceLock<Arc<Notify>>,
}

impl Held {
    /// An attempt that may go on up to its fence.
    pub(super) fn new(attempt: AttemptId, epoch: u64, fence: Fence) -> Self {
        Self {
            attempt,
            epoch,
            fence,
            frozen: AtomicBool::new(false),
            progress: Mutex::default(),
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

    /// Does a piece of work unless the attempt is stopped meanwhile; then the work is dropped. Behind the fence it is not begun.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Staged<T> {
        let gated = async {
            self.fence.open().await;
            work.await
        };
        tokio::select! {
            biased;
            why = self.stopped() => Err(Halt::Stopped(why)),
            done = gated => Ok(done),
        }
    }

    /// Names what is done now.
    pub(super) fn stage(&self, stage: &str) {
        {
            let mut progress = lock(&self.progress);
            let cost_usd = progress.cost_usd;
            *progress = Progress { stage: stage.to_owned(), cost_usd, ..Progress::default() };
        }
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
    /// There is a new one.
    begun: Arc<Notify>,
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
        self.begun.notify_one();
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

/// Renews leases and watches over the fences until it is dropped.
pub(super) async fn keep(client: &Client, holds: &Holds, terms: &Terms) {
    // One heartbeat is always under way, and its answer may be held open until there is a command.
    let held = async {
        loop {
            let sent = clock::instant();
            let answered = tokio::select! {
                answered = renew(client, holds, terms, terms.hold) => answered,
                // It is to be listened for too.
                () = holds.begun.notified() => continue,
            };
            let shortest = if answered { terms.hold / 4 } else { AGAIN.min(terms.hold) };
            clock::sleep(shortest.saturating_sub(clock::since(sent))).await;
        }
    };
    // News go beside it: a new attempt, another stage.
    let news = async {
        loop {
            holds.more.notified().await;
            renew(client, holds, terms, Duration::ZERO).await;
            clock::sleep(NEWS).await;
        }
    };
    let fences = async {
        loop {
            clock::sleep(LOOK.min(terms.hold)).await;
            holds.list().iter().for_each(|held| look(held, terms.silence));
        }
    };
    tokio::join!(held, news, fences);
}

/// One heartbeat for everything; false when it got no answer.
async fn renew(client: &Client, holds: &Holds, terms: &Terms, hold: Duration) -> bool {
    let all = holds.list();
    if all.is_empty() {
        clock::sleep(hold).await;
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
    let sent = clock::machine();
    match client.heartbeat(beats, hold, terms.answer()).await {
        Ok(verdicts) => {
            for (held, verdict) in all.iter().zip(verdicts) {
                match verdict {
                    wire::Verdict::Renewed => held.fence.move_on(terms.fence_at(sent)),
                    wire::Verdict::Lost => held.stop(Stop::LostLease),
                    wire::Verdict::Cancel => {
                        held.fence.move_on(terms.fence_at(sent));
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

/// Says when an attempt comes to stand behind its fence and when it goes on, and ends it when nobody has moved the fence for `silence`.
fn look(held: &Held, silence: Duration) {
    let passed = held.fence.has_passed();
    if passed != held.frozen.swap(passed, Ordering::Relaxed) && held.stop_reason().is_none() {
        if passed {
            tracing::warn!(attempt = %held.attempt, "The lease could not be renewed in time: the attempt stands still.");
        } else {
            tracing::info!(attempt = %held.attempt, "The lease is renewed: the attempt goes on.");
        }
    }
    if held.fence.passed_for() >= silence && held.stop_reason().is_none() {
        tracing::warn!(attempt = %held.attempt, "The control plane was silent for too long: the attempt ends.");
        held.stop(Stop::LostLease);
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

    const TERMS: Terms = Terms {
        lease: Duration::from_secs(90),
        hold: Duration::from_secs(10),
        silence: Duration::from_secs(900),
    };

    fn held(task: u32, lease: Duration) -> Held {
        let attempt = AttemptId { run: RunId::new("r"), task, attempt: 1 };
        Held::new(attempt, 1, Fence::new(clock::machine() + lease, TERMS.silence))
    }

    #[tokio::test]
    async fn behind_the_fence_no_work_is_begun_and_nothing_is_lost() {
        let late = Arc::new(held(1, Duration::ZERO));
        look(&late, TERMS.silence);
        assert_eq!(late.stop_reason(), None, "no answer is not lost");
        let work = tokio::spawn({
            let late = late.clone();
            async move { late.unless_stopped(async { 1 }).await.is_ok() }
        });
        clock::sleep(Duration::from_millis(50)).await;
        assert!(!work.is_finished(), "a stage began behind the fence");
        late.fence.move_on(clock::machine() + TERMS.lease);
        assert!(work.await.unwrap());

        let given_up = held(2, Duration::ZERO);
        look(&given_up, Duration::ZERO);
        assert_eq!(given_up.stop_reason(), Some(Stop::LostLease));
        let begun = given_up.unless_stopped(std::future::pending::<()>()).await;
        assert!(matches!(begun, Err(Halt::Stopped(Stop::LostLease))));
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
        let sent = Duration::from_secs(1_000);
        assert_eq!(TERMS.fence_at(sent), sent + Duration::from_secs(75));
        let short = Terms { lease: Duration::from_secs(3), ..TERMS };
        assert_eq!(short.fence_at(sent), sent + Duration::from_secs(2));
        assert_eq!((TERMS.answer(), short.answer()), (ANSWER, Duration::from_millis(500)));
    }

    #[test]
    fn there_is_time_for_two_heartbeats_before_any_fence() {
        for seconds in [1, 2, 5, 30, 90, 600] {
            let lease = Duration::from_secs(seconds);
            let terms = Terms { lease, hold: wire::heartbeat(lease), ..TERMS };
            let two = (terms.hold + terms.answer()) * 2;
            assert!(seconds < 5 || two <= lease - terms.margin(), "{lease:?}: {two:?}");
            assert!(terms.hold * 4 < lease - terms.margin(), "{lease:?}");
        }
    }
}
