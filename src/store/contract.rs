//! The `Store` trait: what the rest of the crate may ask of a database.

use crate::domain::estimate::History;
use crate::domain::explain::Places;
use crate::domain::schedule::Limits;
use crate::domain::{
    AttemptId, DeliveryId, Effect, EffectKey, Orchestration, Progress, Refusal, Remote, RunEvent, RunId,
    RunPolicy, RunnerId, Scope, Snapshot, Spent, StartOptions, TaskNumber,
};
use crate::plan::Plan;
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// Why a store operation did not happen. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is locked, full, gone or too slow: try again later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A row does not hold what this version expects.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
    /// `domain` refused the event.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
}

/// A verified, routed delivery.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// The GUID.
    pub id: DeliveryId,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The raw body.
    pub payload: Vec<u8>,
}

/// What became of a delivery at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Committed now.
    New,
    /// Its GUID was there already.
    Known,
}

/// A delivery that waits to be worked on.
#[derive(Clone, Debug)]
pub struct InboxDelivery {
    /// The GUID.
    pub id: DeliveryId,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The raw body.
    pub payload: Vec<u8>,
    /// When it was committed.
    pub received_at: Timestamp,
    /// How often it was tried before.
    pub tries: u32,
}

/// Work that goes through a list by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The catch-up of deliveries: all that GitHub attempted before are here or need not be.
    Deliveries,
    /// The look for labelled issues whose delivery GitHub no longer keeps.
    Labelled,
}

impl Mark {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries",
            Self::Labelled => "labelled",
        }
    }
}

/// An effect that an intake wants, in a delivery's scope.
#[derive(Clone, Debug)]
pub struct NewEffect {
    /// Which.
    pub key: EffectKey,
    /// What it needs (repository, issue, text).
    pub payload: serde_json::Value,
}

impl NewEffect {
    /// Whether it is a comment, and not a reaction.
    pub fn is_notice(&self) -> bool {
        self.key == EffectKey::Notice
    }
}

/// A plan that was posted, with everything that it was made of: it can be started exactly as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PostedPlan {
    /// The repository's id.
    pub repo: u64,
    /// The issue's number.
    pub issue: u64,
    /// The delivery that asked for it, and whose answer the comment is.
    pub delivery: DeliveryId,
    /// When it was made.
    pub at: Timestamp,
    /// The options, without that it was a dry run.
    pub options: StartOptions,
    /// The issue's title.
    pub title: String,
    /// The issue's text.
    pub body: String,
    /// The rules, lowered by the options and the server.
    pub policy: RunPolicy,
    /// The plan. Which tasks were left out follows from the options.
    pub plan: Plan,
    /// The issues that the plan names, by number.
    pub linked: BTreeMap<u64, LinkedIssue>,
}

/// What is kept of an issue that a plan names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedIssue {
    /// Whether it was open.
    pub open: bool,
    /// Fingerprint of its title and text.
    pub text: String,
}

/// Whether people can have seen a posted plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its comment is there.
    Yes,
    /// Its comment may be there, or will be.
    NotYet,
    /// GitHub refused the comment.
    Never,
}

/// Everything that working on one delivery changes, in one transaction.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The delivery.
    pub delivery: DeliveryId,
    /// What the event is about, the same for every delivery of it, such as `comment:17`. A second delivery with a
    /// known key changes nothing.
    pub trigger: Option<String>,
    /// What was decided, for logs and people who look into the database.
    pub note: String,
    /// Answers.
    pub effects: Vec<NewEffect>,
    /// A new run.
    pub start: Option<Orchestration>,
    /// An event for a run that exists.
    pub change: Option<(RunId, RunEvent)>,
    /// A plan that its answer tells: it takes the place of the one that the issue had. A start takes that away.
    pub posted: Option<Box<PostedPlan>>,
}

impl Settlement {
    /// The delivery is done and changes nothing.
    pub fn only(delivery: DeliveryId) -> Self {
        Self {
            delivery,
            trigger: None,
            note: String::new(),
            effects: Vec::new(),
            start: None,
            change: None,
            posted: None,
        }
    }
}

/// What became of a [`Settlement`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// All of it is committed.
    Done,
    /// The trigger is known from another delivery; only the delivery is marked done.
    Duplicate,
    /// The master issue has a live run already, or the run refused the event: nothing was changed, look again.
    Conflict,
}

/// What an event left behind.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The run after the event.
    pub after: Orchestration,
}

/// What is known when an effect is about to be sent.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The row, now `sending`.
    pub effect: Effect,
    /// Whether an earlier request for it may have reached GitHub without a recorded answer: look before you send.
    pub may_have_been_sent: bool,
}

/// A runner process as it registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerSeen {
    /// This process.
    pub runner: RunnerId,
    /// Its host.
    pub host_id: String,
    /// Its slots.
    pub slots: u32,
    /// Agents it can run.
    pub agents: Vec<String>,
    /// Its sandbox tier.
    pub tier: String,
    /// Attempts of earlier processes of its host that had begun.
    pub found: Vec<AttemptId>,
}

/// What a runner says about one attempt that it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// Which.
    pub attempt: AttemptId,
    /// Its fence.
    pub epoch: u64,
    /// What people may see.
    pub progress: Progress,
}

/// One tick of the store's clock.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// The wall clock.
    pub now: Timestamp,
    /// How long a lease lasts.
    pub lease: Duration,
    /// Whether nothing has interrupted the time since the tick before: no start, no failed tick, no gap, no jump of the wall clock.
    pub continues: bool,
}

/// What a tick found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticked {
    /// Since when the store is reachable without a break.
    pub continuous_since: Timestamp,
    /// The runs in which leases ended.
    pub changed: Vec<RunId>,
    /// How many leases were cut.
    pub cut: u32,
}

/// An attempt that was handed out.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Which.
    pub attempt: AttemptId,
    /// Its fence.
    pub epoch: u64,
    /// The run with the task already `running`.
    pub orchestration: Orchestration,
}

/// What a number in a repository is to Divisi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskRole {
    /// The sub-issue of a task.
    SubIssue(RunId, TaskNumber),
    /// The follow-up issue of a task.
    FollowUp(RunId, TaskNumber),
    /// The pull request of a task.
    PullRequest(RunId, TaskNumber),
}

impl TaskRole {
    /// The task that it belongs to.
    pub fn task(&self) -> (&RunId, TaskNumber) {
        match self {
            Self::SubIssue(run, task) | Self::FollowUp(run, task) | Self::PullRequest(run, task) => {
                (run, *task)
            }
        }
    }
}

/// So many attempts at most are a history: what was long ago says little of now.
pub const HISTORY: u32 = 200;

/// The database. Every method is one transaction unless it says otherwise; every error means that nothing changed.
#[async_trait]
pub trait Store: Send + Sync {
    // -- inbox

    /// Commits a delivery durably (fsync) before it returns.
    async fn delivery_received(&self, delivery: NewDelivery, now: Timestamp) -> Result<Received, StoreError>;
    /// The oldest delivery that is due (`new`, and not deferred past `now`) and none of `but`. Does not lock it: one intake loop.
    async fn delivery_due(
        &self,
        now: Timestamp,
        but: &[DeliveryId],
    ) -> Result<Option<InboxDelivery>, StoreError>;
    /// Puts a delivery off until `until` after a temporary failure; `error` is kept for people.
    async fn delivery_deferred(
        &self,
        id: &DeliveryId,
        until: Timestamp,
        error: &str,
    ) -> Result<(), StoreError>;
    /// Marks it done together with everything that it changes.
    async fn delivery_settled(&self, settlement: Settlement, now: Timestamp) -> Result<Settled, StoreError>;
    /// Removes settled deliveries received before `before`, and their settled effects; returns how many. In steps, each a transaction,
    /// so that deliveries which come in do not wait for all of it.
    async fn deliveries_pruned(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Which of these GUIDs were committed here.
    async fn deliveries_known(&self, ids: &[DeliveryId]) -> Result<HashSet<DeliveryId>, StoreError>;
    /// The plan of an issue that was posted last and not started since, and whether people can have seen it. One that this
    /// version cannot read counts as none.
    async fn plan_posted(&self, repo: u64, issue: u64) -> Result<Option<(PostedPlan, Told)>, StoreError>;
    /// Whether a delivery waits to be worked on, due or not.
    async fn deliveries_waiting(&self) -> Result<bool, StoreError>;
    /// Whether a delivery has told that the trigger label was put on this issue, ever.
    async fn label_known(&self, repo: u64, issue: u64) -> Result<bool, StoreError>;
    /// How far this work had come; `None` in a new database.
    async fn mark(&self, mark: Mark) -> Result<Option<Timestamp>, StoreError>;
    /// It has come so far; a mark moves forward only.
    async fn mark_moved(&self, mark: Mark, at: Timestamp) -> Result<(), StoreError>;

    // -- runs

    /// The run with its tasks and effects.
    async fn snapshot(&self, run: &RunId) -> Result<Snapshot, StoreError>;
    /// Applies an event to a run through `Orchestration::apply` and stores the result; for a run that is
    /// active or had ended. Marks the run unsettled.
    async fn run_changed(&self, run: &RunId, event: RunEvent, now: Timestamp)
    -> Result<Recorded, StoreError>;
    /// Marks the run as having nothing left to do, if nothing changed since `seen` was read (compare with the stored
    /// state); returns whether it was marked.
    async fn run_settled(&self, seen: &Orchestration) -> Result<bool, StoreError>;
    /// Runs that are not settled.
    async fn runs_open(&self) -> Result<Vec<RunId>, StoreError>;
    /// The newest run of a master issue.
    async fn run_of_master(&self, repo: u64, master: u64) -> Result<Option<Orchestration>, StoreError>;
    /// All runs, newest first, at most `limit`.
    async fn runs(&self, limit: u32) -> Result<Vec<Orchestration>, StoreError>;
    /// How many runs of a repository are active.
    async fn runs_active(&self, repo: u64) -> Result<u32, StoreError>;
    /// How many orchestration ids of a repository begin with this text (`orch-12-20261124`), for the `-{n}`.
    async fn orchestrations_named(&self, repo: u64, prefix: &str) -> Result<u32, StoreError>;
    /// What a number is to us, in the newest run that knows it.
    async fn role_of(&self, repo: u64, number: u64) -> Result<Option<TaskRole>, StoreError>;

    // -- effects

    /// Effects of deliveries that are not settled and due.
    async fn answers_due(&self, now: Timestamp) -> Result<Vec<Effect>, StoreError>;
    /// Records the intent: the row becomes `sending` for `digest` (it is made if missing), before anything is sent.
    async fn effect_intended(
        &self,
        scope: &Scope,
        key: EffectKey,
        digest: &str,
        now: Timestamp,
    ) -> Result<Intent, StoreError>;
    /// Rows that are `sending` belong to a process that died: `doubt` for each, to be looked up not before `look_at`.
    /// Called once at start, before anything is sent; returns how many.
    async fn effects_interrupted(&self, look_at: Timestamp) -> Result<u64, StoreError>;
    /// Records what GitHub shows now: `done` with `applied` = `digest` (another digest than the row wants means that an
    /// older version was found), with what it is called, and the event that follows for the run (in the same
    /// transaction; a refused event is dropped).
    async fn effect_applied(
        &self,
        scope: &Scope,
        key: EffectKey,
        digest: &str,
        remote: Option<Remote>,
        event: Option<RunEvent>,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// Further effects are wanted from now on; those that have a row keep it.
    async fn effects_wanted(&self, scope: &Scope, effects: Vec<NewEffect>) -> Result<(), StoreError>;
    /// It was made after a look found nothing, so an earlier request may show up yet: `doubt` with what it is called, to
    /// be looked for once more not before `look_at`. It counts as not applied until then.
    async fn effect_made_in_doubt(
        &self,
        scope: &Scope,
        key: EffectKey,
        remote: Remote,
        look_at: Timestamp,
    ) -> Result<(), StoreError>;
    /// The outcome is unknown: `doubt`, to be looked up not before `look_at`.
    async fn effect_doubted(
        &self,
        scope: &Scope,
        key: EffectKey,
        look_at: Timestamp,
        error: &str,
    ) -> Result<(), StoreError>;
    /// Surely not sent (or surely not applied): `wanted` again, not before `until`.
    async fn effect_postponed(
        &self,
        scope: &Scope,
        key: EffectKey,
        until: Timestamp,
        error: &str,
    ) -> Result<(), StoreError>;
    /// GitHub refused it for good, with the event that follows for the run.
    async fn effect_refused(
        &self,
        scope: &Scope,
        key: EffectKey,
        error: &str,
        event: Option<RunEvent>,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// What GitHub shows is gone (a person deleted the comment): forget `remote` and `applied`, so that it is made anew.
    async fn effect_forgotten(&self, scope: &Scope, key: EffectKey) -> Result<(), StoreError>;

    // -- runners and leases

    /// A runner process registered: nothing of earlier processes of its host is alive. Their leases end at once
    /// (`Interrupted` for each that had begun, `Released` for the others), and the host is handed those attempts before anything else; returns the runs that this
    /// changed.
    async fn runner_registered(&self, seen: RunnerSeen, now: Timestamp) -> Result<Vec<RunId>, StoreError>;
    /// Hands out the next attempt (`domain::schedule::pick` among the tasks of active runs that `Orchestration::may_start`) under a lease until `now +
    /// lease`, or again one that this runner holds and does not list in `holds`. Attempts that this host was interrupted
    /// in come first (`Resumed`), those of other hosts only when their grace is over. `None`: nothing to do.
    async fn attempt_claimed(
        &self,
        runner: &RunnerId,
        holds: &[AttemptId],
        limits: &Limits,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Option<Claimed>, StoreError>;
    /// One tick of the store's clock. When the store has been reachable without a break for a whole lease, every lease that ran out
    /// before now ends; never earlier, because whoever holds one may not have been able to renew it. Leases that end later than any that
    /// is given now can (the wall clock was set back) are cut.
    async fn clock_ticked(&self, tick: Tick) -> Result<Ticked, StoreError>;
    /// A runner's heartbeat, all beats in one transaction: renews each lease that is this runner's (attempt, epoch, state `running`; not
    /// whether it has run out) until `until`. For each beat in order the run afterwards; `None`: the lease is not this runner's.
    async fn attempts_renewed(
        &self,
        runner: &RunnerId,
        beats: &[Beat],
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Option<Orchestration>>, StoreError>;
    /// The same look without a renewal.
    async fn attempts_held(
        &self,
        runner: &RunnerId,
        beats: &[Beat],
    ) -> Result<Vec<Option<Orchestration>>, StoreError>;
    /// Whether this runner holds the attempt at this epoch (state `running`).
    async fn lease_held(
        &self,
        attempt: &AttemptId,
        epoch: u64,
        runner: &RunnerId,
    ) -> Result<bool, StoreError>;
    /// The epoch and the runner under which an attempt ended, if it has: for a repeated `finish`.
    async fn attempt_ended_by(&self, attempt: &AttemptId) -> Result<Option<(u64, RunnerId)>, StoreError>;

    /// The runner hands an attempt back in order (`Released`); whether it held it at this epoch. Repeating it is safe.
    async fn attempt_released(
        &self,
        runner: &RunnerId,
        attempt: &AttemptId,
        epoch: u64,
        spent: Spent,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Those of `attempts` that this host has a lease on, or may yet be handed to resume.
    async fn attempts_kept(&self, host: &str, attempts: Vec<AttemptId>)
    -> Result<Vec<AttemptId>, StoreError>;
    /// What the newest attempts of this agent took that led to a result, at most [`HISTORY`] of them: those in this repository, or
    /// where there are none, in all.
    async fn history(&self, repo: u64, agent: &str) -> Result<History, StoreError>;
    /// The runners that are registered, with what they hold, and how many attempts of the installation are alive.
    async fn places(&self, installation: u64) -> Result<Places, StoreError>;

    // -- limits

    /// Keeps the levels of these installations' limiters, each a text that means something to its writer only.
    async fn limits_saved(&self, levels: &[(u64, String)], now: Timestamp) -> Result<(), StoreError>;
    /// The level of each installation that was kept last.
    async fn limits_kept(&self) -> Result<Vec<(u64, String)>, StoreError>;

    // -- health

    /// Whether a write works and the schema is current.
    async fn ready(&self) -> Result<(), StoreError>;
}
