//! The one executor: intent, look, send, record, with a boundary before each.

use super::reach::Writer;
use super::{Sent, Subject};
use crate::clock;
use crate::domain::{
    Effect, EffectKey, EffectState, Failure, FailureKind, Remote, RunEvent, Scope, TaskEvent,
};
use crate::github::Error;
use crate::orchestrator::boundary::Place;
use crate::orchestrator::standing::{self, Ending};
use crate::orchestrator::{Settings, is_final};
use crate::store::{Intent, NewEffect, Store, StoreError};
use crate::telemetry::names;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Leave to write to GitHub once. Only the executor makes one, after the intent is recorded, and every sender takes
/// one: a write without intent, look and boundaries does not compile.
pub(super) struct Permit(());

/// Whether the store changed in a way that `decide` should see at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::orchestrator) enum Step {
    /// Applied or refused.
    Moved,
    /// Put off.
    Waits,
    /// GitHub is not as the run knew it: what else was decided with it may be wrong.
    Stale,
}

/// What is told of an effect that is decided anew.
const STALE: &str = "how things stand has changed";

/// What carries out effects: the database, the settings, and whose effects they are.
pub(in crate::orchestrator) struct Executor<'a> {
    /// Where effects are recorded.
    pub store: &'a dyn Store,
    /// Settings.
    pub settings: &'a Settings,
    /// Whose effects they are.
    pub subject: Subject<'a>,
}

impl Executor<'_> {
    /// Carries out one effect.
    pub async fn carry_out(&self, key: EffectKey, digest: &str) -> Result<Step, StoreError> {
        self.cross(key, Place::BeforeIntent).await;
        let scope = self.subject.scope();
        let intent = match self.settings.proof.without.intent {
            false => self.store.effect_intended(&scope, key, digest, clock::now()).await?,
            true => self.unrecorded(&scope, key, digest),
        };
        let effect = intent.effect;
        // Made in doubt: it is there, and perhaps not alone.
        let made = effect.remote.filter(|_| intent.may_have_been_sent && effect.applied.is_none());
        let looks = intent.may_have_been_sent && (effect.remote.is_none() || made.is_some());
        if looks && !self.settings.proof.without.look {
            match self.subject.look(key).await {
                Ok(mut found) => {
                    found.extend(made.filter(|made| !found.iter().any(|f| f.id == made.id)));
                    found.sort_by_key(|f| (f.number, f.id));
                    if let Some((first, more)) = found.split_first() {
                        self.fold(&scope, key, more).await?;
                        // What is there may be an older version: record it, and let the next pass edit it.
                        let version = if editable(key) { "found" } else { digest };
                        return self.applied(&effect, version, Some(*first)).await;
                    }
                }
                Err(error) => match self.ending(&effect, false, error).await? {
                    Ending::Known => {
                        self.recording(&effect).await?;
                        self.store.effect_doubted(&scope, key, clock::now(), STALE).await?;
                        return Ok(Step::Stale);
                    }
                    // Where nothing may be looked at, nothing is sent either.
                    Ending::Error(error) if is_final(&error) => {
                        return self.refused(&effect, &error.to_string(), None).await;
                    }
                    Ending::Error(error) => {
                        self.recording(&effect).await?;
                        let at = error.retry_at().unwrap_or_else(|| later(backoff(effect.tries)));
                        self.store.effect_doubted(&scope, key, at, &error.to_string()).await?;
                        return Ok(Step::Waits);
                    }
                },
            }
        }
        self.cross(key, Place::BeforeRequest).await;
        let writer: Writer<'_> = self.subject.reader().writer(Permit(()));
        let sent = self.subject.send(&writer, &effect).await;
        self.cross(key, Place::BeforeAnswer).await;
        let sent = match sent {
            Err(error) => match self.ending(&effect, effect.remote.is_some(), error).await? {
                Ending::Known => {
                    self.recording(&effect).await?;
                    self.store.effect_postponed(&scope, key, clock::now(), STALE).await?;
                    return Ok(Step::Stale);
                }
                Ending::Error(error) => Err(error),
            },
            sent => sent,
        };
        self.settle(&effect, digest, sent, looks).await
    }

    /// What an error means: for a run after a look at how things stand.
    async fn ending(&self, effect: &Effect, edits: bool, error: Error) -> Result<Ending, StoreError> {
        match self.subject {
            Subject::Run(context) => {
                let run = &context.snapshot.orchestration;
                context.github.ending(self.store, context.app, run, edits, error).await
            }
            Subject::Delivery(_) => Ok(Ending::Error(standing::moved_for_good(effect.tries, error))),
        }
    }

    async fn cross(&self, key: EffectKey, place: Place) {
        self.settings.proof.cross(key.kind(), place).await;
    }

    /// The last boundary. Without recorded intents the row is made only now.
    async fn recording(&self, effect: &Effect) -> Result<(), StoreError> {
        self.cross(effect.key, Place::BeforeRecord).await;
        if self.settings.proof.without.intent {
            self.store.effect_intended(&effect.scope, effect.key, &effect.wanted, clock::now()).await?;
        }
        Ok(())
    }

    /// The row as it would be, for a proof that shows what the recorded intent is good for.
    fn unrecorded(&self, scope: &Scope, key: EffectKey, digest: &str) -> Intent {
        let known = self.subject.known(key);
        let effect = Effect {
            scope: scope.clone(),
            key,
            state: EffectState::Sending,
            wanted: digest.to_owned(),
            applied: None,
            remote: known.and_then(|e| e.remote),
            not_before: None,
            tries: 1,
            applied_at: None,
            error: None,
            payload: serde_json::Value::Null,
        };
        Intent { effect, may_have_been_sent: false }
    }

    /// Wants an end to everything that is there beside the first.
    async fn fold(&self, scope: &Scope, key: EffectKey, more: &[Remote]) -> Result<(), StoreError> {
        let Some(made) = key.makes().filter(|_| !more.is_empty()) else { return Ok(()) };
        let payload = self.subject.payload();
        let fold = |one: &Remote| NewEffect {
            key: EffectKey::Fold(made, one.number.unwrap_or(one.id)),
            payload: payload.clone(),
        };
        tracing::warn!(%scope, %key, more = more.len(), "an effect is there more than once; it is folded");
        self.store.effects_wanted(scope, more.iter().map(fold).collect()).await
    }

    /// Records what sending led to.
    async fn settle(
        &self,
        effect: &Effect,
        digest: &str,
        sent: Result<Sent, Error>,
        after_doubt: bool,
    ) -> Result<Step, StoreError> {
        let (scope, key) = (&effect.scope, effect.key);
        let error = match sent {
            Ok(Sent::Applied(Some(remote))) if after_doubt && key.makes().is_some() => {
                // The request before it may have been slower than anybody expected: look once more.
                count(key, "applied");
                self.recording(effect).await?;
                self.store.effect_made_in_doubt(scope, key, remote, self.wait_out()).await?;
                return Ok(Step::Moved);
            }
            Ok(Sent::Applied(remote)) => return self.applied(effect, digest, remote.or(effect.remote)).await,
            Ok(Sent::Refused(why, event)) => return self.refused(effect, &why, event).await,
            Err(error) => error,
        };
        let words = error.to_string();
        count(key, "unsettled");
        self.recording(effect).await?;
        match error {
            Error::Unknown { .. } => self.store.effect_doubted(scope, key, self.wait_out(), &words).await?,
            Error::RateLimited { retry_at, .. } | Error::Unavailable { retry_at, .. } => {
                self.store.effect_postponed(scope, key, retry_at, &words).await?;
            }
            Error::NotFound { .. } | Error::Gone { .. } if effect.remote.is_some() => {
                // A person deleted it: make it anew.
                self.store.effect_forgotten(scope, key).await?;
                return Ok(Step::Moved);
            }
            Error::NotSent { .. }
            | Error::Moved { .. }
            | Error::Unauthorized { .. }
            | Error::Protocol { .. } => {
                self.store.effect_postponed(scope, key, later(backoff(effect.tries)), &words).await?;
            }
            Error::Forbidden { .. }
            | Error::NotFound { .. }
            | Error::Gone { .. }
            | Error::Conflict { .. }
            | Error::Invalid { .. } => return self.refused(effect, &words, None).await,
        }
        tracing::info!(%scope, %key, error = words, "an effect waits");
        Ok(Step::Waits)
    }

    async fn applied(
        &self,
        effect: &Effect,
        digest: &str,
        remote: Option<Remote>,
    ) -> Result<Step, StoreError> {
        let (scope, key) = (&effect.scope, effect.key);
        count(key, "applied");
        self.recording(effect).await?;
        let event = remote.and_then(|remote| follows(key, remote));
        self.store.effect_applied(scope, key, digest, remote, event, clock::now()).await?;
        Ok(Step::Moved)
    }

    async fn refused(&self, effect: &Effect, why: &str, event: Option<RunEvent>) -> Result<Step, StoreError> {
        let (scope, key) = (&effect.scope, effect.key);
        count(key, "refused");
        tracing::warn!(%scope, %key, why, "an effect is refused for good");
        self.recording(effect).await?;
        let event = event.or_else(|| refusal(key, why));
        self.store.effect_refused(scope, key, why, event, clock::now()).await?;
        Ok(Step::Moved)
    }

    fn wait_out(&self) -> Timestamp {
        later(self.settings.wait_out())
    }
}

/// Effects whose text changes: what is found by its marker may be an older version.
fn editable(key: EffectKey) -> bool {
    matches!(key, EffectKey::Progress | EffectKey::Summary | EffectKey::FollowUp(_))
}

/// What it means for the run that GitHub shows this.
fn follows(key: EffectKey, remote: Remote) -> Option<RunEvent> {
    let (task, event) = match key {
        EffectKey::SubIssue(task) => {
            let issue = crate::domain::IssueRef { number: remote.number?, id: remote.id };
            (task, TaskEvent::SubIssueKnown(issue))
        }
        EffectKey::PullRequest(task) => (task, TaskEvent::PullRequestKnown(remote.number?)),
        EffectKey::FollowUp(task) => (task, TaskEvent::FollowUpKnown(remote.number?)),
        _ => return None,
    };
    Some(RunEvent::Task(task, event))
}

/// What it means for the run that an effect can never be.
fn refusal(key: EffectKey, words: &str) -> Option<RunEvent> {
    let failure = || Failure::new(FailureKind::ValidationError, format!("GitHub refused: {words}."));
    match key {
        EffectKey::Label(number) => Some(RunEvent::LabelRefused { number, why: words.to_owned() }),
        EffectKey::SubIssue(task) => Some(RunEvent::Task(task, TaskEvent::SubIssueRefused(failure()))),
        EffectKey::PullRequest(task) => Some(RunEvent::Task(task, TaskEvent::PublishRefused(failure()))),
        _ => None,
    }
}

/// Counts what became of a request for an effect.
fn count(key: EffectKey, outcome: &'static str) {
    metrics::counter!(names::EFFECTS, "kind" => key.kind(), "outcome" => outcome).increment(1);
}

/// 2 s, doubled with each try up to 5 minutes, half of it jitter.
fn backoff(tries: u32) -> Duration {
    let full = Duration::from_secs(2).saturating_mul(1 << tries.min(8)).min(Duration::from_secs(300));
    full.mul_f64(0.5 + clock::jitter() / 2.0)
}

fn later(wait: Duration) -> Timestamp {
    clock::now() + SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_secs(60))
}
