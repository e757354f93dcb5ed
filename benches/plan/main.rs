//! How long the reader of issues takes, in CPU time, and how that grows with the text.
//!
//!     cargo bench --bench plan [-- --digest]
//!
//! Each body is read many times and the least time counts, so that other work on the machine matters little. Nothing is asserted about
//! times. `--digest` reads the labelled issues once and prints the digest of their plans, which every build must share with the tests.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark looks at the CPU's clock and prints its table"
)]

use divisi::plan;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// GitHub's longest body, in bytes here.
const LONGEST: usize = 65_536;
const SIZES: [usize; 7] = [1_000, 4_000, 16_000, LONGEST, 250_000, 500_000, 1_000_000];

/// What a plan with sections, prose, criteria and dependencies looks like, again and again.
const EPIC: &str = "## Phase 1: Backend\n\nSome prose about why, with a link to #12 and `code`, and what it depends on.\n\
    More prose that nobody reads.\n\n- [ ] Add the store (#13)\n- [ ] Add the api, depends on #13\n  - in `src/api.rs`\n\
    - [x] #14 remove it\n\n### Acceptance criteria\n\n- [ ] It works\n\n";

fn main() {
    let bodies = labelled();
    if std::env::args().any(|word| word == "--digest") {
        println!("{}", digest(&bodies));
        return;
    }
    println!("| text | bytes | tasks | CPU ms |\n|---|---|---|---|");
    let times: Vec<(usize, f64)> =
        SIZES.iter().map(|&size| (size, row("an epic", &filled(EPIC, size)))).collect();
    let whole: String = bodies.iter().map(|(_, body)| format!("{}\n\n", body.replace("<!--", ""))).collect();
    row("labelled issues, end to end", &filled(&whole, LONGEST));
    for (name, piece) in [
        ("boxes", "- [ ] Move the exporter out of `src/export.rs`\n"),
        ("short links", "- [ ] #1\n"),
        ("bold lines", "**a**\n"),
        ("tables", "| a | b |\n|---|---|\n| #1 | after 1 |\n\n"),
        ("headings", "## Task 1: Add a\n"),
        ("arrows", "#1 -> #2 -> "),
        ("words of order", "after #1 "),
        ("open brackets", "((((#1"),
        ("quotes", "> "),
    ] {
        row(name, &filled(piece, LONGEST));
    }
    let nested: String = (0..300).map(|depth| format!("{}- [ ] item\n", "  ".repeat(depth))).collect();
    row("300 lists in one another", &nested[..nested.floor_char_boundary(LONGEST)]);
    row("10,000 links", &(2..10_002).map(|n| format!("- #{n}\n")).collect::<String>());
    println!(
        "\nThe time grows with the length to the power of {:.3} (an epic, 1 kB to 1 MB).",
        exponent(&times)
    );
}

fn row(name: &str, body: &str) -> f64 {
    let rounds = (4_000_000 / body.len().max(1)).clamp(3, 40);
    let mut least = f64::MAX;
    let mut tasks = 0;
    for _ in 0..rounds {
        let began = cpu();
        tasks = plan::read("Epic: a title", body, Some(1), Some(("acme", "widgets"))).tasks.len();
        least = least.min(cpu() - began);
    }
    println!("| {name} | {} | {tasks} | {:.2} |", body.len(), least * 1e3);
    least
}

/// Seconds of CPU that this process has used.
fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn filled(piece: &str, size: usize) -> String {
    let mut text = piece.repeat(size / piece.len() + 1);
    text.truncate(text.floor_char_boundary(size));
    text
}

/// The slope of the line through the points, both sides logarithmic.
fn exponent(times: &[(usize, f64)]) -> f64 {
    let points: Vec<(f64, f64)> = times.iter().map(|&(size, time)| ((size as f64).ln(), time.ln())).collect();
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / count, y + p.1 / count));
    let above: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    above / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

/// Titles and bodies of the labelled issues, in the order of their files.
fn labelled() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plans");
    let mut files: Vec<_> = ["cases", "shapes", "unseen", "blind", "fresh"]
        .iter()
        .flat_map(|name| std::fs::read_dir(folder.join(name)).expect("the labelled issues"))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let case: Value = serde_json::from_slice(&std::fs::read(file).expect("a case")).expect("JSON");
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        (text("title"), text("body"))
    };
    files.iter().map(read).collect()
}

/// The same as in `tests/it/plan/digest.rs`.
fn digest(bodies: &[(String, String)]) -> String {
    let mut hash = Sha256::new();
    for (title, body) in bodies {
        let plan = plan::read(title, body, Some(1), Some(("acme", "widgets")));
        hash.update(plan.to_json(2).to_string());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
