//! Runs that were started with `--ordered`: random graphs of tasks, and people who merge, close, open again, cancel and
//! retry at random while the process dies again and again and events get lost.
//!
//! A task never starts before all that it waits for is merged; it starts from a commit that holds those merges; every task
//! that can run does run; and what is left at the end is what must be left.

use crate::support::figures;
use crate::support::rig::stage::Stage;
use crate::support::rig::{Dice, Fate, Hub, MAINTAINER, Script, reactions};
use divisi::domain::{Orchestration, RunState, TaskState};
use divisi::simulator::{IssueState, Simulator, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any attempt takes with what is said about it on GitHub.
const CALM: Duration = Duration::from_secs(90);
/// Longer than a lost event stays unnoticed.
const LOSS: Duration = Duration::from_secs(800);

/// For each task, by its number: the tasks that it waits for.
type Graph = BTreeMap<u32, BTreeSet<u32>>;

/// A graph without cycles, of 2 to 12 tasks and at least one edge; numbers say nothing about the order.
fn graph(dice: &mut Dice) -> Graph {
    let n = 2 + dice.roll(11) as u32;
    let mut order: Vec<u32> = (1..=n).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, dice.roll(at as u64 + 1) as usize);
    }
    let mut graph: Graph = (1..=n).map(|task| (task, BTreeSet::new())).collect();
    for (at, task) in order.iter().enumerate() {
        for on in &order[..at] {
            if dice.percent(25) {
                graph.entry(*task).or_default().insert(*on);
            }
        }
    }
    if graph.values().all(BTreeSet::is_empty) {
        graph.entry(order[1]).or_default().insert(order[0]);
    }
    graph
}

fn body(graph: &Graph) -> String {
    let line = |(task, on): (&u32, &BTreeSet<u32>)| {
        let on: Vec<String> = on.iter().map(|n| format!("task {n}")).collect();
        let words = if on.is_empty() { String::new() } else { format!(" (depends on {})", on.join(", ")) };
        format!("- [ ] Task number {task} of the list{words}")
    };
    format!("What we want.\n\n## Tasks\n\n{}\n", graph.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// What GitHub shows of the pull requests, by task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pull {
    Open(u64),
    Closed(u64),
    Merged,
}

fn pulls(world: &World, repo: &str) -> BTreeMap<u32, Pull> {
    let of = |issue: &&divisi::simulator::Issue| {
        let pull = issue.pull.as_ref()?;
        let task = pull.head.rsplit('/').next()?.split('-').next()?.parse().ok()?;
        Some((
            task,
            match (pull.merged_at, issue.state) {
                (Some(_), _) => Pull::Merged,
                (None, IssueState::Open) => Pull::Open(issue.number),
                (None, _) => Pull::Closed(issue.number),
            },
        ))
    };
    world.pulls(repo).iter().filter_map(of).collect()
}

/// An attempt as it began: what was merged just then.
struct Claim {
    task: u32,
    merged: BTreeSet<u32>,
    fails: bool,
}

/// What was asked for and what was seen.
struct Seen {
    graph: Graph,
    claims: Arc<Mutex<Vec<Claim>>>,
    /// The base branch's heads after each merge, with the merged task.
    merges: Vec<(u32, String)>,
    /// Tasks whose sub-issue somebody closed, whether or not they were run again.
    cancelled: BTreeSet<u32>,
}

/// One run and the people around it.
struct Play<'a> {
    stage: Stage<'a>,
    dice: Dice,
    seen: Seen,
    restarts: usize,
    lost: usize,
}

impl Play<'_> {
    fn pulls(&self) -> BTreeMap<u32, Pull> {
        let repo = self.stage.repo.clone();
        self.stage.by_hand(|g| g.read(|w| pulls(w, &repo)))
    }

    fn act<T>(&self, act: impl FnOnce(&Simulator, &str) -> T) -> T {
        self.stage.by_hand(|g| act(g, &self.stage.repo))
    }

    fn merge(&mut self, task: u32, pull: u64) {
        let head = self.act(|g, repo| g.merge_pr(repo, MAINTAINER, pull)).expect("merged");
        self.seen.merges.push((task, head));
    }

    /// Tells Divisi what happened, or forgets to; the process may die before, or right after.
    fn tell(&mut self, may_be_lost: bool) {
        let told = self.stage.acts();
        if may_be_lost && self.dice.percent(10) {
            self.lost += 1;
            self.stage.pass(LOSS);
            return;
        }
        let dies = self.dice.roll(10);
        if dies == 0 {
            self.restart();
        }
        self.stage.post(told);
        if dies < 4 {
            let soon = Duration::from_millis(self.dice.roll(4_000));
            self.stage.pass(soon);
            self.restart();
        }
    }

    fn restart(&mut self) {
        self.stage.restart();
        self.restarts += 1;
    }

    /// One thing that a person does.
    fn something(&mut self) {
        let pulls: Vec<(u32, Pull)> = self.pulls().into_iter().collect();
        let open: Vec<(u32, u64)> = pulls
            .iter()
            .filter_map(|(t, p)| if let Pull::Open(n) = p { Some((*t, *n)) } else { None })
            .collect();
        let chosen = self.dice.roll(open.len() as u64) as usize;
        match self.dice.roll(100) {
            0..60 if !open.is_empty() => {
                self.merge(open[chosen].0, open[chosen].1);
                self.tell(true);
            }
            60..66 if !open.is_empty() => {
                self.act(|g, repo| g.close_pr(repo, MAINTAINER, open[chosen].1)).expect("closed");
                self.tell(true);
                // Somebody thinks better of it, while the run goes on.
                self.stage.pass(CALM);
                let live =
                    self.act(|g, repo| g.read(|w| reactions(w, repo, self.stage.master, "rocket"))) == 0;
                if live && self.dice.percent(60) {
                    self.act(|g, repo| g.reopen_issue(repo, MAINTAINER, open[chosen].1))
                        .expect("opened again");
                    self.tell(false);
                }
            }
            66..71 => {
                let begun: BTreeSet<u32> =
                    self.seen.claims.lock().expect("a lock").iter().map(|c| c.task).collect();
                let waiting: Vec<u32> =
                    self.seen.graph.keys().filter(|t| !begun.contains(t)).copied().collect();
                if let Some(task) = waiting.get(self.dice.roll(waiting.len() as u64) as usize).copied() {
                    let (master, title) = (self.stage.master, format!("Task number {task} "));
                    self.act(|g, repo| {
                        let of = g.read(|w| {
                            let subs = w.sub_issues(repo, master);
                            subs.into_iter().find(|i| i.title.contains(&title)).map(|i| i.number)
                        });
                        g.close_issue(repo, MAINTAINER, of.expect("a sub-issue")).expect("closed");
                    });
                    self.seen.cancelled.insert(task);
                    self.tell(false);
                }
            }
            71..77 => self.retry(),
            77..90 => self.restart(),
            _ => {}
        }
    }

    fn retry(&mut self) {
        let master = self.stage.master;
        self.act(|g, repo| g.comment(repo, MAINTAINER, master, "/orchestrate --retry")).expect("a comment");
        self.tell(false);
    }

    /// Whoever can run has run: a look at what began. Who was cancelled, now or before a retry, is another matter.
    fn check_begun(&self, seed: u64) {
        let merged = self.merged();
        let claims = self.seen.claims.lock().expect("a lock");
        for claim in claims.iter() {
            let missing: Vec<&u32> = self.seen.graph[&claim.task].difference(&claim.merged).collect();
            assert!(
                missing.is_empty(),
                "seed {seed}: task {} began before {missing:?} was merged",
                claim.task
            );
        }
        for (task, on) in self.seen.graph.iter().filter(|(task, _)| !self.seen.cancelled.contains(task)) {
            let begun = claims.iter().any(|c| c.task == *task);
            assert!(begun || !on.is_subset(&merged), "seed {seed}: task {task} can run and does not");
        }
    }

    fn merged(&self) -> BTreeSet<u32> {
        self.pulls().into_iter().filter(|(_, p)| *p == Pull::Merged).map(|(t, _)| t).collect()
    }

    /// Lets everything come to rest, and looks at what began.
    fn calm(&mut self, seed: u64) {
        self.stage.pass(if self.lost > 0 { LOSS } else { CALM });
        self.check_begun(seed);
    }

    /// Merges whatever there is, until nothing more comes.
    fn merge_all(&mut self, seed: u64) {
        loop {
            self.calm(seed);
            let open: Vec<(u32, u64)> = self
                .pulls()
                .into_iter()
                .filter_map(|(t, p)| if let Pull::Open(n) = p { Some((t, n)) } else { None })
                .collect();
            if open.is_empty() {
                return;
            }
            for (task, pull) in open {
                self.merge(task, pull);
                self.tell(true);
            }
        }
    }
}

/// What must be left of a run, task by task.
fn check_end(seen: &Seen, end: &Orchestration, shown: &BTreeMap<u32, Pull>, seed: u64) {
    assert!(matches!(end.run.state, RunState::Ended(_)), "seed {seed}: it has not ended: {}", end.digest());
    let state = |n: u32| end.task(n).map(|t| t.state).expect("the task");
    let claims = seen.claims.lock().expect("a lock");
    for (number, on) in &seen.graph {
        let task = end.task(*number).expect("the task");
        assert_eq!(
            task.after_merge.iter().copied().collect::<BTreeSet<_>>(),
            *on,
            "seed {seed}: the graph as read"
        );
        let closed = |n: &u32| matches!(shown.get(n), Some(Pull::Closed(_)));
        let in_vain = |n: &u32| {
            closed(n) || matches!(state(*n), TaskState::Failed | TaskState::Cancelled | TaskState::Blocked)
        };
        let last = claims.iter().rev().find(|c| c.task == *number);
        match task.state {
            TaskState::Completed => {
                assert!(
                    last.is_some_and(|c| !c.fails) && shown.contains_key(number),
                    "seed {seed}: {number}"
                );
                let place = |sha: &str| seen.merges.iter().position(|(_, head)| head == sha);
                let base = task.base_sha.as_ref().and_then(|sha| place(sha.as_str()));
                for on in on {
                    let merged = seen.merges.iter().position(|(task, _)| task == on);
                    assert!(
                        merged.is_some() && base >= merged,
                        "seed {seed}: {number} starts without {on} in it"
                    );
                }
            }
            TaskState::Failed => assert!(last.is_some_and(|c| c.fails), "seed {seed}: {number}"),
            TaskState::Cancelled => assert!(seen.cancelled.contains(number), "seed {seed}: {number}"),
            TaskState::Blocked => {
                assert!(on.iter().any(in_vain), "seed {seed}: {number} is blocked for nothing")
            }
            other => panic!("seed {seed}: task {number} ends as {other:?}"),
        }
    }
}

/// Plays one graph: 1, its tasks, attempts, merges, deaths of the process, and events that were lost.
fn play(hub: &mut Hub, seed: u64) -> [usize; 6] {
    let mut dice = Dice::new(seed);
    let graph = graph(&mut dice);
    let (claims, repo) = (Arc::new(Mutex::new(Vec::new())), Arc::new(OnceLock::<String>::new()));
    let (its_claims, its_repo, github) = (claims.clone(), repo.clone(), hub.github.clone());
    let luck = dice.next();
    let fate = move |task: u32, attempt: u32| {
        let fails = attempt == 1 && Dice::new(luck ^ u64::from(task)).percent(12);
        let shown = github.read(|w| pulls(w, its_repo.get().expect("it has begun")));
        let merged = shown.into_iter().filter(|(_, p)| *p == Pull::Merged).map(|(t, _)| t).collect();
        its_claims.lock().expect("a lock").push(Claim { task, merged, fails });
        let fate = if fails { Fate::Failed { again: false } } else { Fate::Pushed };
        (SECOND * (2 + task % 7), fate)
    };
    let rules = "agent = \"test\"\nstatus_interval = \"1h\"\ndraft = false\n".to_owned();
    let script = Script { fate: Box::new(fate), rules, look: SECOND * 60, ..Script::new(body(&graph)) };
    let stage = Stage::begin_with(hub, script, |g, name, master| {
        repo.set(name.to_owned()).expect("once");
        g.comment(name, MAINTAINER, master, "/orchestrate --ordered").expect("a comment");
    });
    let seen = Seen { graph, claims, merges: Vec::new(), cancelled: BTreeSet::new() };
    let mut play = Play { stage, dice, seen, restarts: 0, lost: 0 };
    play.stage.pass(CALM);
    for _ in 0..play.seen.graph.len() * 2 {
        play.something();
        if play.dice.percent(50) {
            play.calm(seed);
        }
    }
    play.merge_all(seed);
    if play.dice.percent(60) {
        play.retry();
        play.merge_all(seed);
    }
    let shown = play.pulls();
    let Play { stage, seen, restarts, lost, .. } = play;
    let end = stage.end();
    check_end(&seen, &end, &shown, seed);
    let attempts = seen.claims.lock().expect("a lock").len();
    [1, seen.graph.len(), attempts, seen.merges.len(), restarts, lost]
}

/// Plays so many graphs from this seed on.
fn play_all(seed: u64, graphs: u64) {
    let mut hub = Hub::start();
    let mut sum = [0; 6];
    for seed in seed..seed + graphs {
        for (sum, one) in sum.iter_mut().zip(play(&mut hub, seed)) {
            *sum += one;
        }
    }
    let [graphs, tasks, attempts, merges, restarts, lost] = sum;
    let told = format!(
        "{graphs} graphs, {tasks} tasks, {attempts} attempts, {merges} merges, {restarts} restarts, {lost} events lost: none began before its time"
    );
    figures::tell("ordered", &told);
}

#[test]
fn nothing_begins_before_what_it_waits_for_is_merged() {
    play_all(1, if figures::full() { 50 } else { 2 });
}

#[test]
fn nothing_begins_before_what_it_waits_for_is_merged_elsewhere() {
    play_all(1_001, if figures::full() { 50 } else { 2 });
}
