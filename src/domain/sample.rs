//! Runs, tasks and events for the domain's tests.

use super::*;
use jiff::Timestamp;

/// So many seconds after the tests' zero.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_764_000_000 + seconds).expect("a time")
}

pub(super) fn task(number: TaskNumber, state: TaskState) -> Task {
    let there = state != TaskState::Planned;
    Task {
        number,
        title: format!("Task {number}"),
        details: String::new(),
        criteria: vec![],
        paths: vec![],
        size: Size::M,
        waits_for: vec![],
        after_merge: vec![],
        base_sha: None,
        state,
        attempt: 0,
        epoch: 0,
        runner: None,
        lease_until: None,
        halt: None,
        retries_used: 0,
        losses: 0,
        crashes: 0,
        resume: None,
        sub_issue: there.then(|| issue(number)),
        adopted: false,
        pull_request: None,
        merged_into: None,
        merged_at: None,
        rejected: false,
        follow_up: None,
        branch: format!("divisi/1/{number}-task"),
        branch_head: None,
        published: None,
        failure: None,
        agent: "command".into(),
        started_at: None,
        ended_at: None,
        spent: Spent::default(),
        progress: Progress::default(),
    }
}

/// An active run of master issue 1 whose tasks stand in these states.
pub(super) fn run(states: &[TaskState]) -> Orchestration {
    let run = Run {
        id: RunId::new("ab12"),
        repo: Repo {
            id: 7,
            owner: "octo".into(),
            name: "demo".into(),
            installation: 9,
            default_branch: "main".into(),
        },
        master: IssueTitle { number: 1, id: 1_001, title: "Master".into() },
        orchestration_id: "orch-1-20251124".into(),
        sequence: 1,
        requester: "mona".into(),
        context: String::new(),
        base: "main".into(),
        base_sha: sha('a'),
        policy: RunPolicy::default(),
        state: RunState::Active,
        created_at: at(0),
        active_since: at(0),
        ended_at: None,
        triggers: vec![Target::Issue(1)],
        round: 1,
        deliveries: vec![],
        usage: Usage::default(),
        sandbox_tier: String::new(),
        stops: Stops::default(),
        notes: vec![],
    };
    let tasks = states.iter().zip(1..).map(|(state, number)| task(number, *state)).collect();
    Orchestration { run, tasks }
}

pub(super) fn issue(number: TaskNumber) -> IssueRef {
    IssueRef { number: 100 + u64::from(number), id: 5_000 + u64::from(number) }
}

pub(super) fn sha(digit: char) -> Sha {
    Sha::parse(&digit.to_string().repeat(40)).expect("a commit id")
}

pub(super) fn published() -> Published {
    Published {
        head: sha('b'),
        base: sha('a'),
        commits: 1,
        paths: vec![],
        verify: vec![],
        said: String::new(),
    }
}

pub(super) fn spent() -> Spent {
    Spent { tokens: 10, cost_usd: 0.25, seconds: 4.0 }
}

pub(super) fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "it did not work")
}

pub(super) fn claimed(runner: &str, until: i64) -> TaskEvent {
    TaskEvent::Claimed { runner: RunnerId::new(runner), until: at(until) }
}

pub(super) fn pushed(epoch: u64) -> TaskEvent {
    TaskEvent::Pushed { epoch, published: published(), spent: spent() }
}

pub(super) fn failed(epoch: u64, kind: FailureKind, again: bool) -> TaskEvent {
    TaskEvent::AttemptFailed { epoch, failure: failure(kind), spent: spent(), again }
}

pub(super) fn renewed(epoch: u64, until: i64) -> TaskEvent {
    let progress = Progress { stage: "agent".into(), percent: Some(5), ..Progress::default() };
    TaskEvent::Renewed { epoch, until: at(until), progress }
}

/// Every state of a task.
pub(super) const STATES: [TaskState; 9] = [
    TaskState::Planned,
    TaskState::Ready,
    TaskState::Running,
    TaskState::Publishing,
    TaskState::Completed,
    TaskState::Failed,
    TaskState::Cancelled,
    TaskState::Blocked,
    TaskState::InReview,
];
