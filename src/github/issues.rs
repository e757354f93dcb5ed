//! Issues, comments, labels, links between issues, and reactions.

use super::client::{Read, RepoClient};
use super::error::Result;
use super::limiter::Cost;
use super::transport::escape;
use super::types::{Comment, Issue, IssueState, RawComment, RawIssue, StateReason};
use crate::domain::{Emoji, Target};
use http::Method;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::json;

/// Which issues [`RepoClient::list_issues`] lists; what is empty does not narrow.
#[derive(Clone, Debug, Default)]
pub struct IssueFilter<'a> {
    /// Changed at or after this time.
    pub since: Option<Timestamp>,
    /// Carrying all of these labels.
    pub labels: &'a [&'a str],
    /// Opened by this login, such as [`super::AppInfo::login`].
    pub creator: Option<&'a str>,
    /// Open or closed; both when empty.
    pub state: Option<IssueState>,
}

/// What changes about an issue; what is empty stays.
#[derive(Clone, Debug, Default, Serialize)]
pub struct IssuePatch {
    /// New title, at most 256 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// New text, at most 65,536 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Open or closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<IssueState>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<StateReason>,
    /// All labels from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
}

impl RepoClient {
    /// An issue (or pull request) by its number.
    pub async fn issue(&self, number: u64) -> Result<Issue> {
        let op = "read an issue";
        let me = self.client.core().info().await?;
        let raw: RawIssue = self.get(Read::kept(op), &format!("/issues/{number}")).await?.read(op)?;
        Ok(raw.translate(me))
    }

    /// Opens an issue. Labels that do not exist are made; GitHub drops them silently when the App may not
    /// push, so read them in the answer.
    pub async fn create_issue(&self, title: &str, body: &str, labels: &[&str]) -> Result<Issue> {
        let me = self.client.core().info().await.map_err(|e| e.before_sending())?;
        let body = json!({ "title": title, "body": body, "labels": labels });
        let raw: RawIssue = self.create("create an issue", "/issues", &body).await?;
        Ok(raw.translate(me))
    }

    /// Changes an issue.
    pub async fn update_issue(&self, number: u64, patch: &IssuePatch) -> Result<Issue> {
        let me = self.client.core().info().await.map_err(|e| e.before_sending())?;
        let raw: RawIssue = self.edit("change an issue", &format!("/issues/{number}"), &json!(patch)).await?;
        Ok(raw.translate(me))
    }

    /// Issues, oldest first, without pull requests.
    pub async fn list_issues(&self, filter: &IssueFilter<'_>) -> Result<Vec<Issue>> {
        let me = self.client.core().info().await?;
        let state = match filter.state {
            None => "all",
            Some(IssueState::Open) => "open",
            Some(IssueState::Closed) => "closed",
        };
        // By creation and upwards, so that what is opened meanwhile moves nothing to another page.
        let mut path = format!("/issues?state={state}&sort=created&direction=asc&per_page=100");
        if let Some(since) = filter.since {
            path.push_str(&format!("&since={}", escape(&since.to_string())));
        }
        if !filter.labels.is_empty() {
            path.push_str(&format!("&labels={}", escape(&filter.labels.join(","))));
        }
        if let Some(creator) = filter.creator {
            path.push_str(&format!("&creator={}", escape(creator)));
        }
        let raw: Vec<RawIssue> = self.list("list issues", &path).await?;
        let issues = raw.into_iter().map(|raw| raw.translate(me));
        Ok(issues.filter(|issue| !issue.is_pull_request).collect())
    }

    /// Issues that this App opened, oldest first, changed at or after `since`. Sorted out here and not by GitHub's
    /// `creator`: how that names the account of an App is not documented, and missing one would make a second.
    pub async fn own_issues(&self, since: Timestamp) -> Result<Vec<Issue>> {
        let filter = IssueFilter { since: Some(since), ..IssueFilter::default() };
        let issues = self.list_issues(&filter).await?;
        Ok(issues.into_iter().filter(|issue| issue.author_is_app).collect())
    }

    /// Adds labels to an issue or pull request, keeping the others. Returns all that it has then.
    pub async fn add_labels(&self, number: u64, labels: &[&str]) -> Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Raw {
            name: String,
        }
        let path = format!("/issues/{number}/labels");
        let body = json!({ "labels": labels });
        let raw: Vec<Raw> = self.write("add labels", (&Method::POST, Cost::Write), &path, &body).await?;
        Ok(raw.into_iter().map(|label| label.name).collect())
    }

    /// The names of the repository's labels.
    pub async fn labels(&self) -> Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Raw {
            name: String,
        }
        let raw: Vec<Raw> = self.list("list labels", "/labels?per_page=100").await?;
        Ok(raw.into_iter().map(|label| label.name).collect())
    }

    /// Makes a label: `color` is six hexadecimal digits, the description at most 100 characters.
    ///
    /// # Errors
    /// [`super::Error::Invalid`] with `already_exists` when there is one of that name, whatever its case.
    pub async fn create_label(&self, name: &str, color: &str, description: &str) -> Result<()> {
        let body = json!({ "name": name, "color": color, "description": description });
        let cost = (&Method::POST, Cost::Write);
        self.write::<IgnoredAny>("create a label", cost, "/labels", &body).await.map(drop)
    }

    /// Comments on an issue or pull request.
    pub async fn create_comment(&self, number: u64, body: &str) -> Result<Comment> {
        let me = self.client.core().info().await.map_err(|e| e.before_sending())?;
        let path = format!("/issues/{number}/comments");
        let raw: RawComment = self.create("comment", &path, &json!({ "body": body })).await?;
        Ok(raw.translate(me))
    }

    /// Changes a comment; [`super::Error::NotFound`] when a person deleted it.
    pub async fn update_comment(&self, id: u64, body: &str) -> Result<Comment> {
        let me = self.client.core().info().await.map_err(|e| e.before_sending())?;
        let path = format!("/issues/comments/{id}");
        let raw: RawComment = self.edit("change a comment", &path, &json!({ "body": body })).await?;
        Ok(raw.translate(me))
    }

    /// Deletes a comment; [`super::Error::NotFound`] when it is gone already.
    pub async fn delete_comment(&self, id: u64) -> Result<()> {
        self.remove("delete a comment", &format!("/issues/comments/{id}")).await
    }

    /// The comments of an issue or pull request, oldest first; with `since` those changed at or after it.
    pub async fn list_comments(&self, number: u64, since: Option<Timestamp>) -> Result<Vec<Comment>> {
        let me = self.client.core().info().await?;
        let mut path = format!("/issues/{number}/comments?per_page=100");
        if let Some(since) = since {
            path.push_str(&format!("&since={}", escape(&since.to_string())));
        }
        let raw: Vec<RawComment> = self.list("list comments", &path).await?;
        Ok(raw.into_iter().map(|raw| raw.translate(me)).collect())
    }

    /// Makes the issue with database id `child` a sub-issue of issue number `parent`.
    ///
    /// # Errors
    /// [`super::Error::Invalid`] when the child has a parent already or the parent has 100 children.
    pub async fn add_sub_issue(&self, parent: u64, child: u64) -> Result<()> {
        let path = format!("/issues/{parent}/sub_issues");
        let body = json!({ "sub_issue_id": child, "replace_parent": false });
        self.create::<IgnoredAny>("link a sub-issue", &path, &body).await.map(drop)
    }

    /// The sub-issues of issue number `parent`, in their order; they may live in other repositories of the
    /// same owner.
    pub async fn list_sub_issues(&self, parent: u64) -> Result<Vec<Issue>> {
        let path = format!("/issues/{parent}/sub_issues?per_page=100");
        self.linked("list sub-issues", &path).await
    }

    /// Marks issue number `number` as blocked by the issue with database id `blocker`.
    pub async fn add_blocked_by(&self, number: u64, blocker: u64) -> Result<()> {
        let path = format!("/issues/{number}/dependencies/blocked_by");
        let body = json!({ "issue_id": blocker });
        self.create::<IgnoredAny>("link a dependency", &path, &body).await.map(drop)
    }

    /// The issues that block issue number `number`.
    pub async fn list_blocked_by(&self, number: u64) -> Result<Vec<Issue>> {
        let path = format!("/issues/{number}/dependencies/blocked_by?per_page=100");
        self.linked("list dependencies", &path).await
    }

    /// Reacts as the App; a second time changes nothing. Returns the reaction's id.
    pub async fn react(&self, target: Target, emoji: Emoji) -> Result<u64> {
        #[derive(serde::Deserialize)]
        struct Raw {
            id: u64,
        }
        let path = match target {
            Target::Issue(number) => format!("/issues/{number}/reactions"),
            Target::Comment(id) => format!("/issues/comments/{id}/reactions"),
        };
        let body = json!({ "content": emoji.as_str() });
        let raw: Raw = self.write("react", (&Method::POST, Cost::Write), &path, &body).await?;
        Ok(raw.id)
    }

    async fn linked(&self, op: &'static str, path: &str) -> Result<Vec<Issue>> {
        let me = self.client.core().info().await?;
        let raw: Vec<RawIssue> = self.list(op, path).await?;
        Ok(raw.into_iter().map(|raw| raw.translate(me)).collect())
    }
}
