//! Nights in which much goes wrong at once: answers get lost, lists lag, tokens end, clocks differ.

use super::PROOF;
use crate::crash::cast::Cast;
use crate::crash::check::check;
use crate::support::figures;
use crate::support::rig::{Dice, Hub, Sky};
use jiff::SignedDuration;
use std::time::Duration;

#[test]
fn a_third_of_the_answers_lost_lists_that_lag_tokens_of_half_a_minute_and_clocks_five_minutes_apart() {
    let seeds = if figures::full() { 1..=100 } else { 1..=6 };
    let (mut runs, mut lost, mut folded, mut tokens) = (0, 0, 0, 0);
    for seed in seeds {
        let minutes = if seed % 2 == 0 { 5 } else { -5 };
        let mut hub = Hub::with(SignedDuration::from_mins(minutes), |options| {
            options.token_lifetime = Duration::from_secs(30);
        });
        let mut dice = Dice::new(seed);
        let lag = Duration::from_millis(15_000 + dice.roll(15_000));
        let sky = Sky { seed, lost_answers: 30, lag, ..Sky::default() };
        let cast = Cast { sky, slowly: seed % 3 == 0, ..Cast::of_five(seed) };
        let mut script = cast.script();
        script.visibility_lag = Duration::from_secs(30);
        script.patience = Duration::from_secs(8 * 3600);
        script.look = Duration::from_secs(10);
        let played = hub.play(script);
        let verdict = check(&hub, &played, &cast.expected());
        assert!(verdict.is_clean(), "seed {seed}: {verdict:?}");
        let arrived =
            hub.github.read(|w| (w.calls().iter().filter(|c| lost_answer(c)).count(), w.tokens().len()));
        runs += 1;
        lost += arrived.0;
        tokens += arrived.1;
        folded += verdict.folded;
    }
    figures::tell(
        PROOF,
        &format!(
            "resets after apply on 30 % of writes, lag to 30 s, tokens of 30 s, clocks 5 min off: {runs} runs, \
             {lost} writes, {tokens} tokens, 0 duplicates, {folded} folded"
        ),
    );
}

fn lost_answer(call: &divisi::simulator::CallRecord) -> bool {
    call.method != "GET" && call.path.starts_with("/repos/")
}
