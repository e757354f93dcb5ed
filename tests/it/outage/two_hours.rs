//! GitHub is away for two hours, from any moment of a run on: the run ends as it would have, and next to nothing is sent
//! meanwhile.

use super::PROOF;
use crate::crash::cast::Cast;
use crate::crash::check::check;
use crate::support::figures;
use crate::support::rig::{Dice, Hub};
use divisi::clock;
use divisi::simulator::{Arrival, Outage, OutageKind};
use divisi::telemetry::MetricsPage;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::time::Duration;

const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);
/// The moments at which it begins: a run takes longer than this.
const MOMENTS_MS: u64 = 30_000;
/// So many requests may be sent until the circuit is open: five that fail, and those that were on their way by then.
const OPENING: usize = 20;
const LEAST_GAP: SignedDuration = SignedDuration::from_secs(30);

#[test]
fn of_bad_gateways() {
    away(OutageKind::BadGateway);
}

#[test]
fn of_silence() {
    away(OutageKind::Silent);
}

#[test]
fn of_cut_connections() {
    away(OutageKind::Reset);
}

#[test]
fn of_refused_connections() {
    away(OutageKind::Refused);
}

fn away(kind: OutageKind) {
    let seeds = if figures::full() { 1..=10 } else { 1..=1 };
    let metrics = MetricsPage::install().expect("one collector in this process");
    let (mut runs, mut during, mut most) = (0, 0, 0);
    for seed in seeds {
        let before = unanswered(&metrics);
        let mut hub = Hub::start();
        let cast = Cast { slowly: true, sky: Default::default(), ..Cast::of_five(seed) };
        let mut script = cast.script();
        let fate = script.fate;
        script.fate = Box::new(move |task, attempt| {
            let (time, fate) = fate(task, attempt);
            (time * 4, fate)
        });
        script.patience = TWO_HOURS * 2;
        script.look = Duration::from_secs(20);
        let moment = Duration::from_millis(Dice::new(seed ^ kind as u64).roll(MOMENTS_MS));
        let entered = hub.clock.enter();
        let from = clock::now() + SignedDuration::try_from(moment).unwrap();
        drop(entered);
        let until = from + SignedDuration::try_from(TWO_HOURS).unwrap();
        hub.github.plan_outage(Outage { from, until, kind });
        let played = hub.play(script);
        let verdict = check(&hub, &played, &cast.expected());
        assert!(verdict.is_clean(), "{kind:?}, seed {seed}, from {moment:?}: {verdict:?}");
        assert!(
            played.took > moment + TWO_HOURS,
            "{kind:?}, seed {seed}: it was over before: {:?}",
            played.took
        );
        let arrivals: Vec<Arrival> = hub
            .github
            .read(|w| w.arrivals().iter().filter(|a| from <= a.at && a.at < until).cloned().collect());
        let sent = match kind {
            // Nobody was there to see them: they are counted where they are made, those of the App and of the
            // installation together.
            OutageKind::Refused => {
                assert!(arrivals.is_empty(), "{arrivals:?}");
                usize::try_from(unanswered(&metrics) - before).unwrap()
            }
            _ => arrivals.len(),
        };
        let mut by_whom: BTreeMap<Option<u64>, Vec<&Arrival>> = BTreeMap::new();
        for arrival in &arrivals {
            by_whom.entry(arrival.installation).or_default().push(arrival);
        }
        for (whom, all) in &by_whom {
            sparse(all, &format!("{kind:?}, seed {seed}, installation {whom:?}"));
        }
        assert!((10..=2 * (7200 / 30 + OPENING)).contains(&sent), "{kind:?}, seed {seed}: {sent} requests");
        (runs, during, most) = (runs + 1, during + sent, most.max(sent));
    }
    let mean = during / runs;
    figures::tell(
        PROOF,
        &format!("2 h {kind:?}: {runs} runs complete, {mean} requests on average meanwhile ({most} at most)"),
    );
}

/// After the opening, two requests are half a minute apart.
fn sparse(arrivals: &[&Arrival], who: &str) {
    let close: Vec<usize> = (1..arrivals.len())
        .filter(|i| arrivals[*i].at.duration_since(arrivals[i - 1].at) < LEAST_GAP)
        .collect();
    let last = close.last().copied().unwrap_or(0);
    let shown: Vec<_> = arrivals.iter().map(|a| format!("{} {} {}", a.at, a.method, a.path)).collect();
    assert!(last < OPENING, "{who}: request {last} came too soon: {shown:#?}");
}

/// Requests without an answer, as the metrics tell them.
fn unanswered(metrics: &MetricsPage) -> u64 {
    let page = metrics.render();
    let line = page.lines().find_map(|l| l.strip_prefix("divisi_github_requests_total{status=\"none\"} "));
    line.map_or(0, |n| n.parse().expect("a number"))
}
