//! What is different between two readings of the same issue, as people would tell it.

use super::{Plan, PlannedTask};
use crate::domain::TaskNumber;
use std::collections::{BTreeMap, BTreeSet};

/// Titles this much alike (from 0 to 1) are one task that was renamed, when nothing else fits better.
const ALIKE: f64 = 0.5;
/// So much of a title is looked at for that, in characters.
const LOOKED_AT: usize = 120;
/// More tasks than this that fit nothing are not compared one by one: no such plan can start.
const MOST: usize = Plan::MAX_TASKS;

/// The differences between the open tasks of two plans. Numbers are those of the newer plan unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Tasks that only the newer one has.
    pub added: Vec<(TaskNumber, String)>,
    /// Tasks that only the older one has, by the number that they had there.
    pub removed: Vec<(TaskNumber, String)>,
    /// Number, title before, title now.
    pub renamed: Vec<(TaskNumber, String, String)>,
    /// Tasks with the same title and another text, other files, another size or another issue.
    pub reworded: Vec<TaskNumber>,
    /// Number before and number now of tasks that stand elsewhere.
    pub renumbered: Vec<(TaskNumber, TaskNumber)>,
    /// New edges.
    pub tied: Vec<Edge>,
    /// Edges that are gone, between tasks that are still there.
    pub untied: Vec<Edge>,
}

/// One task comes after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The later task.
    pub task: TaskNumber,
    /// The earlier task.
    pub on: TaskNumber,
    /// Because both would touch the same place, not because the text says so.
    pub overlap: bool,
}

impl Changes {
    /// Whether nothing about tasks and their order is different.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Plan {
    /// Every pair of open tasks of which the first comes after the second, for whatever reason.
    pub fn order_edges(&self) -> impl Iterator<Item = (usize, usize)> {
        edges(self).into_iter().map(|(task, on, _)| (task, on))
    }

    /// What is different in `now`, which was read after this one.
    pub fn changes(&self, now: &Plan) -> Changes {
        let pairs = pairs(self, now);
        let number = |plan: &Plan, index: usize| plan.number(index).unwrap_or_default();
        let mut changes = Changes::default();
        for (&old, &new) in &pairs {
            let (before, after) = (&self.tasks[old], &now.tasks[new]);
            let (from, to) = (number(self, old), number(now, new));
            if before.title != after.title {
                changes.renamed.push((to, before.title.clone(), after.title.clone()));
            }
            if !same_content(before, after) {
                changes.reworded.push(to);
            }
            if from != to {
                changes.renumbered.push((from, to));
            }
        }
        let kept: BTreeSet<usize> = pairs.values().copied().collect();
        let title = |plan: &Plan, index: usize| (number(plan, index), plan.tasks[index].title.clone());
        changes.removed = self.open().filter(|i| !pairs.contains_key(i)).map(|i| title(self, i)).collect();
        changes.added = now.open().filter(|i| !kept.contains(i)).map(|i| title(now, i)).collect();
        let before: BTreeSet<_> = edges(self)
            .into_iter()
            .filter_map(|(task, on, overlap)| Some((*pairs.get(&task)?, *pairs.get(&on)?, overlap)))
            .collect();
        let after = edges(now);
        let edge = |&(task, on, overlap): &(usize, usize, bool)| Edge {
            task: number(now, task),
            on: number(now, on),
            overlap,
        };
        changes.tied = after.difference(&before).map(edge).collect();
        changes.untied = before.difference(&after).map(edge).collect();
        changes.renamed.sort_unstable();
        changes.reworded.sort_unstable();
        changes
    }
}

fn same_content(before: &PlannedTask, after: &PlannedTask) -> bool {
    let (mut before, mut after) = (before.clone(), after.clone());
    for task in [&mut before, &mut after] {
        task.title.clear();
        // Where it stands is told by its number.
        task.line = 0;
    }
    before == after
}

/// Which open task of the newer plan each of the older one is: by the issue that it is, by its title, else by the title
/// that is most alike.
fn pairs(old: &Plan, new: &Plan) -> BTreeMap<usize, usize> {
    let mut pairs = BTreeMap::new();
    let mut left: Vec<usize> = new.open().collect();
    let (mut titles, mut issues) = (BTreeMap::<&str, Vec<usize>>::new(), BTreeMap::new());
    for &index in left.iter().rev() {
        let task = &new.tasks[index];
        titles.entry(task.title.as_str()).or_default().push(index);
        if let Some(issue) = task.existing_issue {
            issues.insert(issue, index);
        }
    }
    let mut used = BTreeSet::new();
    for index in old.open() {
        let found = old.tasks[index].existing_issue.and_then(|issue| issues.get(&issue).copied());
        if let Some(found) = found.filter(|f| used.insert(*f)) {
            pairs.insert(index, found);
        }
    }
    for index in old.open().filter(|i| !pairs.contains_key(i)).collect::<Vec<_>>() {
        let same = titles.get_mut(old.tasks[index].title.as_str());
        let found = same.and_then(|all| std::iter::from_fn(|| all.pop()).find(|i| !used.contains(i)));
        if let Some(found) = found {
            used.insert(found);
            pairs.insert(index, found);
        }
    }
    left.retain(|index| !used.contains(index));
    let short = |task: &PlannedTask| task.title.chars().take(LOOKED_AT).collect::<String>();
    let gone: Vec<usize> = old.open().filter(|i| !pairs.contains_key(i)).take(MOST).collect();
    let mut near: Vec<(f64, usize, usize)> = Vec::new();
    for &from in &gone {
        let title = short(&old.tasks[from]);
        for &to in left.iter().take(MOST) {
            let alike = strsim::normalized_levenshtein(&title, &short(&new.tasks[to]));
            if alike >= ALIKE {
                near.push((alike, from, to));
            }
        }
    }
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    for (_, from, to) in near {
        if !pairs.contains_key(&from) && used.insert(to) {
            pairs.insert(from, to);
        }
    }
    pairs
}

/// The edges between open tasks: the later one, the earlier one, whether it is an overlap. None for a plan that is too big
/// to start.
fn edges(plan: &Plan) -> BTreeSet<(usize, usize, bool)> {
    let open: BTreeSet<usize> = plan.open().collect();
    if open.len() > Plan::MAX_TASKS {
        return BTreeSet::new();
    }
    let mut edges: BTreeSet<_> = plan.open_dependencies().map(|d| (d.task, d.on, false)).collect();
    for wall in plan.open_barriers() {
        let after = wall.after.iter().filter(|i| open.contains(i));
        edges.extend(after.flat_map(|&task| {
            wall.before.iter().filter(|i| open.contains(i)).map(move |&on| (task, on, false))
        }));
    }
    let both = |a: usize, b: usize| open.contains(&a) && open.contains(&b);
    edges.extend(plan.overlaps.iter().filter(|o| both(o.a, o.b)).map(|o| (o.b, o.a, true)));
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> Plan {
        crate::plan::read("Epic: the menu", &format!("## Tasks\n\n{list}"), Some(1), None)
    }

    #[test]
    fn the_same_plan_has_no_changes() {
        let plan = read("- [ ] Add the soup to `menu.txt`\n- [ ] Add the salad to `menu.txt`\n- [ ] Hours\n");
        assert!(plan.changes(&plan).is_empty());
        assert!(plan.changes(&read("Some prose.\n\n- [ ] Add the soup to `menu.txt`\n- [ ] Add the salad to `menu.txt`\n- [ ] Hours\n")).is_empty());
    }

    #[test]
    fn tasks_are_added_removed_and_renamed() {
        let before =
            read("- [ ] Write the importer\n- [ ] Write the page\n- [ ] Paint the fence\n- [ ] Sweep\n");
        let now =
            read("- [ ] Write the new importer\n- [ ] Write the page\n- [ ] Order more flour\n- [x] Sweep\n");
        let changes = before.changes(&now);
        assert_eq!(changes.renamed, [(1, "Write the importer".into(), "Write the new importer".into())]);
        assert_eq!(changes.added, [(3, "Order more flour".into())]);
        assert_eq!(changes.removed, [(3, "Paint the fence".into()), (4, "Sweep".into())]);
        assert!(changes.reworded.is_empty() && changes.renumbered.is_empty(), "{changes:?}");
    }

    #[test]
    fn equal_titles_stand_for_one_each() {
        let twice = "- [ ] Sweep\n- [ ] Sweep\n- [ ] Paint\n";
        assert!(read(twice).changes(&read(twice)).is_empty());
        let changes = read(twice).changes(&read("- [ ] Sweep\n- [ ] Paint\n"));
        assert_eq!(changes.removed, [(2, "Sweep".into())]);
        assert_eq!(changes.renumbered, [(3, 2)]);
    }

    #[test]
    fn texts_and_edges_are_told_by_their_new_numbers() {
        let before = read("- [ ] Alpha in `a.rs`\n- [ ] Beta in `a.rs`\n- [ ] Gamma (depends on task 2)\n");
        let now = read(
            "- [ ] Zero\n- [ ] Alpha in `a.rs`\n- [ ] Beta in `b.rs`\n- [ ] Gamma (depends on task 2)\n  - more of it\n",
        );
        let changes = before.changes(&now);
        assert_eq!(changes.added, [(1, "Zero".into())]);
        assert_eq!(changes.renumbered, [(1, 2), (2, 3), (3, 4)]);
        assert_eq!(changes.reworded, [3, 4]);
        assert_eq!(changes.tied, [Edge { task: 4, on: 2, overlap: false }]);
        assert_eq!(
            changes.untied,
            [Edge { task: 3, on: 2, overlap: true }, Edge { task: 4, on: 3, overlap: false }]
        );
    }

    #[test]
    fn what_a_person_left_out_is_not_there() {
        let mut chosen = read("- [ ] Alpha\n- [ ] Beta\n- [ ] Gamma\n");
        let all = chosen.clone();
        chosen.choose(&[1, 3]).unwrap();
        assert_eq!(chosen.changes(&all).added, [(2, "Beta".into())]);
    }

    #[test]
    fn thousands_of_tasks_are_compared_in_no_time() {
        let many = |word: &str| {
            read(&(0..3000).map(|n| format!("- [ ] {word} {n} {}\n", "x".repeat(200))).collect::<String>())
        };
        let changes = many("Alpha").changes(&many("Omega"));
        assert_eq!(changes.added.len() + changes.renamed.len(), 3000);
    }
}
