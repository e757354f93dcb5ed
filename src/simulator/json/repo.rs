//! Repositories and labels.

use super::{node_id, segment, time};
use crate::simulator::labels::Label;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use serde_json::{Map, Value, json};

/// URL fields of a repository and what follows the repository's own URL in them.
const URLS: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

/// What no repository here is or has.
const FALSE: [&str; 10] = [
    "fork",
    "is_template",
    "has_projects",
    "has_wiki",
    "has_pages",
    "has_downloads",
    "has_discussions",
    "disabled",
    "allow_forking",
    "web_commit_signoff_required",
];

/// What is never counted here.
const ZERO: [&str; 7] = [
    "forks",
    "forks_count",
    "stargazers_count",
    "watchers",
    "watchers_count",
    "network_count",
    "subscribers_count",
];

impl World {
    /// API URL of a repository.
    pub(in crate::simulator) fn repo_url(&self, repo: u64) -> Result<String, Refusal> {
        Ok(format!("{}/repos/{}", self.base, self.repo_ref(repo)?.full_name()))
    }

    /// `repository` and `full-repository`.
    pub(in crate::simulator) fn repo_json(&self, id: u64) -> Result<Value, Refusal> {
        let repo = self.repo_ref(id)?;
        let (api, full_name) = (self.repo_url(id)?, repo.full_name());
        let page = format!("{}/{full_name}", self.base);
        let open = self
            .issues
            .values()
            .filter(|i| i.repo == id && !i.is_gone() && i.state.as_str() == "open")
            .count();
        let mut body: Map<String, Value> =
            URLS.iter().map(|(name, rest)| ((*name).to_owned(), format!("{api}{rest}").into())).collect();
        let rest = json!({
            "id": id,
            "node_id": node_id("R", id),
            "name": repo.name,
            "full_name": full_name,
            "owner": self.user_json(&repo.owner),
            "private": true,
            "visibility": "private",
            "description": null,
            "html_url": page,
            "clone_url": format!("{page}.git"),
            "git_url": format!("{page}.git"),
            "ssh_url": format!("{page}.git"),
            "svn_url": page,
            "mirror_url": null,
            "homepage": null,
            "language": null,
            "license": null,
            "topics": [],
            "size": 1,
            "default_branch": repo.default_branch,
            "has_issues": repo.has_issues,
            "archived": repo.archived,
            "open_issues": open,
            "open_issues_count": open,
            "created_at": time(repo.created_at),
            "updated_at": time(repo.pushed_at),
            "pushed_at": time(repo.pushed_at),
        });
        body.extend(FALSE.iter().map(|name| ((*name).to_owned(), false.into())));
        body.extend(ZERO.iter().map(|name| ((*name).to_owned(), 0.into())));
        if let Value::Object(rest) = rest {
            body.extend(rest);
        }
        Ok(Value::Object(body))
    }

    /// The repository inside a `push` payload: its times are seconds since 1970 there.
    pub(in crate::simulator) fn push_repo_json(&self, id: u64) -> Result<Value, Refusal> {
        let repo = self.repo_ref(id)?;
        let mut body = self.repo_json(id)?;
        body["created_at"] = repo.created_at.as_second().into();
        body["pushed_at"] = repo.pushed_at.as_second().into();
        body["master_branch"] = repo.default_branch.as_str().into();
        body["stargazers"] = 0.into();
        body["owner"]["name"] = repo.owner.as_str().into();
        body["owner"]["email"] = Value::Null;
        Ok(body)
    }

    /// `label`.
    pub(in crate::simulator) fn label_json(&self, repo: u64, label: &Label) -> Value {
        let api = self.repo_url(repo).unwrap_or_default();
        json!({
            "id": label.id,
            "node_id": node_id("LA", label.id),
            "url": format!("{api}/labels/{}", segment(&label.name)),
            "name": label.name,
            "color": label.color,
            "default": false,
            "description": label.description,
        })
    }
}
