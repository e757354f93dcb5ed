//! Check runs on commits, which only Apps write.

use super::refusal::Refusal;
use super::world::{Actor, World};
use crate::clock;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A check run.
#[derive(Clone, Debug)]
pub struct CheckRun {
    /// Database id.
    pub id: u64,
    /// Id of the repository.
    pub repo: u64,
    /// Commit it is about.
    pub head_sha: String,
    /// Name.
    pub name: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// Outcome, once completed.
    pub conclusion: Option<String>,
    /// The App's own reference.
    pub external_id: Option<String>,
    /// Link of the App.
    pub details_url: Option<String>,
    /// When work started.
    pub started_at: Option<Timestamp>,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
    /// `title`, `summary`, `text` as sent.
    pub output: Value,
    /// How many annotations were sent.
    pub annotations: usize,
    /// Buttons: `label`, `description`, `identifier` each.
    pub actions: Vec<Value>,
}

/// What is sent to make or change a check run.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckChange {
    pub name: Option<String>,
    pub status: Option<String>,
    pub conclusion: Option<String>,
    pub external_id: Option<String>,
    pub details_url: Option<String>,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub output: Option<Value>,
    pub actions: Option<Vec<Value>>,
}

/// Most bytes of `summary` and of `text` (github/rest-api-description#5399 counts bytes).
const OUTPUT_LIMIT: usize = 65_535;

impl World {
    pub(super) fn create_check(
        &mut self,
        repo: u64,
        actor: &Actor,
        head_sha: &str,
        change: CheckChange,
    ) -> Result<u64, Refusal> {
        if self.repo_ref(repo)?.git.object_type(head_sha).as_deref() != Some("commit") {
            return Err(Refusal::new(422, format!("No commit found for SHA: {head_sha}")));
        }
        let name = change.name.clone().filter(|n| !n.is_empty());
        let name = name.ok_or_else(|| Refusal::invalid("CheckRun", "name", "missing_field"))?;
        let check = CheckRun {
            id: self.next_id(),
            repo,
            head_sha: head_sha.to_owned(),
            name,
            status: "queued".to_owned(),
            conclusion: None,
            external_id: None,
            details_url: None,
            started_at: None,
            completed_at: None,
            output: json!({"title": null, "summary": null, "text": null}),
            annotations: 0,
            actions: Vec::new(),
        };
        let id = check.id;
        let check = applied(check, change)?;
        let completed = check.status == "completed";
        self.checks.insert(id, check);
        self.emit_check(id, "created", actor, Map::new())?;
        if completed {
            self.emit_check(id, "completed", actor, Map::new())?;
        }
        Ok(id)
    }

    pub(super) fn update_check(
        &mut self,
        id: u64,
        actor: &Actor,
        change: CheckChange,
    ) -> Result<(), Refusal> {
        let check = self.checks.get(&id).ok_or_else(Refusal::not_found)?;
        let was_completed = check.status == "completed";
        let check = applied(check.clone(), change)?;
        let completed = check.status == "completed" && !was_completed;
        self.checks.insert(id, check);
        if completed {
            self.emit_check(id, "completed", actor, Map::new())?;
        }
        Ok(())
    }

    /// A person presses a button of a check run.
    pub(super) fn press_check_button(&mut self, id: u64, actor: &Actor, button: &str) -> Result<(), Refusal> {
        let check = self.checks.get(&id).ok_or_else(Refusal::not_found)?;
        if !check.actions.iter().any(|a| a["identifier"] == button) {
            return Err(Refusal::new(404, format!("The check run has no button {button}")));
        }
        let fields = Map::from_iter([("requested_action".to_owned(), json!({"identifier": button}))]);
        self.emit_check(id, "requested_action", actor, fields)
    }

    fn emit_check(
        &mut self,
        id: u64,
        action: &str,
        actor: &Actor,
        mut fields: Map<String, Value>,
    ) -> Result<(), Refusal> {
        let check = self.checks.get(&id).ok_or_else(Refusal::not_found)?;
        let repo = check.repo;
        fields.insert("check_run".into(), self.check_event_json(check)?);
        self.emit("check_run", Some(action), repo, actor, fields)
    }
}

fn applied(mut check: CheckRun, change: CheckChange) -> Result<CheckRun, Refusal> {
    let now = clock::now();
    if change.status.as_deref() == Some("completed")
        && change.conclusion.is_none()
        && check.conclusion.is_none()
    {
        return Err(Refusal::custom("CheckRun", Some("conclusion"), "conclusion is required when completed"));
    }
    if let Some(output) = change.output {
        for field in ["summary", "text"] {
            if output[field].as_str().is_some_and(|t| t.len() > OUTPUT_LIMIT) {
                let message = format!("{field} exceeds a maximum bytesize of {OUTPUT_LIMIT}");
                return Err(Refusal::custom("CheckRun", Some(field), message));
            }
        }
        check.annotations += output["annotations"].as_array().map_or(0, Vec::len);
        check.output =
            json!({"title": output["title"], "summary": output["summary"], "text": output["text"]});
    }
    if let Some(actions) = change.actions {
        if actions.len() > 3 {
            return Err(Refusal::custom("CheckRun", Some("actions"), "at most 3 actions are allowed"));
        }
        check.actions = actions;
    }
    if let Some(conclusion) = change.conclusion {
        check.conclusion = Some(conclusion);
        check.status = "completed".to_owned();
        check.completed_at = check.completed_at.or(Some(now));
    } else if let Some(status) = change.status {
        if status != "completed" {
            (check.conclusion, check.completed_at) = (None, None);
        }
        check.status = status;
    }
    check.name = change.name.unwrap_or(check.name);
    check.external_id = change.external_id.or(check.external_id);
    check.details_url = change.details_url.or(check.details_url);
    check.started_at = change.started_at.or(check.started_at).or(Some(now));
    check.completed_at = change.completed_at.or(check.completed_at);
    Ok(check)
}
