//! Comments and their reactions.

use super::call::{Answer, Call};
use super::issues_api::react_to;
use super::page;
use crate::simulator::comments::Comment;
use crate::simulator::reactions::ReactedTo;
use crate::simulator::refusal::Refusal;

/// The comment that the path names, in this repository.
fn named(call: &Call<'_>) -> Result<u64, Refusal> {
    let id = call.id("comment_id")?;
    call.world.comment_in(call.repo, id).map(|c| c.id)
}

fn shown(call: &Call<'_>, id: u64) -> Result<serde_json::Value, Refusal> {
    call.world.comment_json(call.world.comment_in(call.repo, id)?)
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let since = call.since()?;
    let mut comments: Vec<&Comment> = call.world.comments_of(call.issue()?);
    comments.retain(|c| call.world.listed(c.id, c.created_at));
    comments.retain(|c| since.is_none_or(|since| c.updated_at >= since));
    page::list(call, &comments, |c| call.world.comment_json(c))
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let issue = call.issue()?;
    let body = call.needed("IssueComment", "body")?.to_owned();
    let id = call.world.add_comment(issue, &call.actor, &body)?;
    Ok(Answer::created(shown(call, id)?))
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = named(call)?;
    Ok(Answer::ok(shown(call, id)?))
}

pub(super) fn edit(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = named(call)?;
    let body = call.needed("IssueComment", "body")?.to_owned();
    call.world.edit_comment(id, &call.actor, &body)?;
    Ok(Answer::ok(shown(call, id)?))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = named(call)?;
    call.world.delete_comment(id, &call.actor)?;
    Ok(Answer::empty())
}

pub(super) fn react(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let to = ReactedTo::Comment(named(call)?);
    react_to(call, to)
}

pub(super) fn unreact(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (comment, reaction) = (named(call)?, call.id("reaction_id")?);
    call.world.remove_reaction(ReactedTo::Comment(comment), reaction)?;
    Ok(Answer::empty())
}
