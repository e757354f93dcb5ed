//! Check runs.

use super::{node_id, time};
use crate::simulator::checks::CheckRun;
use crate::simulator::issues::IssueState;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use serde_json::{Value, json};

impl World {
    /// `check-run`.
    pub(in crate::simulator) fn check_json(&self, check: &CheckRun) -> Result<Value, Refusal> {
        let here = self.repo_ref(check.repo)?;
        let api = self.repo_url(check.repo)?;
        let url = format!("{api}/check-runs/{}", check.id);
        let html = format!("{}/{}/runs/{}", self.base, here.full_name(), check.id);
        let repo = json!({"id": here.id, "url": api, "name": here.name});
        let pulls: Vec<Value> = self
            .pulls_in(check.repo)
            .filter(|(issue, pull)| issue.state == IssueState::Open && pull.head_sha == check.head_sha)
            .map(|(issue, pull)| {
                json!({
                    "id": issue.id,
                    "number": issue.number,
                    "url": format!("{api}/pulls/{}", issue.number),
                    "head": {"ref": pull.head, "sha": pull.head_sha, "repo": repo},
                    "base": {"ref": pull.base, "sha": pull.base_sha, "repo": repo},
                })
            })
            .collect();
        Ok(json!({
            "id": check.id,
            "node_id": node_id("CR", check.id),
            "head_sha": check.head_sha,
            "name": check.name,
            "external_id": check.external_id.as_deref().unwrap_or_default(),
            "url": url,
            "html_url": html,
            "details_url": check.details_url.as_deref().unwrap_or("https://example.org/"),
            "status": check.status,
            "conclusion": check.conclusion,
            "started_at": check.started_at.map(time),
            "completed_at": check.completed_at.map(time),
            "output": {
                "title": check.output["title"],
                "summary": check.output["summary"],
                "text": check.output["text"],
                "annotations_count": check.annotations,
                "annotations_url": format!("{url}/annotations"),
            },
            "check_suite": {"id": suite_id(check)},
            "app": self.integration_json(),
            "pull_requests": pulls,
        }))
    }

    /// The check run inside a `check_run` payload.
    pub(in crate::simulator) fn check_event_json(&self, check: &CheckRun) -> Result<Value, Refusal> {
        let mut body = self.check_json(check)?;
        let at = check.started_at.map(time);
        body["check_suite"] = json!({
            "id": suite_id(check),
            "node_id": node_id("CS", suite_id(check)),
            "head_branch": self.pulls_in(check.repo).find(|(_, p)| p.head_sha == check.head_sha).map(|(_, p)| &p.head),
            "head_sha": check.head_sha,
            "status": check.status,
            "conclusion": check.conclusion,
            "url": format!("{}/check-suites/{}", self.repo_url(check.repo)?, suite_id(check)),
            "before": null,
            "after": check.head_sha,
            "app": self.integration_json(),
            "repository": self.repo_json(check.repo)?,
            "pull_requests": body["pull_requests"],
            "created_at": at,
            "updated_at": at,
        });
        Ok(body)
    }
}

/// A suite is all runs of one commit; its number is made from the commit's first digits.
fn suite_id(check: &CheckRun) -> u64 {
    let digits = check.head_sha.get(..12).unwrap_or("1");
    u64::from_str_radix(digits, 16).unwrap_or(1)
}
