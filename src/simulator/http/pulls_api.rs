//! Pull requests.

use super::call::{Answer, Call};
use super::page;
use crate::simulator::pulls::PullDraft;
use crate::simulator::refusal::Refusal;

/// The pull request that the path names.
fn named(call: &Call<'_>) -> Result<u64, Refusal> {
    let id = call.world.numbered(call.repo, call.id("pull_number")?)?;
    call.world.pull_of(id).map(|_| id)
}

/// Newest first unless told otherwise; `head` is `owner:branch`.
pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let state = call.query("state").unwrap_or("open");
    let owner = &call.world.repo_ref(call.repo)?.owner;
    let (head, base) = (call.query("head"), call.query("base"));
    let mut found: Vec<(u64, u64)> = call
        .world
        .pulls_in(call.repo)
        .filter(|(issue, _)| call.world.listed(issue.id, issue.created_at))
        .filter(|(issue, _)| state == "all" || issue.state.as_str() == state)
        // Without an owner the filter is ignored, as on GitHub.
        .filter(|(_, pull)| {
            head.and_then(|h| h.split_once(':'))
                .is_none_or(|(o, branch)| o.eq_ignore_ascii_case(owner) && branch == pull.head)
        })
        .filter(|(_, pull)| base.is_none_or(|b| b == pull.base))
        .map(|(issue, _)| (issue.number, issue.id))
        .collect();
    found.sort_unstable();
    if call.query("direction") != Some("asc") {
        found.reverse();
    }
    page::list(call, &found, |(_, id)| call.world.pull_simple_json(*id))
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let new = PullDraft {
        title: call.needed("PullRequest", "title")?.to_owned(),
        body: call.text("body")?.map(str::to_owned),
        head: call.needed("PullRequest", "head")?.to_owned(),
        base: call.needed("PullRequest", "base")?.to_owned(),
        draft: call.flag("draft")?,
    };
    let id = call.world.open_pull(call.repo, &call.actor, new)?;
    Ok(Answer::created(call.world.pull_json(id)?))
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = named(call)?;
    Ok(Answer::ok(call.world.pull_json(id)?))
}

pub(super) fn edit(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = named(call)?;
    let actor = call.actor.clone();
    let title = call.text("title")?.map(str::to_owned);
    let body = match call.body.get("body") {
        None => None,
        Some(_) => Some(call.text("body")?.map(str::to_owned)),
    };
    let base = call.text("base")?.map(str::to_owned);
    let state = call.text("state")?.map(str::to_owned);
    call.world.edit_issue(id, &actor, title.as_deref(), body.as_ref().map(Option::as_deref))?;
    if let Some(base) = base {
        call.world.set_base(id, &actor, &base)?;
    }
    match state.as_deref() {
        None => {}
        Some("closed") => call.world.close_issue(id, &actor, "completed")?,
        Some("open") => call.world.reopen_issue(id, &actor)?,
        Some(_) => return Err(Refusal::invalid("PullRequest", "state", "invalid")),
    }
    Ok(Answer::ok(call.world.pull_json(id)?))
}

pub(super) fn files(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let pull = call.world.pull_of(named(call)?)?;
    let git = &call.world.repo_ref(call.repo)?.git;
    let start = git.merge_base(&pull.base_sha, &pull.head_sha).unwrap_or_else(|| pull.base_sha.clone());
    let files = git.changed_files(&start, &pull.head_sha)?;
    page::list(call, &files, |f| call.world.file_json(call.repo, &pull.head_sha, f))
}
