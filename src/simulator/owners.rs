//! What owners and administrators do: renaming, transferring, archiving, switching issues off, and everything about
//! the App's installation. Each is refused to nobody: it stands for what happens on pages of settings.
//!
//! GitHub's published descriptions have no `repository.archived` and nothing for switched-off issues, so no webhook
//! is sent for those: whoever wants to know finds out by the API's answers.

use super::issues::Draft;
use super::refusal::Refusal;
use super::service::Simulator;
use super::world::{Actor, UserKind, World};
use crate::clock;
use serde_json::{Map, Value, json};

impl World {
    /// Gives a repository another name, its owner's or another's. The old name leads to it from then on.
    fn move_repo(&mut self, repo: u64, owner: &str, name: &str) -> Result<(), Refusal> {
        let full_name = format!("{owner}/{name}");
        if self.repo_id(&full_name).is_some() {
            return Err(Refusal::custom("Repository", Some("name"), "name already exists on this account"));
        }
        self.account(owner, UserKind::Organization);
        let here = self.repo_mut(repo)?;
        let before = here.full_name().to_lowercase();
        owner.clone_into(&mut here.owner);
        name.clone_into(&mut here.name);
        self.moved.insert(before, repo);
        self.moved.remove(&full_name.to_lowercase());
        Ok(())
    }

    /// The repository that had this name before.
    pub(super) fn moved_repo(&self, full_name: &str) -> Option<u64> {
        self.moved.get(&full_name.to_lowercase()).copied()
    }

    fn transfer_issue(&mut self, id: u64, to: u64, actor: &Actor) -> Result<u64, Refusal> {
        let old = self.issue_of(id)?.clone();
        let before = self.issue_json(id)?;
        let draft = Draft {
            title: old.title.clone(),
            body: old.body.clone(),
            labels: old.labels,
            ..Draft::default()
        };
        let new = self.open_issue(to, &old.author, draft)?;
        let changes = json!({"new_issue": self.issue_json(new)?, "new_repository": self.repo_json(to)?});
        let fields = Map::from_iter([("issue".to_owned(), before), ("changes".to_owned(), changes)]);
        self.emit("issues", Some("transferred"), old.repo, actor, fields)?;
        self.issue_mut(id)?.moved_to = Some(new);
        Ok(self.issue_of(new)?.number)
    }
}

impl Simulator {
    /// Renames a repository, `owner/name`, to another name of the same owner.
    pub fn rename_repo(&self, repo: &str, by: &str, name: &str) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let id = world.repo_id(repo).ok_or_else(Refusal::not_found)?;
            let before = world.repo_ref(id)?.name.clone();
            let owner = world.repo_ref(id)?.owner.clone();
            world.move_repo(id, &owner, name)?;
            let changes = json!({"repository": {"name": {"from": before}}});
            let fields = Map::from_iter([("changes".to_owned(), changes)]);
            world.emit("repository", Some("renamed"), id, &Actor::person(by), fields)
        })
    }

    /// Transfers a repository to another organisation. Only an installation there is told.
    pub fn transfer_repo(&self, repo: &str, by: &str, owner: &str) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let id = world.repo_id(repo).ok_or_else(Refusal::not_found)?;
            let (name, before) = (world.repo_ref(id)?.name.clone(), world.repo_ref(id)?.owner.clone());
            world.move_repo(id, owner, &name)?;
            let from = json!({"owner": {"from": {"organization": world.organization_json(&before)}}});
            let fields = Map::from_iter([("changes".to_owned(), from)]);
            world.emit("repository", Some("transferred"), id, &Actor::person(by), fields)
        })
    }

    /// Archives a repository, or takes it out of the archive.
    pub fn archive_repo(&self, repo: &str, archived: bool) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let id = world.repo_id(repo).ok_or_else(Refusal::not_found)?;
            world.repo_mut(id)?.archived = archived;
            Ok(())
        })
    }

    /// Switches issues on or off.
    pub fn set_issues(&self, repo: &str, on: bool) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let id = world.repo_id(repo).ok_or_else(Refusal::not_found)?;
            world.repo_mut(id)?.has_issues = on;
            Ok(())
        })
    }

    /// Transfers an issue to another repository; returns its number there.
    pub fn transfer_issue(&self, repo: &str, by: &str, number: u64, to: &str) -> Result<u64, Refusal> {
        self.shared.act(|world| {
            let repo = world.repo_id(repo).ok_or_else(Refusal::not_found)?;
            let to = world.repo_id(to).ok_or_else(Refusal::not_found)?;
            let id = world.numbered(repo, number)?;
            world.transfer_issue(id, to, &Actor::person(by))
        })
    }

    /// Suspends the App in an organisation, or ends that.
    pub fn suspend_app(&self, owner: &str, by: &str, suspended: bool) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let id = world.installation_of(owner).ok_or_else(Refusal::not_found)?.id;
            let actor = Actor::person(by);
            world.account(by, UserKind::User);
            let installation = world.installations.get_mut(&id).ok_or_else(Refusal::not_found)?;
            installation.suspended = suspended.then(|| (by.to_owned(), clock::now()));
            let action = if suspended { "suspend" } else { "unsuspend" };
            world.emit_installation(action, id, &actor)
        })
    }

    /// Uninstalls the App from an organisation.
    pub fn uninstall_app(&self, owner: &str, by: &str) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let id = world.installation_of(owner).ok_or_else(Refusal::not_found)?.id;
            world.account(by, UserKind::User);
            world.emit_installation("deleted", id, &Actor::person(by))?;
            world.installations.remove(&id);
            Ok(())
        })
    }

    /// Takes a repository out of the App's installation; all others of the organisation stay in it.
    pub fn withdraw_repo(&self, repo: &str, by: &str) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let repo = world.repo_id(repo).ok_or_else(Refusal::not_found)?;
            let id = world.installation_for(repo).ok_or_else(Refusal::not_found)?.id;
            world.account(by, UserKind::User);
            let seen = |r: &u64| *r != repo && world.installation_for(*r).is_some_and(|i| i.id == id);
            let left: Vec<u64> = world.repos.keys().copied().filter(seen).collect();
            let here = world.repo_ref(repo)?;
            let removed = json!([{"id": here.id, "node_id": super::json::node_id("R", here.id),
                "name": here.name, "full_name": here.full_name(), "private": true}]);
            let installation = world.installations.get_mut(&id).ok_or_else(Refusal::not_found)?;
            installation.repos = Some(left);
            let installation = installation.clone();
            let fields = json!({"installation": world.installation_json(&installation),
                "repository_selection": "selected", "repositories_added": [],
                "repositories_removed": removed, "requester": null});
            let Value::Object(fields) = fields else { return Ok(()) };
            world.emit_global("installation_repositories", "removed", &Actor::person(by), fields)
        })
    }

    /// Grants a permission to the App in an organisation at this level, or takes it away. A grant is told as newly
    /// accepted permissions; that one is gone is told to nobody.
    pub fn set_permission(
        &self,
        owner: &str,
        by: &str,
        permission: &str,
        level: Option<&str>,
    ) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let id = world.installation_of(owner).ok_or_else(Refusal::not_found)?.id;
            world.account(by, UserKind::User);
            let installation = world.installations.get_mut(&id).ok_or_else(Refusal::not_found)?;
            match level {
                Some(level) => {
                    installation.permissions.insert(permission.to_owned(), level.to_owned());
                    world.emit_installation("new_permissions_accepted", id, &Actor::person(by))
                }
                None => {
                    installation.permissions.remove(permission);
                    Ok(())
                }
            }
        })
    }
}
