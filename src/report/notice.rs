//! One-off answers: what happened, why, and what to do next.

use super::{escape, words};
use crate::domain::command::{COMMAND, GRAMMAR, Misunderstood, TRIGGER_LABEL};
use crate::domain::{Exceeds, LimitOf, Orchestration, TaskNumber, TaskState};
use crate::plan::{Plan, Verdict, is_link};
use std::fmt::Write as _;

/// Everything that can be said, from the grammar.
pub fn help() -> String {
    format!(
        "{}\n\nThe label `{TRIGGER_LABEL}` on an issue does the same as `{COMMAND}`. People with write access can give commands.",
        table()
    )
}

fn table() -> String {
    let mut text = String::from("| command | what it does |\n|---|---|\n");
    for word in GRAMMAR {
        let said = [COMMAND, word.flag, word.value]
            .into_iter()
            .filter(|w| !w.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        let _ = writeln!(text, "| `{said}` | {} |", word.does);
    }
    text.trim_end().to_owned()
}

/// A word that is not in the grammar.
pub fn unknown_word(what: &Misunderstood) -> String {
    let word = escape::inline(&what.word.replace('`', "'"), 60);
    let nearest = what.nearest.as_ref().map(|n| format!(" Did you mean `{n}`?")).unwrap_or_default();
    format!("I did not understand that: `{word}` {}.{nearest}\n\n{}", what.why, table())
}

/// `/orchestrate` on a pull request.
pub fn pull_request_instead_of_issue() -> String {
    format!(
        "`{COMMAND}` works on issues, and this is a pull request. Comment on the issue that lists the tasks."
    )
}

/// `/orchestrate` on a closed issue.
pub fn closed_issue() -> String {
    format!("This issue is closed, so nothing was started. Reopen it and comment `{COMMAND}` again.")
}

/// `/orchestrate` on a sub-issue, follow-up or pull request of a run.
pub fn part_of_a_run(master: u64) -> String {
    format!(
        "This belongs to the run of #{master}. To run this one task again, comment `{COMMAND} --retry` here; to start a new run, comment on #{master}."
    )
}

/// A trigger on a master with a live run.
pub fn already_running(state: &Orchestration) -> String {
    let done = state.tasks.iter().filter(|t| t.state.is_terminal()).count();
    let running = state.count(TaskState::Running);
    format!(
        "A run of #{} is already under way (`{}`): {done} of {} tasks have ended, {running} {} working. Nothing new was started; the progress comment is kept up to date.",
        state.run.master.number,
        state.run.orchestration_id,
        state.tasks.len(),
        if running == 1 { "agent is" } else { "agents are" }
    )
}

/// A label that was put on while nobody listened, longer ago than GitHub keeps deliveries.
pub fn label_not_heard_of() -> String {
    format!(
        "This issue carries the label `{TRIGGER_LABEL}`, but nothing told me when it was put on: I was not reachable, and GitHub keeps such messages for three days only. Nothing was started. To start, comment `{COMMAND}`; `{COMMAND} --help` shows what else there is."
    )
}

/// A `.github/divisi.toml` that cannot be read.
pub fn bad_config(file: &str, error: &str, snippet: &str) -> String {
    let shown = [error, snippet].into_iter().filter(|t| !t.trim().is_empty()).flat_map(str::lines);
    let lines: Vec<String> = shown.map(str::to_owned).collect();
    format!(
        "`{file}` on the default branch cannot be used, so nothing was started:\n\n{}\n\nCorrect it there and comment `{COMMAND}` again.",
        escape::fenced(&lines, 4_000)
    )
}

/// An agent that this server does not have.
pub fn unknown_agent(name: &str, known: &[String]) -> String {
    let known: Vec<String> = known.iter().map(|k| format!("`{k}`")).collect();
    format!(
        "`.github/divisi.toml` asks for the agent `{}`, which this server does not have. It has: {}. Nothing was started.",
        escape::inline(&name.replace('`', "'"), 60),
        known.join(", ")
    )
}

/// A plan that does not run.
pub fn plan_refused(plan: &Plan, verdict: Verdict, min_tasks: u32) -> String {
    let open = plan.open().count();
    match verdict {
        Verdict::Empty if plan.tasks.is_empty() => format!(
            "I found no sub-tasks in this issue, so nothing was started. List them as check boxes (`- [ ] …`), as a numbered list, or as headings under a section such as \"Tasks\", and comment `{COMMAND}` again."
        ),
        Verdict::Empty if plan.tasks.iter().any(|task| task.elsewhere) => format!(
            "The open sub-tasks of this issue are issues of other repositories, so there is nothing to start here. Comment `{COMMAND}` there."
        ),
        Verdict::Empty => "All sub-tasks of this issue are done, so there is nothing to start.".to_owned(),
        Verdict::TooFew => format!(
            "I found {open} open sub-task{}, and a run needs at least {min_tasks}. For so little, assign the issue to one agent or person; or lower `min_tasks` in `.github/divisi.toml`.",
            if open == 1 { "" } else { "s" }
        ),
        Verdict::TooMany => format!(
            "I found {open} open sub-tasks. GitHub allows {} sub-issues per issue, so nothing was started. Split the issue and orchestrate the parts.",
            Plan::MAX_TASKS
        ),
        Verdict::Sequential => sequential(plan),
        Verdict::Parallel | Verdict::Ordered => "The plan can run.".to_owned(),
    }
}

/// An option that asks for more than the repository or the server allows.
pub fn exceeds(what: &Exceeds) -> String {
    match what.of {
        LimitOf::Repository => format!(
            "`{}` is more than this repository allows: `.github/divisi.toml` says `{}`. Nothing was started. Ask for less, or change the file.",
            what.said, what.limit
        ),
        LimitOf::Server => format!(
            "`{}` is more than this server allows: its configuration says `{}`. Nothing was started. Ask for less, or ask whoever runs the server.",
            what.said, what.limit
        ),
    }
}

/// `--only` with a number that no open task has.
pub fn no_such_task(number: TaskNumber, open: usize) -> String {
    let are = match open {
        0 => "no open sub-task".to_owned(),
        1 => "1 open sub-task".to_owned(),
        n => format!("{n} open sub-tasks"),
    };
    format!(
        "There is no task {number}: I found {are} in this issue, numbered from the top without the done ones. Nothing was started."
    )
}

/// Names each dependency with its reason, and recommends sequential work; of a circle its edges alone, since nothing else
/// helps before it is broken.
fn sequential(plan: &Plan) -> String {
    let name = |index: usize| {
        let title = plan.tasks.get(index).map_or("", |t| t.title.as_str());
        format!("{} \"{}\"", plan.number(index).unwrap_or_default(), escape::inline(title, 80))
    };
    let edge = |task: usize, on: usize, reason: &str| {
        let shown = escape::inline(reason, 120);
        let said = match reason {
            // The words stand in the title, which is named already.
            _ if plan.tasks.get(task).is_some_and(|t| t.title == reason) => String::new(),
            _ if is_link(reason) => format!(" ({shown})"),
            _ => format!(" (the text says: \"{shown}\")"),
        };
        format!("- {} waits for {}{said}\n", name(task), name(on))
    };
    let cycle = plan.cycle_edges();
    if !cycle.is_empty() {
        let edges: String = cycle.iter().take(50).map(|e| edge(e.task, e.on, &e.reason)).collect();
        return format!(
            "Some sub-tasks wait for one another in a circle, so no order can satisfy them and nothing was started:\n\n{edges}\nTake one of these words away, or reword it, and comment `{COMMAND}` again."
        );
    }
    let mut text = String::from(
        "Some sub-tasks depend on others, so they cannot be worked on in parallel and nothing was started:\n\n",
    );
    for d in plan.open_dependencies().take(50) {
        text.push_str(&edge(d.task, d.on, &d.reason));
    }
    for b in plan.open_barriers().take(20) {
        let open = |i: &&usize| plan.open().any(|o| o == **i);
        let list = |side: &[usize]| {
            side.iter().filter(open).take(5).map(|i| name(*i)).collect::<Vec<_>>().join(", ")
        };
        let reason = escape::inline(&b.reason, 120);
        let _ = writeln!(
            text,
            "- {} come after {} (the text says: \"{reason}\")",
            list(&b.after),
            list(&b.before)
        );
    }
    if let Some(order) = super::plan::order(plan) {
        let _ = write!(text, "\n**Order**: {order}\n");
    }
    let _ = write!(
        text,
        "\nI recommend sequential work: do what others wait for first, tick it off, and comment `{COMMAND}` for the rest. If the words above do not mean an order, reword them."
    );
    text
}

/// The repository has its share of live runs.
pub fn too_many_runs(limit: u32) -> String {
    let runs = if limit == 1 { "run is" } else { "runs are" };
    format!(
        "{limit} {runs} under way in this repository, which is this server's limit. Comment `{COMMAND}` again when one has ended."
    )
}

/// The base branch does not exist.
pub fn no_such_branch(name: &str) -> String {
    format!(
        "The base branch `{}` does not exist, so nothing was started. Create it, or correct `base` in `.github/divisi.toml`.",
        escape::inline(&name.replace('`', "'"), 120)
    )
}

/// The repository has no commit.
pub fn empty_repository() -> String {
    format!(
        "This repository is empty, so there is nothing for agents to start from. Push a first commit and comment `{COMMAND}` again."
    )
}

/// A linked issue that cannot be worked on.
pub fn linked_issue(number: u64, why: &str) -> String {
    format!(
        "The plan names #{number} as a sub-task, but it {why}. Correct the list and comment `{COMMAND}` again."
    )
}

/// Every task is in review from an earlier run.
pub fn all_in_review(state: &Orchestration) -> String {
    let mut text =
        String::from("Every sub-task has a pull request from an earlier run, so nothing was started:\n\n");
    for task in &state.tasks {
        let pull = task.pull_request.map(|n| format!("#{n}")).unwrap_or_default();
        let _ = writeln!(text, "- {} {pull}", words::title(task));
    }
    text
}

/// `--retry` where nothing ever ran.
pub fn nothing_to_retry() -> String {
    format!(
        "There is no run to retry here. Comment `{COMMAND}` on the issue that lists the tasks to start one."
    )
}

/// A person opened the sub-issue of a cancelled or failed task again.
pub fn reopened() -> String {
    format!("Reopening starts nothing. Comment `{COMMAND} --retry` here to have this task worked on again.")
}

/// `--retry` of tasks that did not fail.
pub fn retry_refused(state: &Orchestration, tasks: &[TaskNumber]) -> String {
    let money = words::out_of_budget(state);
    if let (true, Some(how)) = (tasks.is_empty(), &money) {
        return format!("Nothing was run again. {how}");
    }
    if tasks.is_empty() {
        return format!(
            "Nothing has failed in the run of #{}, so there is nothing to run again.",
            state.run.master.number
        );
    }
    let mut text = String::from("Only failed or cancelled tasks are run again. These are not:\n\n");
    for number in tasks {
        let line = match state.task(*number) {
            None => format!("- {number}: there is no such task; the run has {}", state.tasks.len()),
            Some(task) => {
                let pull = task.pull_request.map(|n| format!(", pull request #{n}")).unwrap_or_default();
                let on = state.closed_before(task);
                let on = on.map(|on| {
                    format!(", and it waits for task {on}, whose pull request was closed without a merge")
                });
                let spent = matches!(task.state, TaskState::Failed | TaskState::Cancelled)
                    && state.used_up(task).is_some();
                let spent = if spent { ", and the budget is used up" } else { "" };
                format!("- {number}: {}{pull}{}{spent}", words::state(task), on.unwrap_or_default())
            }
        };
        let _ = writeln!(text, "{line}");
    }
    if let Some(how) = money {
        let _ = write!(text, "\n{how}");
    }
    text.trim_end().to_owned()
}
