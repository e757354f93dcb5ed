//! Sub-issues in a repository's own layout (`[issue_template]`).
//!
//! The template's words are the repository's and stay as they are, except that they cannot hold a marker of ours. What is
//! put in is foreign text: made harmless first, and once more where it touches the words around it.

use super::escape;
use crate::domain::{IssueTemplate, Part, Placeholder, Run, Task, parts};

/// The layout of a repository that says nothing about titles, and what is used in place of a stored text that is none.
fn title_parts(template: &IssueTemplate) -> Vec<Part> {
    parts(&template.title).or_else(|_| parts(IssueTemplate::TITLE)).unwrap_or_default()
}

/// The title, at most 256 characters, and whether something of the task's own title is missing in it.
pub(super) fn title(run: &Run, task: &Task) -> (String, bool) {
    let parts = title_parts(&run.policy.issue_template);
    let master = run.master.number.to_string();
    let fixed: usize = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.chars().count(),
            Part::Value(Placeholder::Master) => master.len(),
            Part::Value(_) => 0,
        })
        .sum();
    let titles = parts.iter().filter(|p| **p == Part::Value(Placeholder::TaskTitle)).count();
    let room = escape::MAX_TITLE.saturating_sub(fixed);
    // The task's title comes first; what else is put in gets what it leaves.
    let own = escape::title(&task.title, escape::MAX_TITLE - room / titles.max(1));
    let was_cut = titles == 0 || task.title.chars().count() > room / titles.max(1);
    let mut left = room.saturating_sub(titles * own.chars().count());
    let mut out = String::new();
    for part in &parts {
        match part {
            Part::Text(text) => escape::join_own(&mut out, text),
            Part::Value(Placeholder::Master) => out.push_str(&master),
            Part::Value(Placeholder::TaskTitle) => escape::join_foreign(&mut out, &own),
            Part::Value(other) => {
                let value = match other {
                    Placeholder::Context => run.context.clone(),
                    Placeholder::Criteria => task.criteria.join("; "),
                    _ => task.details.clone(),
                };
                if left > 0 {
                    let value = escape::title(&value, escape::MAX_TITLE - left);
                    left -= value.chars().count().min(left);
                    escape::join_foreign(&mut out, &value);
                }
            }
        }
    }
    (escape::cut(out.trim(), escape::MAX_TITLE), was_cut)
}

/// The text in the repository's layout; `None` when it has none.
pub(super) fn body(run: &Run, task: &Task, title_was_cut: bool) -> Option<String> {
    let template = &run.policy.issue_template;
    if template.body.trim().is_empty() {
        return None;
    }
    let parts = parts(&template.body.replace("\r\n", "\n")).ok()?;
    let mut out = String::new();
    // The way back to the master issue is not the template's to leave out, nor the whole title.
    if !links_master(&parts) {
        out.push_str(&part_of(run));
        out.push('\n');
    }
    if title_was_cut && !parts.contains(&Part::Value(Placeholder::TaskTitle)) {
        out.push_str(&format!("{}\n\n", whole_title(task)));
    }
    for part in &parts {
        match part {
            Part::Text(text) => escape::join_own(&mut out, text),
            Part::Value(Placeholder::Master) => out.push_str(&run.master.number.to_string()),
            Part::Value(value) => escape::join_foreign(&mut out, &foreign(*value, run, task)),
        }
    }
    Some(escape::closed(out))
}

/// Whether the words hold `#{master}`, which GitHub makes a link.
fn links_master(parts: &[Part]) -> bool {
    parts.windows(2).any(|two| match two {
        [Part::Text(text), Part::Value(Placeholder::Master)] => {
            text.ends_with('#') && !text.ends_with("`#") && text.rfind("<!--") <= text.rfind("-->")
        }
        _ => false,
    })
}

/// What a placeholder stands for, as it may stand in an issue's text.
pub(super) fn foreign(value: Placeholder, run: &Run, task: &Task) -> String {
    match value {
        Placeholder::Master => run.master.number.to_string(),
        Placeholder::TaskTitle => escape::inline(&task.title, 2_000),
        Placeholder::Details => escape::block(task.details.trim(), 30_000),
        Placeholder::Context => escape::block(run.context.trim(), 6_000),
        Placeholder::Criteria if task.criteria.is_empty() => "- the task above is done".to_owned(),
        Placeholder::Criteria => {
            let lines = task.criteria.iter().map(|c| format!("- {}", escape::inline(c, 500)));
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

/// The line that leads back.
pub(super) fn part_of(run: &Run) -> String {
    format!("Part of #{}: {}\n", run.master.number, escape::inline(&run.master.title, 200))
}

/// The task's title where the issue's cannot hold it.
pub(super) fn whole_title(task: &Task) -> String {
    format!("**Task**: {}", escape::inline(&task.title, 2_000))
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
