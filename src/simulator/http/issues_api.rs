//! Issues, their labels and reactions; labels of the repository.

use super::call::{Answer, Call, names};
use super::page;
use crate::simulator::issues::{Draft, Issue, IssueState};
use crate::simulator::reactions::ReactedTo;
use crate::simulator::refusal::Refusal;
use serde_json::Value;

/// Issues and pull requests, newest first unless told otherwise.
pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let state = call.query("state").unwrap_or("open");
    let wanted: Vec<String> =
        call.query("labels").into_iter().flat_map(|l| l.split(',')).map(str::to_lowercase).collect();
    let creator = call.query("creator").map(str::to_lowercase);
    let since = call.since()?;
    let has = |issue: &Issue, label: &String| issue.labels.iter().any(|l| l.to_lowercase() == *label);
    let mut found: Vec<&Issue> = call
        .world
        .issues
        .values()
        .filter(|i| i.repo == call.repo && !i.is_gone())
        .filter(|i| call.world.listed(i.id, i.created_at))
        .filter(|i| state == "all" || i.state.as_str() == state)
        .filter(|i| wanted.iter().filter(|l| !l.is_empty()).all(|l| has(i, l)))
        .filter(|i| creator.as_ref().is_none_or(|c| i.author.login.to_lowercase() == *c))
        .filter(|i| since.is_none_or(|since| i.updated_at >= since))
        .collect();
    match call.query("sort") {
        Some("updated") => found.sort_by_key(|i| (i.updated_at, i.number)),
        Some("comments") => found.sort_by_key(|i| (call.world.comments_of(i.id).len(), i.number)),
        _ => found.sort_by_key(|i| i.number),
    }
    if call.query("direction") != Some("asc") {
        found.reverse();
    }
    page::list(call, &found, |i| call.world.issue_json(i.id))
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let draft = Draft {
        title: match &call.body["title"] {
            Value::Number(number) => number.to_string(),
            _ => call.needed("Issue", "title")?.to_owned(),
        },
        body: call.text("body")?.map(str::to_owned),
        labels: call.names("labels")?.unwrap_or_default(),
        assignees: call.names("assignees")?.unwrap_or_default(),
        pull: None,
    };
    let id = call.world.open_issue(call.repo, &call.actor, draft)?;
    Ok(Answer::created(call.world.single_issue_json(id)?))
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.issue()?;
    Ok(Answer::ok(call.world.single_issue_json(id)?))
}

pub(super) fn edit(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.issue()?;
    let actor = call.actor.clone();
    let title = call.text("title")?.map(str::to_owned);
    let body = match call.body.get("body") {
        None => None,
        Some(_) => Some(call.text("body")?.map(str::to_owned)),
    };
    let state = call.text("state")?.map(str::to_owned);
    let reason = call.text("state_reason")?.map(str::to_owned);
    if let Some(state) = state.as_deref().filter(|s| !["open", "closed"].contains(s)) {
        return Err(Refusal::custom("Issue", Some("state"), format!("{state} is not a state")));
    }
    let labels = call.names("labels")?;
    call.world.edit_issue(id, &actor, title.as_deref(), body.as_ref().map(Option::as_deref))?;
    if let Some(labels) = labels {
        call.world.set_labels(id, &actor, &labels)?;
    }
    match state.as_deref() {
        Some("closed") => call.world.close_issue(id, &actor, reason.as_deref().unwrap_or("completed"))?,
        Some(_) => call.world.reopen_issue(id, &actor)?,
        None => {
            let issue = call.world.issue_mut(id)?;
            if let Some(reason) = reason.filter(|_| issue.state == IssueState::Closed) {
                issue.state_reason = Some(reason);
            }
        }
    }
    Ok(Answer::ok(call.world.single_issue_json(id)?))
}

fn labels_of(call: &Call<'_>, id: u64) -> Result<Answer, Refusal> {
    let issue = call.world.issue_of(id)?;
    let labels = call.world.labels_of(issue);
    Ok(Answer::ok(labels.into_iter().map(|l| call.world.label_json(call.repo, l)).collect()))
}

pub(super) fn labels(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let issue = call.world.issue_of(call.issue()?)?;
    let labels = call.world.labels_of(issue);
    page::list(call, &labels, |l| Ok(call.world.label_json(call.repo, l)))
}

/// `{"labels": [..]}`, or the list alone.
fn asked_labels(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    match &call.body {
        Value::Array(_) => names("labels", &call.body),
        _ => Ok(call.names("labels")?.unwrap_or_default()),
    }
}

pub(super) fn add_labels(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (id, labels) = (call.issue()?, asked_labels(call)?);
    call.world.add_labels(id, &call.actor, &labels)?;
    labels_of(call, id)
}

pub(super) fn set_labels(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (id, labels) = (call.issue()?, asked_labels(call)?);
    call.world.set_labels(id, &call.actor, &labels)?;
    labels_of(call, id)
}

pub(super) fn remove_label(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.issue()?;
    let name = call.param("name").to_owned();
    call.world.remove_label(id, &call.actor, &name)?;
    labels_of(call, id)
}

pub(super) fn repo_labels(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let labels = call.world.repo_ref(call.repo)?.labels();
    page::list(call, labels, |l| Ok(call.world.label_json(call.repo, l)))
}

pub(super) fn repo_label(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let label = call.world.repo_label(call.repo, call.param("name")).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(call.world.label_json(call.repo, label)))
}

pub(super) fn create_label(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let name = call.needed("Label", "name")?.to_owned();
    let color = call.text("color")?.map(str::to_owned);
    let description = call.text("description")?.map(str::to_owned);
    let label = call.world.make_label(call.repo, &name, color.as_deref(), description.as_deref())?;
    Ok(Answer::created(call.world.label_json(call.repo, &label)))
}

pub(super) fn reactions(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let content = call.query("content");
    let all: Vec<_> = call
        .world
        .issue_of(call.issue()?)?
        .reactions
        .iter()
        .filter(|r| content.is_none_or(|c| r.content == c))
        .collect();
    page::list(call, &all, |r| Ok(call.world.reaction_json(r)))
}

pub(super) fn react(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let to = ReactedTo::Issue(call.issue()?);
    react_to(call, to)
}

/// 201 for a new reaction, 200 for one that was there.
pub(super) fn react_to(call: &mut Call<'_>, to: ReactedTo) -> Result<Answer, Refusal> {
    let content = call.needed("Reaction", "content")?.to_owned();
    let (reaction, new) = call.world.react(to, &call.actor, &content)?;
    Ok(Answer::new(if new { 201 } else { 200 }, call.world.reaction_json(&reaction)))
}

pub(super) fn unreact(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (issue, reaction) = (call.issue()?, call.id("reaction_id")?);
    call.world.remove_reaction(ReactedTo::Issue(issue), reaction)?;
    Ok(Answer::empty())
}
