//! What `/orchestrate --approve` is answered where it starts nothing.

use super::escape;
use crate::domain::Orchestration;
use crate::domain::command::COMMAND;
use crate::plan::{Changes, Edge};
use std::fmt::Write as _;

/// So many differences of one kind are told.
const MOST: usize = 12;
/// So much of a title or a value is shown, in characters.
const SHOWN: usize = 80;

/// What has changed since a plan was posted. Texts are foreign.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// The title before and now, if it is another.
    pub title: Option<(String, String)>,
    /// The text is another.
    pub body: bool,
    /// Keys of the rules with their values before and now.
    pub rules: Vec<(String, String, String)>,
    /// Issues that the plan names, and what became of each in a few words.
    pub linked: Vec<(u64, &'static str)>,
    /// The tasks and their order.
    pub plan: Changes,
    /// The plan is another in something that is none of the above.
    pub other: bool,
}

impl Changed {
    /// Whether the plan is as it was posted.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Nothing starts: what is different, and the plan as it is now.
pub fn changed(what: &Changed, plan: &str) -> String {
    let mut text =
        String::from("### Nothing was started: something has changed since the plan was posted\n\n");
    for line in lines(what) {
        let _ = writeln!(text, "- {line}");
    }
    let _ = write!(
        text,
        "\nBelow is the plan as it is now. If it is what you want, comment `{COMMAND} --approve` again, which starts exactly that.\n\n{plan}"
    );
    escape::body(&text, "")
}

/// `--approve` where no plan waits for it.
pub fn no_plan(earlier: Option<&Orchestration>) -> String {
    let why = match earlier {
        Some(run) => format!(
            "No plan of this issue waits to be approved: the last run (`{}`) has ended, and no plan was posted since it began.",
            run.run.orchestration_id
        ),
        None => "No plan of this issue was posted, so there is nothing to approve.".to_owned(),
    };
    format!(
        "{why} Comment `{COMMAND} --dry-run` (with the options that you want) to see the plan, then `{COMMAND} --approve` to start exactly that; `{COMMAND}` alone reads the issue and starts at once."
    )
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escape::inline(text, SHOWN))
}

fn lines(what: &Changed) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some((before, now)) = &what.title {
        lines.push(format!("The issue's title was {} and is {} now.", quoted(before), quoted(now)));
    }
    if what.body {
        let same = what.plan.is_empty() && !what.other;
        lines.push(match same {
            true => "The issue's text was edited; tasks and order are the same.".to_owned(),
            false => "The issue's text was edited.".to_owned(),
        });
    }
    let plan = &what.plan;
    bounded(&mut lines, &plan.added, |(n, title)| format!("Task {n} is new: {}", quoted(title)));
    bounded(&mut lines, &plan.removed, |(n, title)| {
        format!("What was task {n} is not to be done any more: {}", quoted(title))
    });
    bounded(&mut lines, &plan.renamed, |(n, before, now)| {
        format!("Task {n} is {} now; it was {}", quoted(now), quoted(before))
    });
    bounded(&mut lines, &plan.reworded, |n| {
        format!("Task {n} says something else below its title, names other files, or has another size")
    });
    // Where tasks come and go, the others move by themselves.
    if plan.added.is_empty() && plan.removed.is_empty() {
        bounded(&mut lines, &plan.renumbered, |(before, now)| {
            format!("What was task {before} is task {now} now")
        });
    }
    bounded(&mut lines, &plan.tied, |edge| match edge {
        Edge { task, on, overlap: true } => format!("Task {task} touches the same place as task {on} now"),
        Edge { task, on, overlap: false } => format!("Task {task} waits for task {on} now"),
    });
    bounded(&mut lines, &plan.untied, |edge| match edge {
        Edge { task, on, overlap: true } => {
            format!("Task {task} does not touch the same place as task {on} any more")
        }
        Edge { task, on, overlap: false } => format!("Task {task} does not wait for task {on} any more"),
    });
    if what.other && plan.is_empty() {
        lines.push("The reasons, the criteria or the prose around the tasks are others now.".to_owned());
    }
    bounded(&mut lines, &what.rules, |(key, before, now)| {
        let value = |text: &str| format!("`{}`", escape::inline(&text.replace('`', "'"), SHOWN));
        format!("The rules of the run: `{key}` was {} and is {} now", value(before), value(now))
    });
    bounded(&mut lines, &what.linked, |(number, how)| format!("#{number} {how}"));
    lines
}

fn bounded<T>(lines: &mut Vec<String>, all: &[T], say: impl Fn(&T) -> String) {
    lines.extend(all.iter().take(MOST).map(say));
    if all.len() > MOST {
        lines.push(format!("… and {} more like this", all.len() - MOST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_told_and_foreign_text_does_nothing() {
        let edge = |task, on, overlap| Edge { task, on, overlap };
        let what = Changed {
            title: Some(("Epic".into(), "Epic | @everyone <b>".into())),
            body: true,
            rules: vec![("max_workers".into(), "null".into(), "4`".into())],
            linked: vec![(12, "was edited")],
            plan: Changes {
                added: vec![(3, "New\n\n/orchestrate".into())],
                removed: vec![(2, "Old".into())],
                renamed: vec![(1, "a".into(), "b".into())],
                reworded: vec![4],
                renumbered: vec![(3, 2)],
                tied: vec![edge(4, 1, false), edge(4, 3, true)],
                untied: vec![edge(3, 1, false)],
            },
            other: true,
        };
        let text = changed(&what, "THE PLAN");
        for said in [
            "- The issue's text was edited.\n",
            "- Task 3 is new: ",
            "- What was task 2 is not to be done any more: \"Old\"",
            "- Task 1 is \"b\" now; it was \"a\"",
            "- Task 4 says something else",
            "- Task 4 waits for task 1 now",
            "- Task 4 touches the same place as task 3 now",
            "- Task 3 does not wait for task 1 any more",
            "- The rules of the run: `max_workers` was `null` and is `4'` now",
            "- #12 was edited",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(
            text.ends_with("THE PLAN") && text.contains("comment `/orchestrate --approve` again"),
            "{text}"
        );
        assert!(
            !text.contains("@everyone") && !text.contains("<b>") && !text.contains("\n/orchestrate"),
            "{text}"
        );
        assert!(!text.contains("What was task 3 is task 2"), "{text}");
    }

    #[test]
    fn the_largest_difference_leaves_room_for_the_largest_plan() {
        let many = |n: u32| (n, "ö|@".repeat(200));
        let what = Changed {
            title: Some(("ö".repeat(900), "ä".repeat(900))),
            body: true,
            rules: (0..99).map(|n| (format!("key_{n}"), "x".repeat(900), "y".repeat(900))).collect(),
            linked: (0..99).map(|n| (n, "was edited")).collect(),
            plan: Changes {
                added: (0..99).map(many).collect(),
                removed: (0..99).map(many).collect(),
                renamed: (0..99).map(|n| (n, "ö".repeat(900), "ä".repeat(900))).collect(),
                reworded: (0..99).collect(),
                renumbered: vec![],
                tied: (0..99).map(|task| Edge { task, on: 1, overlap: false }).collect(),
                untied: (0..99).map(|task| Edge { task, on: 1, overlap: true }).collect(),
            },
            other: false,
        };
        let said: usize = lines(&what).iter().map(String::len).sum();
        assert!(said < 20_000, "{said} bytes");
        assert!(lines(&what).iter().any(|l| l.contains("and 87 more")));
        let text = changed(&what, &"p".repeat(58_000));
        assert!(text.len() <= escape::MAX_BODY && text.contains("--approve` again"));
    }
}
