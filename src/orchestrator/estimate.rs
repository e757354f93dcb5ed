//! What a plan will take: its tasks and their order against the history of their agent.

use super::Orchestrator;
use super::intake::Trouble;
use super::planning::Planned;
use crate::domain::Repo;
use crate::domain::estimate::{Estimate, Work, estimate};
use crate::plan::Plan;
use std::collections::BTreeMap;

impl Orchestrator {
    /// The estimate of a plan; `None` when its agent has no history, or the plan cannot start at this size.
    pub(super) async fn estimate(&self, repo: &Repo, planned: &Planned) -> Result<Option<Estimate>, Trouble> {
        let (plan, policy) = (&planned.plan, &planned.policy);
        if plan.open().count() > Plan::MAX_TASKS {
            return Ok(None);
        }
        let history = self.shared.store.history(repo.id, &policy.agent).await?;
        let places = self.shared.store.places(repo.installation).await?;
        let offers = places.runners.iter().filter(|p| p.agents.contains(&policy.agent));
        let free: u32 = offers.map(|p| p.slots.saturating_sub(p.busy)).sum();
        let at_once = policy.max_workers.map_or(free, |most| most.min(free));
        Ok(estimate(&work(plan), at_once, &history))
    }
}

/// The open tasks in their order, each with what comes before it.
fn work(plan: &Plan) -> Vec<Work> {
    let place: BTreeMap<usize, usize> = plan.open().enumerate().map(|(at, index)| (index, at)).collect();
    let mut work: Vec<Work> =
        plan.open().map(|index| Work { size: plan.tasks[index].size, after: Vec::new() }).collect();
    for (task, on) in plan.order_edges() {
        if let (Some(&task), Some(&on)) = (place.get(&task), place.get(&on)) {
            work[task].after.push(on);
        }
    }
    work
}
