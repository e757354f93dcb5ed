//! The same bytes in, the same plan out: in every run, in every process and in every build.

use super::{blind, cases, fresh, shapes, unseen};
use crate::support::figures;
use divisi::plan;
use sha2::{Digest as _, Sha256};

/// The plans of all labelled issues. Whoever changes what the reader says of any of them changes this file in the same
/// commit; `benches/plan` prints it, too, so that a release build can be compared.
const PINNED: &str = include_str!("../../fixtures/plans/digest.txt");

#[test]
fn the_same_text_gives_the_same_plan() {
    let runs = if figures::full() { 1_000 } else { 10 };
    let all: Vec<_> =
        cases().into_iter().chain(shapes()).chain(unseen()).chain(blind()).chain(fresh()).collect();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..runs {
        let mut hash = Sha256::new();
        for case in &all {
            let plan = plan::read(&case.title, &case.body, Some(1), Some(("acme", "widgets")));
            hash.update(plan.to_json(2).to_string());
        }
        seen.insert(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    let digest = seen.first().cloned().unwrap_or_default();
    figures::tell(
        "plan",
        &format!("{runs} runs over {} issues: {} digest(s), {digest}", all.len(), seen.len()),
    );
    assert_eq!(seen.len(), 1, "one text, several plans");
    assert_eq!(
        digest,
        PINNED.trim(),
        "write it to tests/fixtures/plans/digest.txt if the new plans are right"
    );
}
