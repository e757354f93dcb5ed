//! Webhook payloads as our own events.
//!
//! Two steps: [`route`] looks at a verified body just long enough to say whether it is stored or only counted;
//! [`Event::read`] translates a stored one. Both use small structs with only the fields that we read, because
//! payloads of different years differ and new actions appear without notice.

use super::app::AppInfo;
use super::types::{lines, sha};
use crate::domain::command::{self, TRIGGER_LABEL};
use crate::domain::{DeliveryId, Repo, Sha};
use jiff::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;

/// What happens to a delivery at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// Stored, then worked on.
    Handled(Headline),
    /// GitHub asks whether we are there.
    Ping,
    /// Answered and counted; the reason is a fixed phrase, fit for logs and metrics.
    Ignored(&'static str),
}

/// What the door needs to know of a delivery that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headline {
    /// The installation; 0 when the body could not be read.
    pub installation: u64,
    /// `owner/name`; empty when the body could not be read.
    pub repository: String,
    /// The body is not what we expect of such an event. It is stored all the same: GitHub would not send it
    /// again, and the fault may be ours.
    pub malformed: bool,
}

/// A delivery as the orchestrator works on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The GUID, the same on a redelivery.
    pub delivery: DeliveryId,
    /// Where it happened, named as GitHub named it then.
    pub repo: Repo,
    /// Who did it.
    pub sender: Sender,
    /// What happened.
    pub kind: Kind,
}

/// Who caused an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Login.
    pub login: String,
    /// Any App or bot account.
    pub is_bot: bool,
    /// This App, under its own account or through which the comment was made.
    pub is_own_app: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The trigger label was put on an issue.
    Labeled {
        /// The issue with the text of this moment.
        issue: EventIssue,
        /// The label's name.
        label: String,
    },
    /// A new comment whose first line is a command.
    CommentCreated {
        /// Database id.
        comment_id: u64,
        /// Text with `\n` line ends.
        body: String,
        /// The issue (or pull request, see [`EventIssue::is_pull_request`]) that it is on.
        issue: EventIssue,
    },
    /// An issue was closed.
    IssueClosed(EventIssue),
    /// An issue was opened again.
    IssueReopened(EventIssue),
    /// An issue is no more: deleted, or transferred to another repository.
    IssueGone(EventIssue),
    /// A pull request was closed, merged or not.
    PullClosed(EventPull),
    /// A closed pull request was opened again.
    PullReopened(EventPull),
    /// The repository has a new name or owner: [`Event::repo`] is the new one.
    RepositoryMoved,
}

/// An issue as an event shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventIssue {
    /// Number in the repository.
    pub number: u64,
    /// Database id.
    pub id: u64,
    /// Title.
    pub title: String,
    /// Text with `\n` line ends; empty when there is none.
    pub body: String,
    /// Whether it is open.
    pub open: bool,
    /// Whether it is a pull request.
    pub is_pull_request: bool,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Last change; orders events, whose arrival has no order.
    pub updated_at: Timestamp,
}

/// A pull request as an event shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPull {
    /// Number in the repository.
    pub number: u64,
    /// Database id.
    pub id: u64,
    /// Whether it was merged.
    pub merged: bool,
    /// Its branch.
    pub head_ref: String,
    /// The commit at its head.
    pub head_sha: Sha,
    /// The branch that it targets.
    pub base_ref: String,
    /// The commit that the merge made.
    pub merge_commit: Option<Sha>,
    /// Last change.
    pub updated_at: Timestamp,
}

impl EventPull {
    /// The pull request as the issue that it also is; without its text, which is no plan.
    fn as_issue(&self) -> EventIssue {
        EventIssue {
            number: self.number,
            id: self.id,
            title: String::new(),
            body: String::new(),
            open: true,
            is_pull_request: true,
            labels: Vec::new(),
            updated_at: self.updated_at,
        }
    }
}

/// A stored body that is not what we expect of its event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON, or a field that we need is missing or of another type.
    #[error("the payload of `{event}` is not as documented: {why}")]
    Payload {
        /// `X-GitHub-Event`.
        event: String,
        /// The first difference.
        why: String,
    },
    /// [`route`] does not let it through; an older version may have.
    #[error("`{event}` is no event that is worked on: {why}")]
    NotRouted {
        /// `X-GitHub-Event`.
        event: String,
        /// Why.
        why: &'static str,
    },
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    action: Option<Cow<'a, str>>,
    installation: Option<IdOnly>,
    #[serde(borrow)]
    repository: Option<RepositoryName<'a>>,
    #[serde(borrow)]
    sender: Option<HeadSender<'a>>,
    #[serde(borrow)]
    label: Option<Label<'a>>,
    #[serde(borrow)]
    comment: Option<HeadComment<'a>>,
}

#[derive(Deserialize)]
struct IdOnly {
    id: u64,
}

#[derive(Deserialize)]
struct RepositoryName<'a> {
    #[serde(borrow)]
    full_name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct HeadSender<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Label<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct HeadComment<'a> {
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
}

const EVENT_NOT_USED: &str = "event not used";
const ACTION_NOT_USED: &str = "action not used";

/// Says what happens to a verified body of the event named in `X-GitHub-Event`.
///
/// Stored is what can change a run: the trigger label, comments that are commands, and what people do by hand
/// to issues, pull requests and the repository's name. What bots trigger is not (our own labels and comments
/// come back as deliveries); what has no installation did not come from the App's own hook.
pub fn route(event: &str, body: &[u8]) -> Routed {
    match event {
        "ping" => return Routed::Ping,
        "issues" | "issue_comment" | "pull_request" | "repository" => {}
        _ => return Routed::Ignored(EVENT_NOT_USED),
    }
    let Ok(head) = serde_json::from_slice::<Head>(body) else {
        return Routed::Handled(Headline { malformed: true, ..Headline::default() });
    };
    let action = head.action.as_deref().unwrap_or_default();
    let from_bot = head.sender.and_then(|s| s.kind).as_deref() == Some("Bot");
    let ignored = match (event, action) {
        // GitHub compares label names without case.
        ("issues" | "pull_request", "labeled") => match head.label {
            Some(label) if label.name.eq_ignore_ascii_case(TRIGGER_LABEL) => {
                from_bot.then_some("labeled by a bot")
            }
            _ => Some("other label"),
        },
        ("issue_comment", "created") => match head.comment.and_then(|c| c.body) {
            Some(body) if command::parse(&body).is_some() => from_bot.then_some("comment of a bot"),
            _ => Some("comment without command"),
        },
        ("issues", "closed" | "reopened" | "deleted" | "transferred")
        | ("pull_request", "closed" | "reopened")
        | ("repository", "renamed" | "transferred") => None,
        _ => Some(ACTION_NOT_USED),
    };
    match (ignored, head.installation, head.repository) {
        (Some(reason), _, _) => Routed::Ignored(reason),
        (None, None, _) => Routed::Ignored("no installation"),
        (None, Some(installation), Some(repository)) => Routed::Handled(Headline {
            installation: installation.id,
            repository: repository.full_name.into_owned(),
            malformed: false,
        }),
        (None, Some(installation), None) => Routed::Handled(Headline {
            installation: installation.id,
            repository: String::new(),
            malformed: true,
        }),
    }
}

/// Whether a body of this event and action may be routed: what lists of deliveries show of one.
pub fn may_be_routed(event: &str, action: Option<&str>) -> bool {
    let body = serde_json::json!({ "action": action }).to_string();
    match route(event, body.as_bytes()) {
        Routed::Ping => false,
        // These two are said of the event and the action alone, every other reason of what is in the body.
        Routed::Ignored(why) => why != EVENT_NOT_USED && why != ACTION_NOT_USED,
        Routed::Handled(_) => true,
    }
}

#[derive(Deserialize)]
struct Payload {
    action: String,
    installation: IdOnly,
    repository: Repository,
    sender: RawSender,
    label: Option<OwnedLabel>,
    issue: Option<RawIssue>,
    comment: Option<RawComment>,
    pull_request: Option<RawPull>,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
    name: String,
    owner: Owner,
    default_branch: String,
}

#[derive(Deserialize)]
struct Owner {
    login: String,
}

#[derive(Deserialize)]
struct RawSender {
    login: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct OwnedLabel {
    name: String,
}

#[derive(Deserialize)]
struct RawIssue {
    number: u64,
    id: u64,
    title: String,
    body: Option<String>,
    state: Option<String>,
    pull_request: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    labels: Vec<OwnedLabel>,
    updated_at: Timestamp,
}

#[derive(Deserialize)]
struct RawComment {
    id: u64,
    body: Option<String>,
    performed_via_github_app: Option<IdOnly>,
}

#[derive(Deserialize)]
struct RawPull {
    number: u64,
    id: u64,
    merged: Option<bool>,
    merged_at: Option<String>,
    merge_commit_sha: Option<String>,
    head: Branch,
    base: Branch,
    updated_at: Timestamp,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(rename = "ref")]
    name: String,
    #[serde(deserialize_with = "sha")]
    sha: Sha,
}

impl Event {
    /// Translates a stored delivery. `me` tells our own doings from other people's.
    pub fn read(delivery: DeliveryId, event: &str, body: &[u8], me: &AppInfo) -> Result<Self, Malformed> {
        if let Routed::Ignored(why) = route(event, body) {
            return Err(Malformed::NotRouted { event: event.to_owned(), why });
        }
        let wrong = |why: String| Malformed::Payload { event: event.to_owned(), why };
        let payload: Payload = serde_json::from_slice(body).map_err(|e| wrong(e.to_string()))?;
        let missing = |name: &str| wrong(format!("missing field `{name}`"));
        let issue = payload.issue.map(EventIssue::from).ok_or_else(|| missing("issue"));
        let pull = payload.pull_request.map(EventPull::from).ok_or_else(|| missing("pull_request"));
        let mut through_app = None;
        let kind = match (event, payload.action.as_str()) {
            ("issues", "labeled") => {
                let label = payload.label.ok_or_else(|| missing("label"))?;
                Kind::Labeled { issue: issue?, label: label.name }
            }
            ("issue_comment", _) => {
                let comment = payload.comment.ok_or_else(|| missing("comment"))?;
                through_app = comment.performed_via_github_app;
                let body = lines(comment.body.unwrap_or_default());
                Kind::CommentCreated { comment_id: comment.id, body, issue: issue? }
            }
            ("issues", "closed") => Kind::IssueClosed(issue?),
            ("issues", "reopened") => Kind::IssueReopened(issue?),
            ("issues", _) => Kind::IssueGone(issue?),
            // A pull request is no master issue, but the person who labels one is told so.
            ("pull_request", "labeled") => {
                let label = payload.label.ok_or_else(|| missing("label"))?;
                Kind::Labeled { issue: pull?.as_issue(), label: label.name }
            }
            ("pull_request", "closed") => Kind::PullClosed(pull?),
            ("pull_request", _) => Kind::PullReopened(pull?),
            _ => Kind::RepositoryMoved,
        };
        let sender = Sender {
            is_bot: payload.sender.kind.as_deref() == Some("Bot"),
            is_own_app: me.is_login(&payload.sender.login) || through_app.is_some_and(|app| app.id == me.id),
            login: payload.sender.login,
        };
        let repo = Repo {
            id: payload.repository.id,
            owner: payload.repository.owner.login,
            name: payload.repository.name,
            installation: payload.installation.id,
            default_branch: payload.repository.default_branch,
        };
        Ok(Self { delivery, repo, sender, kind })
    }

    /// What triggers work, named so that another delivery of the same act has the same name although its
    /// GUID differs; `None` for what may be seen any number of times.
    pub fn trigger(&self) -> Option<String> {
        match &self.kind {
            Kind::Labeled { issue, label } => {
                let Repo { id, .. } = self.repo;
                Some(format!("label:{id}:{}:{label}:{}", issue.number, issue.updated_at))
            }
            Kind::CommentCreated { comment_id, .. } => Some(format!("comment:{comment_id}")),
            _ => None,
        }
    }
}

impl From<RawIssue> for EventIssue {
    fn from(raw: RawIssue) -> Self {
        Self {
            number: raw.number,
            id: raw.id,
            title: raw.title,
            body: lines(raw.body.unwrap_or_default()),
            open: raw.state.as_deref() != Some("closed"),
            is_pull_request: raw.pull_request.is_some(),
            labels: raw.labels.into_iter().map(|label| label.name).collect(),
            updated_at: raw.updated_at,
        }
    }
}

impl From<RawPull> for EventPull {
    fn from(raw: RawPull) -> Self {
        Self {
            number: raw.number,
            id: raw.id,
            merged: raw.merged.unwrap_or(raw.merged_at.is_some()),
            head_ref: raw.head.name,
            head_sha: raw.head.sha,
            base_ref: raw.base.name,
            merge_commit: raw.merge_commit_sha.as_deref().and_then(Sha::parse),
            updated_at: raw.updated_at,
        }
    }
}
