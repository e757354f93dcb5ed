//! Why a task is not running: one reason, from what the store holds. Pure; the words are `report`'s.

use super::{EffectKey, EffectState, Orchestration, Snapshot, Task, TaskNumber, TaskState};
use jiff::Timestamp;

/// A runner as it registered, and how many attempts it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Attempts that it can hold.
    pub slots: u32,
    /// Attempts that it holds.
    pub busy: u32,
    /// Agents that it offers.
    pub agents: Vec<String>,
}

/// Where attempts can run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Every registered runner.
    pub runners: Vec<Place>,
    /// Attempts of the installation that are alive.
    pub installation_alive: u32,
}

/// Why a task does not run now, or that it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An agent works on it.
    AtWork,
    /// Its agent is told to stop.
    Stopping,
    /// It has ended; the state tells how.
    Over,
    /// Something is to be sent to GitHub first: what, not before when, and the last error in words.
    GitHub { what: Sending, until: Option<Timestamp>, error: Option<String> },
    /// The App is suspended.
    Suspended,
    /// A person paused the run.
    Paused,
    /// Nothing more can be done for the run; [`super::Gone`] tells why.
    Gone,
    /// These tasks come first.
    After(Vec<TaskNumber>),
    /// The pull requests of these tasks have to be merged first.
    AfterMerge(Vec<TaskNumber>),
    /// All that it waited for is merged; the base branch is read next.
    Base,
    /// No runner is registered.
    NoRunner,
    /// Runners are there, and none offers its agent.
    NoAgent(String),
    /// The run has as many agents at work as `max_workers` allows.
    MaxWorkers { limit: u32 },
    /// The installation has as many agents at work as the server allows.
    Installation { limit: u32 },
    /// Every slot of the runners that offer its agent is taken.
    NoSlot { slots: u32 },
    /// Nothing is in the way: a runner takes it next.
    Next,
}

/// What is to be sent to GitHub before a task can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Its sub-issue.
    SubIssue,
    /// Its pull request.
    PullRequest,
}

/// The reason for one task. `installation_limit` is the server's `attempts_per_installation`.
pub fn explain(
    snapshot: &Snapshot,
    task: &Task,
    places: &Places,
    installation_limit: u32,
    now: Timestamp,
) -> Reason {
    let stops = &snapshot.orchestration.run.stops;
    if task.state.is_terminal() {
        return Reason::Over;
    }
    if task.state == TaskState::Running {
        return if task.halt.is_some() { Reason::Stopping } else { Reason::AtWork };
    }
    if stops.gone.is_some() {
        return Reason::Gone;
    }
    if stops.suspended.is_some() {
        return Reason::Suspended;
    }
    match task.state {
        TaskState::Planned => sending(snapshot, EffectKey::SubIssue(task.number), Sending::SubIssue, now),
        TaskState::Publishing => {
            sending(snapshot, EffectKey::PullRequest(task.number), Sending::PullRequest, now)
        }
        _ => ready(&snapshot.orchestration, task, places, installation_limit),
    }
}

fn sending(snapshot: &Snapshot, key: EffectKey, what: Sending, now: Timestamp) -> Reason {
    let row = snapshot.effects.get(&key);
    let waits = row.filter(|r| matches!(r.state, EffectState::Wanted | EffectState::Doubt));
    Reason::GitHub {
        what,
        until: waits.and_then(|r| r.not_before).filter(|at| *at > now),
        error: waits.and_then(|r| r.error.clone()),
    }
}

fn ready(run: &Orchestration, task: &Task, places: &Places, installation_limit: u32) -> Reason {
    if run.run.stops.paused {
        return Reason::Paused;
    }
    let before = run.in_the_way_of(task);
    if !before.is_empty() {
        return Reason::After(before);
    }
    let unmerged = run.unmerged_before(task);
    if !unmerged.is_empty() {
        return Reason::AfterMerge(unmerged);
    }
    if !task.after_merge.is_empty() && task.base_sha.is_none() {
        return Reason::Base;
    }
    if places.runners.is_empty() {
        return Reason::NoRunner;
    }
    let offers = || places.runners.iter().filter(|p| p.agents.contains(&task.agent));
    if offers().next().is_none() {
        return Reason::NoAgent(task.agent.clone());
    }
    let alive = run.count(TaskState::Running) as u32;
    if let Some(limit) = run.run.policy.max_workers.filter(|limit| alive >= *limit) {
        return Reason::MaxWorkers { limit };
    }
    if places.installation_alive >= installation_limit {
        return Reason::Installation { limit: installation_limit };
    }
    if offers().all(|p| p.busy >= p.slots) {
        return Reason::NoSlot { slots: offers().map(|p| p.slots).sum() };
    }
    Reason::Next
}

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use super::super::{Effect, Gone, Halt, RunId, Scope, Suspension, TaskState as S};
    use super::*;
    use std::collections::BTreeMap;

    fn free() -> Places {
        let place = Place { slots: 2, busy: 1, agents: vec!["command".into()] };
        Places { runners: vec![place], installation_alive: 1 }
    }

    /// The reason for the second of two tasks, of which the first runs.
    fn why(state: S, change: impl FnOnce(&mut Snapshot, &mut Places)) -> Reason {
        let mut snapshot = Snapshot { orchestration: run(&[S::Running, state]), effects: BTreeMap::new() };
        let mut places = free();
        change(&mut snapshot, &mut places);
        let task = snapshot.orchestration.tasks[1].clone();
        explain(&snapshot, &task, &places, 20, at(100))
    }

    #[test]
    fn every_reason_is_told_by_what_the_store_holds() {
        assert_eq!(why(S::Ready, |_, _| ()), Reason::Next);
        assert_eq!(why(S::Ready, |_, p| p.runners.clear()), Reason::NoRunner);
        let other = |p: &mut Places| p.runners[0].agents = vec!["codex".into()];
        assert_eq!(why(S::Ready, |_, p| other(p)), Reason::NoAgent("command".into()));
        assert_eq!(why(S::Ready, |_, p| p.runners[0].busy = 2), Reason::NoSlot { slots: 2 });
        assert_eq!(why(S::Ready, |_, p| p.installation_alive = 20), Reason::Installation { limit: 20 });
        let one = |s: &mut Snapshot| s.orchestration.run.policy.max_workers = Some(1);
        assert_eq!(why(S::Ready, |s, _| one(s)), Reason::MaxWorkers { limit: 1 });
        let ordered = |s: &mut Snapshot| s.orchestration.tasks[1].waits_for = vec![1];
        assert_eq!(why(S::Ready, |s, _| ordered(s)), Reason::After(vec![1]));
        let merges = |s: &mut Snapshot, merged: bool| {
            s.orchestration.tasks[1].after_merge = vec![1];
            s.orchestration.tasks[0].merged_into = merged.then(|| "main".to_owned());
        };
        assert_eq!(why(S::Ready, |s, _| merges(s, false)), Reason::AfterMerge(vec![1]));
        assert_eq!(why(S::Ready, |s, _| merges(s, true)), Reason::Base);
        // An earlier task that is run again waits for the later one at work.
        assert_eq!(
            why(S::Ready, |s, _| s.orchestration.tasks[0].waits_for = vec![2]),
            Reason::After(vec![1])
        );
        assert_eq!(why(S::Ready, |s, _| s.orchestration.run.stops.paused = true), Reason::Paused);
        let suspended = Some(Suspension { since: at(0), look_at: at(9) });
        assert_eq!(why(S::Ready, |s, _| s.orchestration.run.stops.suspended = suspended), Reason::Suspended);
        assert_eq!(why(S::Ready, |s, _| s.orchestration.run.stops.gone = Some(Gone::Archived)), Reason::Gone);
        assert_eq!(why(S::Running, |_, _| ()), Reason::AtWork);
        assert_eq!(
            why(S::Running, |s, _| s.orchestration.tasks[1].halt = Some(Halt::Cancel)),
            Reason::Stopping
        );
        for over in [S::Completed, S::Failed, S::Cancelled, S::Blocked, S::InReview] {
            assert_eq!(why(over, |_, _| ()), Reason::Over);
        }
    }

    #[test]
    fn what_waits_for_github_names_the_time_and_the_error() {
        let row = Effect {
            scope: Scope::Run(RunId::new("ab12")),
            key: EffectKey::SubIssue(2),
            state: EffectState::Wanted,
            wanted: "1".into(),
            applied: None,
            remote: None,
            not_before: Some(at(160)),
            tries: 1,
            applied_at: None,
            error: Some("rate limited".into()),
            payload: serde_json::Value::Null,
        };
        let waits = why(S::Planned, |s, _| drop(s.effects.insert(row.key, row.clone())));
        let expected = Reason::GitHub {
            what: Sending::SubIssue,
            until: Some(at(160)),
            error: Some("rate limited".into()),
        };
        assert_eq!(waits, expected);
        let soon = Reason::GitHub { what: Sending::PullRequest, until: None, error: None };
        assert_eq!(why(S::Publishing, |_, _| ()), soon);
    }
}
