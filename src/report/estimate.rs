//! The estimate in the plan's comment: figures, and on what they stand.

use super::{escape, words};
use crate::domain::estimate::{Basis, Estimate, OfSize, Range};

/// Between the two figures of a range.
const APART: &str = " to ";

/// One paragraph. Without history it says so.
pub(super) fn estimate(found: Option<&Estimate>, agent: &str) -> String {
    let agent = escape::inline(&agent.replace('`', "'"), 40);
    let Some(found) = found else {
        return format!("**Estimate**: none yet. `{agent}` has not finished a task on this server.\n\n");
    };
    let attempts = match found.attempts {
        1 => "1 finished attempt".to_owned(),
        n => format!("{n} finished attempts"),
    };
    let whose = match found.basis {
        Basis::Repository => "in this repository",
        Basis::Server => "in other repositories of this server, since there is none in this one",
    };
    let agents = if found.at_once == 1 { "1 agent".to_owned() } else { format!("{} agents", found.at_once) };
    let cost = match found.cost_usd {
        Some(cost) => money(cost),
        None => "what it will cost is not known, because not all of them told a price".to_owned(),
    };
    let sizes: Vec<String> = found.sizes.iter().map(of_size).collect();
    let text = format!(
        "**Estimate** from {attempts} of `{agent}` {whose}: {} with {agents} at once; {cost}. Each task: {}.",
        time(found.seconds),
        sizes.join("; ")
    );
    let ranges = if text.contains(APART) {
        " The first figure is what is usual, the second one what one in ten exceeds."
    } else {
        ""
    };
    format!("{text}{ranges}\n\n")
}

fn of_size(of: &OfSize) -> String {
    let name = super::plan::size(of.size);
    let cost = of.cost_usd.map(|cost| format!(", {}", money(cost))).unwrap_or_default();
    let note = if of.attempts == 0 { " (none was of this size, so all count)" } else { "" };
    format!("{name} {}{cost}{note}", time(of.seconds))
}

fn time(range: Range) -> String {
    apart(words::duration(range.usual), words::duration(range.high))
}

fn money(range: Range) -> String {
    let shown = |usd: f64| if usd < 0.01 { "less than $0.01".to_owned() } else { format!("${usd:.2}") };
    apart(shown(range.usual), shown(range.high))
}

fn apart(usual: String, high: String) -> String {
    if usual == high { usual } else { format!("{usual}{APART}{high}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Size;

    #[test]
    fn figures_stand_on_attempts() {
        let range = |usual, high| Range { usual, high };
        let small = OfSize {
            size: Size::S,
            attempts: 3,
            seconds: range(60.0, 90.0),
            cost_usd: Some(range(0.1, 0.25)),
        };
        let medium = OfSize { size: Size::M, attempts: 0, ..small };
        let mut found = Estimate {
            basis: Basis::Repository,
            attempts: 3,
            at_once: 2,
            seconds: range(120.0, 180.0),
            cost_usd: Some(range(0.4, 1.0)),
            sizes: vec![small, medium],
        };
        assert_eq!(
            estimate(Some(&found), "claude").trim_end(),
            "**Estimate** from 3 finished attempts of `claude` in this repository: 2m 0s to 3m 0s with 2 agents at once; $0.40 to $1.00. Each task: S 1m 0s to 1m 30s, $0.10 to $0.25; M 1m 0s to 1m 30s, $0.10 to $0.25 (none was of this size, so all count). The first figure is what is usual, the second one what one in ten exceeds."
        );
        found.cost_usd = None;
        found.basis = Basis::Server;
        let text = estimate(Some(&found), "claude");
        assert!(
            text.contains("in other repositories") && text.contains("what it will cost is not known"),
            "{text}"
        );
        let none = estimate(None, "claude");
        assert!(none.contains("none yet") && !none.contains('$'), "{none}");
    }
}
