//! The one door of the module: title and body in, plan out.

use super::document::{self, List};
use super::explain::{self, Explained};
use super::item::{Draft, Reader, Signs};
use super::links::{self, Target};
use super::mention;
use super::model::{Plan, PlannedTask};
use super::naming::Naming;
use super::order;
use super::outline::{Content, Outline};
use super::purpose::Kind;
use super::select;
use super::source::Source;
use super::text::{cut, one_line};
use super::trace::{Trace, Why};
use std::collections::HashSet;

/// The prose that a sub-issue gets as context is no longer than this, in bytes.
const LONGEST_CONTEXT: usize = 2_000;
/// The most criteria of the whole issue that are kept.
const MOST_CRITERIA: usize = 50;

/// Reads a master issue. Never fails: a text without tasks gives a plan without tasks.
///
/// `master` is the issue's own number, so that a link to itself is no task; `repo` (owner, name) tells links to this
/// repository from links to others. The time grows with the length of the text.
pub fn read(title: &str, body: &str, master: Option<u64>, repo: Option<(&str, &str)>) -> Plan {
    let source = Source::new(body);
    reading(title, &source, master, repo, None).0
}

/// The same plan, and why each line of the body is a task or is none.
pub fn explained(
    title: &str,
    body: &str,
    master: Option<u64>,
    repo: Option<(&str, &str)>,
) -> (Plan, Vec<Explained>) {
    let (source, trace) = (Source::new(body), Trace::new());
    let (plan, outline) = reading(title, &source, master, repo, Some(&trace));
    let lines = explain::lines(body, &source, &outline, &trace, &plan);
    (plan, lines)
}

fn reading(
    title: &str,
    source: &Source,
    master: Option<u64>,
    repo: links::Home<'_>,
    trace: Option<&Trace>,
) -> (Plan, Outline) {
    let outline = Outline::new(document::blocks(source, trace), source.text.len());
    let signs = Signs { tell_state: select::signs_tell_state(&outline) };
    let reader = Reader {
        home: repo,
        signs,
        stand_ins_are_meant: select::stand_ins_are_meant(title, &outline),
        trace,
    };
    let declared = select::declared(title, &outline);
    let mut drafts = select::tasks(&outline, &reader, &source.text, &declared);
    drafts.sort_by_key(|draft| draft.line);
    for draft in &mut drafts {
        // Titles come from items, lines, cells and headings; all are one line with single spaces.
        if draft.title.contains("  ") || draft.title.contains(|c: char| c.is_whitespace() && c != ' ') {
            draft.title = one_line(&draft.title);
        }
    }
    let mut own: Vec<Option<Target>> = drafts.iter().map(|draft| issue_of(draft, repo)).collect();
    drop_repeated(&mut drafts, &mut own, (master, repo), &outline, trace);

    let context = context(&outline, &drafts);
    let naming = Naming::new(&drafts, &own, &outline, repo);
    let (dependencies, barriers) = order::read(&drafts, &own, &outline, &naming);
    let tasks: Vec<PlannedTask> =
        drafts.into_iter().zip(own).map(|(draft, own)| planned(draft, own)).collect();
    let mut plan = Plan {
        is_master: !tasks.is_empty() || (declared.master && declared.native),
        criteria: criteria(&outline, &tasks),
        context,
        tasks,
        dependencies,
        barriers,
        overlaps: Vec::new(),
        unsearched: None,
        remarks: Vec::new(),
    };
    plan.overlaps = mention::overlaps(&plan);
    (plan, outline)
}

fn issue_of(draft: &Draft, repo: links::Home<'_>) -> Option<Target> {
    draft.issue.clone().filter(|target| *target != Target::Pull).or_else(|| links::own(&draft.title, repo))
}

/// R10: the same issue twice is one task; a link to the master is none. Words of its own that only mention an issue at
/// their end, which another item leads with, are a task that is no issue yet.
fn drop_repeated(
    drafts: &mut Vec<Draft>,
    own: &mut Vec<Option<Target>>,
    (master, repo): (Option<u64>, links::Home<'_>),
    outline: &Outline,
    trace: Option<&Trace>,
) {
    let leads = |draft: &Draft| draft.issue.is_some() || links::names_itself(&draft.title, repo);
    let claimed: HashSet<Target> =
        drafts.iter().zip(own.iter()).filter(|(d, _)| leads(d)).filter_map(|(_, o)| o.clone()).collect();
    for (draft, own) in drafts.iter().zip(own.iter_mut()) {
        if own.as_ref().is_some_and(|target| claimed.contains(target)) && !leads(draft) {
            *own = None;
        }
    }
    // A section that is called an order repeats what a list elsewhere has.
    let orders = |draft: &Draft| outline.sections[draft.section].ordered;
    let listed: HashSet<Target> =
        drafts.iter().zip(own.iter()).filter(|(d, _)| !orders(d)).filter_map(|(_, o)| o.clone()).collect();
    let mut seen: HashSet<Target> = HashSet::new();
    let keep: Vec<bool> = drafts
        .iter()
        .zip(own.iter())
        .map(|(draft, target)| match target {
            Some(Target::Here(number)) if Some(*number) == master => false,
            Some(target) => !(orders(draft) && listed.contains(target)) && seen.insert(target.clone()),
            None => true,
        })
        .collect();
    if let Some(trace) = trace {
        let is_master = |own: &Option<Target>| matches!(own, Some(Target::Here(n)) if Some(*n) == master);
        for ((draft, own), _) in drafts.iter().zip(own.iter()).zip(&keep).filter(|(_, keep)| !**keep) {
            trace.note(draft.line, if is_master(own) { Why::Master } else { Why::Repeated });
        }
    }
    let mut flags = keep.iter();
    drafts.retain(|_| flags.next().copied().unwrap_or(true));
    let mut flags = keep.iter();
    own.retain(|_| flags.next().copied().unwrap_or(true));
}

fn planned(draft: Draft, own: Option<Target>) -> PlannedTask {
    let (existing_issue, existing_ref) = match own {
        Some(Target::Here(number)) => (Some(number), None),
        Some(Target::Elsewhere(name)) => (None, Some(name)),
        Some(Target::Pull) | None => (None, None),
    };
    let paths = mention::paths(&format!("{} {}", draft.title, draft.details));
    let mut task = PlannedTask {
        title: draft.title,
        done: draft.done,
        existing_issue,
        existing_ref,
        children: draft.children,
        details: draft.details,
        criteria: draft.criteria,
        paths,
        line: draft.line,
        ..PlannedTask::default()
    };
    task.size = mention::size(&task);
    task
}

/// The criteria that stand in a section of their own and in no task.
fn criteria(outline: &Outline, tasks: &[PlannedTask]) -> Vec<String> {
    let taken: HashSet<&str> =
        tasks.iter().flat_map(|task| task.criteria.iter().map(String::as_str)).collect();
    let mut found = Vec::new();
    for section in outline.sections.iter().filter(|section| section.kind == Kind::Criteria) {
        for content in &section.content {
            if let Content::List(list) = content {
                item_texts(list, &mut found);
            }
        }
    }
    found.retain(|text| !taken.contains(text.as_str()));
    found.truncate(MOST_CRITERIA);
    found
}

fn item_texts(list: &List, out: &mut Vec<String>) {
    for item in &list.items {
        if !item.title.is_empty() {
            out.push(item.title.clone());
        }
        item.lists.iter().for_each(|below| item_texts(below, out));
    }
}

/// The prose of the issue: what stands before the work and in sections that describe.
fn context(outline: &Outline, drafts: &[Draft]) -> String {
    // A heading that is a task is that task's text, not the issue's.
    let mut of_task = vec![false; outline.sections.len()];
    let headings = drafts.iter().filter(|d| d.section > 0 && outline.sections[d.section].line == d.line);
    headings.for_each(|draft| of_task[draft.section] = true);
    let mut out = String::new();
    for (index, section) in outline.sections.iter().enumerate() {
        of_task[index] |= of_task[section.parent];
        if of_task[index] {
            continue;
        }
        let describes = section.parent == 0
            && matches!(section.kind, Kind::Plain | Kind::Prose | Kind::Requirements)
            || section.kind == Kind::Prose;
        if !describes {
            continue;
        }
        for content in &section.content {
            let Content::Text(lines) = content else { continue };
            if !out.is_empty() {
                out.push_str("\n\n");
            }
            out.push_str(&lines.join("\n"));
            if out.len() > LONGEST_CONTEXT {
                return format!("{}…", cut(&out, LONGEST_CONTEXT).trim_end());
            }
        }
    }
    out
}
