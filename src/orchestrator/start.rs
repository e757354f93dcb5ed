//! The start of a run: everything that must hold is looked at before anything is made.

use super::Orchestrator;
use super::answer::Draft;
use super::intake::Trouble;
use crate::clock;
use crate::config::RepoFile;
use crate::domain::{
    IssueRef, IssueTitle, Orchestration, Run, RunPolicy, RunState, Sha, StartOptions, Stops, Task,
    TaskNumber, TaskState, Usage, branch_name,
};
use crate::github::event::EventIssue;
use crate::github::{BranchHead, CallCounter, Error, Issue, IssueState, RepoClient};
use crate::plan::{self, Plan, PlannedTask, Verdict};
use crate::report::{self, notice};
use crate::store::Settlement;
use std::collections::{HashMap, HashSet};

/// Where a repository's rules are.
const REPO_FILE: &str = ".github/divisi.toml";

impl Orchestrator {
    /// `/orchestrate` or the label: a new run, or the reason why not.
    pub(super) async fn start_run(
        &self,
        draft: Draft,
        issue: &EventIssue,
        options: &StartOptions,
        calls: &CallCounter,
    ) -> Result<Settlement, Trouble> {
        let store = &self.shared.store;
        if issue.is_pull_request {
            return Ok(draft.notice(notice::pull_request_instead_of_issue()).done("refused: a pull request"));
        }
        if !issue.open {
            return Ok(draft.notice(notice::closed_issue()).done("refused: the issue is closed"));
        }
        if let Some(role) = store.role_of(draft.repo.id, issue.number).await? {
            let master = store.snapshot(role.task().0).await?.orchestration.run.master.number;
            return Ok(draft.notice(notice::part_of_a_run(master)).done("refused: part of a run"));
        }
        let earlier = store.run_of_master(draft.repo.id, issue.number).await?;
        if let Some(live) = earlier.as_ref().filter(|o| o.run.state == RunState::Active) {
            return Ok(draft.notice(notice::already_running(live)).done("a run is live already"));
        }
        let github = self.client(&draft.repo, calls);
        // The text is the delivery's; whether there is still something to do is GitHub's to say: it may have come late.
        if there(github.issue(issue.number).await)?.is_none_or(|now| now.state == IssueState::Closed) {
            return Ok(draft.notice(notice::closed_issue()).done("refused: the issue is closed by now"));
        }
        let mut policy = match github.file(REPO_FILE).await?.as_deref().map(RepoFile::parse) {
            None => RunPolicy::default(),
            Some(Ok(policy)) => policy,
            Some(Err(error)) => {
                return Ok(draft
                    .notice(notice::bad_config(REPO_FILE, &error.to_string(), &error.snippet))
                    .done("refused: bad configuration"));
            }
        };
        if let Some(agent) = &self.shared.settings.agent {
            policy.agent.clone_from(agent);
        }
        if !policy.allows(&draft.sender) {
            return Ok(draft.confused().done("refused: not on the repository's allow list"));
        }
        if let Err(exceeds) = options.lower(&mut policy) {
            return Ok(draft
                .notice(notice::exceeds(&exceeds))
                .done("refused: more than the repository allows"));
        }
        if !self.knows_agent(&policy.agent) {
            let known = &self.shared.settings.agents;
            return Ok(draft
                .notice(notice::unknown_agent(&policy.agent, known))
                .done("refused: unknown agent"));
        }
        let repo = draft.repo.clone();
        let mut plan =
            plan::read(&issue.title, &issue.body, Some(issue.number), Some((&repo.owner, &repo.name)));
        if !options.only.is_empty()
            && let Err(missing) = plan.choose(&options.only)
        {
            let open = plan.open().count();
            return Ok(draft.notice(notice::no_such_task(missing, open)).done("refused: no such task"));
        }
        if options.dry_run {
            let text = report::plan(&plan, &policy, options);
            return Ok(draft.notice(text).done("a dry run"));
        }
        match plan.verdict(policy.min_tasks as usize) {
            Verdict::Parallel | Verdict::Ordered => {}
            refused => {
                return Ok(draft
                    .notice(notice::plan_refused(&plan, refused, policy.min_tasks))
                    .done("refused: the plan"));
            }
        }
        if store.runs_active(repo.id).await? >= self.shared.settings.runs_per_repo {
            let limit = self.shared.settings.runs_per_repo;
            return Ok(draft.notice(notice::too_many_runs(limit)).done("refused: too many runs"));
        }
        let base = if policy.base.is_empty() { repo.default_branch.clone() } else { policy.base.clone() };
        let base_sha = match github.branch_head(&base).await? {
            BranchHead::At(sha) => sha,
            BranchHead::Missing => {
                return Ok(draft.notice(notice::no_such_branch(&base)).done("refused: no base branch"));
            }
            BranchHead::EmptyRepository => {
                return Ok(draft.notice(notice::empty_repository()).done("refused: empty repository"));
            }
        };
        let mut existing = HashMap::new();
        for task in plan.open().map(|index| &plan.tasks[index]) {
            let Some(number) = task.existing_issue.filter(|n| *n != issue.number) else { continue };
            match github.issue(number).await {
                Ok(found) if !found.is_pull_request => {
                    existing.insert(number, found);
                }
                Ok(_) => {
                    return Ok(draft
                        .notice(notice::linked_issue(number, "is a pull request"))
                        .done("refused: a linked issue"));
                }
                Err(Error::NotFound { .. } | Error::Gone { .. } | Error::Moved { .. }) => {
                    return Ok(draft
                        .notice(notice::linked_issue(number, "cannot be read"))
                        .done("refused: a linked issue"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let again = !options.only.is_empty();
        let standing = self.standing(&github, earlier.as_ref(), again).await?;
        let found = Found { policy, plan, base, base_sha, existing, earlier, standing };
        let orchestration = self.compose(&draft, issue, found).await?;
        if orchestration.tasks.iter().all(|t| t.state.is_terminal()) {
            return Ok(draft
                .notice(notice::all_in_review(&orchestration))
                .done("refused: everything is in review"));
        }
        Ok(draft.start(orchestration))
    }

    /// What is left of an earlier run: tasks whose pull request is open or merged, and those whose sub-issue is open. With
    /// `again`, what is in review is worked on once more.
    async fn standing(
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
                standing.in_review.insert(task.number);
            } else if let Some(issue) = task.sub_issue
                && let Some(issue) = there(github.issue(issue.number).await)?
                && issue.state == IssueState::Open
            {
                standing.open.insert(task.number);
            }
        }
        Ok(standing)
    }

    async fn compose(
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
            },
            tasks,
        })
    }
}

/// What a start found out.
struct Found {
    policy: RunPolicy,
    plan: Plan,
    base: String,
    base_sha: Sha,
    existing: HashMap<u64, Issue>,
    earlier: Option<Orchestration>,
    standing: Standing,
}

/// Which tasks of the earlier run still stand for something, by their numbers there.
#[derive(Default)]
struct Standing {
    in_review: HashSet<TaskNumber>,
    open: HashSet<TaskNumber>,
}

/// What is there, if it is.
fn there<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. } | Error::Gone { .. } | Error::Moved { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The run's tasks: the plan's open ones. Whatever is left out, the others keep their numbers.
fn tasks(found: &Found, master: u64, sequence: u32, now: jiff::Timestamp) -> Vec<Task> {
    let open: Vec<usize> = found.plan.open().filter(|i| !is_closed(found, &found.plan.tasks[*i])).collect();
    let number = |index: usize| found.plan.number(index).filter(|_| open.contains(&index));
    let mut waits: HashMap<TaskNumber, Vec<TaskNumber>> = HashMap::new();
    for overlap in &found.plan.overlaps {
        if let (Some(a), Some(b)) = (number(overlap.a), number(overlap.b)) {
            waits.entry(a.max(b)).or_default().push(a.min(b));
        }
    }
    let mut used = HashSet::new();
    let make = |index: &usize| -> Option<Task> {
        let planned = &found.plan.tasks[*index];
        let number = number(*index)?;
        let linked = planned.existing_issue.and_then(|n| found.existing.get(&n));
        let before = earlier(found, planned, &used);
        used.extend(before.map(|t| t.number));
        let in_review = before.is_some_and(|t| found.standing.in_review.contains(&t.number));
        let reused = before.filter(|t| in_review || found.standing.open.contains(&t.number));
        let sub_issue = linked
            .map(|i| IssueRef { number: i.number, id: i.id })
            .or_else(|| reused.and_then(|t| t.sub_issue));
        let mut details = planned.details.clone();
        if let Some(linked) = linked {
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
            waits_for: waits.get(&number).cloned().unwrap_or_default(),
            state: match sub_issue {
                _ if in_review => TaskState::InReview,
                Some(_) => TaskState::Ready,
                None => TaskState::Planned,
            },
            adopted: sub_issue.is_some(),
            sub_issue,
            pull_request: before.filter(|_| in_review).and_then(|t| t.pull_request),
            ended_at: in_review.then_some(now),
            ..Task::planned(number, planned.title.clone(), branch, found.policy.agent.clone())
        })
    };
    open.iter().filter_map(make).collect()
}

/// A linked issue that is closed is done, whatever its box says.
fn is_closed(found: &Found, planned: &PlannedTask) -> bool {
    planned.existing_issue.and_then(|n| found.existing.get(&n)).is_some_and(|i| i.state == IssueState::Closed)
}

/// The same task in the master's earlier run: by the issue it is, else by its title; each stands for one.
fn earlier<'a>(found: &'a Found, planned: &PlannedTask, used: &HashSet<TaskNumber>) -> Option<&'a Task> {
    let tasks = &found.earlier.as_ref()?.tasks;
    let by_issue = planned
        .existing_issue
        .and_then(|n| tasks.iter().find(|t| t.sub_issue.is_some_and(|i| i.number == n)));
    by_issue.or_else(|| tasks.iter().find(|t| t.title == planned.title && !used.contains(&t.number)))
}
