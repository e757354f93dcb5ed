//! Commits, refs, comparisons and file contents.

use super::segment;
use crate::simulator::git::{CommitInfo, FileChange, Signature, TreeEntry};
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use base64::Engine as _;
use serde_json::{Map, Value, json};

impl World {
    /// `commit`.
    pub(in crate::simulator) fn commit_json(&self, repo: u64, commit: &CommitInfo) -> Result<Value, Refusal> {
        let api = self.repo_url(repo)?;
        let page = format!("{}/{}", self.base, self.repo_ref(repo)?.full_name());
        let sha = &commit.sha;
        let parents: Vec<Value> = commit
            .parents
            .iter()
            .map(|p| {
                json!({"sha": p, "url": format!("{api}/commits/{p}"), "html_url": format!("{page}/commit/{p}")})
            })
            .collect();
        let who = |s: &Signature| json!({"name": s.name, "email": s.email, "date": s.date});
        Ok(json!({
            "sha": sha,
            "node_id": format!("C_{sha}"),
            "url": format!("{api}/commits/{sha}"),
            "html_url": format!("{page}/commit/{sha}"),
            "comments_url": format!("{api}/commits/{sha}/comments"),
            "commit": {
                "url": format!("{api}/git/commits/{sha}"),
                "author": who(&commit.author),
                "committer": who(&commit.committer),
                "message": commit.message,
                "comment_count": 0,
                "tree": {"sha": commit.tree, "url": format!("{api}/git/trees/{}", commit.tree)},
                "verification": {"verified": false, "reason": "unsigned", "signature": null, "payload": null,
                                 "verified_at": null},
            },
            "author": self.by_email(&commit.author.email),
            "committer": self.by_email(&commit.committer.email),
            "parents": parents,
        }))
    }

    /// The account of a `login@users.noreply.github.com` address, as GitHub finds it.
    fn by_email(&self, email: &str) -> Value {
        let login = email.strip_suffix("@users.noreply.github.com").unwrap_or_default();
        let login = login.split_once('+').map_or(login, |(_, login)| login);
        self.user_json(login)
    }

    /// A commit inside a `push` payload.
    pub(in crate::simulator) fn push_commit(&self, repo: u64, commit: &CommitInfo) -> Value {
        let full_name = self.repo_ref(repo).map(|r| r.full_name()).unwrap_or_default();
        let who = |s: &Signature| json!({"name": s.name, "email": s.email, "date": s.date});
        json!({
            "id": commit.sha,
            "tree_id": commit.tree,
            "distinct": true,
            "message": commit.message,
            "timestamp": commit.committer.date,
            "url": format!("{}/{full_name}/commit/{}", self.base, commit.sha),
            "author": who(&commit.author),
            "committer": who(&commit.committer),
            "added": [],
            "removed": [],
            "modified": [],
        })
    }

    /// `git-ref`.
    pub(in crate::simulator) fn ref_json(&self, repo: u64, name: &str, sha: &str) -> Result<Value, Refusal> {
        let api = self.repo_url(repo)?;
        let kind = self.repo_ref(repo)?.git.object_type(sha).unwrap_or_else(|| "commit".to_owned());
        Ok(json!({
            "ref": name,
            "node_id": format!("REF_{}", segment(name)),
            "url": format!("{api}/git/{name}"),
            "object": {"sha": sha, "type": kind, "url": format!("{api}/git/{kind}s/{sha}")},
        }))
    }

    /// `branch-with-protection`; nothing is protected here.
    pub(in crate::simulator) fn branch_json_of(&self, repo: u64, name: &str) -> Result<Value, Refusal> {
        let here = self.repo_ref(repo)?;
        let sha = here.refs.get(&format!("refs/heads/{name}"));
        let sha = sha.ok_or_else(|| Refusal::new(404, "Branch not found"))?;
        let commit = self.commit_json(repo, &here.git.commit(sha)?)?;
        let api = format!("{}/branches/{}", self.repo_url(repo)?, segment(name));
        Ok(json!({
            "name": name,
            "commit": commit,
            "_links": {"self": api, "html": format!("{}/{}/tree/{name}", self.base, here.full_name())},
            "protected": false,
            "protection": {"enabled": false,
                           "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []}},
            "protection_url": format!("{api}/protection"),
        }))
    }

    /// `diff-entry`.
    pub(in crate::simulator) fn file_json(
        &self,
        repo: u64,
        head: &str,
        file: &FileChange,
    ) -> Result<Value, Refusal> {
        let api = self.repo_url(repo)?;
        let page = format!("{}/{}", self.base, self.repo_ref(repo)?.full_name());
        let path = file.path.split('/').map(segment).collect::<Vec<_>>().join("/");
        let mut body = json!({
            "sha": file.blob,
            "filename": file.path,
            "status": file.status,
            "additions": file.additions,
            "deletions": file.deletions,
            "changes": file.additions + file.deletions,
            "blob_url": format!("{page}/blob/{head}/{path}"),
            "raw_url": format!("{page}/raw/{head}/{path}"),
            "contents_url": format!("{api}/contents/{path}?ref={head}"),
        });
        if let Some(previous) = &file.previous {
            body["previous_filename"] = previous.as_str().into();
        }
        Ok(body)
    }

    /// An entry of `content-directory`, and the base of `content-file`.
    pub(in crate::simulator) fn entry_json(
        &self,
        repo: u64,
        reference: &str,
        entry: &TreeEntry,
    ) -> Result<Map<String, Value>, Refusal> {
        let api = self.repo_url(repo)?;
        let page = format!("{}/{}", self.base, self.repo_ref(repo)?.full_name());
        let path = entry.path.split('/').map(segment).collect::<Vec<_>>().join("/");
        let (kind, object) = match (entry.kind.as_str(), entry.mode.as_str()) {
            ("tree", _) => ("dir", "trees"),
            ("commit", _) => ("submodule", "trees"),
            (_, "120000") => ("symlink", "blobs"),
            _ => ("file", "blobs"),
        };
        let url = format!("{api}/contents/{path}?ref={reference}");
        let git_url = format!("{api}/git/{object}/{}", entry.sha);
        let html = format!("{page}/{}/{reference}/{path}", if kind == "dir" { "tree" } else { "blob" });
        let download = (kind == "file").then(|| format!("{page}/raw/{reference}/{path}"));
        let body = json!({
            "name": entry.path.rsplit('/').next(),
            "path": entry.path,
            "sha": entry.sha,
            "size": entry.size,
            "type": kind,
            "url": url,
            "git_url": git_url,
            "html_url": html,
            "download_url": download,
            "_links": {"self": url, "git": git_url, "html": html},
        });
        match body {
            Value::Object(body) => Ok(body),
            _ => Err(Refusal::not_found()),
        }
    }

    /// `content-file` with its bytes in base64, 60 characters a line as GitHub sends them.
    pub(in crate::simulator) fn content_json(
        &self,
        repo: u64,
        reference: &str,
        entry: &TreeEntry,
    ) -> Result<Value, Refusal> {
        let mut body = self.entry_json(repo, reference, entry)?;
        let bytes = self.repo_ref(repo)?.git.blob(&entry.sha)?;
        if entry.mode == "120000" {
            body.insert("target".to_owned(), String::from_utf8_lossy(&bytes).into());
            return Ok(Value::Object(body));
        }
        let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
        let lines: Vec<String> = encoded
            .as_bytes()
            .chunks(60)
            .map(|line| String::from_utf8_lossy(line) + "\n")
            .map(Into::into)
            .collect();
        body.insert("content".to_owned(), lines.concat().into());
        body.insert("encoding".to_owned(), "base64".into());
        Ok(Value::Object(body))
    }

    /// `commit-comparison`.
    pub(in crate::simulator) fn compare_json(
        &self,
        repo: u64,
        (base, head): (&str, &str),
        shown: impl Fn(&[CommitInfo]) -> std::ops::Range<usize>,
    ) -> Result<Value, Refusal> {
        let here = self.repo_ref(repo)?;
        let git = &here.git;
        let (base_sha, head_sha) = match (git.resolve(base), git.resolve(head)) {
            (Some(base), Some(head)) => (base, head),
            _ => return Err(Refusal::not_found()),
        };
        let start = git
            .merge_base(&base_sha, &head_sha)
            .ok_or_else(|| Refusal::new(404, format!("No common ancestor between {base} and {head}.")))?;
        let (behind, ahead) = git.left_right(&base_sha, &head_sha)?;
        let commits = git.commits_between(&base_sha, &head_sha)?;
        let range = shown(&commits);
        let first_page = range.start == 0;
        let page: Result<Vec<Value>, Refusal> =
            commits[range].iter().map(|c| self.commit_json(repo, c)).collect();
        let status = match (ahead, behind) {
            (0, 0) => "identical",
            (_, 0) => "ahead",
            (0, _) => "behind",
            _ => "diverged",
        };
        let api = format!("{}/compare/{base}...{head}", self.repo_url(repo)?);
        let web = format!("{}/{}/compare", self.base, here.full_name());
        let mut body = json!({
            "url": api,
            "html_url": format!("{web}/{base}...{head}"),
            "permalink_url": format!("{web}/{base_sha}...{head_sha}"),
            "diff_url": format!("{web}/{base}...{head}.diff"),
            "patch_url": format!("{web}/{base}...{head}.patch"),
            "base_commit": self.commit_json(repo, &git.commit(&base_sha)?)?,
            "merge_base_commit": self.commit_json(repo, &git.commit(&start)?)?,
            "status": status,
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": commits.len(),
            "commits": page?,
        });
        // GitHub lists files on the first page only, at most 300.
        if first_page {
            let files = git.changed_files(&start, &head_sha)?;
            let files: Result<Vec<Value>, Refusal> =
                files.iter().take(300).map(|f| self.file_json(repo, &head_sha, f)).collect();
            body["files"] = Value::Array(files?);
        }
        Ok(body)
    }
}
