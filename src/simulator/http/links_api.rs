//! Sub-issues and dependencies. Bodies carry database ids, paths carry numbers.

use super::call::{Answer, Call};
use super::page;
use crate::simulator::refusal::Refusal;

pub(super) fn parent(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let parent = call.world.issue_of(call.issue()?)?.parent.ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(call.world.issue_json(parent)?))
}

pub(super) fn sub_issues(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let issue = call.world.issue_of(call.issue()?)?;
    page::list(call, &issue.children, |id| call.world.issue_json(*id))
}

pub(super) fn add_sub_issue(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (parent, child) = (call.issue()?, call.needed_id("sub_issue_id")?);
    if call.world.issue_of(child).is_err() {
        return Err(Refusal::new(404, "The provided sub-issue does not exist"));
    }
    let replace = call.flag("replace_parent")?;
    call.world.add_sub_issue(parent, child, replace, &call.actor)?;
    Ok(Answer::created(call.world.issue_json(parent)?))
}

pub(super) fn remove_sub_issue(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (parent, child) = (call.issue()?, call.needed_id("sub_issue_id")?);
    call.world.remove_sub_issue(parent, child, &call.actor)?;
    Ok(Answer::ok(call.world.issue_json(parent)?))
}

pub(super) fn blocked_by(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let issue = call.world.issue_of(call.issue()?)?;
    page::list(call, &issue.blocked_by, |id| call.world.issue_json(*id))
}

pub(super) fn blocking(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.issue()?;
    let waiting: Vec<u64> = call
        .world
        .issues
        .values()
        .filter(|i| !i.deleted && i.blocked_by.contains(&id))
        .map(|i| i.id)
        .collect();
    page::list(call, &waiting, |id| call.world.issue_json(*id))
}

pub(super) fn add_blocked_by(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (blocked, blocker) = (call.issue()?, call.needed_id("issue_id")?);
    call.world.add_blocked_by(blocked, blocker, &call.actor)?;
    Ok(Answer::created(call.world.issue_json(blocker)?))
}

pub(super) fn remove_blocked_by(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (blocked, blocker) = (call.issue()?, call.id("issue_id")?);
    call.world.remove_blocked_by(blocked, blocker, &call.actor)?;
    Ok(Answer::ok(call.world.issue_json(blocker)?))
}
