//! Why each line of an issue is a task or is none, for a terminal: `divisi plan --explain`.

use super::escape;
use crate::plan::Explained;
use std::fmt::Write as _;

/// So much of a line is repeated, in characters.
const SHOWN: usize = 60;

/// One line for each line of the issue, neighbours with the same reason together. `skipped` lines of the file stand before the
/// issue's text.
pub fn explained_text(lines: &[Explained], skipped: usize) -> String {
    let mut text = String::from("Line by line:\n\n");
    let mut rest = lines;
    while let Some(first) = rest.first() {
        let alike =
            |line: &&Explained| (line.what, &line.why, line.rule) == (first.what, &first.why, first.rule);
        let run = if first.what == "task" { 1 } else { rest.iter().take_while(alike).count() };
        let (here, after) = rest.split_at(run);
        rest = after;
        let (from, to) = (first.line + skipped, here.last().map_or(0, |l| l.line) + skipped);
        let place = if from == to { format!("line {from}") } else { format!("lines {from}-{to}") };
        let what = match first.what {
            "task" => "",
            "heading" => "heading: ",
            "prose" => "prose: ",
            "hidden" => "not read: ",
            _ => "not a task: ",
        };
        let rule = if first.rule.is_empty() { String::new() } else { format!(" ({})", first.rule) };
        let _ = writeln!(text, "{place}: {what}{}{rule}", escape::line(&first.why, 300));
        let _ = writeln!(text, "    | {}", escape::line(&first.text, SHOWN));
    }
    if lines.is_empty() {
        text.push_str("The issue has no text.\n");
    }
    text.push_str("\nThe rules R1 to R11 are told in docs/plans.md.");
    text
}
