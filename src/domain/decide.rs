//! `decide`: what is to be done for a run now. Pure; the executor makes no choices.

use super::{Effect, EffectKey, EffectState, Emoji, Orchestration, RunState, Task, TaskNumber, TaskState};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Ends that fall within this time share one edit of the progress comment.
pub const EDIT_GAP: Duration = Duration::from_secs(5);

/// After so many requests for a label that GitHub did not take, the sub-issues do not wait for it any more.
const LABEL_TRIES: u32 = 3;
/// The same for a label of which nobody knows whether it is there: more often than a run is proven to bear crashes.
const LABEL_DOUBTS: u32 = 10;

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make this so on GitHub, in this version.
    Effect { key: EffectKey, digest: String },
    /// Everything is terminal and told about: end the run.
    End,
    /// Read where the base branch is, for a task that waited for merges and may start from there.
    ReadBase(TaskNumber),
    /// Ask GitHub whether the App, the repository and the master issue are as they were.
    LookAround,
    /// Nothing more now; look again then.
    WakeAt(Timestamp),
}

/// A run with everything that `decide` looks at.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The run and its tasks.
    pub orchestration: Orchestration,
    /// Its effects.
    pub effects: BTreeMap<EffectKey, Effect>,
}

/// The actions that bring GitHub and the run one step closer to what the state says, in the order in which
/// they should be carried out. Empty means that the run is settled until something happens.
pub fn decide(snapshot: &Snapshot, now: Timestamp) -> Vec<Action> {
    let orchestration = &snapshot.orchestration;
    if orchestration.run.stops.gone.is_some() {
        // Nothing can be said any more; agents that still run are waited for.
        let over = orchestration.tasks.iter().all(|t| t.state.is_terminal());
        let end = over && orchestration.run.state == RunState::Active;
        return if end { vec![Action::End] } else { Vec::new() };
    }
    if let Some(suspended) = orchestration.run.stops.suspended {
        let at = suspended.look_at;
        return vec![if at > now { Action::WakeAt(at) } else { Action::LookAround }];
    }
    let mut steps = Steps { snapshot, now, actions: Vec::new(), wake: None };
    steps.labels();
    steps.bases();
    steps.sub_issues();
    steps.pull_requests();
    steps.follow_ups();
    steps.links();
    steps.merged();
    steps.folds();
    match snapshot.orchestration.run.state {
        RunState::Active => {
            if steps.ready_to_end() {
                steps.actions.push(Action::End);
            } else {
                steps.progress(false);
            }
        }
        RunState::Ended(_) => {
            steps.progress(true);
            let digest = format!("{}#{}", snapshot.orchestration.digest(), snapshot.orchestration.run.round);
            steps.want(EffectKey::Summary, digest);
            for target in &snapshot.orchestration.run.triggers {
                steps.want(EffectKey::React(*target, Emoji::Rocket), "1".to_owned());
            }
        }
    }
    let mut actions = steps.actions;
    if let Some(at) = steps.wake {
        actions.push(Action::WakeAt(at));
    }
    actions
}

struct Steps<'a> {
    snapshot: &'a Snapshot,
    now: Timestamp,
    actions: Vec<Action>,
    wake: Option<Timestamp>,
}

impl Steps<'_> {
    fn settled(&self, key: EffectKey, digest: &str) -> bool {
        self.snapshot.effects.get(&key).is_some_and(|e| e.settled(digest))
    }

    /// Asks for the effect unless it is settled; while it waits (a limit, a doubt), only its time is kept.
    fn want(&mut self, key: EffectKey, digest: String) {
        if self.settled(key, &digest) {
            return;
        }
        match self.snapshot.effects.get(&key).and_then(|e| e.not_before) {
            Some(at) if at > self.now => self.wake_at(at),
            _ => self.actions.push(Action::Effect { key, digest }),
        }
    }

    fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |w| w.min(at)));
    }

    /// Before the sub-issues, which would make them without colour and description.
    fn labels(&mut self) {
        let run = &self.snapshot.orchestration.run;
        if run.state == RunState::Active {
            for number in (1..).take(run.labels.missing.len()) {
                self.want(EffectKey::Label(number), "1".to_owned());
            }
        }
    }

    fn bases(&mut self) {
        let run = &self.snapshot.orchestration;
        for task in &run.tasks {
            match run.base_readable(task) {
                Some(at) if at > self.now => self.wake_at(at),
                Some(_) => self.actions.push(Action::ReadBase(task.number)),
                None => {}
            }
        }
    }

    /// Whether a label that may be there already, or could not be asked for, is waited for: a few times, for a run is not
    /// held up by a colour.
    fn label_waits(&self) -> bool {
        let missing = self.snapshot.orchestration.run.labels.missing.len();
        let waits = |e: &Effect| {
            let most = if e.state == EffectState::Wanted { LABEL_TRIES } else { LABEL_DOUBTS };
            !e.settled("1") && e.tries < most && e.not_before.is_some_and(|at| at > self.now)
        };
        (1..).take(missing).any(|n| self.snapshot.effects.get(&EffectKey::Label(n)).is_some_and(waits))
    }

    fn sub_issues(&mut self) {
        if self.label_waits() {
            return;
        }
        for task in &self.snapshot.orchestration.tasks {
            if task.state == TaskState::Planned {
                // By round: a retry asks again for what GitHub refused in the round before.
                let round = self.snapshot.orchestration.run.round;
                self.want(EffectKey::SubIssue(task.number), round.to_string());
            }
        }
    }

    fn links(&mut self) {
        for task in &self.snapshot.orchestration.tasks {
            if task.sub_issue.is_some() && task.state != TaskState::InReview {
                self.want(EffectKey::Link(task.number), "1".to_owned());
                for on in task.waits_for.iter().chain(&task.after_merge) {
                    if self.snapshot.orchestration.task(*on).is_some_and(|t| t.sub_issue.is_some()) {
                        self.want(EffectKey::BlockedBy(task.number, *on), "1".to_owned());
                    }
                }
            }
        }
    }

    /// GitHub closes an issue when a pull request is merged into the default branch, and only then.
    fn merged(&mut self) {
        let run = &self.snapshot.orchestration.run;
        for task in &self.snapshot.orchestration.tasks {
            let elsewhere = task.merged_into.as_ref().is_some_and(|b| *b != run.repo.default_branch);
            if elsewhere && task.sub_issue.is_some() {
                self.want(EffectKey::CloseSubIssue(task.number), "1".to_owned());
            }
        }
    }

    /// What was found twice is wanted by its row alone.
    fn folds(&mut self) {
        for key in self.snapshot.effects.keys().filter(|k| matches!(k, EffectKey::Fold(..))) {
            self.want(*key, "1".to_owned());
        }
    }

    fn pull_requests(&mut self) {
        for task in &self.snapshot.orchestration.tasks {
            if task.state == TaskState::Publishing {
                self.want(EffectKey::PullRequest(task.number), task.attempt.to_string());
            }
        }
    }

    fn follow_ups(&mut self) {
        for task in &self.snapshot.orchestration.tasks {
            if let Some(digest) = self.follow_up_digest(task) {
                self.want(EffectKey::FollowUp(task.number), digest);
            }
        }
    }

    /// All tasks are terminal, and every failure has its follow-up (or GitHub refused it).
    fn ready_to_end(&self) -> bool {
        let tasks = &self.snapshot.orchestration.tasks;
        tasks.iter().all(|t| t.state.is_terminal())
            && tasks.iter().all(|t| {
                self.follow_up_digest(t).is_none_or(|d| self.settled(EffectKey::FollowUp(t.number), &d))
            })
    }

    /// The version of a task's follow-up issue: open for a failure, closed once a retry succeeded. One that may
    /// have been made without an answer is closed too: the look that comes first finds it, or there is nothing to close.
    fn follow_up_digest(&self, task: &Task) -> Option<String> {
        let may_be_there = || {
            let row = self.snapshot.effects.get(&EffectKey::FollowUp(task.number));
            row.is_some_and(|e| matches!(e.state, EffectState::Sending | EffectState::Doubt))
        };
        match task.state {
            TaskState::Failed => Some(format!("open-{}", task.attempt)),
            TaskState::Completed if task.follow_up.is_some() || may_be_there() => {
                Some(format!("closed-{}", task.attempt))
            }
            _ => None,
        }
    }

    /// Edited on change: at once when a task ended (ends within [`EDIT_GAP`] share an edit), else at most
    /// every `status_interval`.
    fn progress(&mut self, last: bool) {
        let run = &self.snapshot.orchestration.run;
        let tasks = &self.snapshot.orchestration.tasks;
        let digest = if last {
            format!("{}#{}", self.snapshot.orchestration.digest(), run.round)
        } else {
            self.snapshot.orchestration.digest()
        };
        let Some(row) = self.snapshot.effects.get(&EffectKey::Progress) else {
            // The first version tells the plan with its sub-issues, so it waits until they are there.
            if last || tasks.iter().all(|t| t.state != TaskState::Planned) {
                self.want(EffectKey::Progress, digest);
            }
            return;
        };
        if row.settled(&digest) {
            return;
        }
        let terminal = |d: &str| d.split('|').next().map(str::to_owned);
        let an_end = row.applied.as_deref().and_then(terminal) != terminal(&digest);
        let gap = match (last, an_end) {
            (true, _) => Duration::ZERO,
            (false, true) => EDIT_GAP.min(run.policy.status_interval),
            (false, false) => run.policy.status_interval,
        };
        let due = row.applied_at.map(|at| at + SignedDuration::try_from(gap).unwrap_or(SignedDuration::ZERO));
        match due {
            Some(due) if due > self.now => self.wake_at(due),
            _ => self.want(EffectKey::Progress, digest),
        }
    }
}
