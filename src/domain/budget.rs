//! What a run may cost, and what follows when that is spent. What has been spent is what agents tell.

use super::{Failure, FailureKind, Halt, Orchestration, RunState, Task, TaskState, Usd};
use jiff::Timestamp;

/// Stages of an attempt in which its agent has ended: to stop it there would save nothing and lose what was paid for.
const PAID: [&str; 4] = ["gather", "verify", "push", "report"];

/// A budget that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedUp {
    /// The run's.
    Run(Usd),
    /// The task's own, over all its attempts.
    Task(Usd),
}

impl UsedUp {
    /// One sentence for people.
    fn words(self) -> String {
        match self {
            Self::Run(budget) => format!("The budget of this run, {budget}, is used up."),
            Self::Task(budget) => format!("The budget of this task, {budget}, is used up."),
        }
    }
}

impl Task {
    /// US dollars that its attempts have cost so far, the one at work included, as far as agents have told.
    pub fn cost_usd(&self) -> f64 {
        let interrupted = self.resume.as_ref().map_or(0.0, |r| r.spent.cost_usd);
        let at_work = if self.state == TaskState::Running { self.progress.cost_usd } else { 0.0 };
        self.spent.cost_usd + interrupted + at_work
    }

    /// Whether it was never begun because the run's budget was used up.
    pub fn is_out_of_budget(&self) -> bool {
        self.state == TaskState::Blocked
            && self.failure.as_ref().is_some_and(|f| f.kind == FailureKind::BudgetExceeded)
    }
}

impl Orchestration {
    /// US dollars that the run has cost so far, as far as agents have told.
    pub fn cost_usd(&self) -> f64 {
        self.tasks.iter().map(Task::cost_usd).sum()
    }

    /// The budget that keeps another attempt of the task from being made, if one does.
    pub fn used_up(&self, task: &Task) -> Option<UsedUp> {
        let policy = &self.run.policy;
        let run = policy.run_usd.filter(|b| b.is_used_up_by(self.cost_usd())).map(UsedUp::Run);
        run.or_else(|| policy.task_usd.filter(|b| b.is_used_up_by(task.cost_usd())).map(UsedUp::Task))
    }

    /// US dollars that are left for an attempt of the task: what its agent is told not to exceed. `None`: no limit.
    pub fn left_usd(&self, task: &Task) -> Option<f64> {
        let policy = &self.run.policy;
        let of_run = policy.run_usd.map(|b| b.dollars() - self.cost_usd());
        let of_task = policy.task_usd.map(|b| b.dollars() - task.cost_usd());
        [of_run, of_task].into_iter().flatten().reduce(f64::min).map(|left| left.max(0.0))
    }

    /// What follows for the tasks from what was spent: none is begun beyond a budget, and agents at work are told to stop.
    pub(super) fn follow_budget(&mut self, now: Timestamp) {
        if self.run.state != RunState::Active || self.run.stops.gone.is_some() {
            return;
        }
        for at in 0..self.tasks.len() {
            let task = &self.tasks[at];
            let Some(used_up) = self.used_up(task) else { continue };
            let why = Failure::new(FailureKind::BudgetExceeded, used_up.words());
            let task = &mut self.tasks[at];
            match task.state {
                TaskState::Planned | TaskState::Ready => task.unaffordable(why, now),
                TaskState::Running
                    if task.halt.is_none() && !PAID.contains(&task.progress.stage.as_str()) =>
                {
                    task.halt = Some(Halt::Budget);
                    task.failure = Some(why);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::*;
    use super::super::*;
    use FailureKind as K;
    use TaskState as S;

    fn budgeted(states: &[S], run_usd: u32) -> Orchestration {
        let mut o = run(states);
        o.run.policy.run_usd = Some(Usd::whole(run_usd));
        o
    }

    fn costing(dollars: f64) -> Spent {
        Spent { cost_usd: dollars, ..spent() }
    }

    fn on(o: &Orchestration, number: TaskNumber, event: TaskEvent) -> Orchestration {
        o.apply(&RunEvent::Task(number, event), at(9)).expect("it can happen")
    }

    fn push(o: &Orchestration, number: TaskNumber, dollars: f64) -> Orchestration {
        let began = on(o, number, claimed("r1", 100));
        let epoch = began.task(number).unwrap().epoch;
        on(&began, number, TaskEvent::Pushed { epoch, published: published(), spent: costing(dollars) })
    }

    #[test]
    fn nothing_is_begun_beyond_the_budget_of_the_run() {
        let o = push(&budgeted(&[S::Ready, S::Ready, S::Planned], 2), 1, 1.5);
        assert_eq!(o.tasks[1].state, S::Ready, "there is money left");
        assert_eq!(o.left_usd(&o.tasks[1]), Some(0.5));
        let o = push(&o, 2, 0.5);
        let third = &o.tasks[2];
        assert_eq!(
            (third.state, o.tasks[0].state, o.tasks[1].state),
            (S::Blocked, S::Publishing, S::Publishing)
        );
        let failure = third.failure.as_ref().unwrap();
        assert_eq!(failure.to_string(), "budget_exceeded: The budget of this run, $2.00, is used up.");
        let o = on(&on(&o, 1, TaskEvent::PullRequestKnown(8)), 2, TaskEvent::PullRequestKnown(9));
        assert!(o.tasks[2].is_out_of_budget(), "a finished pull request unblocks nothing that money blocks");
        let ended = o.apply(&RunEvent::Ended, at(20)).expect("all is terminal");
        assert_eq!(ended.run.state, RunState::Ended(Outcome::Failed), "two of three is below 80 %");
    }

    #[test]
    fn agents_at_work_are_stopped_and_those_that_have_ended_are_not() {
        let o = budgeted(&[S::Ready, S::Ready, S::Ready], 2);
        let o = on(&on(&o, 1, claimed("r1", 100)), 2, claimed("r1", 100));
        let beat = |number, stage: &str, cost_usd| {
            let progress = Progress { stage: stage.into(), cost_usd, ..Progress::default() };
            (number, TaskEvent::Renewed { epoch: 1, until: at(200), progress })
        };
        let (number, event) = beat(1, "verify", 1.5);
        let o = on(&o, number, event);
        assert_eq!(o.tasks[1].halt, None);
        let (number, event) = beat(2, "agent", 0.75);
        let o = on(&o, number, event);
        assert_eq!((o.tasks[0].halt, o.tasks[1].halt), (None, Some(Halt::Budget)));
        assert_eq!(o.tasks[2].state, S::Blocked);
        let o = on(
            &o,
            2,
            TaskEvent::AttemptFailed {
                epoch: 1,
                failure: failure(K::Cancelled),
                spent: costing(0.75),
                again: false,
            },
        );
        let stopped = &o.tasks[1];
        assert_eq!(
            (stopped.state, stopped.failure.as_ref().map(|f| f.kind)),
            (S::Failed, Some(K::BudgetExceeded))
        );
        assert!((o.cost_usd() - 2.25).abs() < 1e-9, "nothing is counted twice: {}", o.cost_usd());
        let o = on(&o, 1, TaskEvent::Pushed { epoch: 1, published: published(), spent: costing(1.5) });
        assert_eq!(o.tasks[0].state, S::Publishing, "what was paid for is kept");
    }

    #[test]
    fn the_budget_of_a_task_is_its_own() {
        let mut o = run(&[S::Ready, S::Ready]);
        o.run.policy.task_usd = Some(Usd::whole(1));
        o.run.policy.max_retries = 3;
        let o = on(&o, 1, claimed("r1", 100));
        let event = TaskEvent::AttemptFailed {
            epoch: 1,
            failure: failure(K::TestFailure),
            spent: costing(1.25),
            again: true,
        };
        let o = on(&o, 1, event);
        assert_eq!(o.tasks[0].state, S::Failed, "no automatic retry");
        assert_eq!(o.tasks[0].failure.as_ref().map(|f| f.kind), Some(K::TestFailure), "with its own reason");
        assert_eq!(o.used_up(&o.tasks[0]), Some(UsedUp::Task(Usd::whole(1))));
        assert_eq!((o.tasks[1].state, o.left_usd(&o.tasks[1])), (S::Ready, Some(1.0)));
    }

    #[test]
    fn what_a_lost_attempt_had_told_stays_spent() {
        let mut o = budgeted(&[S::Ready], 5);
        o = on(&o, 1, claimed("r1", 100));
        let progress = Progress { stage: "agent".into(), cost_usd: 2.0, ..Progress::default() };
        o = on(&o, 1, TaskEvent::Renewed { epoch: 1, until: at(200), progress });
        let lost = on(&o, 1, TaskEvent::LeaseLost { epoch: 1 });
        assert_eq!((lost.tasks[0].state, lost.cost_usd()), (S::Ready, 2.0));
        let cut = on(&o, 1, TaskEvent::Interrupted { epoch: 1, host: "h".into() });
        assert_eq!(cut.cost_usd(), 2.0);
        let again =
            on(&cut, 1, TaskEvent::Resumed { runner: RunnerId::new("r2"), host: "h".into(), until: at(300) });
        assert_eq!(again.cost_usd(), 2.0, "its next life goes on from there");
        let done = on(&again, 1, TaskEvent::Pushed { epoch: 2, published: published(), spent: costing(3.0) });
        assert_eq!(done.cost_usd(), 3.0);
    }

    #[test]
    fn without_a_budget_nothing_changes() {
        let o = push(&run(&[S::Ready, S::Ready]), 1, 1e6);
        assert_eq!((o.tasks[1].state, o.left_usd(&o.tasks[1])), (S::Ready, None));
    }
}
