//! What GitHub itself knows of a master issue's sub-tasks, merged into what the text says: sub-issues, closed issues,
//! and `blocked by` links.

use super::model::{Confidence, Dependency, Plan, PlannedTask};
use super::{links, mention, text};
use crate::domain::Note;
use serde::{Deserialize, Serialize};

/// How the reason of a link ends.
const ON_GITHUB: &str = " on GitHub";

/// A sub-issue of the master in the same repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeIssue {
    /// Its number.
    pub number: u64,
    /// Its title: foreign text.
    pub title: String,
    /// Its text: foreign.
    pub body: String,
    /// Whether it is closed, which is done.
    pub closed: bool,
}

/// What GitHub knows and the plan does not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remark {
    /// A sub-issue in another repository, as `owner/repo#n`.
    Elsewhere { name: String },
    /// An open issue outside of the plan blocks a task: `#n` or `owner/repo#n`. Nobody here can say when that ends, so it is
    /// told and no edge.
    BlockedOutside { task: usize, by: String },
}

impl Plan {
    /// What is worth a word to people, whichever way the plan goes: what GitHub knows and the plan does not take, and that nobody
    /// searched the repository.
    pub fn notes(&self) -> Vec<Note> {
        let remark = |remark: &Remark| match remark {
            Remark::Elsewhere { name } => Some(Note::Elsewhere { name: name.clone() }),
            Remark::BlockedOutside { task, by } => {
                let task = self.open().any(|i| i == *task).then(|| self.number(*task)).flatten()?;
                Some(Note::BlockedOutside { task, by: by.clone() })
            }
        };
        let unsearched = self.unsearched.clone().map(Note::Unsearched);
        self.remarks.iter().filter_map(remark).chain(unsearched).collect()
    }

    /// Takes the master's sub-issues in, in their order. One that the text names, or that has the title of a task which
    /// names no other issue, is that task; any other is a task of its own. What is closed is done.
    pub fn take_sub_issues(&mut self, issues: &[NativeIssue]) {
        for issue in issues {
            let index = self.task_of(issue.number).or_else(|| self.unlinked(&issue.title));
            match index {
                Some(index) => {
                    self.tasks[index].existing_issue = Some(issue.number);
                    self.tasks[index].done |= issue.closed;
                }
                None => self.tasks.push(own(issue)),
            }
        }
        self.is_master |= !issues.is_empty();
        self.overlaps = mention::overlaps(self);
    }

    /// Items that are issues of other repositories are told and not taken: nothing here can work on them.
    pub fn leave_elsewhere(&mut self) {
        let links = self.tasks.iter_mut().filter(|task| !task.done && links::is_link_item(&task.title, None));
        let mut names = Vec::new();
        for task in links {
            if let Some(name) = task.existing_ref.clone() {
                task.elsewhere = true;
                names.push(name);
            }
        }
        names.into_iter().for_each(|name| self.elsewhere(name));
    }

    /// Tells once of an issue in another repository, `owner/repo#n`.
    pub fn elsewhere(&mut self, name: String) {
        let same =
            |r: &Remark| matches!(r, Remark::Elsewhere { name: known } if known.eq_ignore_ascii_case(&name));
        if !self.remarks.iter().any(same) {
            self.remarks.push(Remark::Elsewhere { name });
        }
    }

    /// A task that is written as a bare link has its issue's title for a name.
    pub fn name_link(&mut self, number: u64, title: &str) {
        let Some(index) = self.task_of(number) else { return };
        let task = &mut self.tasks[index];
        let title = text::one_line(title);
        if links::is_bare(&task.title) && !title.is_empty() {
            task.title = title;
        }
    }

    /// An issue that a task names is closed: the task is done, whatever its box says.
    pub fn issue_closed(&mut self, number: u64) {
        if let Some(index) = self.task_of(number) {
            self.tasks[index].done = true;
            self.overlaps.retain(|o| o.a != index && o.b != index);
        }
    }

    /// The task that is this issue.
    pub fn task_of(&self, number: u64) -> Option<usize> {
        self.tasks.iter().position(|t| t.existing_issue == Some(number))
    }

    /// The one task with this title, give or take case, marks and spaces, that names no issue.
    pub fn unlinked(&self, title: &str) -> Option<usize> {
        let wanted = normal(title);
        let same = |t: &PlannedTask| {
            t.existing_issue.is_none() && t.existing_ref.is_none() && normal(&t.title) == wanted
        };
        let mut found = (0..self.tasks.len()).filter(|index| !wanted.is_empty() && same(&self.tasks[*index]));
        found.next().filter(|_| found.next().is_none())
    }

    /// GitHub says that the first task is blocked by the second; `words` name their issues. What the text says already is
    /// not said twice.
    pub fn blocked_on_github(&mut self, (task, on): (usize, usize), (blocked, by): (u64, u64)) {
        let known = self.dependencies.iter().any(|d| d.task == task && d.on == on);
        if task != on && !known {
            let reason = format!("#{blocked} is blocked by #{by}{ON_GITHUB}");
            self.dependencies.push(Dependency { task, on, reason, confidence: Confidence::Certain });
        }
    }
}

/// Whether a dependency is a link on GitHub and no word of the issue.
pub fn is_link(reason: &str) -> bool {
    reason.starts_with('#') && reason.ends_with(ON_GITHUB)
}

/// A sub-issue that the text does not name.
fn own(issue: &NativeIssue) -> PlannedTask {
    let mut task = PlannedTask {
        title: text::one_line(&issue.title),
        done: issue.closed,
        existing_issue: Some(issue.number),
        details: issue.body.trim().to_owned(),
        paths: mention::paths(&format!("{} {}", issue.title, issue.body)),
        ..PlannedTask::default()
    };
    if task.title.is_empty() {
        task.title = format!("#{}", issue.number);
    }
    task.size = mention::size(&task);
    task
}

/// Letters and digits in lower case with single spaces: marks and full stops make no other task.
fn normal(title: &str) -> String {
    let words: String =
        title.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect::<String>().to_lowercase();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Verdict, read};

    fn issue(number: u64, title: &str) -> NativeIssue {
        NativeIssue { number, title: title.into(), body: String::new(), closed: false }
    }

    fn titles(plan: &Plan) -> Vec<(&str, Option<u64>, bool)> {
        plan.tasks.iter().map(|t| (t.title.as_str(), t.existing_issue, t.done)).collect()
    }

    #[test]
    fn a_sub_issue_is_the_task_that_names_it_or_has_its_title_and_else_one_of_its_own() {
        let body =
            "## Tasks\n\n- [ ] #11\n- [ ] Write the **parser**\n- [ ] Write docs\n- [ ] Tidy up (#14)\n";
        let mut plan = read("Epic: x", body, Some(1), None);
        let closed = NativeIssue { closed: true, ..issue(15, "An older thing") };
        plan.take_sub_issues(&[
            issue(13, "write the Parser."),
            issue(14, "Other words"),
            closed,
            issue(16, "New"),
        ]);
        let found = titles(&plan);
        assert_eq!(found.len(), 6, "{found:?}");
        assert_eq!((found[0].1, found[1].1, found[2].1, found[3].1), (Some(11), Some(13), None, Some(14)));
        assert_eq!(found[4..], [("An older thing", Some(15), true), ("New", Some(16), false)]);
        assert_eq!(plan.open().filter_map(|i| plan.number(i)).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_bare_link_is_named_after_its_issue_and_one_to_another_repository_is_left_there() {
        let body =
            "## Tasks\n\n- [ ] #11\n- [ ] acme/other#4\n- [ ] Port it (acme/other#5)\n- [ ] #12 the rest\n";
        let mut plan = read("Epic: x", body, Some(1), Some(("acme", "app")));
        plan.leave_elsewhere();
        plan.name_link(11, "Write the  parser");
        plan.name_link(12, "Another title");
        let names: Vec<&str> = plan.open().map(|i| plan.tasks[i].title.as_str()).collect();
        assert_eq!(names, ["Write the parser", "Port it (acme/other#5)", "#12 the rest"]);
        assert_eq!((plan.number(1), plan.number(3)), (None, Some(3)));
        assert_eq!(plan.notes(), [Note::Elsewhere { name: "acme/other#4".into() }]);
    }

    #[test]
    fn two_tasks_of_one_title_are_not_guessed_between() {
        let mut plan = read("Epic: x", "## Tasks\n\n- [ ] Fix it\n- [ ] Fix it!\n", Some(1), None);
        plan.take_sub_issues(&[issue(7, "Fix it")]);
        assert_eq!(plan.tasks.last().and_then(|t| t.existing_issue), Some(7));
        assert!(plan.tasks[0].existing_issue.is_none());
    }

    #[test]
    fn sub_issues_alone_are_a_plan_with_overlaps_and_links() {
        let mut plan = read("Epic: x", "All is in the sub-issues.", Some(1), None);
        let with = |n, body: &str| NativeIssue { body: body.into(), ..issue(n, &format!("Part {n}")) };
        plan.take_sub_issues(&[with(11, "Edit `src/a.rs`."), with(12, "Also `src/a.rs`."), with(13, "")]);
        assert_eq!((plan.is_master, plan.verdict(2)), (true, Verdict::Parallel));
        assert_eq!(plan.open_overlaps().map(|o| (o.a, o.b)).collect::<Vec<_>>(), [(0, 1)]);
        plan.blocked_on_github((2, 0), (13, 11));
        plan.blocked_on_github((2, 0), (13, 11));
        assert_eq!(plan.dependencies.len(), 1);
        assert_eq!(plan.dependencies[0].reason, "#13 is blocked by #11 on GitHub");
        assert!(is_link(&plan.dependencies[0].reason) && plan.verdict(2) == Verdict::Sequential);
        plan.issue_closed(11);
        assert_eq!((plan.verdict(2), plan.open_overlaps().count()), (Verdict::Parallel, 0));
    }
}
