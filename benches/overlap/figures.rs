//! Precision and recall.

use divisi::domain::survey::THRESHOLD;

/// A pair of tasks.
pub struct Judged {
    /// What the search says.
    pub score: f64,
    /// What the baseline says.
    pub named: bool,
    /// Whether both changed one file.
    pub same: bool,
}

pub fn heading() {
    println!(
        "| repository | | pairs | same file | average precision | at {THRESHOLD}: precision | recall | named: precision | recall |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|");
}

pub fn row(name: &str, role: &str, pairs: &[Judged]) {
    let (precision, recall) = at(pairs, |pair| pair.score >= THRESHOLD);
    let (of_named, found_by_name) = at(pairs, |pair| pair.named);
    let (average, _, random) = summary(pairs);
    println!(
        "| {name} | {role} | {} | {random:.3} | {average:.3} | {precision:.2} | {recall:.2} | {of_named:.2} | {found_by_name:.3} |",
        pairs.len()
    );
}

/// The curve of both sets.
pub fn curve(train: &[Judged], held_out: &[Judged]) {
    println!("| threshold | train | held out |\n|--:|---|---|");
    for threshold in [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9] {
        let both = [train, held_out].map(|pairs| {
            let (precision, recall) = at(pairs, |pair| pair.score >= threshold);
            format!("{precision:.2} / {recall:.2}")
        });
        println!("| {threshold} | {} |", both.join(" | "));
    }
}

/// Average precision of the search and of the baseline, and what chance would have.
pub fn summary(pairs: &[Judged]) -> (f64, f64, f64) {
    let same = pairs.iter().filter(|pair| pair.same).count() as f64;
    let random = same / pairs.len().max(1) as f64;
    (average(pairs, |pair| pair.score), average(pairs, |pair| f64::from(u8::from(pair.named))), random)
}

/// The mean precision over all pairs that are to be found, where pairs of one score come in a mixed order.
fn average(pairs: &[Judged], score: impl Fn(&Judged) -> f64) -> f64 {
    let mut sorted: Vec<(f64, bool)> = pairs.iter().map(|pair| (score(pair), pair.same)).collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut seen, mut found, mut sum) = (0.0, 0.0, 0.0);
    for level in sorted.chunk_by(|a, b| a.0 == b.0) {
        let hits = level.iter().filter(|(_, same)| *same).count() as f64;
        seen += level.len() as f64;
        found += hits;
        sum += hits * found / seen;
    }
    if found > 0.0 { sum / found } else { 0.0 }
}

fn at(pairs: &[Judged], told: impl Fn(&Judged) -> bool) -> (f64, f64) {
    let all = pairs.iter().filter(|pair| told(pair)).count() as f64;
    let right = pairs.iter().filter(|pair| told(pair) && pair.same).count() as f64;
    let same = pairs.iter().filter(|pair| pair.same).count() as f64;
    (right / all.max(1.0), right / same.max(1.0))
}
