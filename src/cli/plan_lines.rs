//! What `divisi plan` has to say about lines of the issue, pointing at them.

use super::issue_file::IssueFile;
use super::terminal;
use crate::domain::{OnOverlap, RunPolicy};
use crate::plan::{Explained, Plan, Verdict};
use crate::report;
use miette::{
    Diagnostic, LabeledSpan, MietteHandler, MietteHandlerOpts, NamedSource, ReportHandler as _, Severity,
    SourceCode,
};
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// So many things of one kind are pointed at.
const MOST: usize = 8;
/// So much of a line is shown, in characters.
const LONGEST_LINE: usize = 160;
/// So much of the issue's own words is repeated in a label, in characters.
const LONGEST_REASON: usize = 60;

/// One finding with the lines that it is about.
#[derive(Debug)]
pub(super) struct Pointed {
    message: String,
    help: String,
    severity: Severity,
    labels: Vec<LabeledSpan>,
    source: NamedSource<String>,
}

impl fmt::Display for Pointed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Pointed {}

impl Diagnostic for Pointed {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        if self.labels.is_empty() { None } else { Some(&self.source) }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

/// The finding as text: with colours on a terminal that wants them, as wide as the terminal.
pub(super) fn shown(pointed: &Pointed) -> String {
    struct Shown<'a>(MietteHandler, &'a Pointed);
    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.debug(self.1, f)
        }
    }
    let live = terminal::is_live();
    let options = MietteHandlerOpts::new().color(live).unicode(true).terminal_links(false).context_lines(0);
    let handler = if live { options } else { options.width(100) }.build();
    let text = Shown(handler, pointed).to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
}

impl Pointed {
    /// All that is worth pointing at; nothing for a plan that simply runs.
    pub fn all(
        path: &Path,
        issue: &IssueFile,
        plan: &Plan,
        policy: &RunPolicy,
        explained: &[Explained],
    ) -> Vec<Self> {
        let name =
            if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        let page = Page::new(&name, issue);
        let least = policy.min_tasks;
        let verdict = plan.verdict(least as usize);
        let mut all = Vec::new();
        match verdict {
            Verdict::Empty if plan.tasks.is_empty() => all.push(nothing(&page, explained)),
            Verdict::Empty => all.push(page.pointed(
                "all sub-tasks are done",
                "open a box again, or add what is left to do".to_owned(),
                page.tasks(plan, 0..plan.tasks.len(), "done"),
            )),
            Verdict::TooFew => {
                let open: Vec<usize> = plan.open().collect();
                let labels =
                    open.iter().map(|i| page.label(plan.tasks[*i].line, "an open sub-task")).collect();
                all.push(page.pointed(
                    &format!("{} open, and a run needs at least {least}", count(open.len())),
                    "assign the issue to one agent or person, or lower `min_tasks` in .github/divisi.toml".to_owned(),
                    labels,
                ));
            }
            Verdict::TooMany => {
                let open: Vec<usize> = plan.open().collect();
                let over = open.get(Plan::MAX_TASKS).map_or(1, |i| plan.tasks[*i].line);
                let words = format!(
                    "number {}; GitHub allows {} sub-issues per issue",
                    Plan::MAX_TASKS + 1,
                    Plan::MAX_TASKS
                );
                all.push(page.pointed(
                    &format!("{} open, which is too many for one issue", count(open.len())),
                    "split the issue, and orchestrate the parts".to_owned(),
                    vec![page.label(over, &words)],
                ));
            }
            Verdict::Sequential | Verdict::Parallel | Verdict::Ordered => {}
        }
        if verdict == Verdict::Sequential {
            all.push(order(&page, plan));
        }
        if matches!(verdict, Verdict::Sequential | Verdict::Parallel | Verdict::Ordered) {
            all.extend(overlaps(&page, plan, policy.on_overlap));
        }
        all
    }
}

fn count(tasks: usize) -> String {
    if tasks == 1 { "1 sub-task is".to_owned() } else { format!("{tasks} sub-tasks are") }
}

/// Lines that look like items, and why they are none.
fn nothing(page: &Page, explained: &[Explained]) -> Pointed {
    let items = explained.iter().filter(|line| line.what == "item");
    let labels = items.take(MOST).map(|line| page.label(line.line, &line.why)).collect();
    page.pointed(
        "no sub-tasks were found",
        "list them as check boxes (- [ ] …), as a numbered list, or as headings under a section such as \"Tasks\"; --explain tells why of every line".to_owned(),
        labels,
    )
}

/// What waits for what; where the waiting goes in a circle, that alone.
fn order(page: &Page, plan: &Plan) -> Pointed {
    let number = |index: usize| plan.number(index).unwrap_or_default();
    let line = |index: usize| plan.tasks.get(index).map_or(1, |task| task.line);
    let waits = |task: usize, on: usize| {
        page.label(line(task), &format!("{} waits for {}", number(task), number(on)))
    };
    let cycle = plan.cycle_edges();
    if !cycle.is_empty() {
        let labels = cycle.iter().take(MOST).map(|edge| waits(edge.task, edge.on)).collect();
        let help = "take one of these words away, or reword it: no order can satisfy all of them".to_owned();
        return page.pointed("sub-tasks wait for one another in a circle", help, labels);
    }
    let mut labels: Vec<LabeledSpan> =
        plan.open_dependencies().take(MOST).map(|d| waits(d.task, d.on)).collect();
    for barrier in plan.open_barriers().take(MOST) {
        let open = |side: &[usize]| {
            let open = side.iter().filter(|i| plan.open().any(|o| o == **i));
            open.map(|i| number(*i).to_string()).collect::<Vec<_>>()
        };
        let first = barrier.after.iter().copied().find(|i| plan.open().any(|o| o == *i)).unwrap_or_default();
        let (after, before) = (open(&barrier.after).join(", "), open(&barrier.before).join(", "));
        let words = format!("{after} after {before}: \"{}\"", shortened(&barrier.reason));
        labels.push(page.label(line(first), &words));
    }
    let help =
        "do what others wait for first and tick it off; if the words do not mean an order, reword them"
            .to_owned();
    page.pointed("some sub-tasks depend on others, so they cannot be worked on side by side", help, labels)
}

/// Pairs that touch the same place: those that run one after the other, and those that run side by side all the same.
fn overlaps(page: &Page, plan: &Plan, on_overlap: OnOverlap) -> Vec<Pointed> {
    let labels = |ordered: bool| -> Vec<LabeledSpan> {
        let pairs = plan.open_overlaps().filter(|o| o.orders(on_overlap) == ordered).take(MOST);
        pairs
            .filter_map(|o| {
                let (a, b, why) = (plan.number(o.a)?, plan.number(o.b)?, shortened(&o.reason));
                let words = if ordered {
                    format!("{b} runs after {a}: {why}")
                } else {
                    format!("{a} and {b}: {why}")
                };
                Some(page.label(plan.tasks[o.b].line, &words))
            })
            .collect()
    };
    let ordered = page.pointed(
        "some sub-tasks name the same place, so they run one after the other",
        "nothing has to be done; name the places in one sub-task only if they should run side by side"
            .to_owned(),
        labels(true),
    );
    let beside = page.pointed(
        "some sub-tasks run side by side and may touch the same place",
        "expect conflicts between their pull requests, or make one sub-task of them".to_owned(),
        labels(false),
    );
    let advice = |pointed: Pointed| Pointed { severity: Severity::Advice, ..pointed };
    [ordered, beside].into_iter().filter(|p| !p.labels.is_empty()).map(advice).collect()
}

fn shortened(text: &str) -> String {
    let line = report::visible(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The file as it is shown: what cannot be seen is taken out, long lines are cut, so offsets are its own.
struct Page {
    name: String,
    text: String,
    /// Where each line lies in the text.
    lines: Vec<Range<usize>>,
    skipped: usize,
}

impl Page {
    fn new(name: &str, issue: &IssueFile) -> Self {
        let mut text = String::new();
        let mut lines = Vec::new();
        let body = issue.body.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        // Only the line of the title is known of those before the text.
        let before = (1..=issue.skipped)
            .map(|n| if n == issue.skipped { format!("# {}", issue.title) } else { String::new() });
        for line in before.chain(body.split('\n').map(str::to_owned)) {
            let shown = report::visible(&line);
            let end = shown.char_indices().nth(LONGEST_LINE).map_or(shown.len(), |(at, _)| at);
            let start = text.len();
            text.push_str(shown[..end].trim_end());
            if end < shown.len() {
                text.push('…');
            }
            lines.push(start..text.len());
            text.push('\n');
        }
        Self { name: report::visible(name), text, lines, skipped: issue.skipped }
    }

    /// A label on a line of the issue's text, as a whole: a snippet begins where its first label does.
    fn label(&self, line: usize, says: &str) -> LabeledSpan {
        let whole = self.lines.get((line + self.skipped).saturating_sub(1)).cloned().unwrap_or_default();
        LabeledSpan::new_with_span(Some(report::visible(says)), (whole.start, whole.len()))
    }

    fn tasks(&self, plan: &Plan, indexes: Range<usize>, says: &str) -> Vec<LabeledSpan> {
        indexes.take(MOST).map(|index| self.label(plan.tasks[index].line, says)).collect()
    }

    fn pointed(&self, message: &str, help: String, labels: Vec<LabeledSpan>) -> Pointed {
        let source = NamedSource::new(&self.name, self.text.clone());
        Pointed { message: message.to_owned(), help, severity: Severity::Error, labels, source }
    }
}
