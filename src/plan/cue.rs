//! The words and signs of order: what says "waits for", "blocks", "sequential", and what turns it round.

use super::outline::{Content, Outline};
use super::text::{cut, has_any, one_line, spaced};

/// `X <word> Y`: X waits for Y.
pub(super) const WAITS: &[&str] = &[
    "depends on",
    "depend on",
    "dependent on",
    "depending on",
    "dependencies:",
    "dependency:",
    "depends:",
    "blocked by",
    "blocked on",
    "waits for",
    "wait for",
    "waiting for",
    "waits on",
    "waiting on",
    "requires",
    "needs",
    "after",
    "once",
    "until",
    "builds on",
    "build on",
    "prerequisite:",
    "prerequisites:",
    "follows",
    "following",
    "relies on",
    "gated on",
    "gated by",
    "stacked on",
    "depende de",
    "dependen de",
    "depende do",
    "depende da",
    "despues de",
    "después de",
    "depois de",
    "dépend de",
    "après",
    "bloqueado por",
    "hängt ab von",
    "abhängig von",
    "hängt von",
    "nach",
    "依赖",
    "依賴",
    "依存:",
    "зависит от",
    "после",
];
/// `X <word> Y`: Y waits for X.
pub(super) const HOLDS_UP: &[&str] = &[
    "blocks",
    "blocking",
    "unblocks",
    "prerequisite for",
    "prerequisite of",
    "required by",
    "required for",
    "before",
    "needed by",
    "needed for",
    "precedes",
    "bloquea",
    "bloqueia",
    "bloque",
];
/// Words between a keyword and the names that it is about.
pub(super) const FILLERS: &[&str] = &[
    "and",
    "or",
    "the",
    "both",
    "of",
    "on",
    "issue",
    "issues",
    "completion",
    "merging",
    "merge",
    "of",
    "pr",
    "y",
    "e",
    "et",
    "und",
    "task",
    "tasks",
    "is",
    "all",
    "sub-issue",
    "sub-task",
    "item",
    "items",
];
/// The line that says that stages called `word` are sequential.
pub(super) fn said_of_stages(outline: &Outline, word: &str) -> Option<String> {
    let plural = format!("{word}s");
    let by = [
        format!("by {word}"),
        format!("{word} by {word}"),
        format!("previous {word}"),
        format!("next {word}"),
    ];
    let lines = outline.sections.iter().flat_map(|section| {
        let prose = section.content.iter().flat_map(|content| match content {
            Content::Text(lines) => lines.clone(),
            Content::List(list) => list.items.iter().map(|item| item.title.clone()).collect(),
            Content::Table(_) => Vec::new(),
        });
        std::iter::once(section.title.clone()).chain(prose)
    });
    let mut lines = lines;
    lines.find(|line| {
        let words = spaced(line);
        let by: Vec<&str> = by.iter().map(String::as_str).collect();
        says_sequential(line, &[&plural])
            || (has_any(&words, &by)
                && has_any(
                    &words,
                    &[
                        "dispatch",
                        "before",
                        "after",
                        "sequential",
                        "complete",
                        "completed",
                        "depends",
                        "start",
                        "gate",
                    ],
                )
                && !denies(&words))
    })
}

/// Whether a line says of `things` that they come one after the other.
pub(super) fn says_sequential(line: &str, things: &[&str]) -> bool {
    let words = spaced(line);
    let order = [
        "sequential",
        "sequentially",
        "in sequence",
        "one after the other",
        "one after another",
        "one at a time",
        "in this order",
        "in that order",
        "in the order listed",
        "in the listed order",
        "strictly in order",
        "in strict order",
        "in order",
    ];
    has_any(&words, things) && has_any(&words, &order) && !words.contains(" in order to ") && !denies(&words)
}

fn denies(words: &str) -> bool {
    has_any(
        words,
        &[
            "not",
            "no",
            "never",
            "independent",
            "independently",
            "any order",
            "don't",
            "doesn't",
            "needn't",
            "aren't",
        ],
    )
}

/// The words right before a keyword that turn it round: `does not depend on`.
pub(super) fn is_denied(before: &str) -> bool {
    const NEAR: usize = 24;
    let from = before.ceil_char_boundary(before.len().saturating_sub(NEAR));
    let words = spaced(&before[from..]);
    let near: Vec<&str> = words.split_whitespace().rev().take(3).collect();
    near.iter().any(|word| {
        matches!(*word, "not" | "no" | "never" | "without" | "longer")
            || word.ends_with("n't")
            || word.ends_with("n’t")
    })
}

/// Where the sentence around byte `at` starts, list marker and emphasis skipped.
pub(super) fn sentence_start(line: &str, at: usize) -> usize {
    let before = &line[..at];
    let from = [". ", "; ", ": ", "! ", "? "]
        .iter()
        .filter_map(|end| before.rfind(end).map(|found| found + end.len()))
        .max()
        .unwrap_or(0);
    let sentence = &before[from..];
    let marks = sentence.len()
        - sentence.trim_start_matches([' ', '\t', '-', '*', '+', '|', '>', '_', '~', '✓', '✅']).len();
    let start = from + marks;
    ["[ ] ", "[x] ", "[X] "]
        .iter()
        .find(|mark| before[start..].starts_with(**mark))
        .map_or(start, |mark| start + mark.len())
}

/// The places of `word` in `lower` as a whole word.
pub(super) fn occurrences<'t>(lower: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    let whole = word.is_ascii();
    lower.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let bounded = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let end = at + word.len();
        !whole
            || (bounded(lower[..at].chars().next_back())
                && (word.ends_with(':') || bounded(lower[end..].chars().next())))
    })
}

/// Whether the text between two names is an arrow, remarks in brackets aside.
pub(super) fn is_arrow(between: &str) -> bool {
    let mut depth = 0usize;
    let kept = between.chars().filter(|&c| {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0 && !c.is_whitespace() && !matches!(c, '*' | '`' | '_')
    });
    let kept: String = kept.collect();
    !kept.is_empty()
        && kept.chars().all(|c| matches!(c, '→' | '-' | '>' | '=' | '⇒' | '►' | '─' | '➜' | '⟶' | '▶'))
        && kept.contains(['→', '>', '⇒', '►', '➜', '⟶', '▶'])
}

pub(super) fn is_and(between: &str) -> bool {
    let words = between.trim();
    !between.is_empty()
        && (words.is_empty() || matches!(words, "," | "&" | "+" | "and" | ", and" | "/" | "||" | "|"))
}

pub(super) fn as_reason(line: &str) -> String {
    const LONGEST: usize = 200;
    let line = one_line(line);
    let line = ["- ", "* ", "+ "].iter().find_map(|marker| line.strip_prefix(marker)).unwrap_or(&line);
    if line.len() <= LONGEST { line.to_owned() } else { format!("{}…", cut(line, LONGEST)) }
}
