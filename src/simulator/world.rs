//! The state of the simulated GitHub: accounts, repositories and everything in them.
//!
//! The files of each subject (`issues`, `pulls`, ...) hold their part of the model and the verbs that change it;
//! a verb is called alike by people's hands and by the API, and emits the webhooks.

use super::app::{App, Installation, MintedToken};
use super::checks::CheckRun;
use super::comments::Comment;
use super::deliveries::Delivery;
use super::fault::Fault;
use super::git::{Git, GitError};
use super::issues::Issue;
use super::labels::Label;
use super::limits::{Ledger, Violation};
use super::options::Options;
use super::outage::Outages;
use super::refusal::Refusal;
use super::watch::CallRecord;
use crate::clock;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::Path;

/// Everything that the simulated GitHub knows. Read it through `Simulator::read` or `wait_until`.
pub struct World {
    pub(super) options: Options,
    pub(super) base: String,
    pub(super) app: App,
    pub(super) users: BTreeMap<String, User>,
    pub(super) repos: BTreeMap<u64, Repo>,
    /// Former full names in lower case, and where they lead.
    pub(super) moved: BTreeMap<String, u64>,
    pub(super) issues: BTreeMap<u64, Issue>,
    pub(super) comments: BTreeMap<u64, Comment>,
    pub(super) checks: BTreeMap<u64, CheckRun>,
    pub(super) installations: BTreeMap<u64, Installation>,
    pub(super) tokens: Vec<MintedToken>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) calls: Vec<CallRecord>,
    pub(super) faults: Vec<Fault>,
    pub(super) outages: Outages,
    pub(super) ledgers: BTreeMap<u64, Ledger>,
    pub(super) violations: Vec<Violation>,
    last_id: u64,
}

/// An account.
#[derive(Clone, Debug)]
pub struct User {
    /// Database id.
    pub id: u64,
    /// Login as written.
    pub login: String,
    /// Person, bot or organisation.
    pub kind: UserKind,
}

/// What kind of account it is; GitHub's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserKind {
    /// A person.
    User,
    /// The account of an App.
    Bot,
    /// An organisation; all owners of repositories are.
    Organization,
}

impl UserKind {
    /// GitHub's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            UserKind::User => "User",
            UserKind::Bot => "Bot",
            UserKind::Organization => "Organization",
        }
    }
}

/// What somebody may do in a repository, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing (may read a public repository, and comment there).
    None,
    /// Read and comment.
    Read,
    /// Read, and label and close issues.
    Triage,
    /// Push.
    Write,
    /// Push and manage.
    Maintain,
    /// Everything.
    Admin,
}

impl Role {
    /// `role_name` of the permission endpoint.
    pub fn name(self) -> &'static str {
        match self {
            Role::None => "none",
            Role::Read => "read",
            Role::Triage => "triage",
            Role::Write => "write",
            Role::Maintain => "maintain",
            Role::Admin => "admin",
        }
    }

    /// `permission` of that endpoint: maintain shows as write, triage as read.
    pub fn permission(self) -> &'static str {
        match self {
            Role::None => "none",
            Role::Read | Role::Triage => "read",
            Role::Write | Role::Maintain => "write",
            Role::Admin => "admin",
        }
    }
}

/// Who does something: an account, and whether through the App's installation token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Login of the account.
    pub login: String,
    /// True for the App itself.
    pub via_app: bool,
}

impl Actor {
    /// A person, or another App's bot.
    pub fn person(login: &str) -> Actor {
        Actor { login: login.to_owned(), via_app: false }
    }
}

/// A repository.
#[derive(Clone, Debug)]
pub struct Repo {
    /// Database id.
    pub id: u64,
    /// Login of the organisation.
    pub owner: String,
    /// Name without the owner.
    pub name: String,
    /// Name of the default branch.
    pub default_branch: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something was last pushed.
    pub pushed_at: Timestamp,
    pub(super) git: Git,
    pub(super) archived: bool,
    pub(super) has_issues: bool,
    pub(super) labels: Vec<Label>,
    pub(super) roles: BTreeMap<String, Role>,
    /// Issue and pull request ids by number.
    pub(super) numbers: BTreeMap<u64, u64>,
    /// Refs as last announced, to tell what a push changed.
    pub(super) refs: BTreeMap<String, String>,
}

impl Repo {
    /// `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// Where the bare repository is on disk.
    pub fn git_dir(&self) -> &Path {
        self.git.dir()
    }

    /// Refs and what they point at, as of the last push, API call or merge.
    pub fn refs(&self) -> &BTreeMap<String, String> {
        &self.refs
    }

    /// Labels of the repository.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// What somebody may do here.
    pub fn role(&self, login: &str) -> Role {
        self.roles.get(&login.to_lowercase()).copied().unwrap_or(Role::None)
    }
}

impl World {
    pub(super) fn new(options: Options, base: String) -> World {
        let mut world = World {
            app: App::new(&options, clock::now()),
            options,
            base,
            users: BTreeMap::new(),
            repos: BTreeMap::new(),
            moved: BTreeMap::new(),
            issues: BTreeMap::new(),
            comments: BTreeMap::new(),
            checks: BTreeMap::new(),
            installations: BTreeMap::new(),
            tokens: Vec::new(),
            deliveries: Vec::new(),
            calls: Vec::new(),
            faults: Vec::new(),
            outages: Outages::default(),
            ledgers: BTreeMap::new(),
            violations: Vec::new(),
            // Real ids have outgrown 32 bits; so do these, to find columns that have not.
            last_id: 3_000_000_000,
        };
        let bot = world.app.bot_login();
        world.account(&bot, UserKind::Bot);
        world.account(&world.app.owner.clone(), UserKind::Organization);
        world
    }

    /// A new database id; never one that is also an issue's number.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The account of that login, made when there is none.
    pub(super) fn account(&mut self, login: &str, kind: UserKind) -> &User {
        let id = self.next_id();
        self.users.entry(login.to_lowercase()).or_insert_with(|| User { id, login: login.to_owned(), kind })
    }

    /// The App as an actor.
    pub(super) fn app_actor(&self) -> Actor {
        Actor { login: self.app.bot_login(), via_app: true }
    }

    pub(super) fn repo_id(&self, full_name: &str) -> Option<u64> {
        self.repos.values().find(|r| r.full_name().eq_ignore_ascii_case(full_name)).map(|r| r.id)
    }

    /// The repository of that id, which the caller has looked up before.
    pub(super) fn repo_ref(&self, id: u64) -> Result<&Repo, Refusal> {
        self.repos.get(&id).ok_or_else(Refusal::not_found)
    }

    pub(super) fn repo_mut(&mut self, id: u64) -> Result<&mut Repo, Refusal> {
        self.repos.get_mut(&id).ok_or_else(Refusal::not_found)
    }

    pub(super) fn make_repo(&mut self, full_name: &str, default_branch: &str) -> Result<u64, Refusal> {
        let (owner, name) = full_name
            .split_once('/')
            .filter(|(o, n)| plain_name(o) && plain_name(n))
            .ok_or_else(|| Refusal::invalid("Repository", "name", "invalid"))?;
        if self.repo_id(full_name).is_some() {
            return Err(Refusal::custom("Repository", Some("name"), "name already exists on this account"));
        }
        self.account(owner, UserKind::Organization);
        let now = clock::now();
        let id = self.next_id();
        let dir = self.options.git_root.join(owner).join(format!("{name}.git"));
        let git = match self.options.git_in_memory {
            true => Git::in_memory(dir),
            false => Git::init(&dir, default_branch)?,
        };
        let repo = Repo {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            default_branch: default_branch.to_owned(),
            created_at: now,
            pushed_at: now,
            git,
            archived: false,
            has_issues: true,
            labels: Vec::new(),
            roles: BTreeMap::new(),
            numbers: BTreeMap::new(),
            refs: BTreeMap::new(),
        };
        self.repos.insert(id, repo);
        Ok(id)
    }

    /// Refuses when the person has less than this role.
    pub(super) fn require(&self, repo: u64, actor: &Actor, least: Role) -> Result<(), Refusal> {
        if actor.via_app || self.repo_ref(repo)?.role(&actor.login) >= least {
            return Ok(());
        }
        Err(Refusal::new(403, format!("{} has not the role {} here", actor.login, least.name())))
    }
}

fn plain_name(name: &str) -> bool {
    let dots_only = name.bytes().all(|b| b == b'.');
    !dots_only && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl From<GitError> for Refusal {
    /// Git failing where it should not is the server's fault.
    fn from(error: GitError) -> Refusal {
        Refusal::new(500, error.to_string())
    }
}
