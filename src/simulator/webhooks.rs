//! The webhooks that a change of the world sends: payloads and their queue.

use super::deliveries::Delivery;
use super::refusal::Refusal;
use super::world::{Actor, World};
use serde_json::{Map, Value, json};

impl World {
    /// Emits an event of a repository, if an installation sees it and the App is subscribed.
    pub(super) fn emit(
        &mut self,
        event: &'static str,
        action: Option<&str>,
        repo: u64,
        actor: &Actor,
        fields: Map<String, Value>,
    ) -> Result<(), Refusal> {
        // A suspended installation is told nothing.
        let told = self.installation_for(repo).filter(|i| i.suspended.is_none());
        let Some(installation) = told.map(|i| i.id) else { return Ok(()) };
        if !self.app.events.iter().any(|e| e == event) {
            return Ok(());
        }
        let owner = self.repo_ref(repo)?.owner.clone();
        let repository = if event == "push" { self.push_repo_json(repo)? } else { self.repo_json(repo)? };
        let mut payload = Map::new();
        if let Some(action) = action {
            payload.insert("action".into(), action.into());
        }
        payload.extend(fields);
        payload.insert("repository".into(), repository);
        payload.insert("organization".into(), self.organization_json(&owner));
        payload.insert("sender".into(), self.user_json(&actor.login));
        payload.insert(
            "installation".into(),
            json!({"id": installation, "node_id": super::json::node_id("MDIz", installation)}),
        );
        self.queue(event, action, Some(installation), Some(repo), payload);
        Ok(())
    }

    /// Emits an event that is not about one repository.
    pub(super) fn emit_global(
        &mut self,
        event: &'static str,
        action: &str,
        actor: &Actor,
        fields: Map<String, Value>,
    ) -> Result<(), Refusal> {
        let installation = fields.get("installation").and_then(|i| i["id"].as_u64());
        let mut payload = Map::from_iter([("action".to_owned(), action.into())]);
        payload.extend(fields);
        payload.insert("sender".into(), self.user_json(&actor.login));
        self.queue(event, Some(action), installation, None, payload);
        Ok(())
    }

    fn queue(
        &mut self,
        event: &'static str,
        action: Option<&str>,
        installation: Option<u64>,
        repo: Option<u64>,
        payload: Map<String, Value>,
    ) {
        let payload = Value::Object(payload);
        if let Some(observer) = &self.options.observer {
            observer.webhook(event, &payload);
        }
        let id = self.next_id();
        self.deliveries.push(Delivery::first(id, event, action, installation, repo, &payload));
    }
}
