//! The order that dependencies and barriers ask for, over the open tasks.

use super::{Confidence, Dependency, Plan};
use std::collections::BTreeSet;

impl Plan {
    /// The open tasks in rounds: a round may start when the ones before it are finished.
    /// Tasks in a cycle, and those behind one, are in no round; see [`Plan::cycle`].
    pub fn rounds(&self) -> Vec<Vec<usize>> {
        let waits = self.waits();
        let mut finished = vec![false; self.tasks.len()];
        let mut left: Vec<usize> = self.open().collect();
        let mut rounds = Vec::new();
        loop {
            let (ready, later): (Vec<_>, Vec<_>) =
                left.iter().partition(|&&task| waits[task].iter().all(|&on| finished[on]));
            if ready.is_empty() {
                return rounds;
            }
            for &task in &ready {
                finished[task] = true;
            }
            rounds.push(ready);
            left = later;
        }
    }

    /// One cycle among the open tasks, in waiting order (each waits for the next, the last for the first); empty
    /// when there is none.
    pub fn cycle(&self) -> Vec<usize> {
        let settled: BTreeSet<usize> = self.rounds().into_iter().flatten().collect();
        let Some(start) = self.open().find(|task| !settled.contains(task)) else { return Vec::new() };
        let waits = self.waits();
        let mut path: Vec<usize> = Vec::new();
        let mut place = vec![usize::MAX; self.tasks.len()];
        let mut at = start;
        // An unsettled task always waits for another unsettled one, so this walk must meet itself.
        while place[at] == usize::MAX {
            place[at] = path.len();
            path.push(at);
            match waits[at].iter().find(|on| !settled.contains(on)) {
                Some(&next) => at = next,
                None => return Vec::new(),
            }
        }
        path.split_off(place[at])
    }

    /// The edges of [`Plan::cycle`], each with the words that say so; the last leads back to the first task.
    pub fn cycle_edges(&self) -> Vec<Dependency> {
        let cycle = self.cycle();
        let nexts = cycle.iter().skip(1).chain(cycle.first());
        cycle.iter().zip(nexts).filter_map(|(&task, &on)| self.relation(task, on)).collect()
    }

    /// Why `task` waits for `on`: by an edge, or by a barrier between their groups.
    fn relation(&self, task: usize, on: usize) -> Option<Dependency> {
        let edge = self.open_dependencies().find(|edge| edge.task == task && edge.on == on).cloned();
        edge.or_else(|| {
            let wall = self.open_barriers().find(|w| w.after.contains(&task) && w.before.contains(&on))?;
            Some(Dependency { task, on, reason: wall.reason.clone(), confidence: wall.confidence })
        })
    }

    /// For each task, the open tasks that it comes after where everything that waits is put in order: what the issue says,
    /// and with `overlaps` the pairs that name the same file, which follow the order where it says nothing else. No
    /// cycle comes of that unless the issue has one.
    pub fn comes_after(&self, overlaps: bool) -> Vec<BTreeSet<usize>> {
        let mut after = self.waits();
        let rounds = self.rounds().into_iter().enumerate();
        let mut rank: Vec<usize> = vec![usize::MAX; self.tasks.len()];
        for (round, tasks) in rounds {
            tasks.iter().for_each(|task| rank[*task] = round);
        }
        for overlap in self.open_overlaps().filter(|o| overlaps && o.confidence == Confidence::Certain) {
            let (a, b) = (overlap.a, overlap.b);
            let (first, last) = if (rank[a], a) <= (rank[b], b) { (a, b) } else { (b, a) };
            after[last].insert(first);
        }
        after
    }

    /// For each task, the open tasks that it waits for.
    fn waits(&self) -> Vec<BTreeSet<usize>> {
        let open: BTreeSet<usize> = self.open().collect();
        let mut waits = vec![BTreeSet::new(); self.tasks.len()];
        for edge in self.open_dependencies() {
            waits[edge.task].insert(edge.on);
        }
        for wall in self.open_barriers() {
            for &task in wall.after.iter().filter(|task| open.contains(task)) {
                waits[task].extend(wall.before.iter().filter(|on| open.contains(on)));
            }
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::{Barrier, Confidence, Dependency, Overlap, Plan, PlannedTask};
    use std::collections::BTreeSet;

    fn plan(tasks: usize, edges: &[(usize, usize)]) -> Plan {
        let edge =
            |&(task, on)| Dependency { task, on, reason: String::new(), confidence: Confidence::Certain };
        Plan {
            tasks: vec![PlannedTask { title: "t".into(), ..PlannedTask::default() }; tasks],
            dependencies: edges.iter().map(edge).collect(),
            ..Plan::default()
        }
    }

    #[test]
    fn rounds_follow_edges_and_walls() {
        let mut with_wall = plan(4, &[(1, 0)]);
        assert_eq!(with_wall.rounds(), [vec![0, 2, 3], vec![1]]);
        with_wall.barriers.push(Barrier {
            before: vec![0, 1],
            after: vec![2, 3],
            reason: String::new(),
            confidence: Confidence::Certain,
        });
        assert_eq!(with_wall.rounds(), [vec![0], vec![1], vec![2, 3]]);
        assert!(with_wall.cycle().is_empty());
    }

    #[test]
    fn overlaps_follow_the_declared_order_and_make_no_cycle() {
        let mut mixed = plan(3, &[(0, 2)]);
        let pair = |a, b, confidence| Overlap { a, b, reason: String::new(), confidence };
        mixed.overlaps = vec![
            pair(0, 1, Confidence::Certain),
            pair(1, 2, Confidence::Certain),
            pair(0, 2, Confidence::Certain),
        ];
        // As written, 0 is after 2, 2 after 1, and 1 after 0.
        let after = mixed.comes_after(true);
        assert_eq!(after, [BTreeSet::from([1, 2]), BTreeSet::new(), BTreeSet::from([1])]);
        assert_eq!(mixed.comes_after(false)[0], BTreeSet::from([2]));
        mixed.overlaps = vec![pair(0, 1, Confidence::Likely)];
        assert_eq!(mixed.comes_after(true), mixed.comes_after(false));
    }

    #[test]
    fn a_cycle_through_a_barrier_has_its_words() {
        let mut looped = plan(2, &[(0, 1)]);
        looped.barriers.push(Barrier {
            before: vec![0],
            after: vec![1],
            reason: "Phases are sequential".into(),
            confidence: Confidence::Likely,
        });
        assert_eq!(looped.cycle_edges()[1].reason, "Phases are sequential");
    }

    #[test]
    fn a_cycle_is_named_edge_by_edge() {
        let looped = plan(4, &[(3, 0), (0, 1), (1, 2), (2, 0)]);
        assert!(looped.rounds().is_empty());
        assert_eq!(looped.cycle(), [0, 1, 2]);
        let edges: Vec<_> = looped.cycle_edges().iter().map(|edge| (edge.task, edge.on)).collect();
        assert_eq!(edges, [(0, 1), (1, 2), (2, 0)]);
    }
}
