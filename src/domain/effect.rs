//! An effect: one thing on GitHub that Divisi wants to be so, as a row that outlives every crash.
//!
//! The row is written before the request is sent (intent), and completed after the answer (record). A row
//! whose request may have been sent without a recorded answer is looked up on GitHub before it is sent again.

use super::{DeliveryId, RunId, Target, TaskNumber};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Emoji that Divisi reacts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emoji {
    /// 👀 accepted.
    Eyes,
    /// 🚀 ended.
    Rocket,
    /// 😕 refused.
    Confused,
}

impl Emoji {
    /// GitHub's name of the reaction.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eyes => "eyes",
            Self::Rocket => "rocket",
            Self::Confused => "confused",
        }
    }
}

/// Whose effect it is: a run's, or an answer to one delivery that belongs to no run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A run.
    Run(RunId),
    /// A delivery.
    Delivery(DeliveryId),
}

impl fmt::Display for Scope {
    /// `run:…` or `delivery:…`; the stored form and the `run=` field of markers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(id) => write!(f, "run:{id}"),
            Self::Delivery(id) => write!(f, "delivery:{id}"),
        }
    }
}

impl Scope {
    /// Reads the stored form back.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("run", id) => Some(Self::Run(RunId::new(id))),
            ("delivery", id) => Some(Self::Delivery(DeliveryId::new(id))),
            _ => None,
        }
    }
}

/// What can be made twice by an unlucky race, because GitHub itself keeps no two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Folded {
    /// The sub-issue of a task.
    SubIssue(TaskNumber),
    /// The follow-up issue of a task.
    FollowUp(TaskNumber),
    /// The progress comment.
    Progress,
    /// The summary comment.
    Summary,
    /// An answer to a delivery.
    Notice,
}

impl Folded {
    /// The effect that made it.
    pub fn made_by(self) -> EffectKey {
        match self {
            Self::SubIssue(task) => EffectKey::SubIssue(task),
            Self::FollowUp(task) => EffectKey::FollowUp(task),
            Self::Progress => EffectKey::Progress,
            Self::Summary => EffectKey::Summary,
            Self::Notice => EffectKey::Notice,
        }
    }
}

/// Which thing: unique within its scope, deterministic, and the `step=` field of markers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EffectKey {
    /// A reaction.
    React(Target, Emoji),
    /// A label of sub-issues that the repository has not: which of the run's, from 1.
    Label(u32),
    /// The sub-issue of a task.
    SubIssue(TaskNumber),
    /// The native parent link of a task's sub-issue.
    Link(TaskNumber),
    /// The native `blocked_by` link of the first task's sub-issue to the second's.
    BlockedBy(TaskNumber, TaskNumber),
    /// The progress comment on the master issue.
    Progress,
    /// The pull request of a task.
    PullRequest(TaskNumber),
    /// The follow-up issue of a failed task.
    FollowUp(TaskNumber),
    /// The end of a sub-issue whose pull request was merged where GitHub's `Closes` does nothing.
    CloseSubIssue(TaskNumber),
    /// The summary comment on the master issue.
    Summary,
    /// A one-off answer to a delivery.
    Notice,
    /// The end of a second one: an issue, by number, is closed with a link to the first; a comment, by id, is deleted.
    Fold(Folded, u64),
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::React(Target::Issue(n), e) => write!(f, "react-issue-{n}-{}", e.as_str()),
            Self::React(Target::Comment(n), e) => write!(f, "react-comment-{n}-{}", e.as_str()),
            Self::Label(n) => write!(f, "label-{n}"),
            Self::SubIssue(t) => write!(f, "sub-issue-{t}"),
            Self::Link(t) => write!(f, "link-{t}"),
            Self::BlockedBy(t, on) => write!(f, "blocked-by-{t}-{on}"),
            Self::Progress => f.write_str("progress"),
            Self::PullRequest(t) => write!(f, "pull-request-{t}"),
            Self::FollowUp(t) => write!(f, "follow-up-{t}"),
            Self::CloseSubIssue(t) => write!(f, "close-sub-issue-{t}"),
            Self::Summary => f.write_str("summary"),
            Self::Notice => f.write_str("notice"),
            Self::Fold(what, n) => write!(f, "fold-{n}-{}", what.made_by()),
        }
    }
}

impl EffectKey {
    /// What it makes, if that could be there twice.
    pub fn makes(self) -> Option<Folded> {
        match self {
            Self::SubIssue(task) => Some(Folded::SubIssue(task)),
            Self::FollowUp(task) => Some(Folded::FollowUp(task)),
            Self::Progress => Some(Folded::Progress),
            Self::Summary => Some(Folded::Summary),
            Self::Notice => Some(Folded::Notice),
            // GitHub itself keeps one of each, or there is nothing to keep.
            Self::React(..)
            | Self::Label(_)
            | Self::Link(_)
            | Self::BlockedBy(..)
            | Self::PullRequest(_)
            | Self::CloseSubIssue(_)
            | Self::Fold(..) => None,
        }
    }

    /// Its kind, for metrics and the names of boundaries.
    pub fn kind(self) -> &'static str {
        match self {
            Self::React(..) => "react",
            Self::Label(_) => "label",
            Self::SubIssue(_) => "sub_issue",
            Self::Link(_) => "link",
            Self::BlockedBy(..) => "blocked_by",
            Self::Progress => "progress",
            Self::PullRequest(_) => "pull_request",
            Self::FollowUp(_) => "follow_up",
            Self::CloseSubIssue(_) => "close_sub_issue",
            Self::Summary => "summary",
            Self::Notice => "notice",
            Self::Fold(..) => "fold",
        }
    }

    /// Reads the stored form back.
    pub fn parse(text: &str) -> Option<Self> {
        let emoji = |name: &str| match name {
            "eyes" => Some(Emoji::Eyes),
            "rocket" => Some(Emoji::Rocket),
            "confused" => Some(Emoji::Confused),
            _ => None,
        };
        match text {
            "progress" => return Some(Self::Progress),
            "summary" => return Some(Self::Summary),
            "notice" => return Some(Self::Notice),
            _ => {}
        }
        if let Some(rest) = text.strip_prefix("react-issue-") {
            let (n, e) = rest.split_once('-')?;
            return Some(Self::React(Target::Issue(n.parse().ok()?), emoji(e)?));
        }
        if let Some(rest) = text.strip_prefix("react-comment-") {
            let (n, e) = rest.split_once('-')?;
            return Some(Self::React(Target::Comment(n.parse().ok()?), emoji(e)?));
        }
        if let Some(rest) = text.strip_prefix("fold-") {
            let (n, made_by) = rest.split_once('-')?;
            return Some(Self::Fold(Self::parse(made_by)?.makes()?, n.parse().ok()?));
        }
        if let Some(rest) = text.strip_prefix("blocked-by-") {
            let (t, on) = rest.split_once('-')?;
            return Some(Self::BlockedBy(t.parse().ok()?, on.parse().ok()?));
        }
        let (kind, t) = text.rsplit_once('-')?;
        let t = t.parse().ok()?;
        match kind {
            "label" => Some(Self::Label(t)),
            "sub-issue" => Some(Self::SubIssue(t)),
            "link" => Some(Self::Link(t)),
            "pull-request" => Some(Self::PullRequest(t)),
            "follow-up" => Some(Self::FollowUp(t)),
            "close-sub-issue" => Some(Self::CloseSubIssue(t)),
            _ => None,
        }
    }
}

/// How far an effect is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectState {
    /// Recorded; surely not sent since.
    Wanted,
    /// A request may be under way, or was when its process died.
    Sending,
    /// The answer was lost: look first, not before `not_before`.
    Doubt,
    /// `applied` tells what GitHub shows.
    Done,
    /// GitHub refused for good; not tried again for the same `wanted`.
    Refused,
}

impl EffectState {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Sending => "sending",
            Self::Doubt => "doubt",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }

    /// Reads the stored name back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Wanted, Self::Sending, Self::Doubt, Self::Done, Self::Refused]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// What GitHub calls the thing that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// Database id (of the comment, issue, pull request, reaction).
    pub id: u64,
    /// Number in the repository, for issues and pull requests.
    pub number: Option<u64>,
}

/// One effect as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Whose.
    pub scope: Scope,
    /// Which.
    pub key: EffectKey,
    /// How far.
    pub state: EffectState,
    /// The digest of what is wanted now.
    pub wanted: String,
    /// The digest of what GitHub shows, as far as we know.
    pub applied: Option<String>,
    /// What GitHub calls it.
    pub remote: Option<Remote>,
    /// Earliest time of the next step.
    pub not_before: Option<Timestamp>,
    /// Requests sent for the current `wanted`.
    pub tries: u32,
    /// When `applied` was recorded.
    pub applied_at: Option<Timestamp>,
    /// The last error in words.
    pub error: Option<String>,
    /// What a delivery's effect needs that no run holds (repository, issue, text), as JSON; null for runs.
    pub payload: serde_json::Value,
}

impl Effect {
    /// Whether nothing is left to do for this digest: it is applied, or refused for good.
    pub fn settled(&self, digest: &str) -> bool {
        match self.state {
            EffectState::Done => self.applied.as_deref() == Some(digest),
            EffectState::Refused => self.wanted == digest,
            EffectState::Wanted | EffectState::Sending | EffectState::Doubt => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_scopes_survive_their_text_form() {
        let keys = [
            EffectKey::React(Target::Issue(7), Emoji::Eyes),
            EffectKey::React(Target::Comment(70_000_000_000), Emoji::Rocket),
            EffectKey::Label(2),
            EffectKey::SubIssue(3),
            EffectKey::Link(100),
            EffectKey::BlockedBy(2, 1),
            EffectKey::Progress,
            EffectKey::PullRequest(5),
            EffectKey::FollowUp(1),
            EffectKey::CloseSubIssue(2),
            EffectKey::Summary,
            EffectKey::Notice,
            EffectKey::Fold(Folded::SubIssue(3), 17),
            EffectKey::Fold(Folded::FollowUp(12), 18),
            EffectKey::Fold(Folded::Progress, 70_000_000_000),
            EffectKey::Fold(Folded::Summary, 1),
            EffectKey::Fold(Folded::Notice, 2),
        ];
        for key in keys {
            assert_eq!(EffectKey::parse(&key.to_string()), Some(key));
        }
        for scope in [Scope::Run(RunId::new("ab12")), Scope::Delivery(DeliveryId::new("a-b-c"))] {
            assert_eq!(Scope::parse(&scope.to_string()), Some(scope));
        }
        assert_eq!(EffectKey::parse("sub-issue-x"), None);
        assert_eq!(EffectKey::parse(""), None);
        assert_eq!(EffectKey::parse("fold-1-link-2"), None, "a link cannot be there twice");
        assert_eq!(EffectKey::parse("fold-1-fold-2-progress"), None);
    }
}
