//! The progress comment: edited in place while the run goes on.

use super::{escape, waiting, words};
use crate::domain::{Orchestration, RunState, Task, TaskState};
use jiff::Timestamp;
use std::fmt::Write as _;

/// The comment's text.
pub fn progress(orchestration: &Orchestration, now: Timestamp, web_url: &str, marker: &str) -> String {
    let (run, tasks) = (&orchestration.run, &orchestration.tasks);
    let done = tasks.iter().filter(|t| t.state.is_terminal()).count();
    let mut text = match run.state {
        RunState::Active if run.stops.cancelled => "### Divisi is cancelling this run\n\n".to_owned(),
        RunState::Active if run.stops.paused => {
            "### Divisi is paused: no new agents start until `/orchestrate --resume`\n\n".to_owned()
        }
        RunState::Active => format!("### Divisi is working on {} tasks\n\n", tasks.len()),
        RunState::Ended(outcome) => format!("### Divisi has finished: {}\n\n", outcome.as_str()),
    };
    let _ = writeln!(
        text,
        "{} {done}/{} ended, started by {}\n",
        bar(done, tasks.len()),
        tasks.len(),
        escape::inline(&run.requester, 60)
    );
    text.push_str(
        "| # | task | state | agent | time | cost | pull request |\n|--:|---|---|---|--:|--:|---|\n",
    );
    for task in tasks {
        text.push_str(&row(orchestration, task, now));
    }
    let (usd, tokens) = (orchestration.cost_usd(), words::spent(orchestration).1);
    let total: f64 = tasks.iter().map(|t| words::seconds(t, now)).sum();
    let _ = writeln!(text, "| | **total** | | | {} | {} | |\n", words::duration(total), words::cost(usd));
    for note in &run.notes {
        let _ = writeln!(text, "> {}\n", waiting::note(note));
    }
    text.push_str(&details(orchestration, web_url, tokens));
    escape::body(&text, marker)
}

fn row(state: &Orchestration, task: &Task, now: Timestamp) -> String {
    let sub_issue = task.sub_issue.map(|i| format!(" #{}", i.number)).unwrap_or_default();
    let pull = match (task.pull_request, task.follow_up) {
        (Some(pull), _) => format!("#{pull}"),
        (None, Some(issue)) => format!("follow-up #{issue}"),
        (None, None) => String::new(),
    };
    let time = if task.attempt == 0 { String::new() } else { words::duration(words::seconds(task, now)) };
    let cost = if task.attempt == 0 { String::new() } else { words::cost(task.cost_usd()) };
    let note = match task.state {
        TaskState::Running if !task.progress.stage.is_empty() => {
            format!(" ({})", escape::inline(&task.progress.stage, 40))
        }
        TaskState::Blocked => task
            .failure
            .as_ref()
            .map(|f| format!(": {}", escape::inline(&f.message, 120)))
            .unwrap_or_default(),
        TaskState::Failed => {
            task.failure.as_ref().map(|f| format!(": {}", f.kind.words())).unwrap_or_default()
        }
        _ => String::new(),
    };
    let again = if task.attempt > 1 { format!(", attempt {}", task.attempt) } else { String::new() };
    format!(
        "| {} | {}{sub_issue} | {}{note}{again} | {} | {time} | {cost} | {pull} |\n",
        task.number,
        words::title(task),
        waiting::merges(state, task).map_or_else(|| words::state(task), |waits| format!("⏳ {waits}")),
        escape::inline(&task.agent, 30),
    )
}

fn details(orchestration: &Orchestration, web_url: &str, tokens: u64) -> String {
    let run = &orchestration.run;
    let mut text = String::from("<details><summary>About this run</summary>\n\n");
    let repo = run.repo.full_name();
    let _ = writeln!(
        text,
        "- base: `{}` at [{}]({web_url}/{repo}/commit/{})",
        run.base,
        run.base_sha.short(),
        run.base_sha
    );
    let _ = writeln!(text, "- run: `{}`", run.orchestration_id);
    let _ = writeln!(text, "- sandbox: {}", words::tier(run));
    if run.policy.run_usd.is_some() {
        let _ = writeln!(text, "- budget: {} spent", words::cost_of_run(orchestration));
    }
    if tokens > 0 {
        let _ = writeln!(text, "- tokens: {tokens}");
    }
    let ordered: Vec<&Task> = orchestration.tasks.iter().filter(|t| !t.waits_for.is_empty()).collect();
    if !ordered.is_empty() {
        text.push_str("- tasks that name the same file run one after the other:\n");
        for task in ordered {
            let on: Vec<String> = task.waits_for.iter().map(u32::to_string).collect();
            let _ = writeln!(text, "  - {} after {}", task.number, on.join(", "));
        }
    }
    let after: Vec<&Task> = orchestration.tasks.iter().filter(|t| !t.after_merge.is_empty()).collect();
    if !after.is_empty() {
        text.push_str(
            "- a task starts when the pull requests of all that it waits for are merged (`--ordered`):\n",
        );
        for task in after {
            let on: Vec<String> = task.after_merge.iter().map(u32::to_string).collect();
            let _ = writeln!(text, "  - {} after {}", task.number, on.join(", "));
        }
    }
    text.push_str(
        "\nA failed task is run again by `--retry` on its sub-issue, its follow-up, or here.\n</details>",
    );
    text
}

/// Ten blocks.
fn bar(done: usize, of: usize) -> String {
    let full = (done * 10).checked_div(of).unwrap_or(0);
    format!("{}{}", "▓".repeat(full), "░".repeat(10 - full))
}
