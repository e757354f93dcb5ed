//! The App itself, its tokens, installations and deliveries; repositories and permissions.

use super::call::{Answer, Call};
use super::page::{self, Page};
use crate::clock;
use crate::simulator::deliveries::Delivery;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::UserKind;
use serde_json::{Value, json};

pub(super) fn app(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::ok(call.world.app_json()))
}

pub(super) fn installations(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let all: Vec<_> = call.world.installations.values().collect();
    page::list(call, &all, |installation| {
        let mut body = call.world.installation_json(installation);
        // This list's description asks for an account that is a user and an enterprise at once.
        body["account"]["name"] = json!(installation.account);
        body["account"]["slug"] = json!(installation.account);
        body["account"]["created_at"] = body["created_at"].clone();
        body["account"]["updated_at"] = body["updated_at"].clone();
        Ok(body)
    })
}

pub(super) fn installation(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let found = call.world.installations.get(&call.id("installation_id")?).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(call.world.installation_json(found)))
}

pub(super) fn repo_installation(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let found = call.world.installation_for(call.repo).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(call.world.installation_json(found)))
}

pub(super) fn mint(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let installation = call.id("installation_id")?;
    let asked = std::mem::take(&mut call.body);
    let token = call.world.mint(installation, asked, call.short_token)?.clone();
    Ok(Answer::created(call.world.token_json(&token)?))
}

pub(super) fn revoke(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if let Some(token) = call.token.take() {
        call.world.revoke(&token);
    }
    Ok(Answer::empty())
}

pub(super) fn repositories(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let token = call.world.live_token(call.token.as_deref().unwrap_or_default())?;
    let repos: Vec<u64> =
        call.world.repos.keys().copied().filter(|id| call.world.in_scope(token, *id)).collect();
    let selection = if token.repos.is_some() { "selected" } else { "all" };
    let mut answer = page::list(call, &repos, |id| call.world.repo_json(*id))?;
    answer.body = Some(json!({
        "total_count": repos.len(),
        "repository_selection": selection,
        "repositories": answer.body,
    }));
    Ok(answer)
}

pub(super) fn rate_limit(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let token = call.token.as_deref().and_then(|t| call.world.live_token(t).ok());
    let installation = token.and_then(|t| call.world.installations.get(&t.installation));
    let limit = call.world.options.rate_limit;
    let used = installation.map_or(0, |i| i.used);
    let since = installation.map_or_else(clock::now, |i| i.window);
    let core = json!({"limit": limit, "used": used, "remaining": limit.saturating_sub(used),
                      "reset": since.as_second() + 3600, "resource": "core"});
    let search = json!({"limit": 30, "used": 0, "remaining": 30, "reset": since.as_second() + 60,
                        "resource": "search"});
    Ok(Answer::ok(json!({"resources": {"core": core, "search": search}, "rate": core})))
}

pub(super) fn repository(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::ok(call.world.repo_json(call.repo)?))
}

pub(super) fn permission(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let login = call.param("username");
    let user = call.world.users.get(&login.to_lowercase());
    if user.is_none_or(|u| u.kind != UserKind::User) {
        return Err(Refusal::new(404, format!("{login} is not a user")));
    }
    Ok(Answer::ok(call.world.permission_json(call.repo, login)?))
}

/// Newest first; `cursor` is the id of the last attempt of the page before.
pub(super) fn deliveries(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let size = Page::of(call).size;
    let before = match call.query("cursor") {
        None => u64::MAX,
        Some(cursor) => cursor
            .strip_prefix("v1_")
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Refusal::new(422, "Invalid cursor"))?,
    };
    let wanted = call.query("status");
    let of_status = |d: &Delivery| match wanted {
        Some("success") => (200..400).contains(&d.status_code),
        Some("failure") => (400..600).contains(&d.status_code),
        _ => true,
    };
    let found: Vec<&Delivery> = call
        .world
        .deliveries
        .iter()
        .rev()
        .filter(|d| d.is_kept() && d.id < before && of_status(d))
        .take(size + 1)
        .collect();
    let shown = &found[..found.len().min(size)];
    let items = shown.iter().map(|d| call.world.delivery_item_json(d)).collect();
    let mut answer = Answer::ok(Value::Array(items));
    if let Some(last) = shown.last().filter(|_| found.len() > size) {
        let next = page::with_query(call, "cursor", &format!("v1_{}", last.id));
        answer.headers.push(("link", format!("<{next}>; rel=\"next\"")));
    }
    Ok(answer)
}

pub(super) fn delivery(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.id("delivery_id")?;
    let found = call.world.deliveries.iter().find(|d| d.id == id && d.is_kept());
    Ok(Answer::ok(call.world.delivery_json(found.ok_or_else(Refusal::not_found)?)))
}

pub(super) fn redeliver(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.id("delivery_id")?;
    call.world.redeliver(id)?;
    Ok(Answer::new(202, json!({})))
}
