//! The matrix can fail: with any one defence switched off, the same crashes leave something twice or nothing at all.

use super::cast::Cast;
use super::{OF_ONE_HUB, at, play};
use crate::support::figures;
use crate::support::rig::{Hub, Sky};
use divisi::orchestrator::{Place, Without};
use std::time::Duration;

/// Crashes after GitHub has done its part, at each such boundary in turn; how many duplicates and losses are seen.
fn harm(name: &str, sky: Sky, without: Without) -> (usize, usize) {
    let mut hub = Hub::start();
    let cast = Cast { sky, ..Cast::of_five(0) };
    let (whole, verdict) = play(&mut hub, &cast, &[], Duration::ZERO, Without::default());
    assert!(verdict.is_clean(), "{verdict:#?}");
    let (mut duplicates, mut lost, mut runs) = (0, 0, 0_usize);
    for (n, point) in (1..).zip(&whole.crossed) {
        if point.place != Place::BeforeAnswer {
            continue;
        }
        runs += 1;
        if runs.is_multiple_of(OF_ONE_HUB) {
            hub = Hub::start();
        }
        let (_, verdict) = play(&mut hub, &cast, &[at(n)], Duration::ZERO, without);
        duplicates += verdict.duplicates.len();
        lost += verdict.lost.len();
    }
    figures::tell("crash", &format!("without-{name}={duplicates}/{lost}"));
    (duplicates, lost)
}

#[test]
fn without_the_look_things_are_there_twice() {
    let (duplicates, _) = harm("look", Sky::default(), Without { look: true, ..Without::default() });
    assert!(duplicates >= 5, "{duplicates} duplicates");
}

#[test]
fn without_the_recorded_intent_things_are_there_twice() {
    let (duplicates, _) = harm("intent", Sky::default(), Without { intent: true, ..Without::default() });
    assert!(duplicates >= 5, "{duplicates} duplicates");
}

#[test]
fn without_waiting_out_what_lists_do_not_show_yet_is_made_again() {
    let sky = Sky { least_lag: Duration::from_secs(4), lag: Duration::from_secs(5), ..Sky::default() };
    let (duplicates, _) = harm("wait", sky, Without { wait: true, ..Without::default() });
    assert!(duplicates >= 5, "{duplicates} duplicates");
}

/// Nothing is switched off and the lists lag as much: clean.
#[test]
fn with_all_of_them_the_same_crashes_do_no_harm() {
    let sky = Sky { least_lag: Duration::from_secs(4), lag: Duration::from_secs(5), ..Sky::default() };
    assert_eq!(harm("nothing", sky, Without::default()), (0, 0));
}
