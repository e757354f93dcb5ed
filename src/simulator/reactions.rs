//! Reactions to issues and comments. GitHub sends no webhook for them.

use super::refusal::Refusal;
use super::world::{Actor, World};
use crate::clock;
use jiff::Timestamp;

/// One account's reaction.
#[derive(Clone, Debug)]
pub struct Reaction {
    /// Database id.
    pub id: u64,
    /// Login of who reacted.
    pub by: String,
    /// GitHub's word, such as `eyes`.
    pub content: String,
    /// When.
    pub created_at: Timestamp,
}

/// The contents that there are.
pub(super) const CONTENTS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

/// What a reaction is to.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReactedTo {
    Issue(u64),
    Comment(u64),
}

impl World {
    fn reactions_mut(&mut self, to: ReactedTo) -> Result<&mut Vec<Reaction>, Refusal> {
        match to {
            ReactedTo::Issue(id) => Ok(&mut self.issue_mut(id)?.reactions),
            ReactedTo::Comment(id) => Ok(&mut self.comment_mut(id)?.reactions),
        }
    }

    /// Adds a reaction; true when it is new, false when the account had reacted so before.
    pub(super) fn react(
        &mut self,
        to: ReactedTo,
        actor: &Actor,
        content: &str,
    ) -> Result<(Reaction, bool), Refusal> {
        if !CONTENTS.contains(&content) {
            return Err(Refusal::invalid("Reaction", "content", "invalid"));
        }
        let id = self.next_id();
        let reactions = self.reactions_mut(to)?;
        if let Some(existing) = reactions.iter().find(|r| r.by == actor.login && r.content == content) {
            return Ok((existing.clone(), false));
        }
        let reaction =
            Reaction { id, by: actor.login.clone(), content: content.to_owned(), created_at: clock::now() };
        reactions.push(reaction.clone());
        Ok((reaction, true))
    }

    pub(super) fn remove_reaction(&mut self, to: ReactedTo, id: u64) -> Result<(), Refusal> {
        let reactions = self.reactions_mut(to)?;
        let at = reactions.iter().position(|r| r.id == id).ok_or_else(Refusal::not_found)?;
        reactions.remove(at);
        Ok(())
    }
}
