//! Issues: model, and the verbs to open, edit, close, reopen and delete them.
//!
//! Pull requests are issues too (one sequence of numbers); the part that only they have is [`Pull`].

use super::pulls::Pull;
use super::reactions::Reaction;
use super::refusal::{Refusal, check_body, check_title};
use super::world::{Actor, World};
use crate::clock;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// An issue or pull request.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Database id.
    pub id: u64,
    /// Number within the repository, shared with pull requests.
    pub number: u64,
    /// Id of the repository.
    pub repo: u64,
    /// Title.
    pub title: String,
    /// Text, if any.
    pub body: Option<String>,
    /// Open or closed.
    pub state: IssueState,
    /// `completed`, `not_planned`, `duplicate` or `reopened`.
    pub state_reason: Option<String>,
    /// Who opened it.
    pub author: Actor,
    /// Names of its labels, in the order of labelling.
    pub labels: Vec<String>,
    /// Logins of the assignees.
    pub assignees: Vec<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When anything of it last changed.
    pub updated_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Who closed it.
    pub closed_by: Option<String>,
    /// Id of the parent issue.
    pub parent: Option<u64>,
    /// Ids of its sub-issues, in order.
    pub children: Vec<u64>,
    /// Ids of the issues that block it.
    pub blocked_by: Vec<u64>,
    /// Reactions to it.
    pub reactions: Vec<Reaction>,
    /// What only a pull request has.
    pub pull: Option<Pull>,
    /// Deleted issues keep their number and answer 410.
    pub deleted: bool,
    /// Where it was transferred to: its id there. The old number answers 301.
    pub moved_to: Option<u64>,
}

/// State of an issue or pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueState {
    /// Open.
    Open,
    /// Closed (for a pull request: merged or not).
    Closed,
}

impl IssueState {
    /// GitHub's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            IssueState::Open => "open",
            IssueState::Closed => "closed",
        }
    }
}

/// What an issue is opened with.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub title: String,
    pub body: Option<String>,
    pub labels: Vec<String>,
    pub assignees: Vec<String>,
    pub pull: Option<Pull>,
}

impl Issue {
    /// Whether it is not here any more.
    pub(super) fn is_gone(&self) -> bool {
        self.deleted || self.moved_to.is_some()
    }
}

impl World {
    /// The issue of that id, unless it is deleted or elsewhere.
    pub(super) fn issue_of(&self, id: u64) -> Result<&Issue, Refusal> {
        self.issues.get(&id).filter(|i| !i.is_gone()).ok_or_else(Refusal::not_found)
    }

    pub(super) fn issue_mut(&mut self, id: u64) -> Result<&mut Issue, Refusal> {
        self.issues.get_mut(&id).filter(|i| !i.is_gone()).ok_or_else(Refusal::not_found)
    }

    /// The id of an issue or pull request by its number: 404 when it never was, 410 when it was deleted.
    pub(super) fn numbered(&self, repo: u64, number: u64) -> Result<u64, Refusal> {
        let id = *self.repo_ref(repo)?.numbers.get(&number).ok_or_else(Refusal::not_found)?;
        match self.issues.get(&id) {
            Some(issue) if issue.deleted => Err(Refusal::new(410, "This issue was deleted")),
            Some(issue) if issue.moved_to.is_some() => Err(Refusal::new(301, "Moved Permanently")),
            Some(_) => Ok(id),
            None => Err(Refusal::not_found()),
        }
    }

    /// Opens an issue (or pull request): `opened`, then one `labeled` for each label.
    pub(super) fn open_issue(&mut self, repo: u64, actor: &Actor, draft: Draft) -> Result<u64, Refusal> {
        let resource = if draft.pull.is_some() { "PullRequest" } else { "Issue" };
        check_title(resource, &draft.title)?;
        check_body(resource, draft.body.as_deref().unwrap_or_default())?;
        for label in &draft.labels {
            super::refusal::check_label(label)?;
        }
        let number = self.repo_ref(repo)?.numbers.last_key_value().map_or(1, |(last, _)| last + 1);
        let (id, now) = (self.next_id(), clock::now());
        let issue = Issue {
            id,
            number,
            repo,
            title: draft.title,
            body: draft.body.filter(|b| !b.is_empty()),
            state: IssueState::Open,
            state_reason: None,
            author: actor.clone(),
            labels: Vec::new(),
            assignees: draft.assignees,
            created_at: now,
            updated_at: now,
            closed_at: None,
            closed_by: None,
            parent: None,
            children: Vec::new(),
            blocked_by: Vec::new(),
            reactions: Vec::new(),
            pull: draft.pull,
            deleted: false,
            moved_to: None,
        };
        self.repo_mut(repo)?.numbers.insert(number, id);
        self.issues.insert(id, issue);
        let mut names = Vec::new();
        for label in &draft.labels {
            let name = self.ensure_label(repo, label)?;
            let issue = self.issue_mut(id)?;
            if !issue.labels.contains(&name) {
                issue.labels.push(name.clone());
                names.push(name);
            }
        }
        self.emit_issue(id, "opened", actor, Map::new())?;
        for name in names {
            self.emit_labeled(id, "labeled", actor, &name)?;
        }
        Ok(id)
    }

    /// Changes title or text; one `edited` when anything changed.
    pub(super) fn edit_issue(
        &mut self,
        id: u64,
        actor: &Actor,
        title: Option<&str>,
        body: Option<Option<&str>>,
    ) -> Result<(), Refusal> {
        let resource = if self.issue_of(id)?.pull.is_some() { "PullRequest" } else { "Issue" };
        if let Some(title) = title {
            check_title(resource, title)?;
        }
        check_body(resource, body.flatten().unwrap_or_default())?;
        let issue = self.issue_mut(id)?;
        let mut changes = Map::new();
        if let Some(title) = title.filter(|t| *t != issue.title) {
            changes.insert("title".into(), json!({"from": issue.title}));
            issue.title = title.to_owned();
        }
        let body = body.map(|b| b.map(str::to_owned).filter(|b| !b.is_empty()));
        if let Some(body) = body.filter(|b| *b != issue.body) {
            changes.insert("body".into(), json!({"from": issue.body.as_deref().unwrap_or_default()}));
            issue.body = body;
        }
        if changes.is_empty() {
            return Ok(());
        }
        issue.updated_at = clock::now();
        self.emit_issue(id, "edited", actor, Map::from_iter([("changes".to_owned(), Value::Object(changes))]))
    }

    /// Closes an issue, or a pull request without merging; nothing when it is closed already.
    pub(super) fn close_issue(&mut self, id: u64, actor: &Actor, reason: &str) -> Result<(), Refusal> {
        if !["completed", "not_planned", "duplicate"].contains(&reason) {
            return Err(Refusal::invalid("Issue", "state_reason", "invalid"));
        }
        let issue = self.issue_mut(id)?;
        if issue.state == IssueState::Closed {
            return Ok(());
        }
        issue.state = IssueState::Closed;
        issue.state_reason = issue.pull.is_none().then(|| reason.to_owned());
        let now = clock::now();
        issue.closed_at = Some(now);
        issue.closed_by = Some(actor.login.clone());
        issue.updated_at = now;
        self.emit_issue(id, "closed", actor, Map::new())
    }

    /// Opens a closed issue or pull request again; nothing when it is open, refused when it was merged.
    pub(super) fn reopen_issue(&mut self, id: u64, actor: &Actor) -> Result<(), Refusal> {
        let issue = self.issue_of(id)?;
        if issue.state == IssueState::Open {
            return Ok(());
        }
        if let Some(pull) = &issue.pull {
            let branch_is_there = self.repo_ref(issue.repo)?.refs.contains_key(&pull.head_ref_name());
            if pull.merged || !branch_is_there {
                return Err(Refusal::custom("PullRequest", Some("state"), "state cannot be changed."));
            }
        }
        let issue = self.issue_mut(id)?;
        issue.state = IssueState::Open;
        issue.state_reason = issue.pull.is_none().then(|| "reopened".to_owned());
        issue.closed_at = None;
        issue.closed_by = None;
        issue.updated_at = clock::now();
        self.emit_issue(id, "reopened", actor, Map::new())
    }

    /// Deletes an issue (only its repository's administrators can).
    pub(super) fn delete_issue(&mut self, id: u64, actor: &Actor) -> Result<(), Refusal> {
        self.emit_issue(id, "deleted", actor, Map::new())?;
        let parent = self.issue_of(id)?.parent;
        if let Some(parent) = parent {
            self.issue_mut(parent)?.children.retain(|child| *child != id);
        }
        for issue in self.issues.values_mut() {
            issue.blocked_by.retain(|blocker| *blocker != id);
            issue.parent = issue.parent.filter(|p| *p != id);
        }
        self.issue_mut(id)?.deleted = true;
        Ok(())
    }

    /// Emits an event about an issue, under `pull_request` when it is one.
    pub(super) fn emit_issue(
        &mut self,
        id: u64,
        action: &str,
        actor: &Actor,
        mut fields: Map<String, Value>,
    ) -> Result<(), Refusal> {
        let issue = self.issue_of(id)?;
        let repo = issue.repo;
        if issue.pull.is_some() {
            fields.insert("number".into(), issue.number.into());
            fields.insert("pull_request".into(), self.pull_json(id)?);
            self.emit("pull_request", Some(action), repo, actor, fields)
        } else {
            fields.insert("issue".into(), self.issue_json(id)?);
            self.emit("issues", Some(action), repo, actor, fields)
        }
    }
}
