//! Answers about a run or a task as it stands: `--status`, `--explain`, and commands that cannot apply.

use super::{escape, waiting, words};
use crate::domain::command::COMMAND;
use crate::domain::explain::{Reason, Sending};
use crate::domain::{Orchestration, RunState, Task, TaskState};
use jiff::Timestamp;
use std::fmt::Write as _;

/// `--status` on a master issue.
pub fn status_of_run(state: &Orchestration, now: Timestamp) -> String {
    let mut text = format!("{}\n\n", heading(state));
    for task in &state.tasks {
        let _ = writeln!(text, "- **{}** {}: {}", task.number, words::title(task), line(state, task, now));
    }
    text.trim_end().to_owned()
}

/// `--status` on what belongs to one task.
pub fn status_of_task(state: &Orchestration, task: &Task, now: Timestamp) -> String {
    format!(
        "Task {} of #{} ({}): {}.\n\n{}",
        task.number,
        state.run.master.number,
        words::title(task),
        line(state, task, now),
        heading(state)
    )
}

/// `--explain` on a master issue: every task that has not ended, with its reason.
pub fn explain_run(state: &Orchestration, reasons: &[(&Task, Reason)]) -> String {
    let mut text = format!("{}\n\n", heading(state));
    for (task, reason) in reasons.iter().filter(|(_, reason)| *reason != Reason::Over) {
        let _ =
            writeln!(text, "- **{}** {}: {}", task.number, words::title(task), because(state, task, reason));
    }
    let over = reasons.iter().filter(|(_, reason)| *reason == Reason::Over).count();
    match (over, state.tasks.len()) {
        (0, _) => {}
        (over, all) if over == all => {
            let _ = writeln!(text, "Every task has ended. {}", again(state));
        }
        (over, all) => {
            let _ = writeln!(text, "\n{over} of {all} tasks have ended.");
        }
    }
    text.trim_end().to_owned()
}

/// `--explain` on what belongs to one task.
pub fn explain_task(state: &Orchestration, task: &Task, reason: &Reason) -> String {
    format!(
        "Task {} of #{} ({}): {}\n\n{}",
        task.number,
        state.run.master.number,
        words::title(task),
        because(state, task, reason),
        heading(state)
    )
}

/// A command about a run where there is none.
pub fn no_run() -> String {
    format!(
        "There is no run of this issue. Comment `{COMMAND}` (or set the label `{}`) on an issue that lists the tasks to start one, and `{COMMAND} --explain` to see what would stand in the way.",
        crate::domain::command::TRIGGER_LABEL
    )
}

/// `--explain` on an issue that could be started.
pub fn can_start() -> String {
    format!("Nothing stands in the way, it was only not started: comment `{COMMAND}`.")
}

/// `--explain` by somebody whom the repository's rules do not let start work.
pub fn not_allowed() -> String {
    "Permission: `allow` in `.github/divisi.toml` names who may start work here, and you are not among them."
        .to_owned()
}

/// `--cancel`, `--pause` or `--resume` that changes nothing.
pub fn nothing_to_do(what: &str, state: &Orchestration, now: Timestamp) -> String {
    let why = match what {
        "pause" if state.run.state == RunState::Active => "It is paused already",
        "resume" if state.run.state == RunState::Active => "It is not paused",
        "cancel" if state.run.state == RunState::Active => {
            "Nothing is left to cancel: what is pushed is kept, and what runs is being stopped"
        }
        _ => "The run is over",
    };
    format!("{why}. {}", status_of_run(state, now))
}

/// `--cancel` of a task that cannot be cancelled.
pub fn task_not_cancelled(state: &Orchestration, task: &Task, now: Timestamp) -> String {
    let why = match task.state {
        TaskState::Running => "It is being stopped already.",
        TaskState::Publishing => {
            "Its work is verified and pushed, so it is kept: close the pull request if you do not want it."
        }
        _ => "It has ended, so there is nothing to cancel.",
    };
    format!("{why}\n\n{}", status_of_task(state, task, now))
}

/// `--pause` or `--resume` on a sub-issue, follow-up or pull request.
pub fn of_the_whole_run(what: &str, master: u64) -> String {
    format!(
        "`--{what}` is about a whole run: comment `{COMMAND} --{what}` on #{master}. To stop this one task, comment `{COMMAND} --cancel` here."
    )
}

/// One line about the run.
fn heading(state: &Orchestration) -> String {
    let run = &state.run;
    let ended = state.tasks.iter().filter(|t| t.state.is_terminal()).count();
    let running = state.count(TaskState::Running);
    let how = match run.state {
        RunState::Ended(outcome) => {
            let why = run.stops.gone.map(|g| format!(" ({})", g.words().trim_end_matches('.')));
            format!("has ended: {}{}", outcome.as_str(), why.unwrap_or_default())
        }
        RunState::Active if run.stops.suspended.is_some() => "waits: the App is suspended".to_owned(),
        RunState::Active if run.stops.cancelled => "is being cancelled".to_owned(),
        RunState::Active if run.stops.paused => {
            format!("is paused (`{COMMAND} --resume` lets it go on)")
        }
        RunState::Active => "is under way".to_owned(),
    };
    format!(
        "The run of #{} (`{}`) {how}: {ended} of {} tasks have ended, {running} {} working.",
        run.master.number,
        run.orchestration_id,
        state.tasks.len(),
        if running == 1 { "agent is" } else { "agents are" }
    )
}

/// State, attempt, who works since when, pull request, what is waited for.
fn line(state: &Orchestration, task: &Task, now: Timestamp) -> String {
    let mut parts = vec![words::state(task)];
    if task.attempt > 0 {
        parts.push(format!("attempt {}", task.attempt));
    }
    if task.state == TaskState::Running {
        let agent = escape::inline(&task.agent, 30);
        let since = task.started_at.map(|at| format!(" since {}", words::time(at))).unwrap_or_default();
        let ran = words::duration(words::seconds(task, now) - task.spent.seconds);
        let stage = match task.progress.stage.as_str() {
            "" => String::new(),
            stage => format!(", at {}", escape::inline(stage, 40)),
        };
        parts.push(format!("{agent} works{since} ({ran}{stage})"));
    }
    let before = state.in_the_way_of(task);
    if task.state == TaskState::Ready && !before.is_empty() {
        parts.push(format!("waits for {}", numbers(&before)));
    }
    parts.extend(waiting::merges(state, task));
    if let Some(pull) = task.pull_request {
        parts.push(format!("pull request #{pull}"));
    }
    if let (TaskState::Failed | TaskState::Blocked | TaskState::Cancelled, Some(failure)) =
        (task.state, &task.failure)
    {
        parts.push(escape::inline(&failure.message, 200));
    }
    if let Some(issue) = task.follow_up.filter(|_| task.state == TaskState::Failed) {
        parts.push(format!("follow-up #{issue}"));
    }
    parts.join(", ")
}

/// A reason as sentences.
fn because(state: &Orchestration, task: &Task, reason: &Reason) -> String {
    let mut text = match reason {
        Reason::AtWork => {
            let since = task.started_at.map(|at| format!(" since {}", words::time(at))).unwrap_or_default();
            format!("it is running{since}.")
        }
        Reason::Stopping => "its agent is told to stop.".to_owned(),
        Reason::Over => format!("it has ended: {}. {}", words::state(task), again(state)),
        Reason::GitHub { what, until, error } => {
            let what = match what {
                Sending::SubIssue => "its sub-issue is being created",
                Sending::PullRequest => "its branch is pushed and its pull request is being opened",
            };
            match (until, error) {
                (Some(at), Some(error)) => format!(
                    "limit: {what}; GitHub is asked again at {} ({}).",
                    words::time(*at),
                    escape::inline(error, 200)
                ),
                (Some(at), None) => format!("limit: {what}; GitHub is asked again at {}.", words::time(*at)),
                (None, _) => format!("{what}."),
            }
        }
        Reason::Suspended => {
            "permission: the App is suspended in this account; it goes on when somebody ends that.".to_owned()
        }
        Reason::Paused => format!("paused: comment `{COMMAND} --resume` on #{}.", state.run.master.number),
        Reason::Gone => state.run.stops.gone.map_or("the run is over.", |g| g.words()).to_owned(),
        Reason::After(tasks) => {
            let name = if tasks.len() == 1 { "names" } else { "name" };
            format!("dependency: it waits for {}, which {name} the same file.", numbers(tasks))
        }
        Reason::AfterMerge(tasks) => {
            let are = if tasks.len() == 1 { "is" } else { "are" };
            let pulls = waiting::pulls(state, tasks);
            format!("dependency: it starts when {pulls} {are} merged, as `--ordered` asks for.")
        }
        Reason::Base => "all that it waited for is merged; the base branch is read next.".to_owned(),
        Reason::NoRunner => "runner: none is registered.".to_owned(),
        Reason::NoAgent(agent) => {
            format!("runner: none offers the agent {}.", escape::inline(agent, 40))
        }
        Reason::MaxWorkers { limit } => {
            format!("capacity: `max_workers` lets {limit} of this run's agents work at once.")
        }
        Reason::Installation { limit } => {
            format!("capacity: this server lets {limit} agents of one installation work at once.")
        }
        Reason::NoSlot { slots } => {
            let s = if *slots == 1 { "slot is" } else { "slots are" };
            format!("capacity: {slots} {s} there, and all are taken.")
        }
        Reason::Next => "nothing is in the way; a runner takes it next.".to_owned(),
    };
    if task.losses > 0 && matches!(task.state, TaskState::Ready | TaskState::Running) {
        let _ = write!(text, " Its runner was lost {} before.", times(task.losses));
    }
    text
}

fn again(state: &Orchestration) -> String {
    if let Some(how) = words::out_of_budget(state) {
        return how;
    }
    let some = state.tasks.iter().any(|t| matches!(t.state, TaskState::Failed | TaskState::Cancelled));
    if some { format!("`{COMMAND} --retry` runs again what failed or was cancelled.") } else { String::new() }
}

fn numbers(tasks: &[u32]) -> String {
    let all: Vec<String> = tasks.iter().map(|n| format!("task {n}")).collect();
    waiting::and(&all)
}

fn times(n: u32) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}
