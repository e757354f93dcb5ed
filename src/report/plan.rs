//! The plan as a comment: what `/orchestrate --dry-run` answers.

use super::{escape, waiting};
use crate::domain::command::COMMAND;
use crate::domain::estimate::Estimate;
use crate::domain::explain::Places;
use crate::domain::{Note, OnOverlap, RunPolicy, Size, StartOptions};
use crate::plan::{Overlap, Plan, Verdict};
use std::fmt::Write as _;

/// More edges than this are not drawn: GitHub's renderer refuses above 500, and nobody reads them.
const MOST_EDGES: usize = 200;
/// A table of more bytes than this leaves no room for a graph: the comment must end with how to start.
const MOST_TABLE: usize = 40_000;
/// And it grows no longer than this, in bytes.
const LONGEST_TABLE: usize = 50_000;
/// So many things that a task waits for are named in its row.
const WAITS: usize = 3;
/// So much of a title is in a box of the graph, in characters.
const BOX: usize = 40;
/// So many pairs that run side by side are warned about.
const MOST_WARNINGS: usize = 10;
/// So many paths of a task are named.
const PATHS: usize = 3;

/// What the plan is, why, what it will take, and how to start it. Nothing was started.
pub fn plan(
    plan: &Plan,
    policy: &RunPolicy,
    options: &StartOptions,
    places: &Places,
    estimate: Option<&Estimate>,
) -> String {
    let verdict = plan.verdict(policy.min_tasks as usize);
    let open = plan.open().count();
    let mut text = format!("### The plan: {}\n\n", heading(plan, verdict, policy.on_overlap));
    if open > 0 && open <= Plan::MAX_TASKS {
        table(plan, policy.on_overlap, &mut text);
        if text.len() < MOST_TABLE {
            graph(plan, policy.on_overlap, options.ordered, &mut text);
        }
    }
    for note in plan.notes().iter().take(MOST_WARNINGS) {
        let _ = writeln!(text, "> {}\n", waiting::note(note, escape::inline));
    }
    match waiting::not_started(plan, policy, options) {
        None => {
            text.push_str(&how_it_goes(plan, policy, options, places));
            text.push_str(&super::estimate::estimate(estimate, &policy.agent));
            let agent = escape::inline(&policy.agent, 40);
            let workers = match policy.max_workers {
                Some(n) => format!("at most {n} at once"),
                None => "as many at once as the runners have room for".to_owned(),
            };
            let each = policy.task_usd.map(|usd| format!(", and {usd} for each task")).unwrap_or_default();
            let money = policy.run_usd.map(|usd| format!(", for at most {usd}{each}")).unwrap_or(each);
            let _ = write!(
                text,
                "The agent is `{agent}`, {workers}{money}. Nothing was started. To start exactly this plan, comment `{COMMAND} --approve`; to have the issue read anew, comment `{}`.",
                options.command()
            );
        }
        Some(refused) => text.push_str(&refused),
    }
    text
}

/// In which order it would go, and what is worth a word about it.
fn how_it_goes(plan: &Plan, policy: &RunPolicy, options: &StartOptions, places: &Places) -> String {
    let mut text = String::new();
    if options.ordered {
        text.push_str("Each task starts when the pull requests of all that it waits for are merged, from the base branch as it is then.");
        if let Some(order) = order(plan) {
            let _ = write!(text, " **Order**: {order}.");
        }
        text.push_str("\n\n");
    }
    let open = plan.open().count();
    let pair = (open == 2 && policy.min_tasks > 1).then_some(Note::Pair);
    let room = Note::of_places(places, &policy.agent, policy.max_workers, open);
    for note in pair.iter().chain(&room) {
        let _ = writeln!(text, "> {}\n", waiting::note(note, escape::inline));
    }
    for warning in warnings(plan, policy.on_overlap, escape::inline) {
        let _ = writeln!(text, "> {warning}\n");
    }
    text
}

/// What kind of plan it is, in a few words.
fn heading(plan: &Plan, verdict: Verdict, on_overlap: OnOverlap) -> String {
    let open = plan.open().count();
    let tasks = if open == 1 { "1 task".to_owned() } else { format!("{open} tasks") };
    let ordered = plan.open_overlaps().any(|o| o.orders(on_overlap));
    match verdict {
        Verdict::Parallel | Verdict::Ordered if ordered => {
            format!("{tasks}, of which some wait for others")
        }
        Verdict::Parallel | Verdict::Ordered => format!("{tasks} that can be worked on side by side"),
        Verdict::Sequential if !plan.cycle().is_empty() => {
            format!("{tasks}, of which some wait for one another in a circle")
        }
        Verdict::Sequential => format!("{tasks} that depend on one another"),
        Verdict::TooFew => format!("{tasks}, which is too few"),
        Verdict::TooMany => format!("{tasks}, which is too many"),
        Verdict::Empty => "nothing to do".to_owned(),
    }
}

/// The plan for a terminal. `skipped` lines of the file stand before the issue's text.
pub fn plan_text(plan: &Plan, policy: &RunPolicy, skipped: usize) -> String {
    let verdict = plan.verdict(policy.min_tasks as usize);
    let mut text = format!("The plan: {}\n\n", heading(plan, verdict, policy.on_overlap));
    for (index, task) in plan.tasks.iter().enumerate() {
        let number = plan.number(index).map_or("done".to_owned(), |n| n.to_string());
        let title = escape::line(&task.title, 120);
        let line = task.line + skipped;
        let _ = writeln!(text, "{number:>5}  {}  {title}  (line {line})", size(task.size));
        for wait in waits(plan, index, policy.on_overlap, escape::line) {
            let _ = writeln!(text, "          waits for {wait}");
        }
    }
    if let Some(order) = order(plan).filter(|_| verdict == Verdict::Sequential) {
        let _ = writeln!(text, "\nOrder: {order}");
    }
    let mut warnings = warnings(plan, policy.on_overlap, escape::line);
    warnings.extend(plan.notes().iter().take(MOST_WARNINGS).map(|note| waiting::note(note, escape::line)));
    if !warnings.is_empty() {
        let _ = write!(text, "\n{}\n", warnings.join("\n"));
    }
    if plan.tasks.is_empty() {
        text.push_str("List the sub-tasks as check boxes (- [ ] …), as a numbered list, or as headings under a section such as \"Tasks\".");
    }
    text.trim_end().to_owned()
}

/// Pairs that run side by side and may touch the same place.
fn warnings(plan: &Plan, on_overlap: OnOverlap, shown: fn(&str, usize) -> String) -> Vec<String> {
    let beside: Vec<&Overlap> = plan.open_overlaps().filter(|o| !o.orders(on_overlap)).collect();
    let pair = |o: &&Overlap| {
        let (a, b, reason) = (plan.number(o.a)?, plan.number(o.b)?, o.reason.clone());
        Some(waiting::note(&Note::SideBySide { a, b, reason }, shown))
    };
    let mut all: Vec<String> = beside.iter().take(MOST_WARNINGS).filter_map(pair).collect();
    let more = beside.len().saturating_sub(MOST_WARNINGS);
    if more > 0 {
        all.push(format!("And {more} more pairs."));
    }
    all
}

/// The numbers in rounds, `1, 3 → 2`; `None` where there is but one round.
pub(super) fn order(plan: &Plan) -> Option<String> {
    let round = |round: &Vec<usize>| {
        let numbers = round.iter().filter_map(|i| Some(plan.number(*i)?.to_string()));
        numbers.collect::<Vec<_>>().join(", ")
    };
    let rounds: Vec<String> = plan.rounds().iter().map(round).collect();
    (rounds.len() > 1).then(|| rounds.join(" → "))
}

pub(super) fn size(size: Size) -> &'static str {
    match size {
        Size::S => "S",
        Size::M => "M",
        Size::L => "L",
    }
}

fn open_number(plan: &Plan, index: usize) -> Option<u32> {
    plan.open().any(|i| i == index).then(|| plan.number(index)).flatten()
}

fn table(plan: &Plan, on_overlap: OnOverlap, text: &mut String) {
    text.push_str("| # | task | size | files | waits for |\n|--:|---|---|---|---|\n");
    let open: Vec<usize> = plan.open().collect();
    for (at, &index) in open.iter().enumerate() {
        if text.len() > LONGEST_TABLE {
            let _ = writeln!(text, "| | and {} more | | | |", open.len() - at);
            break;
        }
        let task = &plan.tasks[index];
        let mut paths: Vec<String> = task
            .paths
            .iter()
            .take(PATHS)
            .map(|p| format!("`{}`", escape::inline(&p.replace('`', "'"), 60)))
            .collect();
        if task.paths.len() > PATHS {
            paths.push(format!("and {} more", task.paths.len() - PATHS));
        }
        let named = |n: &u64| !task.title.contains(&format!("#{n}"));
        let issue = task.existing_issue.filter(named).map(|n| format!(" (#{n})")).unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {}{issue} | {} | {} | {} |",
            plan.number(index).unwrap_or_default(),
            escape::inline(&task.title, 80),
            size(task.size),
            paths.join(", "),
            shortened(waits(plan, index, on_overlap, escape::inline)).join("; ")
        );
    }
    text.push('\n');
}

fn shortened(mut all: Vec<String>) -> Vec<String> {
    if all.len() > WAITS {
        let more = format!("and {} more", all.len() - WAITS);
        all.truncate(WAITS);
        all.push(more);
    }
    all
}

/// What an open task waits for, each with the reason.
fn waits(plan: &Plan, index: usize, on_overlap: OnOverlap, shown: fn(&str, usize) -> String) -> Vec<String> {
    let said = |reason: &str| shown(reason, 60);
    let mut all = Vec::new();
    if open_number(plan, index).is_none() {
        return all;
    }
    for d in plan.open_dependencies().filter(|d| d.task == index) {
        all.extend(plan.number(d.on).map(|n| format!("{n}: \"{}\"", said(&d.reason))));
    }
    for b in plan.open_barriers().filter(|b| b.after.contains(&index)) {
        let before: Vec<String> =
            b.before.iter().filter_map(|i| open_number(plan, *i)).map(|n| n.to_string()).collect();
        all.push(format!("{}: \"{}\"", shortened(before).join(", "), said(&b.reason)));
    }
    for o in plan.overlaps.iter().filter(|o| o.b == index && o.orders(on_overlap)) {
        all.extend(open_number(plan, o.a).map(|n| format!("{n}: {}", said(&o.reason))));
    }
    all
}

/// The graph of what waits for what; nothing where nothing waits, or too much does to be drawn.
fn graph(plan: &Plan, on_overlap: OnOverlap, ordered: bool, text: &mut String) {
    let mut edges = Vec::new();
    for d in plan.open_dependencies() {
        edges.push((d.on, "-->", d.task));
    }
    for b in plan.open_barriers() {
        edges.extend(b.before.iter().flat_map(|from| b.after.iter().map(move |to| (*from, "-->", *to))));
    }
    edges.extend(plan.overlaps.iter().filter(|o| o.orders(on_overlap)).map(|o| (o.a, "-.->", o.b)));
    let edges: Vec<String> = edges
        .into_iter()
        .filter_map(|(from, arrow, to)| {
            Some(format!("  t{} {arrow} t{}\n", open_number(plan, from)?, open_number(plan, to)?))
        })
        .collect();
    if edges.is_empty() || edges.len() > MOST_EDGES {
        return;
    }
    text.push_str("<details><summary>Graph</summary>\n\n```mermaid\nflowchart LR\n");
    for index in plan.open() {
        let number = plan.number(index).unwrap_or_default();
        let _ = writeln!(text, "  t{number}[\"{number} {}\"]", label(&plan.tasks[index].title));
    }
    text.push_str(&edges.concat());
    text.push_str("```\n\n");
    if !ordered && edges.iter().any(|edge| edge.contains("-.->")) {
        text.push_str("A dotted arrow: both name the same place, so the later one starts from the earlier one's work.\n\n");
    }
    text.push_str("</details>\n\n");
}

/// A title in a box of the graph. Whatever means something to the renderer is written as its code.
fn label(title: &str) -> String {
    let shown = escape::cut(&title.split_whitespace().collect::<Vec<_>>().join(" "), BOX);
    let plain = |c: char| c.is_alphanumeric() || " .,_-/…".contains(c);
    shown.chars().map(|c| if plain(c) { c.to_string() } else { format!("#{};", c as u32) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Confidence;
    use std::time::Duration;

    /// A runner host that has room.
    fn room() -> Places {
        let place = crate::domain::explain::Place { slots: 4, busy: 0, agents: vec!["claude".to_owned()] };
        Places { runners: vec![place], installation_alive: 0 }
    }

    fn said(body: &str, options: &StartOptions) -> String {
        let mut read = crate::plan::read("Epic: the menu", body, Some(1), Some(("acme", "app")));
        let mut policy = RunPolicy::default();
        options.lower(&mut policy).expect("within the limits");
        if !options.only.is_empty() {
            read.choose(&options.only).expect("they exist");
        }
        plan(&read, &policy, options, &room(), None)
    }

    const MENU: &str = "## Tasks\n\n- [x] Buy a board\n- [ ] Add the soup to `src/menu.txt`\n- [ ] Add the salad to `src/menu.txt`\n- [ ] Write `docs/hours.md`: \"open\" | <b>closed</b> @everyone\n";

    #[test]
    fn a_plan_is_a_table_a_graph_and_the_way_to_start_it() {
        let options = StartOptions {
            max_workers: Some(2),
            timeout: Some(Duration::from_secs(600)),
            dry_run: true,
            ..StartOptions::default()
        };
        assert_eq!(said(MENU, &options), include_str!("../../tests/fixtures/reports/plan.md").trim_end());
    }

    #[test]
    fn tasks_that_are_left_out_are_in_nobodys_way() {
        let options = StartOptions { only: vec![2, 3], dry_run: true, ..StartOptions::default() };
        let text = said(MENU, &options);
        assert!(text.contains("### The plan: 2 tasks that can be worked on side by side"), "{text}");
        assert!(text.contains("| 2 | Add the salad") && !text.contains("mermaid"), "{text}");
        assert!(text.ends_with("to have the issue read anew, comment `/orchestrate --only 2,3`."), "{text}");
    }

    #[test]
    fn what_cannot_start_says_why() {
        let body = "## Tasks\n\n- [ ] Write the schema\n- [ ] Write the importer (depends on task 1)\n- [ ] Write the page\n";
        let text = said(body, &StartOptions::default());
        assert_eq!(text, include_str!("../../tests/fixtures/reports/plan-in-order.md").trim_end());
        let few = said("## Tasks\n\n- [ ] Write the schema\n", &StartOptions::default());
        assert!(few.contains("### The plan: 1 task, which is too few"), "{few}");
        let none = said("It is broken.", &StartOptions::default());
        assert!(none.starts_with("### The plan: nothing to do\n\nI found no sub-tasks"), "{none}");
    }

    #[test]
    fn an_ordered_plan_shows_how_it_would_go() {
        let body = "## Tasks\n\n- [ ] Write the schema\n- [ ] Write the importer (depends on task 1)\n- [ ] Write the page\n";
        let options =
            StartOptions { ordered: true, dry_run: true, max_workers: Some(9), ..StartOptions::default() };
        let text = said(body, &options);
        assert!(
            text.contains("Each task starts when the pull requests") && text.contains("**Order**: 1, 3 → 2."),
            "{text}"
        );
        assert!(text.ends_with("comment `/orchestrate --max-workers 9 --ordered`."), "{text}");
        let read = crate::plan::read("Epic: the menu", body, Some(1), None);
        let text = plan(&read, &RunPolicy::default(), &options, &Places::default(), None);
        assert!(text.contains("> No runner host offers the agent claude"), "{text}");
    }

    #[test]
    fn what_runs_side_by_side_all_the_same_is_warned_about() {
        let read = crate::plan::read("Epic", MENU, Some(1), None);
        let policy = RunPolicy { on_overlap: OnOverlap::Warn, ..RunPolicy::default() };
        let text = plan(&read, &policy, &StartOptions::default(), &room(), None);
        assert!(text.starts_with("### The plan: 3 tasks that can be worked on side by side"), "{text}");
        assert!(
            text.contains(
                "> Tasks 1 and 2 run side by side and may touch the same place: both name the path "
            ),
            "{text}"
        );
        assert!(!text.contains("| 1: both name"), "nothing waits: {text}");
        let two = plan(
            &crate::plan::read("Epic", "## Tasks\n\n- [ ] A thing\n- [ ] Another thing\n", Some(1), None),
            &RunPolicy::default(),
            &StartOptions::default(),
            &room(),
            None,
        );
        assert!(two.contains("> Two tasks are hardly worth"), "{two}");
    }

    #[test]
    fn the_largest_plan_still_ends_with_what_to_do() {
        let mut wide = crate::plan::read("Epic", MENU, Some(1), None);
        let task = crate::plan::PlannedTask {
            title: "ö|".repeat(200),
            paths: (0..9).map(|n| format!("{n}{}", "ö".repeat(90))).collect(),
            ..wide.tasks[1].clone()
        };
        wide.tasks = vec![task; 100];
        let after = |n: usize| (0..n).map(move |on| (n, on));
        wide.overlaps = (0..100)
            .flat_map(after)
            .map(|(b, a)| crate::plan::Overlap {
                a,
                b,
                reason: "ö".repeat(300),
                confidence: Confidence::Certain,
            })
            .collect();
        let text = plan(&wide, &RunPolicy::default(), &StartOptions::default(), &room(), None);
        assert_eq!(escape::body(&text, ""), text, "{} bytes fit", text.len());
        assert!(text.contains("; and 29 more |"), "{text}");
        assert!(text.contains("| | and ") && text.ends_with("comment `/orchestrate`."));
    }

    #[test]
    fn what_is_likely_is_told_and_orders_nothing() {
        let mut read = crate::plan::read("Epic", MENU, Some(1), None);
        read.overlaps = (0..14)
            .map(|_| crate::plan::Overlap {
                a: 1,
                b: 2,
                reason: "both probably change `src/@a|b.rs` (words: soup)".into(),
                confidence: crate::plan::Confidence::Likely,
            })
            .collect();
        read.unsearched = Some("no runner answered in 20 s".into());
        let text = plan(&read, &RunPolicy::default(), &StartOptions::default(), &room(), None);
        assert!(text.starts_with("### The plan: 3 tasks that can be worked on side by side"), "{text}");
        assert!(!text.contains("mermaid"), "{text}");
        assert_eq!(
            text.matches("> Tasks 1 and 2 run side by side and may touch").count(),
            MOST_WARNINGS,
            "{text}"
        );
        assert!(text.contains("> And 4 more pairs."), "{text}");
        let said = "> The repository could not be searched for files that tasks share: no runner answered in 20 s. Only what the issue names was compared.";
        assert!(text.contains(said), "{text}");
        let shell = plan_text(&read, &RunPolicy::default(), 0);
        assert!(
            shell.contains("\nTasks 1 and 2 run side by side") && !shell.contains("waits for"),
            "{shell}"
        );
    }

    #[test]
    fn a_barrier_names_no_task_that_is_done() {
        let mut read = crate::plan::read("Epic", MENU, Some(1), None);
        read.overlaps.clear();
        let reason = "in this order".to_owned();
        let confidence = crate::plan::Confidence::Certain;
        read.barriers =
            vec![crate::plan::Barrier { before: vec![0, 1], after: vec![2, 3], reason, confidence }];
        let text = plan(&read, &RunPolicy::default(), &StartOptions::default(), &room(), None);
        assert!(
            text.contains("come after 1 ") && !text.contains("0 \"") && !text.contains("Buy a board"),
            "{text}"
        );
    }

    #[test]
    fn no_title_breaks_the_graph() {
        for hostile in
            ["a\"]; click t1 \"x\"", "end", "a `b` <script>", "%%{init: {}}%%", "a\n-->b", "#quot;"]
        {
            let text = label(hostile);
            assert!(!text.contains(['"', ']', '<', '`', '{', '\n', '>']), "{text}");
            assert_eq!(text.matches('#').count(), text.matches(';').count(), "{text}");
        }
    }
}
