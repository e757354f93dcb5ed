//! The summary: the shape of the contract first, then what helps to go on.

use super::{escape, waiting, words};
use crate::domain::{FailureKind, Note, Orchestration, Task, TaskState};
use std::fmt::Write as _;

/// The comment's text.
pub fn summary(orchestration: &Orchestration, web_url: &str, marker: &str) -> String {
    let mut text = shape(orchestration);
    text.push_str(&analysis(orchestration));
    text.push_str(&next_steps(orchestration));
    text.push_str(&figures(orchestration, web_url));
    escape::body(&text, marker)
}

/// `summary.md`: the same without marker and addresses.
pub fn summary_text(orchestration: &Orchestration) -> String {
    let text = shape(orchestration)
        + &analysis(orchestration)
        + &next_steps(orchestration)
        + &figures(orchestration, "");
    format!("{}\n", escape::body(&text, ""))
}

/// What `product.md` section 8 prescribes, to the letter. A section without an entry is left out.
fn shape(orchestration: &Orchestration) -> String {
    let tasks = &orchestration.tasks;
    let mut text = String::from("## Parallel Orchestration Results\n\n");
    let _ = writeln!(text, "**Master Issue**: #{}", orchestration.run.master.number);
    let _ = writeln!(text, "**Total Sub-Tasks**: {}", tasks.len());
    let _ = writeln!(text, "**Successful**: {}", orchestration.count(TaskState::Completed));
    let _ = writeln!(text, "**Failed**: {}", orchestration.count(TaskState::Failed));
    section(&mut text, "Completed", tasks.iter().filter(|t| t.state == TaskState::Completed), |t| {
        let pull = t.pull_request.unwrap_or_default();
        format!("- [x] Sub-task {} → PR #{pull} · {}", t.number, words::title(t))
    });
    section(&mut text, "Failed", tasks.iter().filter(|t| t.state == TaskState::Failed), |t| {
        let why = t.failure.as_ref().map_or(FailureKind::Unknown, |f| f.kind).words();
        let issue = t.follow_up.map(|n| format!(" (Issue #{n} created)")).unwrap_or_default();
        format!("- [ ] Sub-task {}: {why}{issue} · {}", t.number, words::title(t))
    });
    let other =
        |t: &&Task| matches!(t.state, TaskState::Cancelled | TaskState::Blocked | TaskState::InReview);
    section(&mut text, "Not run", tasks.iter().filter(other), |t| {
        let why = match (t.state, t.pull_request) {
            (TaskState::InReview, Some(pull)) => format!("in review as PR #{pull}"),
            (TaskState::InReview, None) => "in review".to_owned(),
            (TaskState::Blocked, _) if t.is_out_of_budget() => "not begun, the budget is used up".to_owned(),
            (TaskState::Blocked, _) => {
                let why = t.failure.as_ref().map(|f| f.message.trim_end_matches('.')).unwrap_or_default();
                if why.is_empty() {
                    "blocked".to_owned()
                } else {
                    format!("blocked ({})", escape::inline(why, 120))
                }
            }
            _ => "cancelled".to_owned(),
        };
        format!("- [ ] Sub-task {}: {why} · {}", t.number, words::title(t))
    });
    text
}

fn section<'a>(
    text: &mut String,
    name: &str,
    tasks: impl Iterator<Item = &'a Task>,
    line: impl Fn(&Task) -> String,
) {
    let lines: Vec<String> = tasks.map(line).collect();
    if !lines.is_empty() {
        let _ = write!(text, "\n### {name}\n{}\n", lines.join("\n"));
    }
}

/// One paragraph for each failure.
fn analysis(orchestration: &Orchestration) -> String {
    let failed = orchestration.tasks.iter().filter(|t| t.state == TaskState::Failed);
    let lines: Vec<String> = failed
        .filter_map(|t| {
            let failure = t.failure.as_ref()?;
            Some(format!(
                "- Sub-task {} (`{}`): {}",
                t.number,
                failure.kind,
                escape::inline(&failure.message, 400)
            ))
        })
        .collect();
    if lines.is_empty() { String::new() } else { format!("\n### What went wrong\n{}\n", lines.join("\n")) }
}

fn next_steps(orchestration: &Orchestration) -> String {
    let completed = orchestration.count(TaskState::Completed);
    let failed: Vec<String> = orchestration
        .tasks
        .iter()
        .filter(|t| t.state == TaskState::Failed)
        .map(|t| t.number.to_string())
        .collect();
    let cancelled = orchestration.count(TaskState::Cancelled);
    let mut steps = Vec::new();
    if completed > 0 {
        let s = if completed == 1 { "" } else { "s" };
        steps.push(format!("- Review the pull request{s} above. Merging one closes its sub-issue."));
    }
    let money = words::out_of_budget(orchestration);
    let failed: Vec<String> = if money.is_some() { affordable(orchestration) } else { failed };
    if !failed.is_empty() {
        steps.push(format!(
            "- Run what failed again: comment `/orchestrate --retry` here, on the sub-issue or on its follow-up (here also with numbers: `/orchestrate --retry {}`).",
            failed.join(",")
        ));
    }
    if cancelled > 0 && failed.is_empty() && money.is_none() {
        steps.push("- Run what was cancelled: comment `/orchestrate --retry` here or on its sub-issue. Branches that were pushed are kept.".to_owned());
    }
    steps.extend(money.map(|how| format!("- {how}")));
    let closed = orchestration.tasks.iter().filter(|t| t.state == TaskState::Blocked);
    if closed.filter(|t| orchestration.closed_before(t).is_some()).count() > 0 {
        steps.push("- What is blocked waits for a pull request that was closed without a merge. Do that work another way, tick it off, and comment `/orchestrate` for the rest.".to_owned());
    }
    for note in orchestration.run.notes.iter().filter(|n| matches!(n, Note::SideBySide { .. })) {
        steps.push(format!(
            "- Look at conflicts: {}",
            waiting::note(note)
                .replace(" run side by side and may touch", " ran side by side and may have touched")
        ));
    }
    if steps.is_empty() { String::new() } else { format!("\n### Next steps\n{}\n", steps.join("\n")) }
}

/// Failed tasks that there is money for.
fn affordable(orchestration: &Orchestration) -> Vec<String> {
    let failed = orchestration.tasks.iter().filter(|t| t.state == TaskState::Failed);
    failed.filter(|t| orchestration.used_up(t).is_none()).map(|t| t.number.to_string()).collect()
}

fn figures(orchestration: &Orchestration, web_url: &str) -> String {
    let run = &orchestration.run;
    let (_, tokens) = words::spent(orchestration);
    let tokens = if tokens > 0 { format!(", {tokens} tokens") } else { String::new() };
    let base = match web_url {
        "" => format!("`{}` at {}", run.base, run.base_sha.short()),
        url => format!(
            "`{}` at [{}]({url}/{}/commit/{})",
            run.base,
            run.base_sha.short(),
            run.repo.full_name(),
            run.base_sha
        ),
    };
    format!(
        "\nTime: {} · Cost: {}{tokens} · Sandbox: {} · Base: {base} · Run: `{}`\n",
        words::duration(run.usage.active_seconds),
        words::cost_of_run(orchestration),
        words::tier(run),
        run.orchestration_id,
    )
}
