//! What people do on GitHub: the verbs of demonstrations and tests.
//!
//! Each verb does what the page would do, with the person's role checked, and sends the same webhooks.

use super::fault::Fault;
use super::git::Git;
use super::issues::{Draft, Issue};
use super::pulls::PullDraft;
use super::reactions::ReactedTo;
use super::refusal::Refusal;
use super::service::Simulator;
use super::world::{Actor, Role, UserKind, World};
use crate::clock;
use std::path::PathBuf;

/// What a new issue holds.
#[derive(Clone, Debug, Default)]
pub struct NewIssue {
    /// Title.
    pub title: String,
    /// Text.
    pub body: String,
    /// Names of labels; those that do not exist are made.
    pub labels: Vec<String>,
}

impl NewIssue {
    /// An issue without labels.
    pub fn new(title: impl Into<String>, body: impl Into<String>) -> NewIssue {
        NewIssue { title: title.into(), body: body.into(), labels: Vec::new() }
    }

    /// With these labels.
    pub fn labels(mut self, labels: &[&str]) -> NewIssue {
        self.labels = labels.iter().map(|l| (*l).to_owned()).collect();
        self
    }
}

/// What a new repository holds.
#[derive(Clone, Debug)]
pub enum RepoContent {
    /// No commit at all.
    Empty,
    /// One commit with these files (path, content).
    Files(Vec<(String, String)>),
    /// A copy of this revision of a local repository, with its history.
    CopyOf {
        /// Work tree or bare repository.
        dir: PathBuf,
        /// Branch, tag or commit.
        rev: String,
    },
}

impl RepoContent {
    /// One commit with these files.
    pub fn files(files: &[(&str, &str)]) -> RepoContent {
        RepoContent::Files(files.iter().map(|(p, c)| ((*p).to_owned(), (*c).to_owned())).collect())
    }
}

fn item(world: &World, repo: &str, number: u64) -> Result<u64, Refusal> {
    world.numbered(world.repo_id(repo).ok_or_else(Refusal::not_found)?, number)
}

fn known(world: &World, repo: &str) -> Result<u64, Refusal> {
    world.repo_id(repo).ok_or_else(Refusal::not_found)
}

impl Simulator {
    /// Gives a person (made if new) a role in a repository.
    pub fn add_user(&self, repo: &str, login: &str, role: Role) -> Result<(), Refusal> {
        self.grant(repo, login, role, UserKind::User)
    }

    /// Gives another App's bot (made if new; login as `name[bot]`) a role in a repository.
    pub fn add_bot(&self, repo: &str, login: &str, role: Role) -> Result<(), Refusal> {
        self.grant(repo, login, role, UserKind::Bot)
    }

    fn grant(&self, repo: &str, login: &str, role: Role, kind: UserKind) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let repo = known(world, repo)?;
            world.account(login, kind);
            world.repo_mut(repo)?.roles.insert(login.to_lowercase(), role);
            Ok(())
        })
    }

    /// Makes the repository `owner/name`; returns its id.
    pub fn create_repo(
        &self,
        repo: &str,
        default_branch: &str,
        content: &RepoContent,
    ) -> Result<u64, Refusal> {
        self.shared.act(|world| {
            let id = world.make_repo(repo, default_branch)?;
            let git = world.repo_ref(id)?.git.clone();
            let owner = Actor::person(&world.repo_ref(id)?.owner.clone());
            match content {
                RepoContent::Empty => {}
                RepoContent::Files(files) => {
                    let files: Vec<_> =
                        files.iter().map(|(p, c)| (p.clone(), Some(c.clone().into_bytes()))).collect();
                    commit(&git, &owner, default_branch, "Initial commit", &files)?;
                }
                RepoContent::CopyOf { dir, rev } => {
                    let full = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
                    git.import(&full, rev, default_branch)?;
                }
            }
            world.sync_refs(id, &owner)?;
            Ok(id)
        })
    }

    /// Where the bare repository is on disk, to look at it with git.
    pub fn git_dir(&self, repo: &str) -> Option<PathBuf> {
        self.read(|world| world.repo(repo).map(|r| r.git_dir().to_owned()))
    }

    /// Installs the App for all repositories of an organisation; returns the installation's id.
    pub fn install_app(&self, owner: &str) -> Result<u64, Refusal> {
        self.shared.act(|world| world.install(owner, None, &Actor::person(owner)))
    }

    /// Installs the App for some repositories (`owner/name`) of an organisation.
    pub fn install_app_on(&self, owner: &str, repos: &[&str]) -> Result<u64, Refusal> {
        self.shared.act(|world| {
            let ids: Result<Vec<u64>, Refusal> = repos.iter().map(|r| known(world, r)).collect();
            world.install(owner, Some(ids?), &Actor::person(owner))
        })
    }

    /// Where webhooks go from now on.
    pub fn set_webhook_target(&self, url: Option<&str>) {
        self.shared.world().options.webhook_target = url.map(str::to_owned);
    }

    /// What webhooks are signed with from now on.
    pub fn set_webhook_secret(&self, secret: Option<&str>) {
        self.shared.world().options.webhook_secret = secret.map(str::to_owned);
    }

    /// What the App is told of from now on, such as `issues`; nothing else is even queued.
    pub fn subscribe(&self, events: &[&str]) {
        self.shared.world().app.events = events.iter().map(|e| (*e).to_owned()).collect();
    }

    /// Forgets every delivery that was made so far, as GitHub does after three days.
    pub fn forget_deliveries(&self) {
        self.shared.world().deliveries.clear();
    }

    /// Asks for a delivery again, as the button on the App's page does.
    pub fn redeliver(&self, delivery: u64) -> Result<(), Refusal> {
        self.shared.act(|world| world.redeliver(delivery))
    }

    /// Plans a fault.
    pub fn plan_fault(&self, fault: Fault) {
        self.shared.world().faults.push(fault);
    }

    /// Makes every live token expire now.
    pub fn expire_tokens(&self) {
        let now = clock::now();
        for token in &mut self.shared.world().tokens {
            token.expires_at = token.expires_at.min(now);
        }
    }

    /// Opens an issue; returns its number. Labels need the role triage.
    pub fn open_issue(&self, repo: &str, by: &str, issue: NewIssue) -> Result<u64, Refusal> {
        self.shared.act(|world| {
            let (repo, actor) = (known(world, repo)?, Actor::person(by));
            if !issue.labels.is_empty() {
                world.require(repo, &actor, Role::Triage)?;
            }
            let draft = Draft {
                title: issue.title,
                body: Some(issue.body),
                labels: issue.labels,
                ..Draft::default()
            };
            let id = world.open_issue(repo, &actor, draft)?;
            Ok(world.issue_of(id)?.number)
        })
    }

    /// Puts a label on an issue (role triage).
    pub fn label_issue(&self, repo: &str, by: &str, number: u64, label: &str) -> Result<(), Refusal> {
        self.as_role(repo, by, number, Role::Triage, |world, id, actor| {
            world.add_labels(id, actor, &[label.to_owned()])
        })
    }

    /// Takes a label off an issue (role triage).
    pub fn unlabel_issue(&self, repo: &str, by: &str, number: u64, label: &str) -> Result<(), Refusal> {
        self.as_role(repo, by, number, Role::Triage, |world, id, actor| world.remove_label(id, actor, label))
    }

    /// Comments; returns the comment's id.
    pub fn comment(&self, repo: &str, by: &str, number: u64, body: &str) -> Result<u64, Refusal> {
        self.as_role(repo, by, number, Role::None, |world, id, actor| world.add_comment(id, actor, body))
    }

    /// Edits a comment (the author, or role write).
    pub fn edit_comment(&self, by: &str, comment: u64, body: &str) -> Result<(), Refusal> {
        self.own_comment(by, comment, |world, actor| world.edit_comment(comment, actor, body))
    }

    /// Deletes a comment (the author, or role write).
    pub fn delete_comment(&self, by: &str, comment: u64) -> Result<(), Refusal> {
        self.own_comment(by, comment, |world, actor| world.delete_comment(comment, actor))
    }

    /// Reacts to an issue's text.
    pub fn react_to_issue(&self, repo: &str, by: &str, number: u64, content: &str) -> Result<(), Refusal> {
        self.as_role(repo, by, number, Role::None, |world, id, actor| {
            world.react(ReactedTo::Issue(id), actor, content).map(drop)
        })
    }

    /// Edits the title or text of an issue (the author, or role write).
    pub fn edit_issue(
        &self,
        repo: &str,
        by: &str,
        number: u64,
        title: Option<&str>,
        body: Option<&str>,
    ) -> Result<(), Refusal> {
        self.as_author(repo, by, number, Role::Write, |world, id, actor| {
            world.edit_issue(id, actor, title, body.map(Some))
        })
    }

    /// Closes an issue, or a pull request without merging it (the author, or role triage).
    pub fn close_issue(&self, repo: &str, by: &str, number: u64) -> Result<(), Refusal> {
        self.as_author(repo, by, number, Role::Triage, |world, id, actor| {
            world.close_issue(id, actor, "completed")
        })
    }

    /// Closes a pull request without merging it (the author, or role triage).
    pub fn close_pr(&self, repo: &str, by: &str, number: u64) -> Result<(), Refusal> {
        self.close_issue(repo, by, number)
    }

    /// Opens a closed issue or pull request again (the author, or role triage).
    pub fn reopen_issue(&self, repo: &str, by: &str, number: u64) -> Result<(), Refusal> {
        self.as_author(repo, by, number, Role::Triage, |world, id, actor| world.reopen_issue(id, actor))
    }

    /// Deletes an issue for good (role admin).
    pub fn delete_issue(&self, repo: &str, by: &str, number: u64) -> Result<(), Refusal> {
        self.as_role(repo, by, number, Role::Admin, |world, id, actor| world.delete_issue(id, actor))
    }

    /// Makes one issue a sub-issue of another (role triage).
    pub fn add_sub_issue(&self, repo: &str, by: &str, parent: u64, child: u64) -> Result<(), Refusal> {
        self.as_role(repo, by, parent, Role::Triage, |world, id, actor| {
            let child = item(world, repo, child)?;
            world.add_sub_issue(id, child, false, actor)
        })
    }

    /// Makes an issue of another repository of the same owner a sub-issue (role triage in the parent's).
    pub fn add_sub_issue_from(
        &self,
        (repo, parent): (&str, u64),
        (child_repo, child): (&str, u64),
        by: &str,
    ) -> Result<(), Refusal> {
        self.as_role(repo, by, parent, Role::Triage, |world, id, actor| {
            let child = item(world, child_repo, child)?;
            world.add_sub_issue(id, child, false, actor)
        })
    }

    /// Says that one issue is blocked by another (role triage).
    pub fn add_blocked_by(&self, repo: &str, by: &str, blocked: u64, blocker: u64) -> Result<(), Refusal> {
        self.as_role(repo, by, blocked, Role::Triage, |world, id, actor| {
            let blocker = item(world, repo, blocker)?;
            world.add_blocked_by(id, blocker, actor)
        })
    }

    /// Commits files to a branch, made from the default branch if new (role write); `None` deletes a file.
    /// Returns the commit.
    pub fn push_files(
        &self,
        repo: &str,
        by: &str,
        branch: &str,
        message: &str,
        files: &[(&str, Option<&str>)],
    ) -> Result<String, Refusal> {
        self.shared.act(|world| {
            let (id, actor) = (known(world, repo)?, Actor::person(by));
            world.require(id, &actor, Role::Write)?;
            let here = world.repo_ref(id)?;
            let full = format!("refs/heads/{branch}");
            let start = here.git.resolve(&format!("refs/heads/{}", here.default_branch));
            if let Some(start) = start.filter(|_| !here.refs.contains_key(&full)) {
                here.git.update_ref(&full, &start, super::refs::ZERO)?;
            }
            let files: Vec<_> = files
                .iter()
                .map(|(path, content)| ((*path).to_owned(), content.map(|c| c.as_bytes().to_vec())))
                .collect();
            let sha = commit(&here.git, &actor, branch, message, &files)?;
            world.sync_refs(id, &actor)?;
            Ok(sha)
        })
    }

    /// Deletes a branch (role write).
    pub fn delete_branch(&self, repo: &str, by: &str, branch: &str) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let (id, actor) = (known(world, repo)?, Actor::person(by));
            world.require(id, &actor, Role::Write)?;
            world.remove_ref(id, &actor, &format!("refs/heads/{branch}"))
        })
    }

    /// Opens a pull request; returns its number.
    pub fn open_pr(
        &self,
        repo: &str,
        by: &str,
        head: &str,
        base: &str,
        issue: NewIssue,
    ) -> Result<u64, Refusal> {
        self.shared.act(|world| {
            let (id, actor) = (known(world, repo)?, Actor::person(by));
            let new = PullDraft {
                title: issue.title,
                body: Some(issue.body),
                head: head.to_owned(),
                base: base.to_owned(),
                draft: false,
            };
            let pull = world.open_pull(id, &actor, new)?;
            Ok(world.issue_of(pull)?.number)
        })
    }

    /// Marks a draft pull request as ready (the author, or role write).
    pub fn mark_ready(&self, repo: &str, by: &str, number: u64) -> Result<(), Refusal> {
        self.as_author(repo, by, number, Role::Write, |world, id, actor| world.set_draft(id, actor, false))
    }

    /// Merges a pull request with a merge commit (role write); a draft has to be marked as ready first.
    /// Returns the commit.
    pub fn merge_pr(&self, repo: &str, by: &str, number: u64) -> Result<String, Refusal> {
        self.as_role(repo, by, number, Role::Write, |world, id, actor| world.merge_pull(id, actor))
    }

    /// Presses a button of a check run (role write).
    pub fn press_check_button(&self, by: &str, check_run: u64, button: &str) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let repo = world.checks.get(&check_run).ok_or_else(Refusal::not_found)?.repo;
            let actor = Actor::person(by);
            world.require(repo, &actor, Role::Write)?;
            world.press_check_button(check_run, &actor, button)
        })
    }

    fn as_role<T>(
        &self,
        repo: &str,
        by: &str,
        number: u64,
        least: Role,
        verb: impl FnOnce(&mut World, u64, &Actor) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.shared.act(|world| {
            let (id, actor) = (item(world, repo, number)?, Actor::person(by));
            world.require(world.issue_of(id)?.repo, &actor, least)?;
            world.account(by, UserKind::User);
            verb(world, id, &actor)
        })
    }

    fn as_author<T>(
        &self,
        repo: &str,
        by: &str,
        number: u64,
        least: Role,
        verb: impl FnOnce(&mut World, u64, &Actor) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let author = self.read(|world| {
            let id = item(world, repo, number)?;
            world.issue_of(id).map(|issue: &Issue| issue.author.login.clone())
        })?;
        let least = if author.eq_ignore_ascii_case(by) { Role::None } else { least };
        self.as_role(repo, by, number, least, verb)
    }

    fn own_comment(
        &self,
        by: &str,
        comment: u64,
        verb: impl FnOnce(&mut World, &Actor) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.shared.act(|world| {
            let actor = Actor::person(by);
            let found = world.comments.get(&comment).ok_or_else(Refusal::not_found)?;
            if !found.author.login.eq_ignore_ascii_case(by) {
                world.require(world.issue_of(found.issue)?.repo, &actor, Role::Write)?;
            }
            verb(world, &actor)
        })
    }
}

fn commit(
    git: &Git,
    actor: &Actor,
    branch: &str,
    message: &str,
    files: &[(String, Option<Vec<u8>>)],
) -> Result<String, Refusal> {
    let email = format!("{}@users.noreply.github.com", actor.login);
    Ok(git.commit_files(branch, (&actor.login, &email), clock::now(), message, files)?)
}
