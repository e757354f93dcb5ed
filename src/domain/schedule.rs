//! Which ready task a free slot takes. Pure: the store brings the candidates, one function picks.

use super::{RunId, Size, TaskNumber};

/// A task that waits for a runner, with what the choice looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: TaskNumber,
    /// The agent that it needs.
    pub agent: String,
    /// How long it is expected to take.
    pub size: Size,
    /// Attempts of the same run that are alive.
    pub run_alive: u32,
    /// The run's `max_workers`.
    pub run_limit: Option<u32>,
    /// Attempts of the same installation that are alive.
    pub installation_alive: u32,
    /// When the run was created, in milliseconds: earlier runs win a tie.
    pub run_created: i64,
}

/// What bounds a choice.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most attempts of one installation alive at once.
    pub attempts_per_installation: u32,
}

/// The index of the candidate to start: allowed by every limit and runnable by one of `agents`; from the run
/// with the fewest attempts alive (fair), longest expected first, then in the plan's order.
pub fn pick(candidates: &[Candidate], agents: &[String], limits: &Limits) -> Option<usize> {
    candidates
        .iter()
        .enumerate()
        .filter(|(_, c)| agents.contains(&c.agent))
        .filter(|(_, c)| c.run_limit.is_none_or(|limit| c.run_alive < limit))
        .filter(|(_, c)| c.installation_alive < limits.attempts_per_installation)
        .min_by_key(|(_, c)| (c.run_alive, c.run_created, std::cmp::Reverse(c.size), c.task))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(run: &str, task: TaskNumber, size: Size, alive: u32) -> Candidate {
        Candidate {
            run: RunId::new(run),
            task,
            agent: "claude".into(),
            size,
            run_alive: alive,
            run_limit: None,
            installation_alive: alive,
            run_created: 0,
        }
    }

    fn check(candidates: &[Candidate], expected: Option<usize>) {
        let limits = Limits { attempts_per_installation: 4 };
        assert_eq!(pick(candidates, &["claude".to_owned()], &limits), expected);
    }

    #[test]
    fn the_run_with_fewer_agents_wins_then_the_longer_task_then_the_plan() {
        check(&[candidate("a", 1, Size::L, 2), candidate("b", 1, Size::S, 0)], Some(1));
        check(&[candidate("a", 1, Size::S, 0), candidate("a", 2, Size::L, 0)], Some(1));
        check(&[candidate("a", 2, Size::M, 0), candidate("a", 1, Size::M, 0)], Some(1));
    }

    #[test]
    fn limits_and_missing_agents_leave_a_task_waiting() {
        check(&[candidate("a", 1, Size::M, 4)], None);
        check(&[Candidate { run_limit: Some(1), ..candidate("a", 1, Size::M, 1) }], None);
        check(&[Candidate { agent: "codex".into(), ..candidate("a", 1, Size::M, 0) }], None);
        check(&[], None);
    }
}
