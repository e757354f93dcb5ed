//! Check runs.

use super::call::{Answer, Call};
use super::page;
use crate::simulator::checks::{CheckChange, CheckRun};
use crate::simulator::refusal::Refusal;
use jiff::Timestamp;
use serde_json::{Value, json};

fn change(call: &Call<'_>) -> Result<CheckChange, Refusal> {
    let text = |name: &str| call.text(name).map(|t| t.map(str::to_owned));
    let time = |name: &str| -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = call.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Refusal::invalid("CheckRun", name, "invalid"))
    };
    let status = text("status")?;
    if let Some(status) = status.as_deref().filter(|s| !["queued", "in_progress", "completed"].contains(s)) {
        return Err(Refusal::new(422, format!("Invalid request.\n\n{status} is not a member of status.")));
    }
    Ok(CheckChange {
        name: text("name")?,
        status,
        conclusion: text("conclusion")?,
        external_id: text("external_id")?,
        details_url: text("details_url")?,
        started_at: time("started_at")?,
        completed_at: time("completed_at")?,
        output: Some(call.body["output"].clone()).filter(Value::is_object),
        actions: call.body["actions"].as_array().cloned(),
    })
}

/// The check run that the path names, in this repository.
fn named<'a>(call: &'a Call<'_>) -> Result<&'a CheckRun, Refusal> {
    let found = call.world.checks.get(&call.id("check_run_id")?);
    found.filter(|c| c.repo == call.repo).ok_or_else(Refusal::not_found)
}

fn shown(call: &Call<'_>, id: u64) -> Result<Value, Refusal> {
    call.world.check_json(call.world.checks.get(&id).ok_or_else(Refusal::not_found)?)
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let head = call.needed("CheckRun", "head_sha")?.to_owned();
    let change = change(call)?;
    let id = call.world.create_check(call.repo, &call.actor, &head, change)?;
    Ok(Answer::created(shown(call, id)?))
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::ok(call.world.check_json(named(call)?)?))
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = named(call)?.id;
    let change = change(call)?;
    call.world.update_check(id, &call.actor, change)?;
    Ok(Answer::ok(shown(call, id)?))
}

/// Check runs of a commit, newest first; the latest of each name unless `filter=all`.
pub(super) fn of_commit(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let git = &call.world.repo_ref(call.repo)?.git;
    let name = call.param("ref");
    let sha =
        git.resolve(name).ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {name}")))?;
    let (wanted, status) = (call.query("check_name"), call.query("status"));
    let latest_only = call.query("filter") != Some("all");
    let mut found: Vec<&CheckRun> = Vec::new();
    for check in call.world.checks.values().rev() {
        let fits = check.repo == call.repo
            && check.head_sha == sha
            && wanted.is_none_or(|n| n == check.name)
            && status.is_none_or(|s| s == check.status);
        if fits && !(latest_only && found.iter().any(|c| c.name == check.name)) {
            found.push(check);
        }
    }
    let total = found.len();
    let mut answer = page::list(call, &found, |c| call.world.check_json(c))?;
    answer.body = Some(json!({"total_count": total, "check_runs": answer.body}));
    Ok(answer)
}
