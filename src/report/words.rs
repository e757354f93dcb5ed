//! Small pieces of wording that several reports share.

use super::escape;
use crate::domain::command::COMMAND;
use crate::domain::{Orchestration, Run, Task, TaskState, Usd, UsedUp};
use jiff::Timestamp;

/// `15m 32s`, `1h 8m`, `4s`.
pub(super) fn duration(seconds: f64) -> String {
    let total = seconds.max(0.0).round() as u64;
    let (h, m, s) = (total / 3600, total / 60 % 60, total % 60);
    match (h, m) {
        (0, 0) => format!("{s}s"),
        (0, _) => format!("{m}m {s}s"),
        _ => format!("{h}h {m}m"),
    }
}

/// `2026-11-25 02:30 UTC`.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `$0.42`; `–` when nothing is known.
pub(super) fn cost(usd: f64) -> String {
    if usd > 0.0 { format!("${usd:.2}") } else { "–".to_owned() }
}

/// `$3.20 of $20.00` where there is a budget, else `$3.20`.
pub(super) fn cost_of_run(orchestration: &Orchestration) -> String {
    let spent = cost(orchestration.cost_usd());
    match orchestration.run.policy.run_usd {
        Some(budget) => format!("{spent} of {budget}"),
        None => spent,
    }
}

/// How to go on where money is what is missing; `None` where it is not.
pub(super) fn out_of_budget(orchestration: &Orchestration) -> Option<String> {
    let (run, left) = (&orchestration.run, |t: &&Task| {
        matches!(t.state, TaskState::Failed | TaskState::Cancelled | TaskState::Blocked)
    });
    let mut of_tasks = Vec::new();
    for task in orchestration.tasks.iter().filter(left) {
        match orchestration.used_up(task) {
            None => {}
            Some(UsedUp::Run(budget)) => {
                let more = Usd::of(budget.dollars() * 2.0).unwrap_or(budget);
                return Some(format!(
                    "The budget of this run, {budget}, is used up: {} was spent. To go on with what is left, comment `{COMMAND} --budget {}` on #{} for a new run: what has a pull request is not run again, and open sub-issues are used again. No run may cost more than `[budget] run_usd` in `.github/divisi.toml` and this server allow.",
                    cost(orchestration.cost_usd()),
                    more.plain(),
                    run.master.number
                ));
            }
            Some(UsedUp::Task(_)) => of_tasks.push(task.number),
        }
    }
    let (first, budget) = (of_tasks.first()?, run.policy.task_usd?);
    let list: Vec<String> = of_tasks.iter().map(ToString::to_string).collect();
    let tasks = if of_tasks.len() == 1 {
        format!("Task {first} has")
    } else {
        format!("Tasks {} have each", list.join(", "))
    };
    Some(format!(
        "{tasks} used up the {budget} that `[budget] task_usd` in `.github/divisi.toml` gives a task. To go on, raise it there and comment `{COMMAND} --only {}` on #{} for a new run.",
        list.join(","),
        run.master.number
    ))
}

/// Seconds of a task so far.
pub(super) fn seconds(task: &Task, now: Timestamp) -> f64 {
    let running = match (task.state, task.started_at) {
        (TaskState::Running, Some(at)) => (now.as_millisecond() - at.as_millisecond()) as f64 / 1e3,
        _ => 0.0,
    };
    task.spent.seconds + running.max(0.0)
}

/// Icon and word of a state, with what it waits for.
pub(super) fn state(task: &Task) -> String {
    match task.state {
        TaskState::Planned => "⏳ planned".to_owned(),
        TaskState::Ready if !task.waits_for.is_empty() && task.attempt == 0 => {
            let on: Vec<String> = task.waits_for.iter().map(|n| format!("task {n}")).collect();
            format!("⏳ after {}", on.join(", "))
        }
        TaskState::Ready => "⏳ waiting".to_owned(),
        TaskState::Running if task.halt.is_some() => "⏹ stopping".to_owned(),
        TaskState::Running => "🔄 running".to_owned(),
        TaskState::Publishing => "🔄 publishing".to_owned(),
        TaskState::Completed if task.rejected => "✅ completed (pull request closed)".to_owned(),
        TaskState::Completed => "✅ completed".to_owned(),
        TaskState::Failed => "❌ failed".to_owned(),
        TaskState::Cancelled => "⏹ cancelled".to_owned(),
        TaskState::Blocked if task.is_out_of_budget() => "⏸ not begun: the budget is used up".to_owned(),
        TaskState::Blocked => "⏸ blocked".to_owned(),
        TaskState::InReview => "👀 in review".to_owned(),
    }
}

/// A task's title as foreign text on one line.
pub(super) fn title(task: &Task) -> String {
    escape::inline(&task.title, escape::MAX_TITLE)
}

/// Cost and tokens of all tasks.
pub(super) fn spent(orchestration: &Orchestration) -> (f64, u64) {
    orchestration
        .tasks
        .iter()
        .fold((0.0, 0), |(usd, tokens), t| (usd + t.spent.cost_usd, tokens + t.spent.tokens))
}

/// What the tier means for people.
pub(super) fn tier(run: &Run) -> String {
    match run.sandbox_tier.as_str() {
        "" => "none used yet".to_owned(),
        "unsafe-none" => "unsafe-none (agents ran without a sandbox)".to_owned(),
        other => other.to_owned(),
    }
}
