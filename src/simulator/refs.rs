//! Branches: creating, moving and deleting them, and what follows from a changed ref.

use super::issues::IssueState;
use super::refusal::Refusal;
use super::world::{Actor, World};
use crate::clock;
use serde_json::{Map, Value, json};

/// The object id that stands for "no ref".
pub(super) const ZERO: &str = "0000000000000000000000000000000000000000";

impl World {
    /// `409` for repositories without any commit, as GitHub's git endpoints answer.
    pub(super) fn require_commits(&self, repo: u64) -> Result<(), Refusal> {
        if self.repo_ref(repo)?.refs.is_empty() {
            return Err(Refusal::new(409, "Git Repository is empty."));
        }
        Ok(())
    }

    pub(super) fn create_ref(
        &mut self,
        repo: u64,
        actor: &Actor,
        name: &str,
        sha: &str,
    ) -> Result<(), Refusal> {
        let here = self.repo_ref(repo)?;
        let levels = name.split('/').count();
        if !name.starts_with("refs/") || levels < 3 || !here.git.ref_name_ok(name) {
            return Err(Refusal::new(422, "Reference name must start with 'refs/' and be well formed"));
        }
        if here.git.object_type(sha).is_none() {
            return Err(Refusal::new(422, "Object does not exist"));
        }
        if here.refs.contains_key(name) {
            return Err(Refusal::new(422, "Reference already exists"));
        }
        // A directory/file conflict (`a` and `a/b`) is refused by git itself.
        here.git.update_ref(name, sha, ZERO).map_err(|e| Refusal::new(422, e.to_string()))?;
        self.sync_refs(repo, actor)
    }

    pub(super) fn move_ref(
        &mut self,
        repo: u64,
        actor: &Actor,
        name: &str,
        sha: &str,
        force: bool,
    ) -> Result<(), Refusal> {
        let here = self.repo_ref(repo)?;
        let old = here.refs.get(name).ok_or_else(|| Refusal::new(422, "Reference does not exist"))?;
        if here.git.object_type(sha).is_none() {
            return Err(Refusal::new(422, "Object does not exist"));
        }
        if !force && !here.git.is_ancestor(old, sha) {
            return Err(Refusal::new(422, "Update is not a fast forward"));
        }
        here.git.update_ref(name, sha, old)?;
        self.sync_refs(repo, actor)
    }

    pub(super) fn remove_ref(&mut self, repo: u64, actor: &Actor, name: &str) -> Result<(), Refusal> {
        let here = self.repo_ref(repo)?;
        if !here.refs.contains_key(name) {
            return Err(Refusal::new(422, "Reference does not exist"));
        }
        here.git.delete_ref(name)?;
        self.sync_refs(repo, actor)
    }

    /// Looks what changed in git since the last time: announces pushes, and lets pull requests follow.
    pub(super) fn sync_refs(&mut self, repo: u64, actor: &Actor) -> Result<(), Refusal> {
        let here = self.repo_mut(repo)?;
        let now = here.git.refs()?;
        let before = std::mem::replace(&mut here.refs, now.clone());
        let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let old = before.get(name).map_or(ZERO, String::as_str);
            let new = now.get(name).map_or(ZERO, String::as_str);
            if old == new {
                continue;
            }
            self.repo_mut(repo)?.pushed_at = clock::now();
            let text = self.emit_push(repo, actor, name, old, new)?;
            let Some(branch) = name.strip_prefix("refs/heads/") else { continue };
            if branch == self.repo_ref(repo)?.default_branch && old != ZERO {
                self.close_by_keyword(repo, actor, &text)?;
            }
            self.pulls_follow(repo, actor, branch, new)?;
        }
        Ok(())
    }

    /// Open pull requests notice that their head or base moved or is gone.
    fn pulls_follow(&mut self, repo: u64, actor: &Actor, branch: &str, new: &str) -> Result<(), Refusal> {
        let open: Vec<u64> = self
            .pulls_in(repo)
            .filter(|(i, p)| i.state == IssueState::Open && (p.head == branch || p.base == branch))
            .map(|(i, _)| i.id)
            .collect();
        // The base of the pull request that had this branch as head and is merged: others are moved to it.
        let merged_into = self
            .pulls_in(repo)
            .filter(|(_, p)| p.merged && p.head == branch)
            .last()
            .map(|(_, p)| p.base.clone());
        for id in open {
            let pull = self.pull_of(id)?.clone();
            if new == ZERO {
                match merged_into.as_deref().filter(|_| pull.base == branch) {
                    Some(base) => self.set_base(id, actor, base)?,
                    None => self.close_issue(id, actor, "completed")?,
                }
            } else if pull.head == branch && pull.head_sha != new {
                let fields = [("before", json!(pull.head_sha)), ("after", json!(new))];
                self.pull_mut(id)?.head_sha = new.to_owned();
                self.issue_mut(id)?.updated_at = clock::now();
                let fields = Map::from_iter(fields.map(|(k, v)| (k.to_owned(), v)));
                self.emit_issue(id, "synchronize", actor, fields)?;
            } else if pull.base == branch {
                if self.repo_ref(repo)?.git.is_ancestor(&pull.head_sha, new) {
                    self.mark_merged(id, actor, new)?;
                } else {
                    self.pull_mut(id)?.base_sha = new.to_owned();
                }
            }
        }
        Ok(())
    }

    /// Emits `push`; returns the messages of the new commits.
    fn emit_push(
        &mut self,
        repo: u64,
        actor: &Actor,
        name: &str,
        old: &str,
        new: &str,
    ) -> Result<String, Refusal> {
        let here = self.repo_ref(repo)?;
        let git = &here.git;
        let default = format!("refs/heads/{}", here.default_branch);
        let from = match old {
            ZERO if name == default => None,
            ZERO => git.resolve(&default),
            old => Some(old.to_owned()),
        };
        let mut commits = Vec::new();
        if new != ZERO && git.object_type(new).as_deref() == Some("commit") {
            commits = match &from {
                Some(from) => git.commits_between(from, new)?,
                None => vec![git.commit(new)?],
            };
        }
        let messages = commits.iter().map(|c| c.message.as_str()).collect::<Vec<_>>().join("\n");
        let shown: Vec<Value> =
            commits.iter().rev().take(20).rev().map(|c| self.push_commit(repo, c)).collect();
        let head_commit = match commits.last() {
            Some(last) => self.push_commit(repo, last),
            None if new == ZERO || git.object_type(new).as_deref() != Some("commit") => Value::Null,
            None => self.push_commit(repo, &git.commit(new)?),
        };
        let forced = old != ZERO && new != ZERO && !git.is_ancestor(old, new);
        let compare = format!("{}/{}/compare/{}...{}", self.base, here.full_name(), short(old), short(new));
        let fields = json!({
            "ref": name, "before": old, "after": new,
            "created": old == ZERO, "deleted": new == ZERO, "forced": forced,
            "base_ref": null, "compare": compare, "commits": shown, "head_commit": head_commit,
            "pusher": {"name": actor.login, "email": format!("{}@users.noreply.github.com", actor.login)},
        });
        let Value::Object(fields) = fields else { return Ok(messages) };
        self.emit("push", None, repo, actor, fields)?;
        Ok(messages)
    }
}

fn short(sha: &str) -> &str {
    sha.get(..12).unwrap_or(sha)
}
