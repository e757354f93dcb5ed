//! Every boundary of a run times seeds, and many crashes at once.

use super::cast::Cast;
use super::check::{Verdict, check};
use crate::support::figures;
use crate::support::rig::{Crash, Dice, Hub, Played};
use divisi::orchestrator::Without;
use std::time::Duration;

/// Boundaries that a calm run of five tasks with one failure and one retry crosses. A new effect shows here.
const BOUNDARIES: usize = 86;
/// No run may cross more: what goes wrong is bounded.
const MOST: usize = 600;

fn play(
    hub: &mut Hub,
    cast: &Cast,
    crashes: &[Crash],
    down: Duration,
    without: Without,
) -> (Played, Verdict) {
    let mut script = cast.script();
    script.crashes = crashes.iter().copied().collect();
    script.down = down;
    script.without = without;
    let played = hub.play(script);
    let verdict = check(hub, &played, &cast.expected());
    (played, verdict)
}

fn must_be_clean(cast: &Cast, crashes: &[Crash], played: &Played, verdict: &Verdict) {
    assert!(
        verdict.is_clean() && verdict.folded == 0 && played.crossed.len() <= MOST,
        "seed {}, crashes {crashes:?}: {verdict:#?} after {} crossings and {:?}",
        cast.seed,
        played.crossed.len(),
        played.took
    );
}

/// One crash at each boundary in turn; what is found, and how many runs that took.
fn at_every_boundary(seed: u64, without: Without, clean: bool) -> (u32, Verdict) {
    let mut hub = Hub::start();
    let cast = Cast::of_five(seed);
    let (whole, verdict) = play(&mut hub, &cast, &[], Duration::ZERO, Without::default());
    must_be_clean(&cast, &[], &whole, &verdict);
    let mut dice = Dice::new(seed);
    let mut all = Verdict::default();
    let mut runs = 0;
    for at in 1..=whole.crossed.len() as u64 {
        if at % 25 == 0 {
            hub = Hub::start();
        }
        let down = Duration::from_millis(dice.roll(3) * dice.roll(20_000));
        let crash = [Crash { at, after: Duration::ZERO }];
        let (played, verdict) = play(&mut hub, &cast, &crash, down, without);
        if clean {
            must_be_clean(&cast, &crash, &played, &verdict);
            assert!(played.crashes <= 1);
        }
        runs += 1;
        all.duplicates.extend(verdict.duplicates);
        all.lost.extend(verdict.lost);
    }
    (runs, all)
}

#[test]
fn a_calm_run_crosses_exactly_these_boundaries() {
    let mut hub = Hub::start();
    for _ in 0..10 {
        let start = std::time::Instant::now();
        let cast = Cast::of_five(0);
        let (played, verdict) = play(&mut hub, &cast, &[], Duration::ZERO, Without::default());
        must_be_clean(&cast, &[], &played, &verdict);
        println!("{} {:?} {:?}", played.crossed.len(), played.took, start.elapsed());
    }
}

#[test]
fn seed_0() {
    let start = std::time::Instant::now();
    let (runs, _) = at_every_boundary(0, Without::default(), true);
    figures::tell("crash", &format!("{runs} runs {:?} {BOUNDARIES}", start.elapsed()));
}
#[test]
fn seed_1() {
    let start = std::time::Instant::now();
    let (runs, _) = at_every_boundary(1, Without::default(), true);
    figures::tell("crash", &format!("{runs} runs {:?}", start.elapsed()));
}
