//! Accounts, the App, its installations, tokens and deliveries.

use super::{node_id, time};
use crate::simulator::app::{Installation, MintedToken};
use crate::simulator::deliveries::Delivery;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::{Role, UserKind, World};
use serde_json::{Map, Value, json};

impl World {
    /// `simple-user`; `null` for an account that is not known (a deleted one, for GitHub).
    pub(in crate::simulator) fn user_json(&self, login: &str) -> Value {
        let Some(user) = self.users.get(&login.to_lowercase()) else { return Value::Null };
        let api = format!("{}/users/{}", self.base, super::segment(&user.login));
        let page = match user.kind {
            UserKind::Bot => format!("{}/apps/{}", self.base, user.login.trim_end_matches("[bot]")),
            _ => format!("{}/{}", self.base, user.login),
        };
        json!({
            "login": user.login,
            "id": user.id,
            "node_id": node_id("U", user.id),
            "avatar_url": format!("{}/avatars/{}", self.base, user.id),
            "gravatar_id": "",
            "url": api,
            "html_url": page,
            "followers_url": format!("{api}/followers"),
            "following_url": format!("{api}/following{{/other_user}}"),
            "gists_url": format!("{api}/gists{{/gist_id}}"),
            "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{api}/subscriptions"),
            "organizations_url": format!("{api}/orgs"),
            "repos_url": format!("{api}/repos"),
            "events_url": format!("{api}/events{{/privacy}}"),
            "received_events_url": format!("{api}/received_events"),
            "type": user.kind.as_str(),
            "user_view_type": "public",
            "site_admin": false,
        })
    }

    /// `organization-simple-webhooks`.
    pub(in crate::simulator) fn organization_json(&self, login: &str) -> Value {
        let Some(user) = self.users.get(&login.to_lowercase()) else { return Value::Null };
        let api = format!("{}/orgs/{}", self.base, user.login);
        json!({
            "login": user.login,
            "id": user.id,
            "node_id": node_id("O", user.id),
            "url": api,
            "repos_url": format!("{api}/repos"),
            "events_url": format!("{api}/events"),
            "hooks_url": format!("{api}/hooks"),
            "issues_url": format!("{api}/issues"),
            "members_url": format!("{api}/members{{/member}}"),
            "public_members_url": format!("{api}/public_members{{/member}}"),
            "avatar_url": format!("{}/avatars/{}", self.base, user.id),
            "description": "",
        })
    }

    /// `repository-collaborator-permission`.
    pub(in crate::simulator) fn permission_json(&self, repo: u64, login: &str) -> Result<Value, Refusal> {
        let role = self.repo_ref(repo)?.role(login);
        let mut user = self.user_json(login);
        user["role_name"] = role.name().into();
        user["permissions"] = json!({
            "admin": role >= Role::Admin,
            "maintain": role >= Role::Maintain,
            "push": role >= Role::Write,
            "triage": role >= Role::Triage,
            "pull": role >= Role::Read,
        });
        Ok(json!({"permission": role.permission(), "role_name": role.name(), "user": user}))
    }

    /// `integration`, for `GET /app`.
    pub(in crate::simulator) fn app_json(&self) -> Value {
        let mut app = self.integration_json();
        app["events"] = json!(self.app.events);
        app["installations_count"] = self.installations.len().into();
        app
    }

    /// `integration` as it stands inside other objects.
    ///
    /// Its `events` leave out the newest two, which the description of the older webhooks does not know there.
    pub(in crate::simulator) fn integration_json(&self) -> Value {
        let app = &self.app;
        let events: Vec<&String> = app
            .events
            .iter()
            .filter(|e| !["sub_issues", "issue_dependencies"].contains(&e.as_str()))
            .collect();
        json!({
            "id": app.id,
            "slug": app.slug,
            "client_id": app.client_id(),
            "node_id": node_id("A", app.id),
            "owner": self.user_json(&app.owner),
            "name": app.slug,
            "description": "",
            "external_url": "https://example.org/",
            "html_url": format!("{}/apps/{}", self.base, app.slug),
            "created_at": time(app.created_at),
            "updated_at": time(app.created_at),
            "permissions": app.permissions,
            "events": events,
        })
    }

    /// `performed_via_github_app` of something that an actor did.
    pub(in crate::simulator) fn via_app_json(&self, via_app: bool) -> Value {
        if via_app { self.integration_json() } else { Value::Null }
    }

    /// `installation`.
    pub(in crate::simulator) fn installation_json(&self, installation: &Installation) -> Value {
        let id = installation.id;
        let account = self.user_json(&installation.account);
        json!({
            "id": id,
            "client_id": self.app.client_id(),
            "account": account,
            "repository_selection": if installation.repos.is_some() { "selected" } else { "all" },
            "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", self.base),
            "repositories_url": format!("{}/installation/repositories", self.base),
            "html_url": format!("{}/organizations/{}/settings/installations/{id}", self.base, installation.account),
            "app_id": self.app.id,
            "app_slug": self.app.slug,
            "target_id": account["id"],
            "target_type": "Organization",
            "permissions": installation.permissions,
            "events": self.app.events,
            "created_at": time(installation.created_at),
            "updated_at": time(installation.created_at),
            "single_file_name": null,
            "has_multiple_single_files": false,
            "single_file_paths": [],
            "suspended_by": installation.suspended.as_ref().map(|(by, _)| self.user_json(by)),
            "suspended_at": installation.suspended.as_ref().map(|(_, at)| time(*at)),
        })
    }

    /// `installation-token`.
    pub(in crate::simulator) fn token_json(&self, token: &MintedToken) -> Result<Value, Refusal> {
        let mut body = json!({
            "token": token.token,
            "expires_at": time(token.expires_at),
            "permissions": token.permissions,
            "repository_selection": if token.repos.is_some() { "selected" } else { "all" },
        });
        if let Some(repos) = &token.repos {
            let shown: Result<Vec<Value>, Refusal> = repos.iter().map(|id| self.repo_json(*id)).collect();
            body["repositories"] = Value::Array(shown?);
        }
        Ok(body)
    }

    /// `hook-delivery-item`.
    pub(in crate::simulator) fn delivery_item_json(&self, delivery: &Delivery) -> Value {
        json!({
            "id": delivery.id,
            "guid": delivery.guid,
            "delivered_at": delivery.delivered_at.map(time),
            "redelivery": delivery.redelivery,
            "duration": delivery.duration.as_secs_f64(),
            "status": delivery.status,
            "status_code": delivery.status_code,
            "event": delivery.event,
            "action": delivery.action,
            "installation_id": delivery.installation,
            "repository_id": delivery.repo,
            "throttled_at": null,
        })
    }

    /// `hook-delivery`: the item with what was sent and answered.
    pub(in crate::simulator) fn delivery_json(&self, delivery: &Delivery) -> Value {
        let mut body = self.delivery_item_json(delivery);
        let headers: Map<String, Value> =
            delivery.request_headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let payload: Value = serde_json::from_slice(&delivery.payload).unwrap_or_default();
        if let Some(body) = body.as_object_mut() {
            body.remove("throttled_at");
        }
        body["url"] = json!(self.options.webhook_target.as_deref().unwrap_or_default());
        body["request"] = json!({"headers": headers, "payload": payload});
        body["response"] = json!({"headers": {}, "payload": delivery.response_body});
        body
    }
}
