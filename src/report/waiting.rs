//! Wording of what waits for what, of why a plan does not start, and of what is worth a word about one that does.

use super::{escape, notice};
use crate::domain::command::COMMAND;
use crate::domain::{Note, OnOverlap, Orchestration, RunPolicy, StartOptions, Task, TaskNumber, TaskState};
use crate::plan::{Confidence, Overlap, Plan, Verdict};
use std::fmt::Write as _;

/// More pairs than this are not listed.
const PAIRS: usize = 20;
/// So much of a reason is said, in characters.
const REASON: usize = 200;

/// `waits for #12 and task 3 to be merged`: the pull requests by their numbers where they are there. `None` when the task
/// waits for no merge.
pub(super) fn merges(state: &Orchestration, task: &Task) -> Option<String> {
    let waits = matches!(task.state, TaskState::Planned | TaskState::Ready);
    let unmerged = if waits { state.unmerged_before(task) } else { Vec::new() };
    (!unmerged.is_empty()).then(|| format!("waits for {} to be merged", pulls(state, &unmerged)))
}

/// Pull requests of tasks, or the tasks where there is none yet.
pub(super) fn pulls(state: &Orchestration, tasks: &[TaskNumber]) -> String {
    let name = |number: &TaskNumber| match state.task(*number).and_then(|t| t.pull_request) {
        Some(pull) => format!("#{pull}"),
        None => format!("task {number}"),
    };
    and(&tasks.iter().map(name).collect::<Vec<_>>())
}

/// `a, b and c`.
pub(super) fn and(all: &[String]) -> String {
    match all.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => all.concat(),
    }
}

/// A remark as one sentence; `shown` makes foreign text fit for where it is said.
pub(super) fn note(note: &Note, shown: fn(&str, usize) -> String) -> String {
    match note {
        Note::SideBySide { a, b, reason } => {
            format!(
                "Tasks {a} and {b} run side by side and may touch the same place: {}.",
                shown(reason, REASON)
            )
        }
        Note::FewerSlots { slots, wanted } => format!(
            "The runner hosts have {slots} {} for this agent, and `max_workers` would let {wanted} work at once: the others wait for a free one.",
            if *slots == 1 { "slot" } else { "slots" }
        ),
        Note::NoRunner { agent } => format!(
            "No runner host offers the agent {} at the moment: everything waits until one does.",
            shown(agent, 40)
        ),
        Note::Unsearched(why) => format!(
            "The repository could not be searched for files that tasks share: {}. Only what the issue names was compared.",
            shown(why, REASON).trim_end_matches('.')
        ),
        Note::Elsewhere { name } => {
            format!("{} is an issue of another repository and is not worked on here.", shown(name, 140))
        }
        Note::BlockedOutside { task, by } => format!(
            "Task {task} is blocked on GitHub by {}, which is open and no task of this issue. That holds nothing up here: cancel the task if it has to wait.",
            shown(by, 140)
        ),
        Note::Pair => {
            "Two tasks are hardly worth the overhead of a run; assigning them one by one does as well."
                .to_owned()
        }
    }
}

fn said(reason: &str) -> String {
    escape::inline(reason, REASON)
}

/// Why this plan does not start under these rules and options, and what to do; `None` when it starts.
pub fn not_started(plan: &Plan, policy: &RunPolicy, options: &StartOptions) -> Option<String> {
    match plan.verdict(policy.min_tasks as usize) {
        Verdict::Parallel | Verdict::Ordered => {}
        Verdict::Sequential if options.ordered && plan.cycle().is_empty() => {}
        refused => {
            let mut text = notice::plan_refused(plan, refused, policy.min_tasks);
            if refused == Verdict::Sequential {
                text.push_str(&offer(plan, options));
            }
            return Some(text);
        }
    }
    let refused: Vec<&Overlap> =
        plan.open_overlaps().filter(|_| policy.on_overlap == OnOverlap::Stop).collect();
    (!refused.is_empty()).then(|| overlaps_stop(plan, &refused))
}

/// What can be done about a plan whose tasks depend on one another.
fn offer(plan: &Plan, options: &StartOptions) -> String {
    if !plan.cycle().is_empty() {
        return if options.ordered {
            " `--ordered` needs an order, so it cannot help before one of them is taken back.".to_owned()
        } else {
            String::new()
        };
    }
    let ordered = StartOptions { ordered: true, dry_run: false, ..options.clone() };
    format!(
        " Or comment `{}`: then each task starts when the pull requests of all that it waits for are merged.",
        ordered.command()
    )
}

fn overlaps_stop(plan: &Plan, refused: &[&Overlap]) -> String {
    let mut text = String::from(
        "Some sub-tasks would touch the same place, and `.github/divisi.toml` says `on_overlap = \"stop\"`, so nothing was started:\n\n",
    );
    for overlap in refused.iter().take(PAIRS) {
        let name = |index: usize| {
            let title = plan.tasks.get(index).map_or("", |t| t.title.as_str());
            format!("{} \"{}\"", plan.number(index).unwrap_or_default(), escape::inline(title, 80))
        };
        let likely = if overlap.confidence == Confidence::Likely { " (likely)" } else { "" };
        let _ = writeln!(
            text,
            "- {} and {}: {}{likely}",
            name(overlap.a),
            name(overlap.b),
            said(&overlap.reason)
        );
    }
    if refused.len() > PAIRS {
        let _ = writeln!(text, "- and {} more pairs", refused.len() - PAIRS);
    }
    let _ = write!(
        text,
        "\nPut each pair into one sub-task or give each its own files, choose tasks with `{COMMAND} --only …`, or say `on_overlap = \"order\"` (one after the other) or `\"warn\"` (side by side) in the file."
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str, said: &str, on_overlap: OnOverlap) -> Option<String> {
        let plan = crate::plan::read("Epic", body, Some(1), None);
        let policy = RunPolicy { on_overlap, ..RunPolicy::default() };
        let options = match crate::domain::command::parse(said) {
            Some(Ok(crate::domain::command::Command::Start(options))) => options,
            other => panic!("{other:?}"),
        };
        not_started(&plan, &policy, &options)
    }

    #[test]
    fn dependent_tasks_start_in_order_and_only_when_told_to() {
        let body = "## Tasks\n\n- [ ] Write the schema\n- [ ] Write the importer (depends on task 1)\n";
        let why = refusal(body, "/orchestrate --max-workers 2", OnOverlap::Order).expect("refused");
        assert!(why.contains("comment `/orchestrate --max-workers 2 --ordered`: then each task"), "{why}");
        assert_eq!(refusal(body, "/orchestrate --ordered", OnOverlap::Order), None);
    }

    #[test]
    fn no_option_starts_a_cycle() {
        let body = "## Tasks\n\n- [ ] Write the schema (depends on task 2)\n- [ ] Write the importer (depends on task 1)\n";
        for said in ["/orchestrate", "/orchestrate --ordered"] {
            let why = refusal(body, said, OnOverlap::Order).expect("refused");
            assert!(why.contains("no order can satisfy them") && !why.contains("Or comment"), "{why}");
            assert!(why.contains("- 1 \"Write the schema") && why.contains("waits for 1 \""), "{why}");
            assert!(!why.contains("I recommend sequential"), "{why}");
            assert_eq!(why.contains("`--ordered` needs an order"), said.ends_with("ordered"), "{why}");
        }
    }

    #[test]
    fn overlaps_refuse_a_start_only_where_the_file_says_so() {
        let body = "## Tasks\n\n- [ ] Split `src/a.rs`\n- [ ] Sort `src/a.rs`\n- [ ] Call `load()` once\n- [ ] Test `load()`\n";
        assert_eq!(refusal(body, "/orchestrate", OnOverlap::Order), None);
        assert_eq!(refusal(body, "/orchestrate", OnOverlap::Warn), None);
        let why = refusal(body, "/orchestrate", OnOverlap::Stop).expect("refused");
        assert!(why.contains("- 1 \"Split `src/a.rs`\" and 2 ") && why.contains("src/a.rs"), "{why}");
        assert!(why.contains("(likely)") && why.contains("on_overlap = \"stop\""), "{why}");
    }
}
