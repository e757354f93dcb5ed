//! Pull requests.

use super::client::{Read, RepoClient};
use super::error::{Error, Result};
use super::transport::escape;
use super::types::{IssueState, Pull, RawPull};
use serde::Serialize;
use serde_json::json;

/// A pull request to open.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NewPull<'a> {
    /// Its branch, in this repository.
    pub head: &'a str,
    /// The branch that it targets.
    pub base: &'a str,
    /// Title, at most 256 characters.
    pub title: &'a str,
    /// Text, at most 65,536 characters.
    pub body: &'a str,
    /// As a draft, where the repository's plan has drafts.
    pub draft: bool,
}

/// What changes about a pull request; what is empty stays.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PullPatch {
    /// New title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// New text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Open or closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<IssueState>,
    /// New target branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

impl RepoClient {
    /// Opens a pull request; as an ordinary one where drafts are refused (they need a public repository or
    /// a paid plan), so read `draft` in the answer.
    ///
    /// # Errors
    /// [`Error::Invalid`] when one is open for this head, or the head has no commits of its own.
    pub async fn create_pull(&self, new: NewPull<'_>) -> Result<Pull> {
        let op = "open a pull request";
        let me = self.client.core().info().await.map_err(|e| e.before_sending())?;
        let raw: RawPull = match self.create(op, "/pulls", &json!(new)).await {
            Err(Error::Invalid { messages, .. }) if new.draft && drafts_refused(&messages) => {
                let ready = NewPull { draft: false, ..new };
                self.create(op, "/pulls", &json!(ready)).await?
            }
            other => other?,
        };
        Ok(raw.translate(me))
    }

    /// All pull requests, open, closed and merged, whose head is `branch` in this repository.
    pub async fn pulls_by_head(&self, branch: &str) -> Result<Vec<Pull>> {
        let me = self.client.core().info().await?;
        let head = escape(&format!("{}:{branch}", self.repo.owner));
        let path = format!("/pulls?head={head}&state=all&per_page=100");
        let raw: Vec<RawPull> = self.list("list pull requests of a branch", &path).await?;
        // An owner's forks of one network can show up here; the branch is compared again.
        let pulls = raw.into_iter().map(|raw| raw.translate(me));
        Ok(pulls.filter(|pull| pull.head_ref == branch).collect())
    }

    /// A pull request by its number.
    pub async fn pull(&self, number: u64) -> Result<Pull> {
        let op = "read a pull request";
        let me = self.client.core().info().await?;
        let raw: RawPull = self.get(Read::kept(op), &format!("/pulls/{number}")).await?.read(op)?;
        Ok(raw.translate(me))
    }

    /// Changes a pull request.
    pub async fn update_pull(&self, number: u64, patch: &PullPatch) -> Result<Pull> {
        let me = self.client.core().info().await.map_err(|e| e.before_sending())?;
        let path = format!("/pulls/{number}");
        let raw: RawPull = self.edit("change a pull request", &path, &json!(patch)).await?;
        Ok(raw.translate(me))
    }
}

/// Whether GitHub refuses the draft and not the pull request.
fn drafts_refused(messages: &[String]) -> bool {
    messages.iter().any(|message| message.to_lowercase().contains("draft pull requests are not supported"))
}
