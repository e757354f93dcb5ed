//! A GitHub that enforces its limits, and one that is stricter than it says.

use super::PROOF;
use crate::crash::cast::Cast;
use crate::crash::check::check;
use crate::support::figures;
use crate::support::rig::{Crash, Hub, Sky};
use divisi::github::Pace;
use divisi::simulator::Limits;
use jiff::SignedDuration;
use std::time::Duration;

fn cast(tasks: usize) -> Cast {
    let attempts = vec![Vec::new(); tasks];
    Cast { attempts, says: Vec::new(), sky: Sky::default(), seed: 7, slowly: true, ordered: false }
}

#[test]
fn a_run_of_a_hundred_tasks_keeps_the_limits() {
    let mut hub = Hub::with(SignedDuration::ZERO, |options| {
        options.limits = Some(Limits::default());
        options.rate_limit = 5_000;
    });
    let cast = cast(100);
    let mut script = cast.script();
    script.patience = Duration::from_secs(12 * 3600);
    script.look = Duration::from_secs(20);
    let played = hub.play(script);
    let verdict = check(&hub, &played, &cast.expected());
    assert!(verdict.is_clean(), "{verdict:?}");
    let (violations, limited, calls) = hub.github.read(|w| {
        let limited = w.calls().iter().filter(|c| matches!(c.status, 403 | 429)).count();
        (w.violations().to_vec(), limited, w.calls().len())
    });
    assert!(violations.is_empty(), "{violations:?}");
    figures::tell(
        PROOF,
        &format!(
            "100 tasks under enforced limits: complete after {} virtual minutes, {calls} calls, {limited} refused, \
             0 in a forbidden window",
            played.took.as_secs() / 60
        ),
    );
}

#[test]
fn a_stricter_github_than_ours_is_obeyed_whether_it_says_how_long_or_not() {
    for says_how_long in [true, false] {
        let limits = Limits { creations_per_minute: 12, says_how_long, ..Limits::default() };
        let mut hub = Hub::with(SignedDuration::from_mins(4), |options| {
            options.limits = Some(limits);
            // The hour's budget ends in the run too.
            options.rate_limit = 40;
        });
        let cast = cast(12);
        let mut script = cast.script();
        // A limiter that lets everything through: GitHub has to say it.
        script.pace = Pace::of(60_000);
        script.patience = Duration::from_secs(12 * 3600);
        script.look = Duration::from_secs(20);
        let played = hub.play(script);
        let verdict = check(&hub, &played, &cast.expected());
        assert!(verdict.is_clean(), "{verdict:?}");
        let (violations, limited) = hub.github.read(|w| {
            let limited = w.calls().iter().filter(|c| matches!(c.status, 403 | 429)).count();
            (w.violations().to_vec(), limited)
        });
        assert!(violations.is_empty(), "{violations:?}");
        assert!(limited >= 2, "nothing was refused, so nothing is shown: {limited}");
        assert!(
            played.took > Duration::from_secs(3000),
            "the hour's budget was never used up: {:?}",
            played.took
        );
        figures::tell(
            PROOF,
            &format!("stricter limits (told: {says_how_long}): {limited} refused, 0 in a forbidden window"),
        );
    }
}

#[test]
fn a_process_that_is_killed_again_and_again_gets_no_burst_each_time() {
    const LIVES: u64 = 7;
    let mut hub = Hub::with(SignedDuration::ZERO, |options| options.latency = Duration::from_millis(300));
    let cast = cast(40);
    let mut script = cast.script();
    // Fifteen writes a life: as many as a limiter without a memory lets through at once.
    script.crashes = (1..LIVES).map(|_| Crash { at: 60, after: Duration::ZERO }).collect();
    let played = hub.play(script);
    assert_eq!(u64::from(played.crashes), LIVES - 1);
    let verdict = check(&hub, &played, &cast.expected());
    assert!(verdict.is_clean(), "{verdict:?}");
    let writes: Vec<_> = hub.github.read(|w| {
        let writes = w.arrivals().iter().filter(|a| a.method != "GET" && a.path.starts_with("/repos/"));
        writes.map(|a| a.at).collect()
    });
    // Beyond one a second: half a bucket at first, and for each life what it sent in the second before it was killed.
    let ahead = (1..).zip(&writes).map(|(n, at)| n - at.duration_since(writes[0]).as_secs()).max().unwrap();
    let lives = i64::try_from(LIVES).unwrap();
    assert!(ahead <= 15 + 1 + 3 * lives, "{ahead} writes ahead of one a second");
    figures::tell(
        PROOF,
        &format!(
            "{} writes over {LIVES} killed lives, never more than {ahead} ahead of one a second",
            writes.len()
        ),
    );
}
