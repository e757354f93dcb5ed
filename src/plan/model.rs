//! What reading an issue yields. Stored as JSON with its run, so fields are only ever added.

use super::native::Remark;
use crate::domain::{OnOverlap, Size, TaskNumber};
use serde::{Deserialize, Serialize};

/// The sub-tasks of a master issue and all that its text says about their order. Indexes count from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Whether the text presents a list of separately deliverable work (labelling rules R1 to R3).
    /// True with no tasks means: the children exist only as native sub-issues, ask the API.
    pub is_master: bool,
    /// The sub-tasks in the order of the text, done ones included.
    pub tasks: Vec<PlannedTask>,
    /// Declared edges between two tasks. Order in a list alone is never one.
    pub dependencies: Vec<Dependency>,
    /// Walls between groups of tasks (phases, waves), not expanded into edges.
    pub barriers: Vec<Barrier>,
    /// Pairs of open tasks that name the same file or symbol.
    pub overlaps: Vec<Overlap>,
    /// What GitHub knows and the plan does not take.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// Acceptance criteria that hold for the whole issue.
    pub criteria: Vec<String>,
    /// The issue's prose that is not a task, shortened.
    pub context: String,
    /// Why the repository could not be searched for files that tasks share; foreign text may be in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsearched: Option<String>,
}

/// One sub-task as the issue words it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTask {
    /// The item's text as written, on one line, without list marker and box. Never empty; may be of any length.
    pub title: String,
    /// Ticked off (or marked done by a sign with a legend).
    pub done: bool,
    /// The issue of the same repository that this task is.
    pub existing_issue: Option<u64>,
    /// The issue of another repository that this task is, as `owner/repo#n`.
    pub existing_ref: Option<String>,
    /// The texts of the items below it.
    pub children: Vec<String>,
    /// Markdown of its children and prose.
    pub details: String,
    /// Acceptance criteria that belong to this task alone.
    pub criteria: Vec<String>,
    /// Paths of files that its text names, in order, each once.
    pub paths: Vec<String>,
    /// A guess from the text.
    pub size: Size,
    /// The line of the body (from 1) where it stands.
    pub line: usize,
    /// A person chose others: it is not worked on now, and holds nobody up.
    #[serde(skip)]
    pub left_out: bool,
    /// It is an issue of another repository: told, and never worked on from here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

/// How sure the reader is of what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The text says it in so many words, and names both by number, identifier or path; of an overlap, by the same file.
    Certain,
    /// The text says it of a title, a short name, a list that is called an order, or the bare name of a symbol.
    /// Also what a plan says that was stored before there were levels.
    #[default]
    Likely,
}

impl Confidence {
    /// The name in the JSON of `divisi plan`.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Certain => "certain",
            Confidence::Likely => "likely",
        }
    }
}

/// `task` waits for `on`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The one that waits.
    pub task: usize,
    /// The one it waits for.
    pub on: usize,
    /// The words of the issue that say so.
    pub reason: String,
    /// How sure the reader is.
    #[serde(default)]
    pub confidence: Confidence,
}

/// Every task of `after` waits for every task of `before`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barrier {
    /// The earlier group.
    pub before: Vec<usize>,
    /// The later group.
    pub after: Vec<usize>,
    /// The words of the issue that say so.
    pub reason: String,
    /// How sure the reader is.
    #[serde(default)]
    pub confidence: Confidence,
}

/// Two open tasks that would touch the same place, or by a search of the repository probably would; `a` comes first in the issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// The earlier task.
    pub a: usize,
    /// The later task.
    pub b: usize,
    /// What both name, in words.
    pub reason: String,
    /// How sure the reader is.
    #[serde(default)]
    pub confidence: Confidence,
}

impl Overlap {
    /// Whether the later task runs after the earlier one: where both name the place, unless the repository only wants to be
    /// warned. One that is but likely is told and orders nothing.
    pub fn orders(&self, on_overlap: OnOverlap) -> bool {
        self.confidence == Confidence::Certain && on_overlap != OnOverlap::Warn
    }
}

/// What may be done with a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The open tasks can run side by side.
    Parallel,
    /// They can run, some of them one after the other.
    Ordered,
    /// Some wait for others by the issue's own words: stop and recommend sequential work.
    Sequential,
    /// Fewer open tasks than the repository wants for an orchestration.
    TooFew,
    /// More than [`Plan::MAX_TASKS`] open tasks.
    TooMany,
    /// No task at all, or none that is open.
    Empty,
}

impl Verdict {
    /// The name in the JSON of `divisi plan`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Parallel => "parallel",
            Verdict::Ordered => "ordered",
            Verdict::Sequential => "sequential",
            Verdict::TooFew => "too_few",
            Verdict::TooMany => "too_many",
            Verdict::Empty => "empty",
        }
    }
}

impl Plan {
    /// GitHub's own limit of sub-issues per parent.
    pub const MAX_TASKS: usize = 100;

    /// The indexes of the tasks that are not done.
    pub fn open(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.tasks.len()).filter(|index| self.is_open(*index))
    }

    /// The number that people know a task by: its place among those that are to be done here, from 1. Leaving tasks out
    /// changes no number.
    pub fn number(&self, index: usize) -> Option<TaskNumber> {
        let here = |task: &PlannedTask| !task.done && !task.elsewhere;
        self.tasks.get(index).filter(|task| here(task))?;
        let before = self.tasks[..index].iter().filter(|task| here(task)).count();
        TaskNumber::try_from(before + 1).ok()
    }

    /// Leaves out all tasks but these.
    ///
    /// # Errors
    /// The first number that no task has; nothing is left out then.
    pub fn choose(&mut self, numbers: &[TaskNumber]) -> Result<(), TaskNumber> {
        let all: Vec<Option<TaskNumber>> = (0..self.tasks.len()).map(|index| self.number(index)).collect();
        if let Some(missing) = numbers.iter().find(|n| !all.contains(&Some(**n))) {
            return Err(*missing);
        }
        for (task, number) in self.tasks.iter_mut().zip(all) {
            task.left_out = number.is_none_or(|n| !numbers.contains(&n));
        }
        Ok(())
    }

    /// Judges the open tasks. Size comes before order: a plan that is too small or too big cannot run in any order.
    pub fn verdict(&self, min_tasks: usize) -> Verdict {
        let open = self.open().count();
        if open == 0 {
            Verdict::Empty
        } else if open > Self::MAX_TASKS {
            Verdict::TooMany
        } else if open < min_tasks {
            Verdict::TooFew
        } else if self.open_dependencies().next().is_some() || self.open_barriers().next().is_some() {
            Verdict::Sequential
        } else {
            Verdict::Parallel
        }
    }

    /// The dependencies in which both tasks are open. A finished task holds nobody up.
    pub fn open_dependencies(&self) -> impl Iterator<Item = &Dependency> + '_ {
        self.dependencies.iter().filter(|d| self.is_open(d.task) && self.is_open(d.on))
    }

    /// The barriers with an open task on either side.
    pub fn open_barriers(&self) -> impl Iterator<Item = &Barrier> + '_ {
        let any_open = |side: &[usize]| side.iter().any(|&index| self.is_open(index));
        self.barriers.iter().filter(move |b| any_open(&b.before) && any_open(&b.after))
    }

    /// The overlaps in which both tasks are open.
    pub fn open_overlaps(&self) -> impl Iterator<Item = &Overlap> + '_ {
        self.overlaps.iter().filter(|o| self.is_open(o.a) && self.is_open(o.b))
    }

    /// The plan in the shape of `divisi plan --json`: every field, the verdict, and the edges of a cycle.
    pub fn to_json(&self, min_tasks: usize) -> serde_json::Value {
        let mut json = serde_json::json!({
            "is_master": self.is_master,
            "tasks": self.tasks,
            "dependencies": self.dependencies,
            "barriers": self.barriers,
            "overlaps": self.overlaps,
            "cycle": self.cycle_edges(),
            "criteria": self.criteria,
            "context": self.context,
            "verdict": self.verdict(min_tasks),
        });
        if let Some(why) = &self.unsearched {
            json["unsearched"] = why.as_str().into();
        }
        json
    }

    fn is_open(&self, index: usize) -> bool {
        self.tasks.get(index).is_some_and(|task| !task.done && !task.left_out && !task.elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(done: &[bool]) -> Plan {
        let task = |&done| PlannedTask { title: "t".into(), done, ..PlannedTask::default() };
        Plan { is_master: true, tasks: done.iter().map(task).collect(), ..Plan::default() }
    }

    #[test]
    fn the_verdict_counts_open_tasks_only() {
        assert_eq!(plan(&[]).verdict(2), Verdict::Empty);
        assert_eq!(plan(&[true, true]).verdict(2), Verdict::Empty);
        assert_eq!(plan(&[true, false]).verdict(2), Verdict::TooFew);
        assert_eq!(plan(&[true, false]).verdict(1), Verdict::Parallel);
        assert_eq!(plan(&[false; 100]).verdict(2), Verdict::Parallel);
        assert_eq!(plan(&[false; 101]).verdict(2), Verdict::TooMany);
    }

    #[test]
    fn a_finished_task_holds_nobody_up() {
        let mut waits = plan(&[true, false, false]);
        waits.dependencies.push(Dependency {
            task: 1,
            on: 0,
            reason: "after #1".into(),
            confidence: Confidence::Certain,
        });
        waits.barriers.push(Barrier {
            before: vec![0],
            after: vec![1, 2],
            reason: "Wave 2".into(),
            confidence: Confidence::Likely,
        });
        assert_eq!(waits.verdict(2), Verdict::Parallel);
        waits.dependencies.push(Dependency {
            task: 2,
            on: 1,
            reason: "after #2".into(),
            confidence: Confidence::Certain,
        });
        assert_eq!(waits.verdict(2), Verdict::Sequential);
    }

    #[test]
    fn json_has_the_contract_shape() {
        let json = plan(&[false, true]).to_json(2);
        assert_eq!(json["verdict"], "too_few");
        assert_eq!(json["tasks"][0]["size"], "M");
        assert_eq!(json["tasks"][0]["existing_issue"], serde_json::Value::Null);
        for key in ["is_master", "tasks", "dependencies", "barriers", "overlaps"] {
            assert!(json.get(key).is_some(), "{key}");
        }
    }
}
