//! Git refs.

use super::call::{Answer, Call};
use crate::simulator::refusal::Refusal;
use serde_json::Value;

/// The full name of the ref in the path (`heads/x` there).
fn full_name(call: &Call<'_>) -> String {
    format!("refs/{}", call.param("ref"))
}

fn shown(call: &Call<'_>, name: &str) -> Result<Value, Refusal> {
    let sha = call.world.repo_ref(call.repo)?.refs().get(name).ok_or_else(Refusal::not_found)?;
    call.world.ref_json(call.repo, name, sha)
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    call.world.require_commits(call.repo)?;
    Ok(Answer::ok(shown(call, &full_name(call))?))
}

/// All refs whose name starts so.
pub(super) fn matching(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    call.world.require_commits(call.repo)?;
    let start = full_name(call);
    let refs = call.world.repo_ref(call.repo)?.refs();
    let found: Result<Vec<Value>, Refusal> = refs
        .iter()
        .filter(|(name, _)| name.starts_with(&start))
        .map(|(name, sha)| call.world.ref_json(call.repo, name, sha))
        .collect();
    Ok(Answer::ok(Value::Array(found?)))
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    call.world.require_commits(call.repo)?;
    let name = call.needed("Reference", "ref")?.to_owned();
    let sha = call.needed("Reference", "sha")?.to_owned();
    call.world.create_ref(call.repo, &call.actor, &name, &sha)?;
    Ok(Answer::created(shown(call, &name)?))
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    call.world.require_commits(call.repo)?;
    let name = full_name(call);
    let sha = call.needed("Reference", "sha")?.to_owned();
    let force = call.flag("force")?;
    call.world.move_ref(call.repo, &call.actor, &name, &sha, force)?;
    Ok(Answer::ok(shown(call, &name)?))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    call.world.require_commits(call.repo)?;
    let name = full_name(call);
    call.world.remove_ref(call.repo, &call.actor, &name)?;
    Ok(Answer::empty())
}
