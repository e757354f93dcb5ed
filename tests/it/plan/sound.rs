//! Any text gives a sound plan, in time: properties over made-up Markdown, and a loop of mutations.

use super::{blind, cases, fresh, shapes, unseen};
use crate::support::figures;
use divisi::plan::{self, Plan};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What GitHub lets a person put into a body, and then some.
const LONGEST: usize = 70_000;

/// What must hold of the plan of any text.
fn check(title: &str, body: &str) -> Result<Plan, String> {
    let plan = plan::read(title, body, Some(1), Some(("a", "b")));
    if plan != plan::read(title, body, Some(1), Some(("a", "b"))) {
        return Err("the same text gives the same plan".into());
    }
    let tasks = plan.tasks.len();
    if tasks > most_tasks(body) {
        return Err(format!("{tasks} tasks, and at most {} items, headings and rows", most_tasks(body)));
    }
    let body = body.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}");
    let lines = body.split('\n').count();
    let spelled = body.replace("$'\\n'", "\n").replace("\\n", "\n");
    let texts =
        [flat(&body), flat(&without_comments(&body)), flat(&spelled), flat(&without_comments(&spelled))];
    for task in &plan.tasks {
        let title = &task.title;
        if title.trim().is_empty() || title.contains(['\n', '\r', '\0']) {
            return Err(format!("a title of one line: {title:?}"));
        }
        if !texts.iter().any(|text| text.contains(&flat(title))) {
            return Err(format!("no such words in the text: {title:?}"));
        }
        if !(1..=lines).contains(&task.line) {
            return Err(format!("line {} of {lines}", task.line));
        }
        if task.existing_issue == Some(1) {
            return Err("the issue itself is no task of its own".into());
        }
    }
    let reasons = plan
        .dependencies
        .iter()
        .map(|edge| &edge.reason)
        .chain(plan.barriers.iter().map(|wall| &wall.reason));
    if reasons.chain(plan.overlaps.iter().map(|pair| &pair.reason)).any(|reason| reason.trim().is_empty()) {
        return Err("each relation has a reason".into());
    }
    let edges = plan.dependencies.iter().all(|e| e.task < tasks && e.on < tasks && e.task != e.on);
    let walls = plan.barriers.iter().flat_map(|w| w.before.iter().chain(&w.after)).all(|&task| task < tasks);
    let pairs = plan.overlaps.iter().all(|pair| pair.a < pair.b && pair.b < tasks);
    if !(edges && walls && pairs) {
        return Err("relations are between tasks".into());
    }
    let stored = serde_json::to_string(&plan).map_err(|error| error.to_string())?;
    if serde_json::from_str::<Plan>(&stored).map_err(|error| error.to_string())? != plan {
        return Err("a stored plan is the same plan".into());
    }
    let settled = plan.rounds().concat().len();
    if (settled == plan.open().count()) != plan.cycle().is_empty() {
        return Err("what never becomes ready is behind a cycle".into());
    }
    Ok(plan)
}

/// Items, headings and rows are lines; one line may list several issues or the members of a stage.
fn most_tasks(body: &str) -> usize {
    let spelled = body.replace("\\n", "\n").replace('\r', "\n");
    let lines = spelled.split('\n').filter(|line| !line.trim().is_empty()).count();
    // `- 1. - a` is one line and three items; each needs a marker and a space.
    let markers = spelled.matches(['-', '*', '+', '.', ')']).count();
    let links = spelled.matches('#').count()
        + spelled.matches("://").count()
        + spelled.to_lowercase().matches("gh-").count();
    lines + markers + links + spelled.matches(',').count()
}

/// The normalisation of titles: without emphasis, code and strike marks, one space for all white space, and for a line
/// break that is spelled out.
fn flat(text: &str) -> String {
    let text = text.replace("\\n", "\n").replace(['*', '`', '~'], "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    out + rest
}

fn filled(piece: &str) -> String {
    piece.repeat(LONGEST / piece.len())
}

#[test]
fn hostile_bodies_are_read_in_time() {
    let pieces = [
        "- [ ] a\n",
        "- ",
        "> ",
        "#",
        "`",
        "[",
        "![",
        "*a_ ",
        "|a",
        "- [ ] #1 after #2 \n",
        "#1 ",
        "after #1 ",
        "#1 -> #2 -> ",
        "Task 1 ",
        "(",
        "((((#1",
        "<!--",
        "<details>\n",
        "\\n- ",
        "&amp;",
        "## Task 1: Add a\n",
        "# a\n- b\n",
        "**a**\n",
        "a:\n- [ ] b\n\n",
        "| a | b |\n|---|---|\n| #1 | after 1 |\n\n",
        "- [ ] Split `src/a.rs` and `Store::open`\n",
        "```[tasklist]\n- [ ] a\n",
        "1. - * + ",
        "\u{3042}",
        "🎻",
        "- [ ] T1 depends on T1, T2 and T3\n",
        "Phase 1\n- [ ] a\nPhase 2\n",
        "## Phase 1\n- [ ] a\n",
        "start with a the rest ",
        "https://github.com/a/b/issues/1 ",
        "[#1](https://github.com/a/b/issues/1 ",
        "- [ ] a\n  - [ ] b\n    - [ ] c\n",
        "\r",
        "\0",
        "[^1]: a\n",
        "## Tasks\n### a\n",
        "Wave 1: a1, a2\n",
        "- Wave 1: a1, a2\n",
        "[ ] a\n",
        "├── a\n",
        "x\n  ",
        "    ",
        "\t- a\n",
        "depends on ",
    ];
    let mut slowest = (Duration::ZERO, "");
    for piece in pieces {
        let body = format!("## Tasks\n- [ ] a\n- [ ] b\n\n{}", filled(piece));
        let began = Instant::now();
        let plan = plan::read("Epic: hostile", &body, Some(1), Some(("a", "b")));
        let _ = plan.to_json(2);
        slowest = slowest.max((began.elapsed(), piece));
    }
    println!("slowest 70 kB body: {slowest:?}");
    // About 2 s without optimisation on an idle machine; growth with the square would take minutes.
    assert!(slowest.0 < Duration::from_secs(30), "{slowest:?}");
}

#[test]
fn odd_titles_and_line_ends_survive() {
    let emoji = "🎻".repeat(300);
    let body = format!(
        "\u{feff}## Tasks\r\n- [ ] {emoji}\r\n- [ ] `rm -rf $(HOME)`; --force && \"x\"\r\n- [ ] wraps\r\n      here\0\r\n"
    );
    let plan = plan::read("a\nb", &body, None, None);
    let titles: Vec<_> = plan.tasks.iter().map(|task| task.title.as_str()).collect();
    assert_eq!(titles, [emoji.as_str(), "`rm -rf $(HOME)`; --force && \"x\"", "wraps here\u{fffd}"]);
    assert_eq!(plan.tasks[2].line, 4);
    assert!(plan.tasks.iter().all(|task| !task.title.contains(['\n', '\r', '\0'])));
}

const PIECES: &[&str] = &[
    "\n",
    "\r\n",
    "- ",
    "- [ ] ",
    "- [x] ",
    "1. ",
    "  ",
    "    ",
    "\t",
    "## ",
    "### Task 1: ",
    "### Task B — ",
    "US-01: ",
    "**",
    "`",
    "```\n",
    "```[tasklist]\n",
    "> ",
    "<!--",
    "-->",
    "<details>\n",
    "| a | b |\n|---|---|\n",
    "| Title | State |\n|---|---|\n| ![](u) [Try #7](https://github.com/a/b/issues/7) | open |\n\n",
    "[#7 and #8](https://github.com/a/b/issues/8) ",
    "| Task | Status |\n|---|---|\n",
    "| ",
    "#1",
    "#2",
    "#3, #4 and #5",
    " depends on ",
    " after ",
    " blocks ",
    " → ",
    " -> ",
    ", then ",
    "Phase 2",
    "Wave 1: ",
    "Stage 1: #7, #8",
    "Task 3",
    "## Tasks\n",
    "## Acceptance criteria\n",
    "Order: ",
    "## Execution order\n",
    "(",
    ")",
    "[",
    "](",
    "https://github.com/a/b/issues/7",
    "GH-9",
    "✅ ",
    "⬜ ",
    "~~",
    "\\n",
    "\\n- ",
    ":",
    ",",
    "src/a.rs",
    "`Store::open`",
    "é",
    "の",
    "🎻",
    "├── ",
    "依赖 ",
    " の完了後",
    "после ",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "\u{a0}",
    "start with ",
    "the rest",
    "---\n",
    "++",
];

fn markdown() -> impl Strategy<Value = String> {
    let piece = prop_oneof![any::<String>(), prop::sample::select(PIECES.to_vec()).prop_map(str::to_owned)];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_gives_a_sound_plan(title in any::<String>(), body in markdown()) {
        let plan = check(&title, &body);
        prop_assert!(plan.is_ok(), "{:?}", plan.err());
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

/// Changes some bytes, lines or words; what is no UTF-8 any more is replaced as a JSON decoder would.
fn mutated(dice: &mut Dice, body: &str, other: &str) -> String {
    let mut bytes = body.as_bytes().to_vec();
    for _ in 0..=dice.roll(6) {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(8) {
            0 => bytes.insert(at, dice.roll(256) as u8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..(at + dice.roll(40)).min(bytes.len()))),
            3 => drop(bytes.splice(at..at, PIECES[dice.roll(PIECES.len())].bytes())),
            4 => {
                let from = dice.roll(other.len() + 1);
                let piece = &other.as_bytes()[from..(from + dice.roll(300)).min(other.len())];
                drop(bytes.splice(at..at, piece.iter().copied()));
            }
            5 => {
                let piece = bytes[at..(at + dice.roll(60)).min(bytes.len())].repeat(dice.roll(20));
                drop(bytes.splice(at..at, piece));
            }
            6 => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
                let (a, b) = (dice.roll(lines.len()), dice.roll(lines.len()));
                if !lines.is_empty() {
                    lines.swap(a, b);
                }
                bytes = lines.concat().into_bytes();
            }
            _ => {
                let random: Vec<u8> = (0..dice.roll(80)).map(|_| dice.roll(256) as u8).collect();
                drop(bytes.splice(at..at, random));
            }
        }
        bytes.truncate(LONGEST);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Ten minutes of it with `--full`; what it finds is a body that is printed whole.
#[test]
fn mutations_of_the_labelled_issues_give_sound_plans() {
    let whole = Duration::from_secs(600);
    let bodies: Vec<_> =
        cases().into_iter().chain(shapes()).chain(unseen()).chain(blind()).chain(fresh()).collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let began = Instant::now();
    let (mut runs, mut bytes, mut slowest) = (0u64, 0usize, Duration::ZERO);
    let mut seen = BTreeSet::new();
    while if figures::full() { began.elapsed() < whole } else { runs < 1_500 } {
        let (one, other) = (&bodies[dice.roll(bodies.len())], &bodies[dice.roll(bodies.len())]);
        let body = match dice.roll(10) {
            0 => (0..dice.roll(4_000)).map(|_| char::from(dice.roll(256) as u8)).collect(),
            _ => mutated(&mut dice, &one.body, &other.body),
        };
        let checked = std::panic::catch_unwind(|| {
            let started = Instant::now();
            let _ = plan::read(&one.title, &body, Some(1), Some(("a", "b")));
            (started.elapsed(), check(&one.title, &body))
        });
        match checked {
            Ok((time, Ok(plan))) => {
                slowest = slowest.max(time);
                seen.insert((plan.tasks.len(), plan.dependencies.len(), plan.barriers.len()));
            }
            Ok((_, Err(fault))) => panic!("{fault}\ntitle: {:?}\nbody: {body:?}", one.title),
            Err(_) => panic!("the reader panicked\ntitle: {:?}\nbody: {body:?}", one.title),
        }
        runs += 1;
        bytes += body.len();
    }
    figures::tell(
        "fuzz",
        &format!(
            "{runs} texts, {} MB, {} different outlines of plans, 0 faults, slowest reading {} ms",
            bytes / 1_000_000,
            seen.len(),
            slowest.as_millis()
        ),
    );
}
