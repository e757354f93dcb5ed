//! Every boundary of a run times 20 seeds, and 2,000 runs with many crashes.

use super::cast::Cast;
use super::check::Verdict;
use super::{OF_ONE_HUB, at, play};
use crate::support::figures;
use crate::support::rig::{Crash, Dice, Hub, Played};
use divisi::orchestrator::Without;
use std::time::Duration;

/// Boundaries that a calm run of five tasks with one failure and one retry crosses: 21 effects and one delivery. A new
/// effect, and one that is lost, shows here.
const BOUNDARIES: usize = 86;
/// No run may cross more: what goes wrong is bounded.
const MOST: usize = 600;
/// Seeded runs of one test.
const MANY: u64 = 50;

fn must_be_clean(cast: &Cast, crashes: &[Crash], played: &Played, verdict: &Verdict) {
    assert!(
        verdict.is_clean() && verdict.folded == 0 && played.crossed.len() <= MOST,
        "seed {}, crashes {crashes:?}: {verdict:#?} after {} crossings and {:?}",
        cast.seed,
        played.crossed.len(),
        played.took
    );
}

fn tell(points: usize, seeds: usize, runs: usize, crashes: u32) {
    let figures = format!("points={points} seeds={seeds} runs={runs} crashes={crashes} duplicates=0 lost=0");
    figures::tell("crash", &figures);
}

#[test]
fn a_calm_run_crosses_exactly_these_boundaries() {
    let mut hub = Hub::start();
    let cast = Cast::of_five(0);
    let (played, verdict) = play(&mut hub, &cast, &[], Duration::ZERO, Without::default());
    must_be_clean(&cast, &[], &played, &verdict);
    let mut kinds: Vec<String> = played.crossed.iter().map(ToString::to_string).collect();
    kinds.sort();
    assert_eq!(played.crossed.len(), BOUNDARIES, "{kinds:#?}");
    let count = |kind: &str| played.crossed.iter().filter(|p| p.kind == kind).count();
    assert_eq!(
        [
            count("label"),
            count("sub_issue"),
            count("link"),
            count("pull_request"),
            count("follow_up"),
            count("summary"),
            count("intake")
        ],
        [4, 5 * 4, 5 * 4, 4 * 4, 4, 4, 2]
    );
    tell(BOUNDARIES, 0, 1, 0);
}

/// One crash at each boundary of this seed's run in turn.
fn every_boundary(seed: u64) {
    let mut hub = Hub::start();
    let cast = Cast::of_five(seed);
    let (whole, verdict) = play(&mut hub, &cast, &[], Duration::ZERO, Without::default());
    must_be_clean(&cast, &[], &whole, &verdict);
    assert!(whole.crossed.len() >= 70, "{} boundaries", whole.crossed.len());
    let (mut dice, mut crashes) = (Dice::new(seed), 0);
    for n in 1..=whole.crossed.len() {
        if n.is_multiple_of(OF_ONE_HUB) {
            hub = Hub::start();
        }
        let down = Duration::from_millis(dice.roll(3) * dice.roll(20_000));
        let crash = [at(n)];
        let (played, verdict) = play(&mut hub, &cast, &crash, down, Without::default());
        must_be_clean(&cast, &crash, &played, &verdict);
        crashes += played.crashes;
    }
    // The order of attempts may differ by a hair after the same throws, so the last points may not be reached.
    assert!(crashes as usize + 8 >= whole.crossed.len(), "{crashes} crashes of {}", whole.crossed.len());
    tell(whole.crossed.len(), 1, whole.crossed.len() + 1, crashes);
}

/// Two to eight crashes in any run, also in the middle of a request, which GitHub then carries out all the same.
fn many_crashes(part: u64) {
    let (mut hub, mut crashes) = (Hub::start(), 0);
    for seed in part * MANY..(part + 1) * MANY {
        if (seed as usize).is_multiple_of(OF_ONE_HUB) {
            hub = Hub::start();
        }
        let cast = Cast::of_any(1_000_000 + seed);
        let mut dice = Dice::new(seed);
        // Spread over what such a run crosses, so that they come to pass.
        let (n, points) = (2 + dice.roll(7), 12 + 14 * cast.attempts.len() as u64);
        let planned: Vec<Crash> = (0..n)
            .map(|_| {
                let after = if dice.percent(40) { 1 + dice.roll(3_000) } else { 0 };
                Crash { at: 1 + dice.roll(points / n), after: Duration::from_millis(after) }
            })
            .collect();
        let down = Duration::from_millis(dice.roll(3) * dice.roll(30_000));
        let (played, verdict) = play(&mut hub, &cast, &planned, down, Without::default());
        must_be_clean(&cast, &planned, &played, &verdict);
        assert!(played.crashes >= 1, "seed {seed} never crashes");
        crashes += played.crashes;
    }
    assert!(u64::from(crashes) >= 3 * MANY, "only {crashes} crashes in {MANY} runs");
    tell(0, 0, MANY as usize, crashes);
}

macro_rules! tests {
    ($test:ident: $($name:ident $n:literal)*) => {
        $(
            #[test]
            fn $name() {
                $test($n);
            }
        )*
    };
}

mod one_crash_at_every_boundary {
    use super::every_boundary;
    tests! { every_boundary:
        seed_00 0 seed_01 1 seed_02 2 seed_03 3 seed_04 4 seed_05 5 seed_06 6 seed_07 7 seed_08 8 seed_09 9
        seed_10 10 seed_11 11 seed_12 12 seed_13 13 seed_14 14 seed_15 15 seed_16 16 seed_17 17 seed_18 18
        seed_19 19
    }
}

mod two_to_eight_crashes_anywhere {
    use super::many_crashes;
    tests! { many_crashes:
        part_00 0 part_01 1 part_02 2 part_03 3 part_04 4 part_05 5 part_06 6 part_07 7 part_08 8 part_09 9
        part_10 10 part_11 11 part_12 12 part_13 13 part_14 14 part_15 15 part_16 16 part_17 17 part_18 18
        part_19 19 part_20 20 part_21 21 part_22 22 part_23 23 part_24 24 part_25 25 part_26 26 part_27 27
        part_28 28 part_29 29 part_30 30 part_31 31 part_32 32 part_33 33 part_34 34 part_35 35 part_36 36
        part_37 37 part_38 38 part_39 39
    }
}
