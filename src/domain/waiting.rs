//! What a task of a run waits for, what it starts from, and when there is no hope for it.
//!
//! Tasks that would touch the same file are never in flight together, and the later one stands on the earlier one's commit
//! (`waits_for`). In a run that was started `--ordered` a task starts when all that it waits for is merged, from the base
//! branch as it is then (`after_merge`).

use super::{Orchestration, RunState, Sha, Task, TaskNumber, TaskState};
use jiff::{SignedDuration, Timestamp};

/// Right after a merge a replica of GitHub may still show the branch as it was: so long nobody looks.
const REPLICA_LAG: SignedDuration = SignedDuration::from_secs(5);

impl Orchestration {
    /// The tasks that have to end before this one may begin, those that have to be merged apart.
    pub fn in_the_way_of(&self, task: &Task) -> Vec<TaskNumber> {
        let before = |t: &&Task| task.waits_for.contains(&t.number) && !t.state.is_terminal();
        let at_work = |t: &&Task| {
            t.waits_for.contains(&task.number)
                && matches!(t.state, TaskState::Running | TaskState::Publishing)
        };
        self.tasks.iter().filter(|t| before(t) || at_work(t)).map(|t| t.number).collect()
    }

    /// The tasks whose pull requests have to be merged before this one may begin.
    pub fn unmerged_before(&self, task: &Task) -> Vec<TaskNumber> {
        let unmerged = |n: &TaskNumber| self.task(*n).is_some_and(|t| t.merged_into.is_none());
        task.after_merge.iter().copied().filter(unmerged).collect()
    }

    /// Whether it is known what the task starts from: with what it waited for in it.
    pub(super) fn has_its_base(&self, task: &Task) -> bool {
        task.after_merge.is_empty() || (task.base_sha.is_some() && self.unmerged_before(task).is_empty())
    }

    /// When the base branch may be read for a task that waits for nothing else; `None` while that is not so.
    pub(super) fn base_readable(&self, task: &Task) -> Option<Timestamp> {
        let waits = task.state == TaskState::Ready && !task.after_merge.is_empty() && task.base_sha.is_none();
        if !waits || !self.unmerged_before(task).is_empty() || self.run.state != RunState::Active {
            return None;
        }
        let merges = task.after_merge.iter().filter_map(|n| self.task(*n)?.merged_at);
        let last = merges.max().unwrap_or(self.run.created_at);
        Some(last.checked_add(REPLICA_LAG).unwrap_or(last))
    }

    /// The tasks whose merge somebody waits for, blocked ones among them: completed or in review, and not merged.
    pub fn awaited(&self) -> Vec<&Task> {
        let waits = |on: &Task| {
            let waiting = |t: &Task| {
                let open = matches!(t.state, TaskState::Planned | TaskState::Ready | TaskState::Blocked);
                open && t.after_merge.contains(&on.number)
            };
            self.tasks.iter().any(waiting)
        };
        let there = |t: &&Task| matches!(t.state, TaskState::Completed | TaskState::InReview);
        self.tasks.iter().filter(there).filter(|t| t.merged_into.is_none() && waits(t)).collect()
    }

    /// The branch and the commit that the task starts from; its pull request goes to that branch.
    pub fn base_of<'a>(&'a self, task: &'a Task) -> (&'a str, &'a Sha) {
        let on = self.stands_on(task).and_then(|on| Some((on.branch.as_str(), &on.published.as_ref()?.head)));
        on.unwrap_or((&self.run.base, task.base_sha.as_ref().unwrap_or(&self.run.base_sha)))
    }

    /// The latest completed task that this one waited for: its work starts from that one's verified commit, and
    /// its pull request goes to that one's branch.
    pub fn stands_on(&self, task: &Task) -> Option<&Task> {
        // What was merged is in the base branch, and its own branch may be gone.
        let stands = |t: &&Task| {
            let stands = t.state == TaskState::Completed && t.merged_into.is_none() && !t.rejected;
            let result = t.published.as_ref().filter(|_| stands);
            // A task with a result stands on what it really started from, whatever completed since.
            result.is_some_and(|r| task.published.as_ref().is_none_or(|own| own.base == r.head))
        };
        let done = |n: &TaskNumber| self.task(*n).filter(stands);
        task.waits_for.iter().filter_map(done).max_by_key(|t| t.number)
    }

    /// The first task that this one waits for whose pull request was closed without a merge.
    pub fn closed_before(&self, task: &Task) -> Option<TaskNumber> {
        let before = task.waits_for.iter().chain(&task.after_merge).copied();
        before.into_iter().find(|n| self.task(*n).is_some_and(|t| t.rejected))
    }

    /// Why nothing will ever let the task begin, as things stand: one sentence.
    fn hopeless(&self, task: &Task) -> Option<String> {
        if let Some(on) = self.closed_before(task) {
            return Some(format!(
                "The pull request of task {on}, which it waits for, was closed without a merge."
            ));
        }
        task.after_merge.iter().find_map(|on| {
            let how = match self.task(*on)?.state {
                TaskState::Failed => "failed",
                TaskState::Cancelled => "was cancelled",
                TaskState::Blocked => "is blocked itself",
                _ => return None,
            };
            Some(format!("Task {on}, which it waits for, {how}."))
        })
    }

    /// Blocks what has not begun and has no hope, and lets go what has hope again.
    pub(super) fn follow_hopes(&mut self, now: Timestamp) {
        // What one task is decides about the next, and the order of their numbers is not the order in which they wait.
        for _ in 0..=self.tasks.len() {
            let mut changed = false;
            for at in 0..self.tasks.len() {
                let why = self.hopeless(&self.tasks[at]);
                let task = &mut self.tasks[at];
                if task.is_out_of_budget() {
                    continue;
                }
                match (task.state, why) {
                    (TaskState::Planned | TaskState::Ready, Some(why)) => task.block(why, now),
                    // What was cancelled is not begun after all because something else was merged.
                    (TaskState::Blocked, None) if !self.run.stops.cancelled => task.unblock(),
                    (TaskState::Blocked, Some(why)) => {
                        if let Some(failure) = &mut task.failure {
                            failure.message = why;
                        }
                        continue;
                    }
                    _ => continue,
                }
                changed = true;
            }
            if !changed {
                return;
            }
        }
    }

    /// For digests: which of the merges that somebody waits for have come, and which bases are known. Empty in a run that
    /// waits for none.
    pub(super) fn merges_digest(&self) -> String {
        let waited = |t: &&Task| self.tasks.iter().any(|other| other.after_merge.contains(&t.number));
        let merged = self.tasks.iter().filter(waited).filter(|t| t.merged_into.is_some());
        let numbers: Vec<String> = merged.map(|t| t.number.to_string()).collect();
        if numbers.is_empty() { String::new() } else { format!("|{}", numbers.join(",")) }
    }
}
