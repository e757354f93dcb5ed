//! The one way in which Divisi writes to GitHub.
//!
//! An effect is carried out in four steps: record the intent; if an earlier request may have arrived, look for
//! its marker by listing; send; record the answer. What each effect sends and where it is looked for is one
//! file each; [`Executor`] is the only one who carries them out, and the only one who can: a sender takes a
//! [`Writer`], which takes its permit.

mod close_sub_issue;
mod comment;
mod executor;
mod fold;
mod follow_up;
mod label;
mod link;
mod notice;
mod pull_request;
mod reach;
mod react;
mod sub_issue;

use super::Settings;
use super::logs::Logs;
use crate::domain::{DeliveryId, Effect, EffectKey, Remote, RunEvent, Scope, Snapshot};
use crate::github::{App, Error};
use crate::report::marker;
use jiff::Timestamp;

pub(super) use executor::{Executor, Step};
pub(super) use notice::Answer;
pub(super) use reach::Reader;
use reach::Writer;

/// A refusal counts from this try on: by then what an earlier request of ours made is listed.
const CERTAIN: u32 = 2;

/// What an effect of a run may look at.
pub(super) struct Context<'a> {
    /// The run as it was when the pass began.
    pub snapshot: &'a Snapshot,
    /// The App, to ask how things stand.
    pub app: &'a App,
    /// The run's repository; calls are counted for the run.
    pub github: &'a Reader,
    /// Settings.
    pub settings: &'a Settings,
    /// The run's session log.
    pub logs: &'a Logs,
}

/// What an answer to a delivery may look at.
pub(super) struct Reply<'a> {
    /// The delivery.
    pub delivery: &'a DeliveryId,
    /// Where and what.
    pub answer: &'a Answer,
    /// The repository.
    pub github: &'a Reader,
    /// Settings.
    pub settings: &'a Settings,
}

/// Whose effects are carried out.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A run's.
    Run(&'a Context<'a>),
    /// A delivery's.
    Delivery(&'a Reply<'a>),
}

/// What sending an effect led to.
enum Sent {
    /// GitHub shows it, and calls it this.
    Applied(Option<Remote>),
    /// It cannot be: the reason, and what that means for the run if it is not the usual.
    Refused(String, Option<RunEvent>),
}

impl<'a> Subject<'a> {
    fn scope(self) -> Scope {
        match self {
            Self::Run(context) => context.scope(),
            Self::Delivery(reply) => Scope::Delivery(reply.delivery.clone()),
        }
    }

    fn reader(self) -> &'a Reader {
        match self {
            Self::Run(context) => context.github,
            Self::Delivery(reply) => reply.github,
        }
    }

    /// The row as this pass read it.
    fn known(self, key: EffectKey) -> Option<&'a Effect> {
        match self {
            Self::Run(context) => context.snapshot.effects.get(&key),
            Self::Delivery(_) => None,
        }
    }

    /// What the row of a further effect of this subject needs.
    fn payload(self) -> serde_json::Value {
        match self {
            Self::Run(_) => serde_json::Value::Null,
            Self::Delivery(reply) => serde_json::to_value(reply.answer).unwrap_or_default(),
        }
    }

    /// Everything of ours that carries the effect's marker.
    async fn look(self, key: EffectKey) -> Result<Vec<Remote>, Error> {
        match (self, key) {
            // Sent again, these make no second one.
            (
                _,
                EffectKey::React(..)
                | EffectKey::Link(_)
                | EffectKey::BlockedBy(..)
                | EffectKey::CloseSubIssue(_)
                | EffectKey::Label(_)
                | EffectKey::Fold(..),
            ) => Ok(Vec::new()),
            (Self::Run(context), EffectKey::SubIssue(_) | EffectKey::FollowUp(_)) => {
                sub_issue::look(context, key).await
            }
            (Self::Run(context), EffectKey::Progress | EffectKey::Summary) => {
                comment::look(context, key).await
            }
            (Self::Run(context), EffectKey::PullRequest(task)) => pull_request::look(context, task).await,
            (Self::Delivery(reply), EffectKey::Notice) => notice::look(reply).await,
            (Self::Run(_), EffectKey::Notice) | (Self::Delivery(_), _) => Ok(Vec::new()),
        }
    }

    async fn send(self, writer: &Writer<'_>, effect: &Effect) -> Result<Sent, Error> {
        match (self, effect.key) {
            (_, EffectKey::React(target, emoji)) => react::send(writer, target, emoji).await,
            (Self::Run(context), EffectKey::Label(number)) => label::send(context, writer, number).await,
            (Self::Run(context), EffectKey::SubIssue(task)) => sub_issue::send(context, writer, task).await,
            (Self::Run(context), EffectKey::Link(task)) => {
                link::parent(context, writer, task, effect.tries).await
            }
            (Self::Run(context), EffectKey::BlockedBy(task, on)) => {
                link::blocked_by(context, writer, (task, on), effect.tries).await
            }
            (Self::Run(context), key @ (EffectKey::Progress | EffectKey::Summary)) => {
                comment::send(context, writer, key, effect.remote).await
            }
            (Self::Run(context), EffectKey::PullRequest(task)) => {
                pull_request::send(context, writer, task, effect.tries).await
            }
            (Self::Run(context), EffectKey::FollowUp(task)) => {
                follow_up::send(context, writer, task, effect.remote).await
            }
            (Self::Run(context), EffectKey::CloseSubIssue(task)) => {
                close_sub_issue::send(context, writer, task).await
            }
            (Self::Run(context), EffectKey::Fold(what, one)) => {
                let first = context.snapshot.effects.get(&what.made_by()).and_then(|e| e.remote?.number);
                fold::send(writer, what, one, first).await
            }
            (Self::Delivery(_), EffectKey::Fold(what, one)) => fold::send(writer, what, one, None).await,
            (Self::Delivery(reply), EffectKey::Notice) => notice::send(reply, writer).await,
            (Self::Run(_), EffectKey::Notice) => Ok(Sent::Refused("a run has no notices".to_owned(), None)),
            (Self::Delivery(_), key) => Ok(Sent::Refused(format!("a delivery has no {key}"), None)),
        }
    }
}

/// A time to list from: GitHub's clock may be behind ours, and it keeps whole seconds.
fn early(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() - 900).unwrap_or(at)
}

impl Context<'_> {
    fn scope(&self) -> Scope {
        Scope::Run(self.snapshot.orchestration.run.id.clone())
    }

    /// The hidden marker of one of the run's effects.
    fn marker(&self, key: EffectKey) -> String {
        let repo = self.snapshot.orchestration.run.repo.id;
        marker::make(&self.settings.marker_key, repo, &self.scope().to_string(), &key.to_string())
    }

    /// Whether the thing with this id and text is what the effect made. The caller sees to it that our App wrote it.
    ///
    /// People may edit what we wrote, and paste another marker into it: what is known as something else is not it.
    fn is_marked(&self, id: u64, body: &str, key: EffectKey) -> bool {
        let (repo, scope) = (self.snapshot.orchestration.run.repo.id, self.scope().to_string());
        let is_other =
            |e: &&Effect| e.key != key && e.key.makes().is_some() && e.remote.is_some_and(|r| r.id == id);
        marker::carries(&self.settings.marker_key, repo, body, &scope, &key.to_string())
            && !self.snapshot.effects.values().any(|e| is_other(&e))
    }
}
