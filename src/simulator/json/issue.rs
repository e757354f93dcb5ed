//! Issues, comments and reactions.

use super::{node_id, time};
use crate::simulator::comments::Comment;
use crate::simulator::issues::{Issue, IssueState};
use crate::simulator::reactions::{CONTENTS, Reaction};
use crate::simulator::refusal::Refusal;
use crate::simulator::world::{Role, World};
use serde_json::{Map, Value, json};

impl World {
    /// API URL of an issue.
    pub(in crate::simulator) fn issue_url(&self, issue: &Issue) -> Result<String, Refusal> {
        Ok(format!("{}/issues/{}", self.repo_url(issue.repo)?, issue.number))
    }

    /// Page of an issue or pull request.
    pub(in crate::simulator) fn issue_page(&self, issue: &Issue) -> Result<String, Refusal> {
        let kind = if issue.pull.is_some() { "pull" } else { "issues" };
        Ok(format!("{}/{}/{kind}/{}", self.base, self.repo_ref(issue.repo)?.full_name(), issue.number))
    }

    /// `author_association`: what the author is to the repository.
    pub(in crate::simulator) fn association(&self, repo: u64, login: &str) -> &'static str {
        match self.repo_ref(repo).map_or(Role::None, |r| r.role(login)) {
            Role::Admin | Role::Maintain | Role::Write => "MEMBER",
            Role::Triage | Role::Read => "COLLABORATOR",
            Role::None => "NONE",
        }
    }

    /// `issue`.
    pub(in crate::simulator) fn issue_json(&self, id: u64) -> Result<Value, Refusal> {
        let issue = self.issue_of(id)?;
        let (api, page) = (self.issue_url(issue)?, self.issue_page(issue)?);
        let labels: Vec<Value> =
            self.labels_of(issue).into_iter().map(|l| self.label_json(issue.repo, l)).collect();
        let assignees: Vec<Value> = issue.assignees.iter().map(|login| self.user_json(login)).collect();
        let mut body = json!({
            "id": issue.id,
            "node_id": node_id("I", issue.id),
            "number": issue.number,
            "url": api,
            "repository_url": self.repo_url(issue.repo)?,
            "labels_url": format!("{api}/labels{{/name}}"),
            "comments_url": format!("{api}/comments"),
            "events_url": format!("{api}/events"),
            "timeline_url": format!("{api}/timeline"),
            "html_url": page,
            "title": issue.title,
            "body": issue.body,
            "user": self.user_json(&issue.author.login),
            "author_association": self.association(issue.repo, &issue.author.login),
            "labels": labels,
            "state": issue.state.as_str(),
            "state_reason": issue.state_reason,
            "locked": false,
            "active_lock_reason": null,
            "assignee": assignees.first(),
            "assignees": assignees,
            "milestone": null,
            "comments": self.comments_of(id).len(),
            "created_at": time(issue.created_at),
            "updated_at": time(issue.updated_at),
            "closed_at": issue.closed_at.map(time),
            "performed_via_github_app": self.via_app_json(issue.author.via_app),
            "reactions": rollup(&format!("{api}/reactions"), &issue.reactions),
        });
        if let Some(pull) = &issue.pull {
            let pull_api = format!("{}/pulls/{}", self.repo_url(issue.repo)?, issue.number);
            body["draft"] = pull.draft.into();
            body["pull_request"] = json!({
                "url": pull_api,
                "html_url": page,
                "diff_url": format!("{page}.diff"),
                "patch_url": format!("{page}.patch"),
                "merged_at": pull.merged_at.map(time),
            });
        } else {
            body["sub_issues_summary"] = self.sub_issues_summary(issue);
            body["issue_dependencies_summary"] = self.dependencies_summary(issue);
            if let Some(parent) = issue.parent.and_then(|id| self.issue_of(id).ok()) {
                body["parent_issue_url"] = self.issue_url(parent)?.into();
            }
        }
        Ok(body)
    }

    /// `issue` as its own endpoint shows it, with who closed it.
    pub(in crate::simulator) fn single_issue_json(&self, id: u64) -> Result<Value, Refusal> {
        let mut body = self.issue_json(id)?;
        body["closed_by"] =
            self.issue_of(id)?.closed_by.as_deref().map_or(Value::Null, |login| self.user_json(login));
        Ok(body)
    }

    fn is_closed(&self, id: u64) -> bool {
        self.issues.get(&id).is_some_and(|i| i.state == IssueState::Closed)
    }

    fn sub_issues_summary(&self, issue: &Issue) -> Value {
        let total = issue.children.len();
        let completed = issue.children.iter().filter(|id| self.is_closed(**id)).count();
        let percent = (completed * 100).checked_div(total).unwrap_or(0);
        json!({"total": total, "completed": completed, "percent_completed": percent})
    }

    fn dependencies_summary(&self, issue: &Issue) -> Value {
        let blocking: Vec<u64> =
            self.issues.values().filter(|i| i.blocked_by.contains(&issue.id)).map(|i| i.id).collect();
        let open = |ids: &[u64]| ids.iter().filter(|id| !self.is_closed(**id)).count();
        json!({
            "blocked_by": open(&issue.blocked_by),
            "blocking": open(&blocking),
            "total_blocked_by": issue.blocked_by.len(),
            "total_blocking": blocking.len(),
        })
    }

    /// `issue-comment`.
    pub(in crate::simulator) fn comment_json(&self, comment: &Comment) -> Result<Value, Refusal> {
        let issue = self.issue_of(comment.issue)?;
        let api = format!("{}/issues/comments/{}", self.repo_url(issue.repo)?, comment.id);
        Ok(json!({
            "id": comment.id,
            "node_id": node_id("IC", comment.id),
            "url": api,
            "html_url": format!("{}#issuecomment-{}", self.issue_page(issue)?, comment.id),
            "issue_url": self.issue_url(issue)?,
            "body": comment.body,
            "user": self.user_json(&comment.author.login),
            "author_association": self.association(issue.repo, &comment.author.login),
            "created_at": time(comment.created_at),
            "updated_at": time(comment.updated_at),
            "performed_via_github_app": self.via_app_json(comment.author.via_app),
            "reactions": rollup(&format!("{api}/reactions"), &comment.reactions),
        }))
    }

    /// `reaction`.
    pub(in crate::simulator) fn reaction_json(&self, reaction: &Reaction) -> Value {
        json!({
            "id": reaction.id,
            "node_id": node_id("REA", reaction.id),
            "user": self.user_json(&reaction.by),
            "content": reaction.content,
            "created_at": time(reaction.created_at),
        })
    }
}

fn rollup(url: &str, reactions: &[Reaction]) -> Value {
    let mut body =
        Map::from_iter([("url".to_owned(), url.into()), ("total_count".to_owned(), reactions.len().into())]);
    for content in CONTENTS {
        let count = reactions.iter().filter(|r| r.content == content).count();
        body.insert(content.to_owned(), count.into());
    }
    Value::Object(body)
}
