//! What one delivery makes Divisi say, while it is being worked out.

use super::effects::Answer;
use crate::clock;
use crate::domain::{DeliveryId, EffectKey, Emoji, Orchestration, Repo, RunEvent, RunId, Target};
use crate::github::event::{Event, EventIssue};
use crate::store::{NewEffect, PostedPlan, Settlement};

/// A settlement in the making.
#[derive(Clone)]
pub(super) struct Draft {
    pub delivery: DeliveryId,
    pub repo: Repo,
    /// Login of the person.
    pub sender: String,
    /// Where answers go.
    pub issue: u64,
    /// What is reacted to.
    pub target: Target,
    reactions: Vec<Emoji>,
    notice: Option<String>,
    posted: Option<Box<PostedPlan>>,
}

impl Draft {
    pub fn new(event: &Event, issue: &EventIssue, target: Target) -> Self {
        Self {
            delivery: event.delivery.clone(),
            repo: event.repo.clone(),
            sender: event.sender.login.clone(),
            issue: issue.number,
            target,
            reactions: Vec::new(),
            notice: None,
            posted: None,
        }
    }

    /// 👀: accepted.
    pub fn eyes(mut self) -> Self {
        self.reactions.push(Emoji::Eyes);
        self
    }

    /// 😕: refused.
    pub fn confused(mut self) -> Self {
        self.reactions.push(Emoji::Confused);
        self
    }

    /// One comment.
    pub fn notice(mut self, body: String) -> Self {
        self.notice = Some(body);
        self
    }

    /// The comment tells this plan, which can be started as it is.
    pub fn posts(mut self, plan: PostedPlan) -> Self {
        self.posted = Some(Box::new(plan));
        self
    }

    /// Nothing but the answers.
    pub fn done(self, note: &str) -> Settlement {
        self.settlement(note, None)
    }

    /// A new run.
    pub fn start(self, orchestration: Orchestration) -> Settlement {
        let run = orchestration.run.id.clone();
        let settlement = self.eyes().settlement("a run starts", Some(&run));
        Settlement { start: Some(orchestration), ..settlement }
    }

    /// A change of a run.
    pub fn change(self, run: RunId, event: RunEvent, note: &str) -> Settlement {
        let settlement = self.eyes().settlement(note, Some(&run));
        Settlement { change: Some((run, event)), ..settlement }
    }

    fn settlement(self, note: &str, run: Option<&RunId>) -> Settlement {
        let answer = |body: String| {
            let (repo, run) = (self.repo.clone(), run.cloned());
            serde_json::to_value(Answer { repo, issue: self.issue, body, since: clock::now(), run })
                .unwrap_or_default()
        };
        let reactions = self.reactions.iter().map(|emoji| NewEffect {
            key: EffectKey::React(self.target, *emoji),
            payload: answer(String::new()),
        });
        let notice = self
            .notice
            .iter()
            .map(|body| NewEffect { key: EffectKey::Notice, payload: answer(body.clone()) });
        let effects = reactions.chain(notice).collect();
        let posted = self.posted.clone();
        Settlement { note: note.to_owned(), effects, posted, ..Settlement::only(self.delivery.clone()) }
    }
}
