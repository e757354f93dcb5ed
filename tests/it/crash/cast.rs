//! Who does what in a run: how attempts end, what the maintainer says, and what must be there in the end.

use crate::support::rig::{Dice, Fate, Script, Sky, tasks};
use divisi::github::Pace;
use std::time::Duration;

/// A run to be played, and played again with crashes.
#[derive(Clone)]
pub struct Cast {
    /// How each task's attempts end, in order; further ones succeed.
    pub attempts: Vec<Vec<Fate>>,
    /// What the maintainer says after the run has ended.
    pub says: Vec<(&'static str, bool)>,
    /// How GitHub behaves.
    pub sky: Sky,
    /// Varies how long attempts take.
    pub seed: u64,
    /// Whether GitHub is used at the pace of service.
    pub slowly: bool,
    /// Second and third task name the same file.
    pub ordered: bool,
}

/// What must be there in the end.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// All tasks.
    pub tasks: u32,
    /// Tasks with a pull request.
    pub completed: Vec<u32>,
    /// Tasks with a follow-up issue, and whether it is open.
    pub follow_ups: Vec<(u32, bool)>,
    /// Triggers that get 👀, and ends that get 🚀.
    pub eyes: usize,
    pub rockets: usize,
    /// Answers to comments.
    pub notices: usize,
    /// Whether the second task waits for the first.
    pub ordered: bool,
}

const FAILS: Fate = Fate::Failed { again: false };
const AGAIN: Fate = Fate::Failed { again: true };

impl Cast {
    /// Five tasks: the third fails for good, the fourth fails and succeeds when it is tried again.
    pub fn of_five(seed: u64) -> Self {
        let attempts = vec![vec![], vec![], vec![FAILS], vec![AGAIN], vec![]];
        let sky = if seed == 0 { Sky::default() } else { sky(&mut Dice::new(seed), seed) };
        Self { attempts, says: Vec::new(), sky, seed, slowly: false, ordered: false }
    }

    /// Anything: two to five tasks, failures, retries by a person, questions, answers that get lost.
    pub fn of_any(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let n = 2 + dice.roll(4);
        let attempts = (0..n).map(|_| match dice.roll(6) {
            0 => vec![FAILS],
            1 => vec![AGAIN],
            2 => vec![AGAIN, AGAIN],
            _ => vec![],
        });
        let attempts: Vec<Vec<Fate>> = attempts.collect();
        let mut says = Vec::new();
        if dice.percent(30) {
            says.push(("/orchestrate --help", false));
        }
        let cast =
            Self { attempts, says: Vec::new(), sky: Sky::default(), seed, slowly: false, ordered: false };
        if !cast.expected().follow_ups.is_empty() && dice.percent(60) {
            says.push(("/orchestrate --retry", true));
        }
        if dice.percent(20) {
            says.push(("/orchestrate --rety", false));
        }
        let sky = sky(&mut dice, seed);
        Self { says, sky, slowly: dice.percent(10), ordered: dice.percent(20), ..cast }
    }

    /// The script, without crashes.
    pub fn script(&self) -> Script {
        let (attempts, seed) = (self.attempts.clone(), self.seed);
        let fate = move |task: u32, attempt: u32| {
            let mut dice = Dice::new(seed ^ (u64::from(task) << 32) ^ u64::from(attempt));
            let time = if seed == 0 { u64::from(task) * 100 } else { dice.roll(12_000) };
            let planned = attempts.get(task as usize - 1).and_then(|all| all.get(attempt as usize - 1));
            (Duration::from_millis(2_000 + time), planned.copied().unwrap_or(Fate::Pushed))
        };
        let mut body = tasks(self.attempts.len());
        if self.ordered {
            body = body.replace("Task number 1 of the list", "Task number 1 of the list in `src/same.rs`");
            body = body.replace("Task number 2 of the list", "Task number 2 of the list in `src/same.rs`");
        }
        let mut script = Script::new(body);
        script.fate = Box::new(fate);
        script.says.clone_from(&self.says);
        script.sky = self.sky.clone();
        if self.slowly {
            script.pace = Pace::default();
        }
        script
    }

    /// What must be there in the end, worked out from the plan alone.
    pub fn expected(&self) -> Expected {
        let mut expected = Expected {
            tasks: self.attempts.len() as u32,
            eyes: 1,
            rockets: 1,
            ordered: self.ordered,
            ..Expected::default()
        };
        let retries = self.says.iter().filter(|(_, leads_to_an_end)| *leads_to_an_end).count();
        expected.eyes += retries;
        expected.rockets += retries;
        expected.notices = self.says.len() - retries;
        for (number, fates) in (1..).zip(&self.attempts) {
            let mut left = fates.iter().copied().chain(std::iter::repeat(Fate::Pushed));
            // One round: a failure that may be repeated is, once.
            let mut round = || match left.next() {
                Some(AGAIN) => left.next() == Some(Fate::Pushed),
                other => other == Some(Fate::Pushed),
            };
            let mut done = round();
            let failed_once = !done;
            for _ in 0..retries {
                done = done || round();
            }
            if done {
                expected.completed.push(number);
            }
            if failed_once {
                expected.follow_ups.push((number, !done));
            }
        }
        expected
    }
}

/// Weather that stays within what Divisi is told of GitHub.
fn sky(dice: &mut Dice, seed: u64) -> Sky {
    Sky {
        seed,
        lost_answers: dice.roll(6),
        lost_requests: dice.roll(3),
        bad_gateways: dice.roll(3),
        bad_reads: dice.roll(8),
        slow: dice.roll(25),
        slowness: Duration::from_millis(200 + dice.roll(4_000)),
        lag: Duration::from_millis(dice.roll(5_000)),
        until: 0,
        least_lag: Duration::ZERO,
    }
}
