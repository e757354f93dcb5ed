//! Headings that are tasks themselves (R6): `## Task 3: Add the store`, `## Issue 2:` with its title below.

use super::item::{Draft, Reader};
use super::naming::number_of;
use super::outline::{Content, Outline};
use super::purpose::{Kind, starts_with_verb};
use super::text::{fold, plain};

/// Words that call the heading a unit of work.
const UNITS: &[&str] = &[
    "task",
    "subtask",
    "sub-task",
    "issue",
    "sub-issue",
    "ticket",
    "story",
    "pr",
    "tarea",
    "tarefa",
    "aufgabe",
    "задача",
];
/// Words that may name a unit or a group of units.
const STAGES: &[&str] = &[
    "phase",
    "step",
    "stage",
    "part",
    "milestone",
    "wave",
    "sprint",
    "iteration",
    "batch",
    "fase",
    "étape",
    "schritt",
    "paso",
    "этап",
    "шаг",
    "round",
    "track",
];

/// A numbered heading or item: its word, its number, and the title after both.
pub(super) struct Numbered {
    pub word: String,
    pub number: String,
    pub rest: String,
}

impl Numbered {
    /// Whether the word names one unit of work.
    pub fn is_unit(&self) -> bool {
        UNITS.contains(&self.word.as_str())
    }

    /// Whether it is a bare number (`3. Title`).
    fn is_bare(&self) -> bool {
        self.word.is_empty()
    }
}

/// Reads `Task 3: Title`, `Phase 2 (Title)`, `Wave 1`, `4. Title`.
pub(super) fn numbered(title: &str) -> Option<Numbered> {
    // Most titles are links or begin with a word that no number follows; they need no copy.
    if title.trim_start_matches(['*', '[', ' ']).starts_with('#')
        || !title.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase())
    {
        return None;
    }
    let title = plain(title);
    let title = title.strip_prefix('[').map_or(title.as_str(), |rest| rest).trim();
    let (first, after) = title.split_once(|c: char| c.is_whitespace() || c == '#').unwrap_or((title, ""));
    let word = fold(first);
    let (word, tail) = if UNITS.contains(&word.as_str()) || STAGES.contains(&word.as_str()) {
        (word, after.trim_start_matches(['#', ' ']))
    } else {
        (String::new(), title)
    };
    let end = tail
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' && !word.is_empty()))
        .unwrap_or(tail.len());
    let digits = tail[..end].trim_end_matches(['.', '-']);
    let number = match digits.is_empty() && !word.is_empty() {
        true => number_of(tail)?,
        false => digits,
    };
    if number.is_empty() || number.starts_with(['.', '-']) || number.len() > 8 {
        return None;
    }
    let rest = &tail[number.len()..];
    if word.is_empty() && !rest.starts_with(['.', ')', ':']) && !number.contains('.') {
        return None;
    }
    let rest = rest.trim_start_matches(['.', ')', ':', '-', '–', '—', ' ', ']', '|']).trim();
    Some(Numbered { word, number: number.to_owned(), rest: rest.to_owned() })
}

/// Reads `US-01: Title`, `T3 - Title`: a heading that begins with the identifier of a unit of work. Identifiers of
/// criteria, requirements and decisions are none.
fn identified(title: &str) -> Option<Numbered> {
    const OTHERS: &[&str] = &[
        "AC", "FR", "NFR", "REQ", "R", "ADR", "RFC", "DOD", "GH", "Q", "G", "D", "V", "H", "RQ", "KPI", "P",
    ];
    let title = plain(title);
    let title = title.trim_start_matches('[');
    let end = title.find([':', ' ', ']', '—', '–'])?;
    let (id, rest) = title.split_at(end);
    let letters = id.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(id.len());
    let number = id[letters..].trim_start_matches('-');
    let shape = (1..=6).contains(&letters)
        && number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let rest = rest.trim_start();
    let set_off = rest.starts_with([':', ']', '-', '—', '–']);
    (shape && set_off && !OTHERS.contains(&&id[..letters])).then(|| Numbered {
        word: String::new(),
        number: id.to_owned(),
        rest: rest.trim_start_matches([':', ']', '-', '—', '–', ' ']).to_owned(),
    })
}

/// Reads `Task: Add the store`: a word for a unit of work in front of an order.
fn called(title: &str) -> Option<Numbered> {
    let title = plain(title);
    let (word, rest) = title.split_once(':')?;
    let is_unit = UNITS.contains(&fold(word.trim()).as_str());
    (is_unit && starts_with_verb(rest.trim())).then(|| Numbered {
        word: fold(word.trim()),
        number: String::new(),
        rest: rest.trim().to_owned(),
    })
}

struct Found {
    section: usize,
    title: String,
    number: String,
    unit: bool,
    /// By a word such as task: one alone is enough in an epic. An identifier alone may be the issue's own.
    called: bool,
    task_like: bool,
}

/// The headings that are tasks. `source` is the text that the outline was made of.
pub(super) fn tasks(outline: &Outline, reader: &Reader<'_>, source: &str, declared: bool) -> Vec<Draft> {
    let found = numbered_headings(outline, reader, declared);
    let task_like = found.iter().filter(|heading| heading.task_like).count();
    let enough = task_like * 2 > found.len()
        && (found.len() >= 2 || declared && found.iter().any(|heading| heading.called));
    let found = if enough { found } else { named_headings(outline) };
    found.iter().map(|heading| draft(outline, heading, source)).collect()
}

fn numbered_headings(outline: &Outline, reader: &Reader<'_>, declared: bool) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (index, section) in outline.sections.iter().enumerate().skip(1) {
        let refused = matches!(section.kind, Kind::Never | Kind::Criteria | Kind::Requirements);
        if refused || section.level > 7 {
            continue;
        }
        let by_number = numbered(&section.title);
        let is_identified = by_number.is_none();
        let by_word = || called(&section.title).filter(|_| section.kind != Kind::Prose);
        let Some(numbered) = by_number.or_else(|| identified(&section.title)).or_else(by_word) else {
            continue;
        };
        let unit = numbered.is_unit() || is_identified;
        let describes = section.kind == Kind::Prose;
        if (numbered.is_bare() || describes) && !(declared || section.kind == Kind::Work) {
            continue;
        }
        let below: Vec<_> = lists_below(outline, index);
        let is_link_group = !below.is_empty() && below.iter().all(|list| reader.all_links(list));
        let work_below = below.iter().any(|list| reader.has_status(list) || list.items.len() > 1);
        let task_like = !is_link_group && (unit || starts_with_verb(&numbered.rest) || !work_below);
        if let Some(outer) = found.last().filter(|outer| outline.inside(index, outer.section)) {
            // `Phase 1` over `Task 1.1`, or over `1.1 Add the store`: the stage is a group.
            let inner = unit || task_like && numbered.number.contains('.');
            if outer.unit || !inner || is_identified && !(declared || section.kind == Kind::Work) {
                continue;
            }
            found.pop();
        }
        let title = if numbered.rest.is_empty() { title_below(outline, index) } else { None };
        found.push(Found {
            section: index,
            title: title.unwrap_or_else(|| section.title.clone()),
            unit,
            called: unit && !is_identified,
            number: numbered.number,
            task_like,
        });
    }
    found
}

/// Headings right below a section of work that holds no list at all: each names a task.
fn named_headings(outline: &Outline) -> Vec<Found> {
    let sections = &outline.sections;
    let Some(work) =
        (1..sections.len()).find(|&index| sections[index].kind == Kind::Work && sections[index].own_kind)
    else {
        return Vec::new();
    };
    let has_list = !lists_below(outline, work).is_empty();
    if has_table(outline, work)
        || has_list && !sections[work].content.iter().all(|c| matches!(c, Content::Text(_)))
    {
        return Vec::new();
    }
    let of_work = |&index: &usize| {
        sections[index].parent == work && !sections[index].own_kind && sections[index].level <= 7
    };
    let named: Vec<usize> = (work + 1..sections.len()).filter(of_work).collect();
    // Over lists of their own, only orders are tasks; names are groups.
    let orders = named.iter().filter(|&&index| starts_with_verb(&sections[index].title)).count();
    if has_list && (named.len() < 2 || orders * 2 <= named.len()) {
        return Vec::new();
    }
    let found = named.into_iter().map(|section| Found {
        section,
        title: sections[section].title.clone(),
        number: String::new(),
        unit: true,
        called: true,
        task_like: true,
    });
    found.collect()
}

/// The lists below a heading that are not criteria and the like.
fn lists_below(outline: &Outline, section: usize) -> Vec<&super::document::List> {
    let mut lists = Vec::new();
    for index in section..outline.sections.len() {
        if !outline.inside(index, section) {
            break;
        }
        let below = &outline.sections[index];
        if matches!(below.kind, Kind::Criteria | Kind::Never) {
            continue;
        }
        lists.extend(
            below
                .content
                .iter()
                .filter_map(|content| if let Content::List(list) = content { Some(list) } else { None }),
        );
    }
    lists
}

fn has_table(outline: &Outline, section: usize) -> bool {
    let inside = (section..outline.sections.len()).take_while(|&index| outline.inside(index, section));
    inside.into_iter().any(|index| {
        outline.sections[index].content.iter().any(|content| matches!(content, Content::Table(_)))
    })
}

/// `## Issue 1:` followed by another heading: the second one is the title.
fn title_below(outline: &Outline, section: usize) -> Option<String> {
    let next = outline.sections.get(section + 1)?;
    // Bold lines are all of one level.
    let below = next.parent == section || next.level == 7 && outline.sections[section].level == 7;
    let directly = outline.sections[section].content.is_empty() && below && !next.own_kind;
    directly.then(|| next.title.clone())
}

fn draft(outline: &Outline, heading: &Found, source: &str) -> Draft {
    let section = &outline.sections[heading.section];
    let mut children = Vec::new();
    let mut criteria = Vec::new();
    for index in heading.section..outline.sections.len() {
        if !outline.inside(index, heading.section) {
            break;
        }
        let below = &outline.sections[index];
        for content in &below.content {
            let Content::List(list) = content else { continue };
            let titles = list.items.iter().map(|item| item.title.clone()).filter(|title| !title.is_empty());
            match below.kind {
                Kind::Criteria => criteria.extend(titles),
                Kind::Never => {}
                _ => children.extend(titles),
            }
        }
    }
    let details = source.get(section.start..section.end).unwrap_or("").trim();
    let all_ticked = {
        let mut items =
            lists_below(outline, heading.section).into_iter().flat_map(|list| &list.items).peekable();
        items.peek().is_some() && items.all(|item| item.ticked == Some(true))
    };
    let struck = heading.title.contains('✅') || all_ticked;
    Draft {
        title: heading.title.clone(),
        done: struck,
        children,
        criteria,
        details: details.to_owned(),
        line: section.line,
        section: heading.section,
        number: Some(heading.number.clone()).filter(|number| !number.is_empty()),
        ..Draft::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::document::blocks;
    use crate::plan::item::Signs;
    use crate::plan::source::Source;

    fn read(body: &str, declared: bool) -> Vec<Draft> {
        let source = Source::new(body);
        let outline = Outline::new(blocks(&source, None), source.text.len());
        tasks(
            &outline,
            &Reader { home: None, signs: Signs::default(), stand_ins_are_meant: false, trace: None },
            &source.text,
            declared,
        )
    }

    fn titles(body: &str) -> Vec<String> {
        read(body, false).into_iter().map(|draft| draft.title).collect()
    }

    #[test]
    fn numbered_headings_with_a_verb_are_tasks_and_their_boxes_details() {
        let body = "## Task 1: Add store\nprose\n- [ ] table\n\n### Acceptance criteria\n- works\n\n## Task 2: Add api\n";
        let drafts = read(body, false);
        assert_eq!(
            drafts.iter().map(|draft| draft.title.as_str()).collect::<Vec<_>>(),
            ["Task 1: Add store", "Task 2: Add api"]
        );
        assert_eq!(drafts[0].children, ["table"]);
        assert_eq!(drafts[0].criteria, ["works"]);
        assert!(drafts[0].details.starts_with("prose"));
    }

    #[test]
    fn a_heading_that_is_only_a_number_gets_the_title_below_it() {
        assert_eq!(
            titles("## Issue 1:\n### Plan the upgrade\ntext\n## Issue 2:\n### Update cni\n- [ ] live\n"),
            ["Plan the upgrade", "Update cni"]
        );
    }

    #[test]
    fn noun_phases_over_work_are_groups() {
        assert_eq!(
            titles("## Phase 1: Backend\n- [ ] a\n- [ ] b\n## Phase 2: Frontend\n- [ ] c\n- [ ] d\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn headings_under_tasks_without_any_list_are_tasks() {
        assert_eq!(
            titles("## Sub-Tasks\n### Auth module\nprose\n### Store\nprose\n"),
            ["Auth module", "Store"]
        );
    }
}
