//! `reconcile(run)`: read the state, do what is missing, until nothing is.
//!
//! It carries no payload and may run any number of times: what it does follows from the store alone.

use super::Orchestrator;
use super::effects::{Context, Executor, Reader, Step, Subject};
use super::standing::Unclear;
use crate::clock;
use crate::domain::{Action, RunEvent, RunId, RunState, TaskState, decide};
use crate::github::CallCounter;
use crate::store::StoreError;
use crate::telemetry::names;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// After an error of the store, a run is looked at again so much later.
const STORE_BACKOFF: Duration = Duration::from_secs(2);

/// After GitHub did not say how things stand, it is asked again so much later.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(60);

impl Orchestrator {
    /// Reconciles the run soon, on its own task; a run that is being reconciled is looked at once more.
    pub(super) fn wake(&self, run: &RunId) {
        self.shared.changed.notify_waiters();
        if self.shared.stop.is_cancelled() {
            return;
        }
        {
            let mut running = lock(&self.shared.reconciling);
            if let Some(again) = running.get_mut(run) {
                *again = true;
                return;
            }
            running.insert(run.clone(), false);
        }
        let (this, run) = (self.clone(), run.clone());
        self.shared.tasks.spawn(async move {
            loop {
                if let Err(error) = this.reconcile(&run).await {
                    tracing::warn!(%run, %error, "a run could not be reconciled; it is tried again");
                    this.wake_later(&run, STORE_BACKOFF);
                }
                let mut running = lock(&this.shared.reconciling);
                match running.get_mut(&run) {
                    Some(again) if *again && !this.shared.stop.is_cancelled() => *again = false,
                    _ => {
                        running.remove(&run);
                        return;
                    }
                }
            }
        });
    }

    /// Whether the run was woken since it was read; then what is left of a pass is decided anew.
    fn woken(&self, run: &RunId) -> bool {
        lock(&self.shared.reconciling).get_mut(run).is_some_and(std::mem::take)
    }

    /// Wakes the run after `wait`, unless it is woken earlier anyway: every pass sets the next timer.
    fn wake_later(&self, run: &RunId, wait: Duration) {
        let at = clock::instant() + wait;
        {
            let mut timers = lock(&self.shared.timers);
            if timers.get(run).is_some_and(|set| *set <= at) {
                return;
            }
            timers.insert(run.clone(), at);
        }
        let (this, run) = (self.clone(), run.clone());
        self.shared.tasks.spawn(async move {
            tokio::select! {
                () = clock::sleep(wait) => {}
                () = this.shared.stop.cancelled() => {}
            }
            {
                let mut timers = lock(&this.shared.timers);
                if timers.get(&run) == Some(&at) {
                    timers.remove(&run);
                }
            }
            this.wake(&run);
        });
    }

    /// One pass after another until `decide` has nothing more for now.
    async fn reconcile(&self, run: &RunId) -> Result<(), StoreError> {
        loop {
            // Named before the state is read: what is handed out afterwards is no business of that state's.
            let issued = self.issued_for(run);
            let snapshot = self.shared.store.snapshot(run).await?;
            let orchestration = &snapshot.orchestration;
            self.shared.views.write(orchestration).await;
            self.revoke_lost(&issued, orchestration);
            if orchestration.tasks.iter().any(|t| t.state == TaskState::Ready) {
                self.shared.work.notify_waiters();
            }
            let now = clock::now();
            let actions = decide(&snapshot, now);
            if actions.is_empty() {
                let over = orchestration.run.state != RunState::Active;
                if over && self.shared.store.run_settled(orchestration).await? {
                    self.shared.views.forget(run);
                }
                return Ok(());
            }
            let calls = CallCounter::default();
            let (github, settings) =
                (Reader::new(self.client(&orchestration.run.repo, &calls)), &self.shared.settings);
            let context = Context {
                snapshot: &snapshot,
                app: &self.shared.github,
                github: &github,
                settings,
                logs: &self.shared.logs,
            };
            let store = self.shared.store.as_ref();
            let executor = Executor { store, settings, subject: Subject::Run(&context) };
            let mut moved = false;
            for (nth, action) in actions.into_iter().enumerate() {
                if self.shared.stop.is_cancelled() {
                    break;
                }
                // A person may have cancelled it: a hundred sub-issues take minutes. One step at least is made.
                if nth > 0 && self.woken(run) {
                    moved = true;
                    break;
                }
                match action {
                    Action::Effect { key, digest } => {
                        let step = executor.carry_out(key, &digest).await?;
                        moved |= step != Step::Waits;
                        // What was decided with it counted on it: sub-issues wait a little for their labels.
                        let label = matches!(key, crate::domain::EffectKey::Label(_));
                        if step == Step::Stale || step == Step::Waits && label {
                            moved = true;
                            break;
                        }
                        // What follows may look different now, and a ready task should not wait for the rest.
                        if step == Step::Moved && matches!(key, crate::domain::EffectKey::SubIssue(_)) {
                            self.shared.work.notify_waiters();
                        }
                    }
                    Action::End => {
                        let ended = self.shared.store.run_changed(run, RunEvent::Ended, now).await;
                        match ended {
                            Ok(after) => {
                                moved = true;
                                let outcome = after.after.outcome().as_str();
                                metrics::counter!(names::RUNS, "outcome" => outcome).increment(1);
                                self.shared.logs.ended(&after.after).await;
                            }
                            Err(StoreError::Refused(_)) => moved = true,
                            Err(error) => return Err(error),
                        }
                    }
                    Action::ReadBase(task) => match self.read_base(&github, orchestration, task).await {
                        Ok(()) => moved = true,
                        Err(Unclear::Store(error)) => return Err(error),
                        Err(Unclear::GitHub(error)) => {
                            tracing::warn!(%run, %error, "the base branch could not be read");
                            self.wake_later(run, until(now, error.retry_at().unwrap_or(now + LOOK_AGAIN)));
                        }
                    },
                    Action::LookAround => match self.look_around(orchestration).await {
                        Ok(changed) => moved |= changed,
                        Err(error) => {
                            tracing::warn!(%run, %error, "how things stand could not be asked");
                            let look_at = now + LOOK_AGAIN;
                            let later = RunEvent::Suspended { look_at };
                            self.shared.store.run_changed(run, later, now).await?;
                            moved = true;
                        }
                    },
                    Action::WakeAt(at) => self.wake_later(run, until(now, at)),
                }
            }
            let made = calls.get();
            if made > 0 {
                self.shared.store.run_changed(run, RunEvent::CallsMade(made), clock::now()).await?;
            }
            if !moved || self.shared.stop.is_cancelled() {
                return Ok(());
            }
        }
    }
}

fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// A poisoned lock only means that a panic happened elsewhere; the maps are valid after every statement.
pub(super) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
