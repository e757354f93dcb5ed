//! Exactly once through every crash: whole runs in virtual time (`matrix`, `defences`, `fold`), and the shipped binary
//! (`real`). What is proved and how is told in `docs/proof.md`.

pub mod cast;
pub mod check;
mod defences;
mod fold;
mod matrix;
mod real;

use cast::Cast;
use check::{Verdict, check};
use divisi::orchestrator::Without;
use std::time::Duration;

use crate::support::rig::{Crash, Hub, Played};

/// Runs that a hub plays before it makes place for a fresh one.
const OF_ONE_HUB: usize = 25;

/// Plays one run with these crashes and looks at what is there in the end.
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

/// A crash right at the nth boundary.
fn at(n: usize) -> Crash {
    Crash { at: n as u64, after: Duration::ZERO }
}
