//! Why each line of an issue is a task or is none: `divisi plan --explain`.
//!
//! What decided is taken from the reader: the sections with what they are for, the rule that chose the lists, and the notes of
//! the trace. Nothing is judged a second time here.

use super::Plan;
use super::document::{Item, List};
use super::outline::{Content, Outline, Section};
use super::purpose::Kind;
use super::source::Source;
use super::text::cut;
use super::trace::{Chosen, Trace, Why};
use serde::Serialize;
use std::collections::HashMap;

/// A line of the text that is not blank, and what the reader made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// From 1.
    pub line: usize,
    /// The line as it is written.
    pub text: String,
    /// `task`, `part` (of a task), `group`, `item` (that is no task), `heading`, `prose`, `hidden`.
    pub what: &'static str,
    /// One clause that tells why.
    pub why: String,
    /// The labelling rule behind it, such as `R6`; empty where there is none.
    pub rule: &'static str,
}

type Reason = (&'static str, String, &'static str);

/// Puts together what is known of each line.
pub(super) fn lines(
    body: &str,
    source: &Source,
    outline: &Outline,
    trace: &Trace,
    plan: &Plan,
) -> Vec<Explained> {
    let mut known: HashMap<usize, Reason> = HashMap::new();
    let mut tasks: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, task) in plan.tasks.iter().enumerate() {
        tasks.entry(task.line).or_default().push(index);
    }
    let chosen = trace.chosen();
    for (index, section) in outline.sections.iter().enumerate() {
        if index > 0 {
            known.insert(section.line, heading(outline, section));
        }
        for content in &section.content {
            match content {
                Content::Text(_) => {}
                Content::List(list) => {
                    let is_chosen = any_line(list, &|line| tasks.contains_key(&line));
                    items(list, &mut |item| {
                        let reason = trace.of(item.line).filter(|_| is_chosen).map(of_note);
                        known.insert(item.line, reason.unwrap_or_else(|| other_list(section, chosen)));
                    });
                }
                Content::Table(table) => {
                    let is_chosen = table.rows.iter().any(|(_, line)| tasks.contains_key(line));
                    for (_, line) in &table.rows {
                        let why = match is_chosen {
                            true => ("item", "a row without a title of its own".to_owned(), "R7"),
                            false => other_list(section, chosen),
                        };
                        known.insert(*line, why);
                    }
                }
            }
        }
    }
    let of_line: HashMap<usize, usize> = section_lines(outline);
    let mut section = 0;
    let mut lines = Vec::new();
    let mut below: Option<usize> = None;
    let body = body.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    for (index, text) in body.split('\n').enumerate() {
        let line = index + 1;
        section = of_line.get(&line).copied().unwrap_or(section);
        if text.trim().is_empty() {
            continue;
        }
        let indent = text.len() - text.trim_start().len();
        let hidden = trace.of(line).filter(|why| matches!(why, Why::Code | Why::Quote | Why::Html));
        let dropped = trace.of(line).filter(|why| matches!(why, Why::Repeated | Why::Master));
        let (what, why, rule) = if let Some(found) = tasks.get(&line) {
            below = Some(indent);
            let marked = trace.of(line) == Some(Why::Marked);
            task(plan, found, &outline.sections[section], (chosen, marked))
        } else if let Some(why) = hidden.or(dropped) {
            of_note(why)
        } else if let Some(reason) = known.remove(&line) {
            if reason.0 != "part" {
                below = None;
            }
            reason
        } else if below.is_some_and(|of| indent > of) {
            ("part", "goes along with the task above".to_owned(), "R6")
        } else if source.is_blank(line) {
            ("hidden", "front matter is no text of the issue".to_owned(), "R5")
        } else {
            below = None;
            prose(&outline.sections[section])
        };
        lines.push(Explained { line, text: text.to_owned(), what, why, rule });
    }
    lines
}

fn section_lines(outline: &Outline) -> HashMap<usize, usize> {
    outline.sections.iter().enumerate().map(|(index, section)| (section.line, index)).collect()
}

fn items(list: &List, each: &mut dyn FnMut(&Item)) {
    for item in &list.items {
        each(item);
        item.lists.iter().for_each(|below| items(below, each));
    }
}

fn any_line(list: &List, wanted: &dyn Fn(usize) -> bool) -> bool {
    let mut found = false;
    items(list, &mut |item| found |= wanted(item.line));
    found
}

/// How a section is told: its title, or where it stands.
fn named(section: &Section) -> String {
    const LONGEST: usize = 60;
    let title = section.title.trim_matches(['*', '_', ' ', ':', '#']);
    match title {
        "" => "before the first heading".to_owned(),
        title if title.len() > LONGEST => format!("under '{}…'", cut(title, LONGEST).trim_end()),
        title => format!("under '{title}'"),
    }
}

fn task(plan: &Plan, found: &[usize], section: &Section, (chosen, marked): (Chosen, bool)) -> Reason {
    let open: Vec<String> = found.iter().filter_map(|i| Some(plan.number(*i)?.to_string())).collect();
    let name = match open.len() {
        0 => "a task that is done".to_owned(),
        1 => format!("task {}", open[0]),
        _ => format!("tasks {}", open.join(", ")),
    };
    let place = named(section);
    let (why, rule) = match chosen {
        _ if marked => (format!("a check box {place}"), "R6"),
        Chosen::FormSection
        | Chosen::Boxes
        | Chosen::Called
        | Chosen::Listed
        | Chosen::ListBeforeHeadings => (format!("an item of the list of work {place}"), "R1"),
        Chosen::Headings => {
            ("a heading that names a unit of work, or stands beside such headings".to_owned(), "R6")
        }
        Chosen::Stages => (format!("named behind a stage {place}"), "R6"),
        Chosen::Urls => (format!("one of several addresses {place}"), "R11"),
        Chosen::Tables => (format!("a row of a table of work {place}"), "R7"),
        Chosen::OneLine => (format!("a link in a line that lists children {place}"), "R8"),
        Chosen::Numbered => {
            (format!("an item of a numbered list {place}, in an issue that calls itself a master"), "R1")
        }
        Chosen::Plain => (format!("an item of a list {place}, in an issue that calls itself a master"), "R1"),
        Chosen::Deliverables => (format!("what an epic delivers, {place}: it has no other list"), "R6"),
        Chosen::Scope => (format!("what an epic covers, {place}: it has no other list"), "R6"),
        Chosen::Arrows => (format!("an issue in an order with arrows {place}"), "R8"),
        Chosen::Nothing => (place, ""),
    };
    ("task", format!("{name}: {why}"), rule)
}

fn of_note(why: Why) -> Reason {
    let (what, words, rule) = match why {
        Why::Code => ("hidden", "code is never read", "R5"),
        Why::Quote => ("hidden", "a quote is never read", "R5"),
        Why::Html => ("hidden", "HTML and comments are never read", "R5"),
        Why::Attested => ("item", "its author vouches for something or picks a kind of change", "R4"),
        Why::Sample => ("item", "only shows how a list looks, as a sample beside text", "R2"),
        Why::Group => ("group", "only names a group; what stands below are the tasks", "R6"),
        Why::HeadsOther => ("item", "says that what stands below is no work", "R4"),
        Why::Unmarked => ("item", "has no check box, and others of the list have one", "R6"),
        Why::Struck => ("item", "is struck through", "R9"),
        Why::NoWork => ("item", "is a placeholder, a sign, or says that the list goes on", "R4"),
        Why::Repeated => ("item", "the same issue is a task already", "R10"),
        Why::Master => ("item", "links the master issue itself", "R10"),
        Why::Marked => ("item", "a check box whose issue is listed elsewhere", "R10"),
        Why::PartOf => ("part", "goes along with the task above", "R6"),
    };
    (what, words.to_owned(), rule)
}

/// Why a list of a section is not the work.
fn other_list(section: &Section, chosen: Chosen) -> Reason {
    let place = named(section);
    let (why, rule) = match (section.kind, chosen) {
        (Kind::Criteria, _) => (format!("{place}, which says when the work is done"), "R4"),
        (Kind::Never, _) => (format!("{place}, which never holds work"), "R4"),
        (_, Chosen::Nothing) => (format!("{place}; nothing says that this is a list of work"), "R2"),
        (Kind::Prose | Kind::Requirements, _) => {
            (format!("{place}, which describes; only check boxes are work there"), "R1")
        }
        (Kind::Scope | Kind::Deliverables, _) => {
            (format!("{place}, which counts only where there is no other list"), "R6")
        }
        (Kind::Plain | Kind::Work, _) => (format!("{place}; the work is {}", elsewhere(chosen)), "R6"),
    };
    ("item", why, rule)
}

fn elsewhere(chosen: Chosen) -> &'static str {
    match chosen {
        Chosen::Headings => "what the headings name",
        Chosen::Boxes | Chosen::FormSection => "what has check boxes",
        Chosen::Tables => "in a table",
        Chosen::Stages => "named behind the stages",
        _ => "in another list",
    }
}

fn heading(outline: &Outline, section: &Section) -> Reason {
    let (what, rule) = match section.kind {
        Kind::Work => ("holds the list of work", "R1"),
        Kind::Deliverables => ("names what is delivered: work where there is no other list", "R6"),
        Kind::Scope => ("names what is covered: work where there is no other list", "R6"),
        Kind::Prose => ("describes; only check boxes are work there", "R1"),
        Kind::Requirements => ("says what is wanted; only check boxes of an epic are work there", "R1"),
        Kind::Criteria => ("says when the work is done", "R4"),
        Kind::Never => ("never holds work", "R4"),
        Kind::Plain => ("says nothing about work by itself", ""),
    };
    let parent = &outline.sections[section.parent];
    let why = match section.own_kind || section.kind == Kind::Plain || section.parent == 0 {
        true => what.to_owned(),
        false => format!("{what}, because it stands {}", named(parent)),
    };
    ("heading", why, rule)
}

fn prose(section: &Section) -> Reason {
    match section.kind {
        Kind::Criteria | Kind::Never => ("prose", format!("text {}", named(section)), "R4"),
        _ => ("prose", "text around the work".to_owned(), ""),
    }
}
