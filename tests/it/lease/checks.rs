//! The model checked whole, and shown to fail when a rule is taken out.

use super::model::{Rules, State};
use crate::support::figures;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use stateright::{Checker, HasDiscoveries, Model};
use std::time::Instant;

/// Threads of one check: the machine's, which the other tests use too.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(4)
}

/// Everything that can happen under these rules keeps them; returns how many states that are.
fn holds(rules: Rules) -> usize {
    let began = Instant::now();
    let checker = rules.checker().threads(threads()).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    figures::tell(
        "lease",
        &format!(
            "{states} states of {} runners with up to {} faults, all orders to depth {}, in {:.0} s, never two unfrozen",
            rules.runners,
            rules.budget,
            checker.max_depth(),
            began.elapsed().as_secs_f64()
        ),
    );
    states
}

#[test]
fn every_order_of_events_keeps_the_fence() {
    let (runners, budget) = if figures::full() { (3, 1) } else { (2, 1) };
    assert!(holds(Rules { runners, budget, ..Rules::BUILT }) > 100_000);
}

#[test]
fn more_faults_and_more_runners_keep_it_too() {
    if figures::full() {
        assert!(holds(Rules { runners: 2, budget: 2, ..Rules::BUILT }) > 500_000);
    } else {
        assert!(holds(Rules { runners: 3, budget: 0, ..Rules::BUILT }) > 1_000);
    }
}

/// What the checker finds against a property when the rules are these.
#[track_caller]
fn fails(rules: Rules, property: &'static str) {
    let stop = HasDiscoveries::AllOf([property].into());
    let checker = rules.checker().threads(threads()).finish_when(stop).spawn_bfs().join();
    let found = checker.discoveries();
    let path =
        found.get(property).unwrap_or_else(|| panic!("{rules:?} keeps `{property}`: {:?}", found.keys()));
    println!("{property}: {:?}", path.clone().into_actions());
}

const TWO: &str = "never two unfrozen attempts";
const WORK: &str = "an outage costs no work";

#[test]
fn without_the_shims_own_fence_a_stopped_runner_keeps_its_agent_alive() {
    fails(Rules { shim_keeps_fence: false, runners: 2, ..Rules::BUILT }, TWO);
}

#[test]
fn without_a_margin_an_agent_is_frozen_too_late() {
    fails(Rules { margin: 0, runners: 2, ..Rules::BUILT }, TWO);
}

#[test]
fn a_word_to_the_shim_that_is_no_absolute_time_moves_the_fence_too_far() {
    fails(Rules { absolute_words: false, runners: 2, ..Rules::BUILT }, TWO);
}

#[test]
fn without_the_rule_of_continuity_an_outage_costs_work() {
    fails(Rules { continuity: false, runners: 2, ..Rules::BUILT }, WORK);
    fails(Rules { continuity: false, refuses_late: true, runners: 2, ..Rules::BUILT }, WORK);
}

#[test]
fn a_heartbeat_that_refuses_a_lapsed_lease_costs_work_whatever_the_reaper_does() {
    fails(Rules { refuses_late: true, runners: 2, ..Rules::BUILT }, WORK);
}

#[test]
fn a_result_that_is_not_fenced_is_accepted_from_a_runner_that_lost_its_lease() {
    fails(
        Rules { fenced_finish: false, runners: 2, ..Rules::BUILT },
        "no result of an earlier lease is accepted",
    );
}

#[test]
fn long_random_schedules_with_many_faults_keep_the_fence() {
    let (schedules, steps) = if figures::full() { (20_000, 400) } else { (2_000, 400) };
    let rules = Rules { budget: 60, ..Rules::BUILT };
    let (mut ended, mut faults) = (0, 0_u64);
    for seed in 0..schedules {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut state = State::new(rules.budget);
        let mut actions = Vec::new();
        for step in 0..steps {
            actions.clear();
            rules.possible(&state, &mut actions);
            // An end is the end of a schedule: it is put off.
            let going = step < steps / 2;
            actions.retain(|action| !going || !matches!(action, super::model::Action::Finish(_)));
            if actions.is_empty() {
                break;
            }
            state = rules.after(&state, actions[rng.random_range(0..actions.len())]);
            assert!(state.is_sound(), "seed {seed}, step {step}: {state:#?}");
        }
        ended += u64::from(rules.can_end(&state));
        faults += u64::from(rules.budget - state.budget());
    }
    assert_eq!(ended, schedules, "a schedule after which the task cannot end");
    figures::tell(
        "lease",
        &format!("{schedules} random schedules with {faults} faults: all keep it and can end"),
    );
}
