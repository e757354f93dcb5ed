//! A run from its plan: which tasks it has, what is left of the run before, and what each starts as.

use super::Orchestrator;
use super::answer::Draft;
use super::intake::Trouble;
use super::start::there;
use crate::clock;
use crate::domain::explain::Places;
use crate::domain::{
    IssueRef, IssueTitle, Note, OnOverlap, Orchestration, Run, RunLabels, RunPolicy, RunState, Sha, Stops,
    Task, TaskNumber, TaskState, Usage, branch_name,
};
use crate::github::event::EventIssue;
use crate::github::{Issue, IssueState, RepoClient};
use crate::plan::{Plan, PlannedTask};
use std::collections::{HashMap, HashSet};

impl Orchestrator {
    /// What is left of an earlier run: tasks whose pull request is open or merged, and those whose sub-issue is open. With
    /// `again`, what is in review is worked on once more.
    pub(super) async fn standing(
        &self,
        github: &RepoClient,
        earlier: Option<&Orchestration>,
        again: bool,
    ) -> Result<Standing, Trouble> {
        let mut standing = Standing::default();
        for task in earlier.iter().flat_map(|o| &o.tasks) {
            if !again
                && matches!(task.state, TaskState::Completed | TaskState::InReview)
                && let Some(number) = task.pull_request
                && let Some(pull) = there(github.pull(number).await)?
                && (pull.merged || pull.state == IssueState::Open)
            {
                standing.in_review.insert(task.number, pull.merged.then_some(pull.base_ref));
            } else if let Some(issue) = task.sub_issue
                && let Some(issue) = there(github.issue(issue.number).await)?
                && issue.state == IssueState::Open
            {
                standing.open.insert(task.number);
            }
        }
        Ok(standing)
    }

    pub(super) async fn compose(
        &self,
        draft: &Draft,
        issue: &EventIssue,
        found: Found,
    ) -> Result<Orchestration, Trouble> {
        let now = clock::now();
        let day = now.strftime("%Y%m%d").to_string();
        let name = format!("orch-{}-{day}", issue.number);
        let before = self.shared.store.orchestrations_named(draft.repo.id, &name).await?;
        let sequence = found.earlier.as_ref().map_or(1, |o| o.run.sequence + 1);
        let tasks = tasks(&found, issue.number, sequence, now);
        let places = self.shared.store.places(draft.repo.installation).await?;
        let notes = notes(&found, &tasks, &places);
        Ok(Orchestration {
            run: Run {
                id: crate::domain::RunId::new(clock::ordered_id()),
                repo: draft.repo.clone(),
                master: IssueTitle { number: issue.number, id: issue.id, title: issue.title.clone() },
                orchestration_id: if before == 0 { name } else { format!("{name}-{}", before + 1) },
                sequence,
                requester: draft.sender.clone(),
                context: found.plan.context,
                base: found.base,
                base_sha: found.base_sha,
                policy: found.policy,
                state: RunState::Active,
                created_at: now,
                active_since: now,
                ended_at: None,
                triggers: vec![draft.target],
                round: 1,
                deliveries: vec![draft.delivery.clone()],
                usage: Usage::default(),
                sandbox_tier: String::new(),
                stops: Stops::default(),
                labels: RunLabels { missing: found.missing_labels, ..RunLabels::default() },
                notes,
            },
            tasks,
        })
    }
}

/// What a start found out.
pub(super) struct Found {
    /// A task starts when all that it waits for is merged.
    pub ordered: bool,
    pub policy: RunPolicy,
    pub plan: Plan,
    pub base: String,
    pub base_sha: Sha,
    pub existing: HashMap<u64, Issue>,
    pub earlier: Option<Orchestration>,
    pub standing: Standing,
    /// Labels that the sub-issues carry and that the repository has not.
    pub missing_labels: Vec<String>,
}

/// Which tasks of the earlier run still stand for something, by their numbers there.
#[derive(Default)]
pub(super) struct Standing {
    /// With the branch that the pull request was merged into, if it was.
    in_review: HashMap<TaskNumber, Option<String>>,
    open: HashSet<TaskNumber>,
}

/// The run's tasks: the plan's open ones. Whatever is left out, the others keep their numbers.
fn tasks(found: &Found, master: u64, sequence: u32, now: jiff::Timestamp) -> Vec<Task> {
    let open: Vec<usize> = found.plan.open().collect();
    let number = |index: usize| found.plan.number(index).filter(|_| open.contains(&index));
    // Without `--ordered` no task of a plan that starts comes after another by the issue's words.
    let comes_after = found.plan.comes_after(found.policy.on_overlap == OnOverlap::Order);
    let after = |index: usize| comes_after[index].iter().filter_map(|on| number(*on)).collect::<Vec<_>>();
    let mut used = HashSet::new();
    let make = |index: &usize| -> Option<Task> {
        let planned = &found.plan.tasks[*index];
        let number = number(*index)?;
        let linked = planned.existing_issue.and_then(|n| found.existing.get(&n));
        let before = earlier(found, planned, &used);
        used.extend(before.map(|t| t.number));
        let in_review = before.is_some_and(|t| found.standing.in_review.contains_key(&t.number));
        let reused = before.filter(|t| in_review || found.standing.open.contains(&t.number));
        let sub_issue = linked
            .map(|i| IssueRef { number: i.number, id: i.id })
            .or_else(|| reused.and_then(|t| t.sub_issue));
        let mut details = planned.details.clone();
        // A sub-issue that the text does not name brought its text along.
        if let Some(linked) = linked.filter(|i| i.body.trim() != details || details.is_empty()) {
            details = format!("{details}\n\n{}\n\n{}", linked.title, linked.body).trim().to_owned();
        }
        let branch = branch_name(master, sequence, number, &planned.title);
        Some(Task {
            details,
            criteria: if planned.criteria.is_empty() {
                found.plan.criteria.clone()
            } else {
                planned.criteria.clone()
            },
            paths: planned.paths.clone(),
            size: planned.size,
            waits_for: if found.ordered { Vec::new() } else { after(*index) },
            after_merge: if found.ordered { after(*index) } else { Vec::new() },
            state: match sub_issue {
                _ if in_review => TaskState::InReview,
                Some(_) => TaskState::Ready,
                None => TaskState::Planned,
            },
            adopted: sub_issue.is_some(),
            sub_issue,
            pull_request: before.filter(|_| in_review).and_then(|t| t.pull_request),
            merged_into: before.and_then(|t| found.standing.in_review.get(&t.number)).cloned().flatten(),
            ended_at: in_review.then_some(now),
            ..Task::planned(number, planned.title.clone(), branch, found.policy.agent.clone())
        })
    };
    open.iter().filter_map(make).collect()
}

/// What is worth a word from the start on.
fn notes(found: &Found, tasks: &[Task], places: &Places) -> Vec<Note> {
    let live = tasks.iter().filter(|t| !t.state.is_terminal()).count();
    let runs = |index: usize| {
        let number = found.plan.number(index)?;
        tasks.iter().find(|t| t.number == number && !t.state.is_terminal()).map(|t| t.number)
    };
    let beside = found.plan.open_overlaps().filter_map(|overlap| {
        let ordered = overlap.orders(found.policy.on_overlap);
        let (a, b) = (runs(overlap.a)?, runs(overlap.b)?);
        let related = |task: TaskNumber, on: TaskNumber| {
            tasks.iter().any(|t| t.number == task && t.after_merge.contains(&on))
        };
        let waits = ordered || related(a, b) || related(b, a);
        (!waits).then(|| Note::SideBySide { a, b, reason: overlap.reason.clone() })
    });
    let pair = (live == 2 && found.policy.min_tasks > 1).then_some(Note::Pair);
    let room = Note::of_places(places, &found.policy.agent, found.policy.max_workers, live);
    let told = found.plan.notes().into_iter().filter(|note| match note {
        Note::BlockedOutside { task, .. } => {
            tasks.iter().any(|t| t.number == *task && !t.state.is_terminal())
        }
        _ => true,
    });
    told.chain(beside).chain(pair).chain(room).collect()
}

/// The same task in the master's earlier run: by the issue it is, else by its title; each stands for one.
fn earlier<'a>(found: &'a Found, planned: &PlannedTask, used: &HashSet<TaskNumber>) -> Option<&'a Task> {
    let tasks = &found.earlier.as_ref()?.tasks;
    let by_issue = planned
        .existing_issue
        .and_then(|n| tasks.iter().find(|t| t.sub_issue.is_some_and(|i| i.number == n)));
    by_issue.or_else(|| tasks.iter().find(|t| t.title == planned.title && !used.contains(&t.number)))
}
