//! Pull requests.

use super::{node_id, time};
use crate::simulator::pulls::Pull;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use serde_json::{Value, json};

impl World {
    /// `pull-request-simple`, as lists show it.
    pub(in crate::simulator) fn pull_simple_json(&self, id: u64) -> Result<Value, Refusal> {
        let issue = self.issue_of(id)?;
        let pull = self.pull_of(id)?;
        let repo_url = self.repo_url(issue.repo)?;
        let (page, number) = (self.issue_page(issue)?, issue.number);
        let api = format!("{repo_url}/pulls/{number}");
        let issue_api = self.issue_url(issue)?;
        let statuses = format!("{repo_url}/statuses/{}", pull.head_sha);
        let mut labels = Vec::new();
        for label in self.labels_of(issue) {
            let mut label = self.label_json(issue.repo, label);
            // Never null here, unlike everywhere else.
            if label["description"].is_null() {
                label["description"] = "".into();
            }
            labels.push(label);
        }
        let mut body = json!({
            "id": issue.id,
            "node_id": node_id("PR", issue.id),
            "number": number,
            "url": api,
            "html_url": page,
            "diff_url": format!("{page}.diff"),
            "patch_url": format!("{page}.patch"),
            "issue_url": issue_api,
            "commits_url": format!("{api}/commits"),
            "review_comments_url": format!("{api}/comments"),
            "review_comment_url": format!("{repo_url}/pulls/comments{{/number}}"),
            "comments_url": format!("{issue_api}/comments"),
            "statuses_url": statuses,
            "state": issue.state.as_str(),
            "locked": false,
            "active_lock_reason": null,
            "title": issue.title,
            "body": issue.body,
            "user": self.user_json(&issue.author.login),
            "author_association": self.association(issue.repo, &issue.author.login),
            "labels": labels,
            "milestone": null,
            "assignee": null,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "created_at": time(issue.created_at),
            "updated_at": time(issue.updated_at),
            "closed_at": issue.closed_at.map(time),
            "merged_at": pull.merged_at.map(time),
            "merge_commit_sha": pull.merge_commit,
            "draft": pull.draft,
            "auto_merge": null,
            "head": self.branch_json(issue.repo, &pull.head, &pull.head_sha)?,
            "base": self.branch_json(issue.repo, &pull.base, &pull.base_sha)?,
        });
        let link = |href: &str| json!({"href": href});
        body["_links"] = json!({
            "self": link(&api),
            "html": link(&page),
            "issue": link(&issue_api),
            "comments": link(&format!("{issue_api}/comments")),
            "review_comments": link(&format!("{api}/comments")),
            "review_comment": link(&format!("{repo_url}/pulls/comments{{/number}}")),
            "commits": link(&format!("{api}/commits")),
            "statuses": link(&statuses),
        });
        Ok(body)
    }

    fn branch_json(&self, repo: u64, branch: &str, sha: &str) -> Result<Value, Refusal> {
        let owner = &self.repo_ref(repo)?.owner;
        Ok(json!({
            "label": format!("{owner}:{branch}"),
            "ref": branch,
            "sha": sha,
            "user": self.user_json(owner),
            "repo": self.repo_json(repo)?,
        }))
    }

    /// `pull-request`: with sizes, and whether it can be merged.
    pub(in crate::simulator) fn pull_json(&self, id: u64) -> Result<Value, Refusal> {
        let issue = self.issue_of(id)?;
        let pull = self.pull_of(id)?;
        let git = &self.repo_ref(issue.repo)?.git;
        let start = git.merge_base(&pull.base_sha, &pull.head_sha).unwrap_or_else(|| pull.base_sha.clone());
        let files = git.changed_files(&start, &pull.head_sha)?;
        let (_, commits) = git.left_right(&pull.base_sha, &pull.head_sha)?;
        let mergeable = self.mergeable(issue.repo, pull)?;
        let mut body = self.pull_simple_json(id)?;
        let rest = json!({
            "merged": pull.merged,
            "mergeable": mergeable,
            "rebaseable": mergeable,
            "mergeable_state": match mergeable {
                Some(true) if pull.draft => "draft",
                Some(true) => "clean",
                Some(false) => "dirty",
                None => "unknown",
            },
            "merged_by": pull.merged_by.as_deref().map_or(Value::Null, |login| self.user_json(login)),
            "comments": self.comments_of(id).len(),
            "review_comments": 0,
            "maintainer_can_modify": false,
            "commits": commits,
            "additions": files.iter().map(|f| f.additions).sum::<u64>(),
            "deletions": files.iter().map(|f| f.deletions).sum::<u64>(),
            "changed_files": files.len(),
        });
        if let (Some(body), Value::Object(rest)) = (body.as_object_mut(), rest) {
            body.extend(rest);
        }
        Ok(body)
    }

    /// `None` when the question makes no sense any more.
    fn mergeable(&self, repo: u64, pull: &Pull) -> Result<Option<bool>, Refusal> {
        if pull.merged {
            return Ok(None);
        }
        Ok(Some(self.repo_ref(repo)?.git.merged_tree(&pull.base_sha, &pull.head_sha).is_some()))
    }
}
