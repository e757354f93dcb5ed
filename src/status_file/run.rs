//! `metrics.json`.

use super::rounded;
use crate::domain::{Run, Task, TaskState};
use serde::Serialize;

/// The file's content: exactly the keys of the contract in its order, then ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunMetrics {
    /// `orch-{issue}-{yyyymmdd}`, with `-{n}` from the second run of that day on.
    pub orchestration_id: String,
    /// The master issue's number.
    pub master_issue: u64,
    /// Tasks in the plan.
    pub total_sub_tasks: usize,
    /// Tasks that this run completed.
    pub successful_agents: usize,
    /// Tasks that failed; cancelled and blocked ones are neither.
    pub failed_agents: usize,
    /// Whole seconds in which the run was active.
    pub total_duration_seconds: u64,
    /// Mean of the whole seconds that each task with an attempt took, over all of its attempts.
    pub avg_agent_duration_seconds: u64,
    /// Numbers of the pull requests that were opened, in the order of the tasks.
    pub prs_created: Vec<u64>,
    /// Numbers of the follow-up issues, in the order of the tasks.
    pub follow_up_issues: Vec<u64>,
    /// What the run used.
    pub resource_usage: ResourceUsage,
    /// US dollars, to four decimals.
    pub cost_usd: f64,
    /// Tokens in and out.
    pub tokens: u64,
    /// Attempts begun.
    pub attempts: u32,
    /// The sandbox tier that attempts ran in; empty when none did.
    pub sandbox_tier: String,
}

/// The inner object `resource_usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceUsage {
    /// Highest number of attempts alive at once.
    pub max_concurrent_agents: u32,
    /// Highest sum of all agents' process trees, in MB, sampled each second.
    pub peak_memory_mb: u64,
    /// REST and GraphQL calls with an installation token.
    pub total_api_calls: u64,
}

impl RunMetrics {
    /// The figures of `run` and its tasks.
    pub fn of(run: &Run, tasks: &[Task]) -> Self {
        let count = |state: TaskState| tasks.iter().filter(|task| task.state == state).count();
        let worked = tasks.iter().filter(|task| task.attempt > 0).count();
        let seconds: f64 = tasks.iter().map(|task| task.spent.seconds).sum();
        Self {
            orchestration_id: run.orchestration_id.clone(),
            master_issue: run.master.number,
            total_sub_tasks: tasks.len(),
            successful_agents: count(TaskState::Completed),
            failed_agents: count(TaskState::Failed),
            total_duration_seconds: whole(run.usage.active_seconds),
            avg_agent_duration_seconds: whole(seconds / worked.max(1) as f64),
            prs_created: tasks
                .iter()
                .filter(|task| task.state != TaskState::InReview)
                .filter_map(|task| task.pull_request)
                .collect(),
            follow_up_issues: tasks.iter().filter_map(|task| task.follow_up).collect(),
            resource_usage: ResourceUsage {
                max_concurrent_agents: run.usage.max_concurrent,
                peak_memory_mb: run.usage.peak_memory_mb,
                total_api_calls: run.usage.api_calls,
            },
            cost_usd: rounded(tasks.iter().map(|task| task.spent.cost_usd).sum(), 4),
            tokens: tasks.iter().map(|task| task.spent.tokens).sum(),
            attempts: tasks.iter().map(|task| task.attempt).sum(),
            sandbox_tier: run.sandbox_tier.clone(),
        }
    }
}

/// Rounded to whole seconds; the cast saturates and makes nothing of what is no number.
fn whole(seconds: f64) -> u64 {
    seconds.round() as u64
}
