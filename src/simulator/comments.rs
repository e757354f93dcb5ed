//! Comments on issues and pull requests.

use super::issues::Issue;
use super::reactions::Reaction;
use super::refusal::{Refusal, check_body};
use super::world::{Actor, World};
use crate::clock;
use jiff::Timestamp;
use serde_json::{Map, json};

/// A comment on an issue or pull request.
#[derive(Clone, Debug)]
pub struct Comment {
    /// Database id.
    pub id: u64,
    /// Id of the issue.
    pub issue: u64,
    /// Its text.
    pub body: String,
    /// Who wrote it.
    pub author: Actor,
    /// When.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// How many times it was edited.
    pub edits: u32,
    /// Reactions to it.
    pub reactions: Vec<Reaction>,
}

fn check(body: &str) -> Result<(), Refusal> {
    if body.trim().is_empty() {
        return Err(Refusal::invalid("IssueComment", "body", "missing_field"));
    }
    check_body("IssueComment", body)
}

impl World {
    pub(super) fn comment_mut(&mut self, id: u64) -> Result<&mut Comment, Refusal> {
        self.comments.get_mut(&id).ok_or_else(Refusal::not_found)
    }

    /// The comment of that id in that repository.
    pub(super) fn comment_in(&self, repo: u64, id: u64) -> Result<&Comment, Refusal> {
        let comment = self.comments.get(&id).ok_or_else(Refusal::not_found)?;
        match self.issue_of(comment.issue) {
            Ok(issue) if issue.repo == repo => Ok(comment),
            _ => Err(Refusal::not_found()),
        }
    }

    /// The comments of an issue, oldest first.
    pub(super) fn comments_of(&self, issue: u64) -> Vec<&Comment> {
        self.comments.values().filter(|c| c.issue == issue).collect()
    }

    pub(super) fn add_comment(&mut self, issue: u64, actor: &Actor, body: &str) -> Result<u64, Refusal> {
        check(body)?;
        let (id, now) = (self.next_id(), clock::now());
        self.issue_mut(issue)?.updated_at = now;
        let comment = Comment {
            id,
            issue,
            body: body.to_owned(),
            author: actor.clone(),
            created_at: now,
            updated_at: now,
            edits: 0,
            reactions: Vec::new(),
        };
        self.comments.insert(id, comment);
        self.emit_comment(id, "created", actor, None)?;
        Ok(id)
    }

    pub(super) fn edit_comment(&mut self, id: u64, actor: &Actor, body: &str) -> Result<(), Refusal> {
        check(body)?;
        let comment = self.comment_mut(id)?;
        if comment.body == body {
            return Ok(());
        }
        let from = std::mem::replace(&mut comment.body, body.to_owned());
        comment.updated_at = clock::now();
        comment.edits += 1;
        self.emit_comment(id, "edited", actor, Some(&from))
    }

    pub(super) fn delete_comment(&mut self, id: u64, actor: &Actor) -> Result<(), Refusal> {
        self.emit_comment(id, "deleted", actor, None)?;
        self.comments.remove(&id);
        Ok(())
    }

    fn emit_comment(
        &mut self,
        id: u64,
        action: &str,
        actor: &Actor,
        from: Option<&str>,
    ) -> Result<(), Refusal> {
        let comment = self.comments.get(&id).ok_or_else(Refusal::not_found)?;
        let issue: &Issue = self.issue_of(comment.issue)?;
        let repo = issue.repo;
        let mut fields = Map::new();
        fields.insert("issue".into(), self.issue_json(issue.id)?);
        fields.insert("comment".into(), self.comment_json(comment)?);
        if let Some(from) = from {
            fields.insert("changes".into(), json!({"body": {"from": from}}));
        }
        self.emit("issue_comment", Some(action), repo, actor, fields)
    }
}
