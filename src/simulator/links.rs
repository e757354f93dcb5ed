//! Native links between issues: sub-issues and dependencies.

use super::refusal::Refusal;
use super::world::{Actor, World};
use crate::clock;
use serde_json::{Map, Value};

/// Most sub-issues of one parent (GitHub docs, "Adding sub-issues").
const CHILD_LIMIT: usize = 100;
/// Most levels of nesting (same page).
const DEPTH_LIMIT: usize = 8;

const SUB_ISSUE_FAILED: &str = "An error occurred while adding the sub-issue to the parent issue.";
const DEPENDENCY_FAILED: &str = "An error occurred while adding the dependency.";

fn refused(what: &str, why: &str) -> Refusal {
    Refusal::new(422, format!("{what} {why}"))
}

impl World {
    /// Makes `child` the last sub-issue of `parent`.
    pub(super) fn add_sub_issue(
        &mut self,
        parent: u64,
        child: u64,
        replace_parent: bool,
        actor: &Actor,
    ) -> Result<(), Refusal> {
        let (parent_issue, child_issue) = (self.issue_of(parent)?, self.issue_of(child)?);
        if parent_issue.pull.is_some() || child_issue.pull.is_some() {
            return Err(Refusal::not_found());
        }
        let owner = |repo| self.repo_ref(repo).map(|r| r.owner.clone());
        if owner(parent_issue.repo)? != owner(child_issue.repo)? {
            return Err(refused(SUB_ISSUE_FAILED, "Sub issue must belong to the same owner as its parent"));
        }
        if parent_issue.children.contains(&child) {
            return Err(refused(SUB_ISSUE_FAILED, "Issue may not contain duplicate sub-issues"));
        }
        let above = self.ancestors(parent);
        if child == parent || above.contains(&child) {
            return Err(refused(SUB_ISSUE_FAILED, "Sub issue may not be its own ancestor"));
        }
        if above.len() + 2 > DEPTH_LIMIT {
            return Err(refused(SUB_ISSUE_FAILED, "Sub-issues may be nested up to 8 levels"));
        }
        let old_parent = child_issue.parent;
        if old_parent.is_some() && !replace_parent {
            return Err(refused(SUB_ISSUE_FAILED, "Sub issue may only have one parent"));
        }
        if parent_issue.children.len() >= CHILD_LIMIT {
            return Err(refused(SUB_ISSUE_FAILED, "Parent cannot have more than 100 sub-issues"));
        }
        if let Some(old) = old_parent {
            self.remove_sub_issue(old, child, actor)?;
        }
        let now = clock::now();
        let issue = self.issue_mut(parent)?;
        issue.children.push(child);
        issue.updated_at = now;
        self.issue_mut(child)?.parent = Some(parent);
        self.emit_sub_issue(parent, child, "added", actor)
    }

    pub(super) fn remove_sub_issue(&mut self, parent: u64, child: u64, actor: &Actor) -> Result<(), Refusal> {
        let issue = self.issue_mut(parent)?;
        let at = issue.children.iter().position(|c| *c == child).ok_or_else(Refusal::not_found)?;
        issue.children.remove(at);
        issue.updated_at = clock::now();
        self.issue_mut(child)?.parent = None;
        self.emit_sub_issue(parent, child, "removed", actor)
    }

    fn ancestors(&self, of: u64) -> Vec<u64> {
        let mut above = Vec::new();
        let mut at = self.issues.get(&of).and_then(|i| i.parent);
        while let Some(id) = at {
            above.push(id);
            at = self.issues.get(&id).and_then(|i| i.parent);
        }
        above
    }

    /// One event about the parent's repository and one about the child's.
    fn emit_sub_issue(&mut self, parent: u64, child: u64, what: &str, actor: &Actor) -> Result<(), Refusal> {
        let (parent_repo, child_repo) = (self.issue_of(parent)?.repo, self.issue_of(child)?.repo);
        let both = self.pair("parent_issue", parent, "sub_issue", child)?;
        let mut fields = both.clone();
        fields.insert("sub_issue_repo".into(), self.repo_json(child_repo)?);
        self.emit("sub_issues", Some(&format!("sub_issue_{what}")), parent_repo, actor, fields)?;
        let mut fields = both;
        fields.insert("parent_issue_repo".into(), self.repo_json(parent_repo)?);
        self.emit("sub_issues", Some(&format!("parent_issue_{what}")), child_repo, actor, fields)
    }

    /// Says that `blocked` waits for `blocker`.
    pub(super) fn add_blocked_by(
        &mut self,
        blocked: u64,
        blocker: u64,
        actor: &Actor,
    ) -> Result<(), Refusal> {
        self.issue_of(blocker)?;
        if self.issue_of(blocked)?.blocked_by.contains(&blocker) {
            return Err(refused(DEPENDENCY_FAILED, "Target issue has already been taken"));
        }
        if blocked == blocker || self.waits_for(blocker, blocked) {
            return Err(refused(DEPENDENCY_FAILED, "Target issue would make a circular dependency"));
        }
        let issue = self.issue_mut(blocked)?;
        issue.blocked_by.push(blocker);
        issue.updated_at = clock::now();
        self.emit_dependency(blocked, blocker, "added", actor)
    }

    pub(super) fn remove_blocked_by(
        &mut self,
        blocked: u64,
        blocker: u64,
        actor: &Actor,
    ) -> Result<(), Refusal> {
        let issue = self.issue_mut(blocked)?;
        let at = issue.blocked_by.iter().position(|b| *b == blocker).ok_or_else(Refusal::not_found)?;
        issue.blocked_by.remove(at);
        self.emit_dependency(blocked, blocker, "removed", actor)
    }

    /// Whether `issue` waits for `other`, directly or through others.
    fn waits_for(&self, issue: u64, other: u64) -> bool {
        let mut seen = Vec::new();
        let mut open = vec![issue];
        while let Some(id) = open.pop() {
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            let blockers = self.issues.get(&id).map(|i| i.blocked_by.as_slice()).unwrap_or_default();
            if blockers.contains(&other) {
                return true;
            }
            open.extend(blockers);
        }
        false
    }

    fn emit_dependency(
        &mut self,
        blocked: u64,
        blocker: u64,
        what: &str,
        actor: &Actor,
    ) -> Result<(), Refusal> {
        let (blocked_repo, blocker_repo) = (self.issue_of(blocked)?.repo, self.issue_of(blocker)?.repo);
        let both = self.pair("blocked_issue", blocked, "blocking_issue", blocker)?;
        let mut fields = both.clone();
        fields.insert("blocking_issue_repo".into(), self.repo_json(blocker_repo)?);
        let action = format!("blocked_by_{what}");
        self.emit("issue_dependencies", Some(&action), blocked_repo, actor, fields)?;
        let mut fields = both;
        fields.insert("blocked_issue_repo".into(), self.repo_json(blocked_repo)?);
        self.emit("issue_dependencies", Some(&format!("blocking_{what}")), blocker_repo, actor, fields)
    }

    fn pair(&self, a_name: &str, a: u64, b_name: &str, b: u64) -> Result<Map<String, Value>, Refusal> {
        Ok(Map::from_iter([
            (format!("{a_name}_id"), a.into()),
            (a_name.to_owned(), self.issue_json(a)?),
            (format!("{b_name}_id"), b.into()),
            (b_name.to_owned(), self.issue_json(b)?),
        ]))
    }
}
