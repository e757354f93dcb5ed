//! The issues and pull requests that Divisi opens.

use super::labels::labels;
use super::{escape, template, words};
use crate::domain::{Failure, FailureKind, Placeholder, Run, Task, TaskState};
use std::fmt::Write as _;

/// The label of follow-up issues.
const FOLLOW_UP_LABEL: &str = "follow-up";

/// The label of follow-ups of tasks that ran out of time.
const INVESTIGATE_LABEL: &str = "needs-investigation";

/// An issue or pull request to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// At most 256 characters.
    pub title: String,
    /// At most 60,000 bytes.
    pub body: String,
    /// Label names.
    pub labels: Vec<String>,
}

/// The sub-issue of a task, in the repository's layout if it has one.
pub fn sub_issue(run: &Run, task: &Task, marker: &str) -> Text {
    let (title, was_cut) = template::title(run, task);
    let body = template::body(run, task, was_cut).unwrap_or_else(|| layout(run, task, was_cut));
    let master = format!("#{}", run.master.number);
    let labels = labels(&run.policy.issue_template).into_iter().map(|label| label.name).collect();
    Text { title, body: escape::body_of(&body, marker, &master), labels }
}

/// Divisi's own layout: what is empty is left out.
fn layout(run: &Run, task: &Task, title_was_cut: bool) -> String {
    let value = |placeholder| template::foreign(placeholder, run, task);
    let mut body = template::part_of(run);
    if title_was_cut {
        let _ = write!(body, "\n{}\n", template::whole_title(task));
    }
    if !task.details.trim().is_empty() {
        let _ = write!(body, "\n## Details\n\n{}\n", value(Placeholder::Details));
    }
    if !run.context.trim().is_empty() {
        let context = value(Placeholder::Context);
        let _ = write!(
            body,
            "\n<details><summary>Context from the master issue</summary>\n\n{context}\n\n</details>\n"
        );
    }
    let _ = write!(body, "\n## Acceptance Criteria\n\n{}\n", value(Placeholder::Criteria));
    body
}

/// The follow-up of a failed task; once a retry succeeded, what it says when it is closed.
pub fn follow_up(run: &Run, task: &Task, marker: &str) -> Text {
    let prefix = format!("[Master #{}] Follow-up: ", run.master.number);
    let unknown = Failure::new(FailureKind::Unknown, "No reason was recorded.");
    let failure = task.failure.as_ref().unwrap_or(&unknown);
    let mut body = format!(
        "Sub-task {} of #{} failed: **{}**\n\n",
        task.number,
        run.master.number,
        failure.kind.words()
    );
    if task.state == TaskState::Completed {
        let pull = task.pull_request.map(|n| format!(" as #{n}")).unwrap_or_default();
        body = format!(
            "Sub-task {} of #{} failed at first. A retry succeeded{pull}.\n\n",
            task.number, run.master.number
        );
    } else {
        let _ = write!(body, "`{}`: {}\n\n", failure.kind, escape::inline(&failure.message, 1_000));
    }
    if !failure.tail.is_empty() && task.state != TaskState::Completed {
        let _ = write!(body, "Last lines of output:\n\n{}\n\n", escape::fenced(&failure.tail, 20_000));
    }
    body.push_str("## What was tried\n\n");
    if let Some(issue) = task.sub_issue {
        let _ = writeln!(body, "- sub-issue: #{}", issue.number);
    }
    let _ = writeln!(body, "- task: {}", words::title(task));
    let _ = writeln!(body, "- attempts: {}, agent `{}`", task.attempt, escape::inline(&task.agent, 40));
    let _ = writeln!(
        body,
        "- time: {}, cost: {}",
        words::duration(task.spent.seconds),
        words::cost(task.spent.cost_usd)
    );
    let _ = writeln!(body, "- branch: `{}`", task.branch);
    if task.state != TaskState::Completed {
        body.push_str("\n## Next\n\nRead the reason above. To run the task again, comment here:\n\n    /orchestrate --retry\n");
    }
    let mut labels = vec![FOLLOW_UP_LABEL.to_owned()];
    if matches!(failure.kind, FailureKind::Timeout | FailureKind::TestTimeout | FailureKind::Stalled) {
        labels.push(INVESTIGATE_LABEL.to_owned());
    }
    Text {
        title: format!("{prefix}{}", escape::title(&task.title, prefix.chars().count())),
        body: escape::body(&body, marker),
        labels,
    }
}

/// The pull request of a task.
pub fn pull_request(run: &Run, task: &Task, marker: &str) -> Text {
    let mut body = String::new();
    if let Some(issue) = task.sub_issue {
        let _ = write!(body, "Closes #{}\n\n", issue.number);
    }
    let _ = writeln!(body, "Sub-task {} of #{}: {}", task.number, run.master.number, words::title(task));
    if !task.waits_for.is_empty() {
        let on: Vec<String> = task.waits_for.iter().map(u32::to_string).collect();
        let _ =
            write!(body, "\nNames the same file as sub-task {}, so it was done afterwards.\n", on.join(", "));
    }
    if let Some(published) = &task.published {
        if !published.said.trim().is_empty() {
            let said: Vec<String> = published.said.lines().map(str::to_owned).collect();
            let _ = write!(body, "\n## What the agent says it did\n\n{}\n", escape::fenced(&said, 8_000));
        }
        body.push_str("\n## Verification\n\n");
        if published.verify.is_empty() {
            body.push_str("No verify commands are configured for this repository.\n");
        }
        for run in &published.verify {
            let tail = if run.tail.is_empty() {
                String::new()
            } else {
                format!("\n\n{}\n", escape::fenced(&run.tail, 4_000))
            };
            let _ = write!(
                body,
                "<details><summary>✅ <code>{}</code> in {}</summary>{tail}\n</details>\n",
                escape::inline(&run.command, 200),
                words::duration(run.seconds as f64)
            );
        }
        let files: Vec<String> = published
            .paths
            .iter()
            .take(20)
            .map(|p| format!("`{}`", escape::inline(&p.replace('`', "'"), 120)))
            .collect();
        let more = published.paths.len().saturating_sub(20);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = write!(
            body,
            "\n{} {}, changed: {}{more}\n",
            published.commits,
            if published.commits == 1 { "commit" } else { "commits" },
            files.join(", ")
        );
        let _ = write!(
            body,
            "\n---\nWritten by the agent `{}` (attempt {}) for {}, from `{}`. Run `{}`.\n",
            escape::inline(&task.agent, 40),
            task.attempt,
            escape::inline(&run.requester, 60),
            published.base.short(),
            run.orchestration_id
        );
    }
    Text { title: escape::title(&task.title, 0), body: escape::body(&body, marker), labels: Vec::new() }
}

/// The text of an issue that was made twice, once it is closed: a link to the one that stays.
pub fn folded(first: u64) -> String {
    format!(
        "Duplicate of #{first}. GitHub carried out a request of Divisi's twice; this issue is closed and nothing \
         hangs on it."
    )
}
