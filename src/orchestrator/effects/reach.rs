//! How effects reach GitHub: reading is free, writing takes the executor's permit.

use super::executor::Permit;
use crate::domain::{Orchestration, Remote};
use crate::github::{App, BranchHead, Comment, Compare, Error, Issue, Pull, RepoClient};
use crate::orchestrator::standing::{self, Ending};
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use std::ops::Deref;

/// Reads, for looking something up. The client below it stays hidden: it could write.
pub(in crate::orchestrator) struct Reader(RepoClient);

/// A client that may write, once.
pub(super) struct Writer<'a>(&'a RepoClient);

impl Deref for Writer<'_> {
    type Target = RepoClient;

    fn deref(&self) -> &RepoClient {
        self.0
    }
}

impl Reader {
    pub fn new(client: RepoClient) -> Self {
        Self(client)
    }

    /// The client with its writing half.
    pub(super) fn writer(&self, _: Permit) -> Writer<'_> {
        Writer(&self.0)
    }

    /// What an error of one of the run's effects means, after a look at how things stand.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn ending(
        &self,
        store: &dyn Store,
        app: &App,
        run: &Orchestration,
        edits: bool,
        error: Error,
    ) -> Result<Ending, StoreError> {
        standing::ending(store, (app, &self.0, run), edits, error).await
    }

    /// Where a branch points.
    pub async fn branch_head(&self, branch: &str) -> Result<BranchHead, Error> {
        self.0.branch_head(branch).await
    }

    /// Issues that our App opened, changed since.
    pub async fn own_issues(&self, since: Timestamp) -> Result<Vec<Issue>, Error> {
        self.0.own_issues(since).await
    }

    pub async fn comments(&self, number: u64, since: Timestamp) -> Result<Vec<Comment>, Error> {
        self.0.list_comments(number, Some(since)).await
    }

    pub async fn pulls_by_head(&self, branch: &str) -> Result<Vec<Pull>, Error> {
        self.0.pulls_by_head(branch).await
    }

    pub async fn sub_issues(&self, parent: u64) -> Result<Vec<Issue>, Error> {
        self.0.list_sub_issues(parent).await
    }

    pub async fn blocked_by(&self, number: u64) -> Result<Vec<Issue>, Error> {
        self.0.list_blocked_by(number).await
    }

    pub async fn compare(&self, base: &str, head: &str) -> Result<Compare, Error> {
        self.0.compare(base, head).await
    }
}

impl From<&Issue> for Remote {
    fn from(issue: &Issue) -> Self {
        Self { id: issue.id, number: Some(issue.number) }
    }
}
