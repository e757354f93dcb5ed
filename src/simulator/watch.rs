//! Looking at the simulated GitHub: what is there, what was asked, and waiting until something is so.

use super::app::{Installation, MintedToken};
use super::checks::CheckRun;
use super::comments::Comment;
use super::deliveries::Delivery;
use super::issues::Issue;
use super::options::TokenKind;
use super::service::Simulator;
use super::world::{Repo, World};
use crate::clock;
use std::collections::BTreeMap;
use std::time::Duration;

/// One answered request of the API or of git.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// Who asked.
    pub token: TokenKind,
    /// Upper-case method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// The route, such as `/repos/{owner}/{repo}/issues`; `git` for git's smart HTTP; `None` if unknown.
    pub route: Option<&'static str>,
    /// Status that was answered.
    pub status: u16,
}

impl World {
    /// The repository `owner/name`.
    pub fn repo(&self, full_name: &str) -> Option<&Repo> {
        self.repos.get(&self.repo_id(full_name)?)
    }

    /// Issues of a repository (no pull requests, no deleted ones), by number.
    pub fn issues(&self, repo: &str) -> Vec<&Issue> {
        self.numbered_in(repo).filter(|i| i.pull.is_none()).collect()
    }

    /// Pull requests of a repository, by number.
    pub fn pulls(&self, repo: &str) -> Vec<&Issue> {
        self.numbered_in(repo).filter(|i| i.pull.is_some()).collect()
    }

    fn numbered_in(&self, repo: &str) -> impl Iterator<Item = &Issue> {
        let numbers = self.repo(repo).map(|r| r.numbers.values());
        numbers.into_iter().flatten().filter_map(|id| self.issue_of(*id).ok())
    }

    /// An issue or pull request by its number.
    pub fn issue(&self, repo: &str, number: u64) -> Option<&Issue> {
        self.issue_of(self.numbered(self.repo_id(repo)?, number).ok()?).ok()
    }

    /// An issue or pull request by its database id.
    pub fn issue_by_id(&self, id: u64) -> Option<&Issue> {
        self.issue_of(id).ok()
    }

    /// Comments of an issue or pull request, oldest first.
    pub fn comments(&self, repo: &str, number: u64) -> Vec<&Comment> {
        self.issue(repo, number).map(|i| self.comments_of(i.id)).unwrap_or_default()
    }

    /// Sub-issues of an issue, in order.
    pub fn sub_issues(&self, repo: &str, number: u64) -> Vec<&Issue> {
        let children = self.issue(repo, number).map(|i| i.children.as_slice()).unwrap_or_default();
        children.iter().filter_map(|id| self.issue_by_id(*id)).collect()
    }

    /// Check runs of a commit, oldest first.
    pub fn check_runs(&self, repo: &str, sha: &str) -> Vec<&CheckRun> {
        let repo = self.repo_id(repo);
        self.checks.values().filter(|c| Some(c.repo) == repo && c.head_sha == sha).collect()
    }

    /// Login of the App's bot.
    pub fn bot_login(&self) -> String {
        self.app.bot_login()
    }

    /// Installations of the App.
    pub fn installations(&self) -> impl Iterator<Item = &Installation> {
        self.installations.values()
    }

    /// Every token that was minted, oldest first.
    pub fn tokens(&self) -> &[MintedToken] {
        &self.tokens
    }

    /// Every attempt to deliver a webhook, oldest first; those that wait have no `delivered_at`.
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// Whether every queued webhook was sent.
    pub fn all_delivered(&self) -> bool {
        self.deliveries.iter().all(|d| d.delivered_at.is_some() && !d.status.is_empty())
    }

    /// Every request that was answered, oldest first.
    pub fn calls(&self) -> &[CallRecord] {
        &self.calls
    }

    /// How many API requests were made with an installation token (git and minting not among them).
    pub fn installation_calls(&self) -> usize {
        self.calls.iter().filter(|c| c.token == TokenKind::Installation && c.route != Some("git")).count()
    }

    /// How many requests there were of each method and route.
    pub fn call_counts(&self) -> BTreeMap<(String, &'static str), usize> {
        let mut counts = BTreeMap::new();
        for call in &self.calls {
            *counts.entry((call.method.clone(), call.route.unwrap_or("unknown"))).or_default() += 1;
        }
        counts
    }
}

impl Simulator {
    /// Reads the state. The closure runs under the lock: look, copy, return.
    pub fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.shared.world())
    }

    /// Waits until the state is as wanted; false when the deadline passed first.
    pub async fn wait_until(&self, mut wanted: impl FnMut(&World) -> bool, deadline: Duration) -> bool {
        let mut changes = self.shared.watch();
        let looking = async {
            loop {
                changes.mark_unchanged();
                if self.read(&mut wanted) {
                    return true;
                }
                if changes.changed().await.is_err() {
                    return false;
                }
            }
        };
        clock::within(deadline, looking).await.unwrap_or(false)
    }
}
