//! The repository itself: who may write, files, branches, and what a branch changes.

use super::client::{Read, RepoClient};
use super::error::{Error, Result};
use super::transport::{escape, escape_path};
use super::types::{BranchHead, Compare, Permission, sha};
use crate::domain::Sha;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// GitHub lists at most this many changed files.
const MAX_FILES: usize = 300;
/// Commits a page of a comparison.
const COMMITS_A_PAGE: u64 = 100;
/// How often a "not found" about a person is asked again right after a token was minted: until GitHub's replicas
/// surely know it.
const PATIENCE: u32 = 3;

impl RepoClient {
    /// What a person may do, all grants summed up. Asked anew each time.
    pub async fn permission(&self, login: &str) -> Result<Permission> {
        #[derive(Deserialize)]
        struct Raw {
            permission: String,
        }
        let op = "read a person's permission";
        let path = format!("/collaborators/{}/permission", escape(login));
        // To refuse a maintainer because of a lagging replica would be worse than further questions.
        let read = Read { doubts: PATIENCE, ..Read::new(op) };
        let answer = self.get(read, &path).await;
        match answer {
            Ok(answer) => answer.read::<Raw>(op).map(|raw| Permission::parse(&raw.permission)),
            Err(Error::NotFound { .. }) => Ok(Permission::None),
            Err(error) => Err(error),
        }
    }

    /// A text file on the default branch; `None` when there is none (or no commit at all).
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is a directory, larger than 1 MB (GitHub leaves the content out), or not
    /// UTF-8.
    pub async fn file(&self, path: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Raw {
            encoding: Option<String>,
            content: Option<String>,
        }
        let op = "read a file of the repository";
        let invalid = |what: &str| Err(Error::Invalid { op, messages: vec![format!("`{path}` {what}")] });
        let raw = match self.get(Read::kept(op), &format!("/contents/{}", escape_path(path))).await {
            // Of a directory GitHub sends a list.
            Ok(answer) if answer.body.trim_ascii_start().starts_with(b"[") => {
                return invalid("is a directory");
            }
            Ok(answer) => answer.read::<Raw>(op)?,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(content) = raw.content.filter(|_| raw.encoding.as_deref() == Some("base64")) else {
            return invalid("is no file, or larger than GitHub hands out");
        };
        let content: String = content.split_ascii_whitespace().collect();
        match STANDARD.decode(content).ok().map(String::from_utf8) {
            Some(Ok(text)) => Ok(Some(text)),
            _ => invalid("is not UTF-8 text"),
        }
    }

    /// Where a branch points.
    pub async fn branch_head(&self, branch: &str) -> Result<BranchHead> {
        #[derive(Deserialize)]
        struct Raw {
            object: RawObject,
        }
        #[derive(Deserialize)]
        struct RawObject {
            #[serde(deserialize_with = "sha")]
            sha: Sha,
        }
        let op = "read a branch";
        match self.get(Read::kept(op), &format!("/git/ref/heads/{}", escape_path(branch))).await {
            Ok(answer) => answer.read::<Raw>(op).map(|raw| BranchHead::At(raw.object.sha)),
            Err(Error::NotFound { .. }) => Ok(BranchHead::Missing),
            // GitHub's answer about any ref of a repository without commits.
            Err(Error::Conflict { .. }) => Ok(BranchHead::EmptyRepository),
            Err(error) => Err(error),
        }
    }

    /// What `head` (a branch or commit) has that `base` has not, as GitHub shows it.
    pub async fn compare(&self, base: &str, head: &str) -> Result<Compare> {
        #[derive(Deserialize)]
        struct Raw {
            ahead_by: u64,
            total_commits: u64,
            base_commit: RawCommit,
            merge_base_commit: RawCommit,
            commits: Vec<RawCommit>,
            #[serde(default)]
            files: Vec<RawFile>,
        }
        #[derive(Deserialize)]
        struct RawCommit {
            #[serde(deserialize_with = "sha")]
            sha: Sha,
        }
        #[derive(Deserialize)]
        struct RawFile {
            filename: String,
            previous_filename: Option<String>,
        }
        let op = "compare a branch with its base";
        let path = |page: u64| {
            let (base, head) = (escape_path(base), escape_path(head));
            format!("/compare/{base}...{head}?per_page={COMMITS_A_PAGE}&page={page}")
        };
        let mut raw: Raw = self.get(Read::new(op), &path(1)).await?.read(op)?;
        let truncated = raw.files.len() >= MAX_FILES;
        let last = raw.total_commits.div_ceil(COMMITS_A_PAGE);
        if last > 1 {
            // Oldest first: the head is on the last page. The files are all on the first.
            raw.commits = self.get(Read::new(op), &path(last)).await?.read::<Raw>(op)?.commits;
        }
        // Without a commit of its own, head is the merge base (or base itself, when they are the same).
        let nothing = if raw.ahead_by == 0 { raw.merge_base_commit } else { raw.base_commit };
        let head_sha = raw.commits.pop().unwrap_or(nothing).sha;
        let mut files = Vec::with_capacity(raw.files.len());
        for file in raw.files {
            files.extend(file.previous_filename);
            files.push(file.filename);
        }
        Ok(Compare { ahead_by: raw.ahead_by, head_sha, files, truncated })
    }
}
