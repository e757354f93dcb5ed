//! The one way in which Divisi writes to GitHub.
//!
//! An effect is carried out in four steps: record the intent; if an earlier request may have arrived, look for
//! its marker by listing; send; record the answer. What each effect sends and where it is looked for is one
//! file each; [`run`] and [`answer`] are the only executors.

mod close_sub_issue;
mod comment;
mod follow_up;
mod link;
mod notice;
mod pull_request;
mod react;
mod sub_issue;

use super::Settings;
use super::logs::Logs;
use super::standing::{self, Ending};
use crate::clock;
use crate::domain::{Effect, EffectKey, Remote, RunEvent, Scope, Snapshot};
use crate::github::{App, Error, RepoClient};
use crate::report::marker;
use crate::store::{Store, StoreError};
use crate::telemetry::names;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

pub(super) use notice::Answer;

/// What an effect of a run may look at.
pub(super) struct Context<'a> {
    /// The run as it was when the pass began.
    pub snapshot: &'a Snapshot,
    /// The App, to ask how things stand.
    pub app: &'a App,
    /// The run's repository; calls are counted for the run.
    pub github: RepoClient,
    /// Settings.
    pub settings: &'a Settings,
    /// The run's session log.
    pub logs: &'a Logs,
}

/// What sending an effect led to.
pub(super) enum Sent {
    /// GitHub shows it: what it is called there, and what that means for the run.
    Applied(Option<Remote>, Option<RunEvent>),
    /// It cannot be: the reason, and what that means for the run.
    Refused(String, Option<RunEvent>),
}

/// Whether the store changed in a way that `decide` should see at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Applied or refused.
    Moved,
    /// Put off.
    Waits,
    /// GitHub is not as the run knew it: what else was decided with it may be wrong.
    Stale,
}

/// What an effect has to say and where it would be found.
enum Found {
    /// It is there.
    Yes(Remote, Option<RunEvent>),
    /// It is not there.
    No,
}

/// Carries out one effect of a run.
pub(super) async fn run(
    store: &dyn Store,
    context: &Context<'_>,
    key: EffectKey,
    digest: &str,
) -> Result<Step, StoreError> {
    let scope = Scope::Run(context.snapshot.orchestration.run.id.clone());
    let intent = store.effect_intended(&scope, key, digest, clock::now()).await?;
    let effect = intent.effect;
    if effect.remote.is_none() && intent.may_have_been_sent {
        match look(context, key).await {
            Ok(Found::Yes(remote, event)) => {
                // What is there may be an older version: record it, and let the next pass edit it.
                let version = if editable(key) { "found" } else { digest };
                store.effect_applied(&scope, key, version, Some(remote), event, clock::now()).await?;
                return Ok(Step::Moved);
            }
            Ok(Found::No) => {}
            Err(error) => match ending(store, context, false, error).await? {
                Ending::Known => {
                    store.effect_doubted(&scope, key, clock::now(), "how things stand has changed").await?;
                    return Ok(Step::Stale);
                }
                // Where nothing may be looked at, nothing is sent either.
                Ending::Error(error) if super::is_final(&error) => {
                    return settle(store, context.settings, &effect, digest, Err(error)).await;
                }
                Ending::Error(error) => {
                    let at = later(backoff(effect.tries));
                    store.effect_doubted(&scope, key, at, &error.to_string()).await?;
                    return Ok(Step::Waits);
                }
            },
        }
    }
    let sent = match key {
        EffectKey::React(target, emoji) => react::send(&context.github, target, emoji).await,
        EffectKey::SubIssue(task) => sub_issue::send(context, task).await,
        EffectKey::Link(task) => link::parent(context, task).await,
        EffectKey::BlockedBy(task, on) => link::blocked_by(context, task, on).await,
        EffectKey::Progress | EffectKey::Summary => comment::send(context, key, effect.remote).await,
        EffectKey::PullRequest(task) => pull_request::send(context, task, effect.tries).await,
        EffectKey::FollowUp(task) => follow_up::send(context, task, effect.remote).await,
        EffectKey::CloseSubIssue(task) => close_sub_issue::send(context, task).await,
        EffectKey::Notice => Ok(Sent::Refused("a run has no notices".to_owned(), None)),
    };
    let sent = match sent {
        Err(error) => match ending(store, context, effect.remote.is_some(), error).await? {
            Ending::Known => {
                store.effect_postponed(&scope, key, clock::now(), "how things stand has changed").await?;
                return Ok(Step::Stale);
            }
            Ending::Error(error) => Err(error),
        },
        sent => sent,
    };
    settle(store, context.settings, &effect, digest, sent).await
}

/// What an error means, after a look at how things stand.
async fn ending(
    store: &dyn Store,
    context: &Context<'_>,
    edits: bool,
    error: Error,
) -> Result<Ending, StoreError> {
    let about = (context.app, &context.github, &context.snapshot.orchestration);
    standing::ending(store, about, edits, error).await
}

/// Carries out one answer to a delivery.
pub(super) async fn answer(
    store: &dyn Store,
    settings: &Settings,
    github: &RepoClient,
    effect: &Effect,
    answer: &Answer,
) -> Result<Step, StoreError> {
    let intent = store.effect_intended(&effect.scope, effect.key, &effect.wanted, clock::now()).await?;
    let (effect, digest) = (intent.effect, effect.wanted.clone());
    let sent = match effect.key {
        EffectKey::React(target, emoji) => react::send(github, target, emoji).await,
        _ if intent.may_have_been_sent => match notice::look(settings, github, &effect, answer).await {
            Ok(Some(remote)) => Ok(Sent::Applied(Some(remote), None)),
            Ok(None) => notice::send(settings, github, &effect, answer).await,
            Err(error) if super::is_final(&error) => Err(error),
            Err(error) => {
                let at = later(backoff(effect.tries));
                store.effect_doubted(&effect.scope, effect.key, at, &error.to_string()).await?;
                return Ok(Step::Waits);
            }
        },
        _ => notice::send(settings, github, &effect, answer).await,
    };
    let sent = sent.map_err(|error| standing::moved_for_good(effect.tries, error));
    settle(store, settings, &effect, &digest, sent).await
}

/// Effects whose text changes: what is found by its marker may be an older version.
fn editable(key: EffectKey) -> bool {
    matches!(key, EffectKey::Progress | EffectKey::Summary | EffectKey::FollowUp(_))
}

async fn look(context: &Context<'_>, key: EffectKey) -> Result<Found, Error> {
    match key {
        // Sent again, these make no second one.
        EffectKey::React(..)
        | EffectKey::Link(_)
        | EffectKey::BlockedBy(..)
        | EffectKey::CloseSubIssue(_)
        | EffectKey::Notice => Ok(Found::No),
        EffectKey::SubIssue(task) => sub_issue::look(context, task).await,
        EffectKey::Progress | EffectKey::Summary => comment::look(context, key).await,
        EffectKey::PullRequest(task) => pull_request::look(context, task).await,
        EffectKey::FollowUp(task) => follow_up::look(context, task).await,
    }
}

/// Records what sending led to.
async fn settle(
    store: &dyn Store,
    settings: &Settings,
    effect: &Effect,
    digest: &str,
    sent: Result<Sent, Error>,
) -> Result<Step, StoreError> {
    let (scope, key) = (&effect.scope, effect.key);
    let error = match sent {
        Ok(Sent::Applied(remote, event)) => {
            count(key, "applied");
            store.effect_applied(scope, key, digest, remote.or(effect.remote), event, clock::now()).await?;
            return Ok(Step::Moved);
        }
        Ok(Sent::Refused(why, event)) => {
            count(key, "refused");
            tracing::warn!(%scope, %key, why, "an effect is refused for good");
            store.effect_refused(scope, key, &why, event, clock::now()).await?;
            return Ok(Step::Moved);
        }
        Err(error) => error,
    };
    let words = error.to_string();
    count(key, "unsettled");
    match error {
        Error::Unknown { .. } => {
            let at = later(settings.request_deadline + settings.visibility_lag);
            store.effect_doubted(scope, key, at, &words).await?;
        }
        Error::RateLimited { retry_at, .. } => store.effect_postponed(scope, key, retry_at, &words).await?,
        Error::NotFound { .. } | Error::Gone { .. } if effect.remote.is_some() => {
            // A person deleted it: make it anew.
            store.effect_forgotten(scope, key).await?;
            return Ok(Step::Moved);
        }
        Error::NotSent { .. } | Error::Moved { .. } | Error::Unauthorized { .. } | Error::Protocol { .. } => {
            store.effect_postponed(scope, key, later(backoff(effect.tries)), &words).await?;
        }
        Error::Forbidden { .. }
        | Error::NotFound { .. }
        | Error::Gone { .. }
        | Error::Conflict { .. }
        | Error::Invalid { .. } => {
            tracing::warn!(%scope, %key, error = words, "GitHub refused an effect for good");
            let event = refusal(key, &words);
            store.effect_refused(scope, key, &words, event, clock::now()).await?;
            return Ok(Step::Moved);
        }
    }
    tracing::info!(%scope, %key, error = words, "an effect waits");
    Ok(Step::Waits)
}

/// Counts what became of a request for an effect.
fn count(key: EffectKey, outcome: &'static str) {
    let kind = match key {
        EffectKey::React(..) => "react",
        EffectKey::SubIssue(_) => "sub_issue",
        EffectKey::Link(_) => "link",
        EffectKey::BlockedBy(..) => "blocked_by",
        EffectKey::Progress => "progress",
        EffectKey::PullRequest(_) => "pull_request",
        EffectKey::FollowUp(_) => "follow_up",
        EffectKey::CloseSubIssue(_) => "close_sub_issue",
        EffectKey::Summary => "summary",
        EffectKey::Notice => "notice",
    };
    metrics::counter!(names::EFFECTS, "kind" => kind, "outcome" => outcome).increment(1);
}

/// What it means for the run that an effect can never be.
fn refusal(key: EffectKey, words: &str) -> Option<RunEvent> {
    use crate::domain::{Failure, FailureKind, TaskEvent};
    let failure = || Failure::new(FailureKind::ValidationError, format!("GitHub refused: {words}."));
    match key {
        EffectKey::SubIssue(task) => Some(RunEvent::Task(task, TaskEvent::SubIssueRefused(failure()))),
        EffectKey::PullRequest(task) => Some(RunEvent::Task(task, TaskEvent::PublishRefused(failure()))),
        _ => None,
    }
}

/// 2 s, doubled with each try up to 5 minutes, half of it jitter.
fn backoff(tries: u32) -> Duration {
    let full = Duration::from_secs(2).saturating_mul(1 << tries.min(8)).min(Duration::from_secs(300));
    full.mul_f64(0.5 + clock::jitter() / 2.0)
}

fn later(wait: Duration) -> Timestamp {
    clock::now() + SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_secs(60))
}

/// A time to list from: GitHub's clock may be behind ours, and it keeps whole seconds.
fn early(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() - 900).unwrap_or(at)
}

impl Context<'_> {
    /// The hidden marker of one of the run's effects.
    fn marker(&self, key: EffectKey) -> String {
        let run = &self.snapshot.orchestration.run;
        marker::make(
            &self.settings.marker_key,
            run.repo.id,
            &Scope::Run(run.id.clone()).to_string(),
            &key.to_string(),
        )
    }

    /// Whether a text of our own carries the marker of this effect. The caller sees to it that our App wrote it.
    fn is_marked(&self, body: &str, key: EffectKey) -> bool {
        let run = &self.snapshot.orchestration.run;
        let scope = Scope::Run(run.id.clone()).to_string();
        marker::carries(&self.settings.marker_key, run.repo.id, body, &scope, &key.to_string())
    }
}
