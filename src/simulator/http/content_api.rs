//! Files, branches, commits and comparisons, from real git.

use super::call::{Answer, Call};
use super::page::Page;
use crate::simulator::refusal::Refusal;
use serde_json::Value;

/// A file, or the entries of a directory, at the default branch or `ref`.
pub(super) fn contents(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let path = call.param("path").trim_matches('/');
    let here = call.world.repo_ref(call.repo)?;
    if here.refs().is_empty() {
        return Err(Refusal::new(404, "This repository is empty."));
    }
    let reference = call.query("ref").unwrap_or(&here.default_branch);
    let commit = here
        .git
        .resolve(reference)
        .ok_or_else(|| Refusal::new(404, format!("No commit found for the ref {reference}")))?;
    if path.split('/').any(|part| part == "..") {
        return Err(Refusal::not_found());
    }
    let is_dir = if path.is_empty() {
        true
    } else {
        let found = here.git.tree(&commit, path)?;
        let entry = found.first().ok_or_else(Refusal::not_found)?;
        if entry.kind != "tree" {
            return Ok(Answer::ok(call.world.content_json(call.repo, reference, entry)?));
        }
        true
    };
    let inside = if is_dir && !path.is_empty() { format!("{path}/") } else { String::new() };
    let entries: Result<Vec<Value>, Refusal> = here
        .git
        .tree(&commit, &inside)?
        .iter()
        .map(|e| call.world.entry_json(call.repo, reference, e).map(Value::Object))
        .collect();
    Ok(Answer::ok(Value::Array(entries?)))
}

pub(super) fn branch(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let name = call.param("branch");
    Ok(Answer::ok(call.world.branch_json_of(call.repo, name)?))
}

/// `base...head`; commits come 250 to a page, files on the first page.
pub(super) fn compare(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let here = call.world.repo_ref(call.repo)?;
    let (base, head) = call.param("basehead").split_once("...").ok_or_else(Refusal::not_found)?;
    // `owner:branch` names a branch of that owner's copy; only this repository has one here.
    let own = |side: &str| match side.split_once(':') {
        Some((owner, branch)) if owner.eq_ignore_ascii_case(&here.owner) => Ok(branch.to_owned()),
        Some(_) => Err(Refusal::not_found()),
        None => Ok(side.to_owned()),
    };
    let (base, head) = (own(base)?, own(head)?);
    let page = Page::with_default(call, 250, 250);
    let body = call.world.compare_json(call.repo, (&base, &head), |commits| page.range(commits.len()))?;
    let total = body["total_commits"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let mut answer = Answer::ok(body);
    answer.headers.extend(page.link(call, total));
    Ok(answer)
}

pub(super) fn commit(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    call.world.require_commits(call.repo)?;
    let name = call.param("ref");
    let git = &call.world.repo_ref(call.repo)?.git;
    let sha =
        git.resolve(name).ok_or_else(|| Refusal::new(422, format!("No commit found for SHA: {name}")))?;
    let commit = git.commit(&sha)?;
    let mut body = call.world.commit_json(call.repo, &commit)?;
    if let Some(parent) = commit.parents.first() {
        let files = git.changed_files(parent, &sha)?;
        let additions: u64 = files.iter().map(|f| f.additions).sum();
        let deletions: u64 = files.iter().map(|f| f.deletions).sum();
        body["stats"] = serde_json::json!({"additions": additions, "deletions": deletions,
                                           "total": additions + deletions});
        let files: Result<Vec<Value>, Refusal> =
            files.iter().take(300).map(|f| call.world.file_json(call.repo, &sha, f)).collect();
        body["files"] = Value::Array(files?);
    }
    Ok(Answer::ok(body))
}
