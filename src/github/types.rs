//! What we read of GitHub's objects: small, tolerant, translated at the door.

use super::app::AppInfo;
use crate::domain::Sha;
use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// What a person may do in a repository, as GitHub sums up all grants (maintain counts as write, triage as
/// read).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Everything.
    Admin,
    /// Push, and with it: start work.
    Write,
    /// Look.
    Read,
    /// Nothing, or not visible.
    None,
}

impl Permission {
    /// Whether this is enough to start work.
    pub fn may_write(self) -> bool {
        matches!(self, Self::Admin | Self::Write)
    }

    /// The permission by its name; an unknown one gives no right.
    pub(super) fn parse(name: &str) -> Self {
        match name {
            "admin" => Self::Admin,
            "write" => Self::Write,
            "read" => Self::Read,
            _ => Self::None,
        }
    }
}

/// Open or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueState {
    /// Open.
    Open,
    /// Closed; a merged pull request is closed too.
    Closed,
}

/// Why an issue is closed, or open again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateReason {
    /// Done.
    Completed,
    /// Will not be done.
    NotPlanned,
    /// Open again.
    Reopened,
    /// There is another one for the same.
    Duplicate,
}

/// An issue, or a pull request seen as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Number in the repository.
    pub number: u64,
    /// Database id, which links take.
    pub id: u64,
    /// Title.
    pub title: String,
    /// Text with `\n` line ends; empty when there is none.
    pub body: String,
    /// Open or closed.
    pub state: IssueState,
    /// Whether it is a pull request: GitHub's issue routes show both.
    pub is_pull_request: bool,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
    /// Whether this App opened it.
    pub author_is_app: bool,
    /// Login of who opened it; `None` for a deleted account.
    pub author: Option<String>,
    /// How many issues block it, closed ones included; `None` where GitHub does not tell.
    pub blocked_by: Option<u64>,
    /// How many sub-issues it has, closed ones and those of other repositories included; `None` where GitHub does not tell.
    pub sub_issues: Option<u64>,
    /// Address for people.
    pub url: String,
}

/// A comment on an issue or pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Database id.
    pub id: u64,
    /// Text with `\n` line ends.
    pub body: String,
    /// Whether this App wrote it.
    pub by_app: bool,
    /// Address for people.
    pub url: String,
}

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Number in the repository.
    pub number: u64,
    /// Database id.
    pub id: u64,
    /// Title.
    pub title: String,
    /// Text with `\n` line ends; empty when there is none.
    pub body: String,
    /// Open or closed.
    pub state: IssueState,
    /// Whether it was merged.
    pub merged: bool,
    /// Whether it is a draft.
    pub draft: bool,
    /// Its branch.
    pub head_ref: String,
    /// The commit at its head.
    pub head_sha: Sha,
    /// The branch that it targets.
    pub base_ref: String,
    /// Whether this App opened it.
    pub author_is_app: bool,
    /// Address for people.
    pub url: String,
}

/// Where a branch points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BranchHead {
    /// To this commit.
    At(Sha),
    /// There is no such branch.
    Missing,
    /// The repository has no commit at all.
    EmptyRepository,
}

/// What `head` has that `base` has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// Commits.
    pub ahead_by: u64,
    /// The commit that GitHub shows at `head`.
    pub head_sha: Sha,
    /// Changed paths; of a renamed file both.
    pub files: Vec<String>,
    /// Whether there may be more files than GitHub tells (it stops at 300).
    pub truncated: bool,
}

#[derive(Deserialize)]
pub(super) struct RawIssue {
    number: u64,
    id: u64,
    title: String,
    body: Option<String>,
    state: IssueState,
    pull_request: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    labels: Vec<RawLabel>,
    created_at: Timestamp,
    updated_at: Timestamp,
    user: Option<RawUser>,
    performed_via_github_app: Option<RawApp>,
    issue_dependencies_summary: Option<RawDependencies>,
    sub_issues_summary: Option<RawChildren>,
    html_url: String,
}

#[derive(Deserialize)]
struct RawChildren {
    total: Option<u64>,
}

#[derive(Deserialize)]
struct RawDependencies {
    total_blocked_by: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawLabel {
    Name(String),
    Label { name: Option<String> },
}

#[derive(Deserialize)]
struct RawUser {
    login: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct RawApp {
    id: u64,
}

#[derive(Deserialize)]
pub(super) struct RawComment {
    id: u64,
    body: Option<String>,
    user: Option<RawUser>,
    performed_via_github_app: Option<RawApp>,
    html_url: String,
}

#[derive(Deserialize)]
pub(super) struct RawPull {
    number: u64,
    id: u64,
    title: String,
    body: Option<String>,
    state: IssueState,
    #[serde(default)]
    draft: bool,
    merged_at: Option<Timestamp>,
    head: RawBranch,
    base: RawBranch,
    user: Option<RawUser>,
    html_url: String,
}

#[derive(Deserialize)]
struct RawBranch {
    #[serde(rename = "ref")]
    name: String,
    #[serde(deserialize_with = "sha")]
    sha: Sha,
}

impl RawIssue {
    pub(super) fn translate(self, me: &AppInfo) -> Issue {
        let name = |label| match label {
            RawLabel::Name(name) => Some(name),
            RawLabel::Label { name } => name,
        };
        Issue {
            number: self.number,
            id: self.id,
            title: self.title,
            body: lines(self.body.unwrap_or_default()),
            state: self.state,
            is_pull_request: self.pull_request.is_some(),
            labels: self.labels.into_iter().filter_map(name).collect(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            author_is_app: is_mine(me, self.user.as_ref(), self.performed_via_github_app.as_ref()),
            author: self.user.map(|user| user.login),
            blocked_by: self.issue_dependencies_summary.and_then(|s| s.total_blocked_by),
            sub_issues: self.sub_issues_summary.and_then(|s| s.total),
            url: self.html_url,
        }
    }
}

impl RawComment {
    pub(super) fn translate(self, me: &AppInfo) -> Comment {
        Comment {
            id: self.id,
            body: lines(self.body.unwrap_or_default()),
            by_app: is_mine(me, self.user.as_ref(), self.performed_via_github_app.as_ref()),
            url: self.html_url,
        }
    }
}

impl RawPull {
    pub(super) fn translate(self, me: &AppInfo) -> Pull {
        Pull {
            number: self.number,
            id: self.id,
            title: self.title,
            body: lines(self.body.unwrap_or_default()),
            state: self.state,
            merged: self.merged_at.is_some(),
            draft: self.draft,
            head_ref: self.head.name,
            head_sha: self.head.sha,
            base_ref: self.base.name,
            author_is_app: is_mine(me, self.user.as_ref(), None),
            url: self.html_url,
        }
    }
}

/// Whether this App made it. The account's name is enough, and so is the App's number on anything that a
/// bot (or a deleted account) made: the name changes with the App's. A person who acts *through* the App
/// shows its number too, but stays the author.
fn is_mine(me: &AppInfo, user: Option<&RawUser>, app: Option<&RawApp>) -> bool {
    let through_us = app.is_some_and(|app| app.id == me.id);
    match user {
        Some(user) => me.is_login(&user.login) || (through_us && user.kind.as_deref() == Some("Bot")),
        None => through_us,
    }
}

/// A commit id, checked: it comes from outside.
pub(super) fn sha<'de, D: Deserializer<'de>>(from: D) -> Result<Sha, D::Error> {
    let text = String::deserialize(from)?;
    Sha::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no commit id")))
}

/// GitHub stores what the browser sent, which ends lines with `\r\n`. Inside Divisi text has `\n`.
pub(super) fn lines(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n") } else { text }
}
