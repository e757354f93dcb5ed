//! Labels of a repository, and putting them on issues.

use super::issues::Issue;
use super::refusal::{Refusal, check_label};
use super::world::{Actor, World};
use crate::clock;
use serde_json::{Map, Value};

/// A label of a repository.
#[derive(Clone, Debug)]
pub struct Label {
    /// Database id.
    pub id: u64,
    /// Name; names that differ in case only are one label.
    pub name: String,
    /// Six hexadecimal digits.
    pub color: String,
    /// What it means.
    pub description: Option<String>,
}

/// The colour of labels that come into being by being used.
const DEFAULT_COLOR: &str = "ededed";

impl World {
    /// Makes a label; refused when there is one of that name.
    pub(super) fn make_label(
        &mut self,
        repo: u64,
        name: &str,
        color: Option<&str>,
        description: Option<&str>,
    ) -> Result<Label, Refusal> {
        check_label(name)?;
        let color = color.unwrap_or(DEFAULT_COLOR);
        if color.len() != 6 || !color.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Refusal::invalid("Label", "color", "invalid"));
        }
        if description.is_some_and(|d| d.chars().count() > 100) {
            let message = "description is too long (maximum is 100 characters)";
            return Err(Refusal::custom("Label", Some("description"), message));
        }
        if self.repo_label(repo, name).is_some() {
            return Err(Refusal::invalid("Label", "name", "already_exists"));
        }
        let label = Label {
            id: self.next_id(),
            name: name.to_owned(),
            color: color.to_lowercase(),
            description: description.map(str::to_owned),
        };
        self.repo_mut(repo)?.labels.push(label.clone());
        Ok(label)
    }

    pub(super) fn repo_label(&self, repo: u64, name: &str) -> Option<&Label> {
        let wanted = name.to_lowercase();
        self.repos.get(&repo)?.labels.iter().find(|l| l.name.to_lowercase() == wanted)
    }

    /// The name of the label as the repository writes it; made when there is none.
    pub(super) fn ensure_label(&mut self, repo: u64, name: &str) -> Result<String, Refusal> {
        if let Some(label) = self.repo_label(repo, name) {
            return Ok(label.name.clone());
        }
        Ok(self.make_label(repo, name, None, None)?.name)
    }

    /// Puts labels on an issue; one `labeled` for each that it had not.
    pub(super) fn add_labels(&mut self, id: u64, actor: &Actor, names: &[String]) -> Result<(), Refusal> {
        for name in names {
            check_label(name)?;
        }
        let repo = self.issue_of(id)?.repo;
        for name in names {
            let name = self.ensure_label(repo, name)?;
            let issue = self.issue_mut(id)?;
            if issue.labels.contains(&name) {
                continue;
            }
            issue.labels.push(name.clone());
            issue.updated_at = clock::now();
            self.emit_labeled(id, "labeled", actor, &name)?;
        }
        Ok(())
    }

    /// Takes a label off an issue; 404 when it is not on it.
    pub(super) fn remove_label(&mut self, id: u64, actor: &Actor, name: &str) -> Result<(), Refusal> {
        let issue = self.issue_mut(id)?;
        let wanted = name.to_lowercase();
        let at = issue
            .labels
            .iter()
            .position(|l| l.to_lowercase() == wanted)
            .ok_or_else(|| Refusal::new(404, "Label does not exist"))?;
        let name = issue.labels.remove(at);
        issue.updated_at = clock::now();
        self.emit_labeled(id, "unlabeled", actor, &name)
    }

    /// Makes these the labels of an issue.
    pub(super) fn set_labels(&mut self, id: u64, actor: &Actor, names: &[String]) -> Result<(), Refusal> {
        let keep: Vec<String> = names.iter().map(|n| n.to_lowercase()).collect();
        let gone = self.issue_of(id)?.labels.clone();
        for name in gone.iter().filter(|n| !keep.contains(&n.to_lowercase())) {
            self.remove_label(id, actor, name)?;
        }
        self.add_labels(id, actor, names)
    }

    /// The labels of an issue with their colours.
    pub(super) fn labels_of(&self, issue: &Issue) -> Vec<&Label> {
        issue.labels.iter().filter_map(|name| self.repo_label(issue.repo, name)).collect()
    }

    pub(super) fn emit_labeled(
        &mut self,
        id: u64,
        action: &str,
        actor: &Actor,
        name: &str,
    ) -> Result<(), Refusal> {
        let repo = self.issue_of(id)?.repo;
        let label = self.repo_label(repo, name).map(|l| self.label_json(repo, l));
        let fields = label.map(|l| ("label".to_owned(), l));
        self.emit_issue(id, action, actor, Map::<String, Value>::from_iter(fields))
    }
}
