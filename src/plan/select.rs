//! Which lists of an issue are its work (R1 to R7). Stronger signs win: boxes, then headings that are tasks, then
//! sections that are called tasks, then links, tables and, in an issue that calls itself an epic, plain lists.

use super::document::List;
use super::headings;
use super::item::{Draft, Reader, is_legend, sign, split_outside_brackets};
use super::links;
use super::outline::{Content, Outline, Section};
use super::place::{Place, place};
use super::purpose::{Kind, classify, is_order, starts_with_verb};
use super::table;
use super::text::{has_any, spaced};
use super::trace::Chosen;
use super::unit::{
    calls_itself_master, ends_with_declared, is_change, is_change_report, is_form, is_request, is_story,
    is_tagged_master, is_template, names_its_parent, only_belongs, stands_as_a_name, states_criteria,
    without_files, without_identifier,
};
use super::words;
use std::cell::OnceCell;

/// What the issue says about itself.
pub(super) struct Declared {
    /// It calls itself epic, tracking issue, roadmap and so on.
    pub master: bool,
    /// Its title does.
    pub in_title: bool,
    /// Its title is hardly anything else: a tag in front, or the word at its end.
    pub named: bool,
    /// It is nothing but one list, and its title neither tells of a fault nor is an order that the list would detail.
    pub is_list: bool,
    /// It says that its children are native sub-issues.
    pub native: bool,
    /// Its title says that it holds criteria.
    pub states_criteria: bool,
    /// It is named so, or its text says so: enough for lists that nothing else calls work.
    pub strong: bool,
}

/// Reads the title and the prose for words such as epic and tracking issue.
pub(super) fn declared(title: &str, outline: &Outline) -> Declared {
    let in_title = names_itself_master(title);
    let mut master = in_title;
    let mut native = false;
    let mut in_body = false;
    for section in &outline.sections {
        let heading = spaced(&section.title);
        // A section for children that holds no list: they stand elsewhere.
        native |= section.own_kind
            && section.kind == Kind::Work
            && words::CALLED.any(&heading)
            && is_prose(section);
        master |= section.level > 0
            && section.level <= 2
            && (heading.starts_with(" epic ") || heading.trim() == "roadmap");
        native |= words::NATIVE.any(&heading);
        for line in texts(section) {
            let line = spaced(line);
            // What is part of a tracking issue is none.
            in_body |= (words::DECLARED_IN_BODY.any(&line) || calls_itself_master(&line))
                && !words::PART_OF.any(&line);
            native |= words::NATIVE.any(&line);
        }
    }
    master |= in_body;
    // A child of another issue is a unit of work, whatever it says of the epic around it.
    master &= is_tagged_master(title) || !names_its_parent(outline);
    let words = spaced(title);
    let named =
        is_tagged_master(title) || in_title && (ends_with_declared(&words) || words::DECLARED.starts(&words));
    // An epic that is prose alone has its children elsewhere, too.
    let tracks = words.trim_end().ends_with(" tracking issue");
    native |= (is_tagged_master(title) || tracks)
        && outline.sections.iter().all(lists_no_work)
        && !is_form(outline);
    let is_list =
        is_one_list(outline) && !words::FAULTS.any(&words) && !is_order(title) && !only_belongs(title);
    Declared {
        master,
        in_title,
        named,
        is_list,
        native,
        states_criteria: states_criteria(title),
        strong: master && (named || in_body),
    }
}

/// Whether a section is prose, or only explains.
fn lists_no_work(section: &Section) -> bool {
    is_prose(section) || section.kind == Kind::Never
}

fn is_prose(section: &Section) -> bool {
    section.content.iter().all(|content| matches!(content, Content::Text(_)))
}

/// R1: whether the whole text is one list of orders.
fn is_one_list(outline: &Outline) -> bool {
    let mut content = outline.sections.iter().flat_map(|section| &section.content);
    let (Some(Content::List(list)), None) = (content.next(), content.next()) else { return false };
    let orders = list.items.iter().filter(|item| starts_with_verb(&item.title)).count();
    outline.sections.len() == 1 && orders * 2 > list.items.len()
}

/// Whether a title calls the issue a master: a word for one, or a release with its number. A title that is an order
/// (`Create roadmap for 2019`) speaks of one unit of work.
fn names_itself_master(title: &str) -> bool {
    let title = &without_files(title);
    is_tagged_master(title) || !only_belongs(title) && names_master_anywhere(title)
}

fn names_master_anywhere(title: &str) -> bool {
    let mark = |tag: &str| is_change(tag) || !tag.contains(' ') && tag.contains(|c: char| c.is_ascii_digit());
    let rest = title.split_once(':').filter(|(tag, _)| mark(tag)).map_or(title, |(_, rest)| rest);
    let rest = without_identifier(rest);
    let asks = title.trim_end().ends_with(['?', '？']) || spaced(title).starts_with(" question ");
    if asks || is_order(rest) || is_request(title) {
        return false;
    }
    let text = spaced(rest);
    let bare = text.trim();
    let release = bare.starts_with("release ") || bare.ends_with(" release") || bare.starts_with("sprint ");
    stands_as_a_name(rest) || release && bare.contains(|c: char| c.is_ascii_digit())
}

/// Whether `Task 1` and its like are what somebody wants done: a heading calls them tasks, or there is no other text.
/// A report of a fault shows them.
pub(super) fn stand_ins_are_meant(title: &str, outline: &Outline) -> bool {
    if words::FAULTS.any(&spaced(title)) {
        return false;
    }
    let text = |content: &Content| matches!(content, Content::Text(lines) if !lines.is_empty());
    outline.sections.iter().any(|section| words::CALLED.any(&spaced(&section.title)))
        || !outline.sections.iter().any(|section| section.content.iter().any(text))
}

/// The tasks of the issue, in the order of the text.
pub(super) fn tasks(outline: &Outline, reader: &Reader<'_>, source: &str, said: &Declared) -> Vec<Draft> {
    let declared = said.master;
    let select = Select::new(outline, reader, declared);
    // In a form a checklist is its author's.
    let alone = |place: &Place| spaced(&outline.sections[place.section].title).trim() == "checklist";
    // A form is one unit of work (R2), unless its title says otherwise or it has a section for tasks.
    let is_form = is_form(outline);
    if is_form && !said.named || is_story(outline) && !said.in_title {
        return select.choose(
            Chosen::FormSection,
            select.lists(|place| place.marked && place.kind == Kind::Work && !alone(place)),
        );
    }
    if is_template(outline) || said.states_criteria {
        return Vec::new();
    }
    let own_words = headings::tasks(outline, reader, source, declared);
    let mut owned = vec![false; outline.sections.len()];
    own_words.iter().for_each(|draft| owned[draft.section] = true);
    (1..owned.len()).for_each(|index| owned[index] |= owned[outline.sections[index].parent]);
    let inside_own = |section: usize| owned[section];
    // Beside boxes in a section called tasks, another section's checklist is a gate.
    let called_boxes = select.any(|place| {
        place.marked && place.items > 1 && words::CALLED.any(&spaced(&outline.sections[place.section].title))
    });
    let for_change = is_change_report(outline);
    let is_gate = |place: &Place| {
        let title = spaced(&outline.sections[place.section].title);
        let bare = title.trim();
        called_boxes
            && bare.ends_with("checklist")
            && !words::CALLED.any(&title)
            && !bare.starts_with("release")
            || for_change && bare == "checklist"
    };
    let marked = |place: &Place| {
        place.marked
            && !is_gate(place)
            && match place.kind {
                Kind::Plain | Kind::Work | Kind::Prose => true,
                Kind::Requirements => declared,
                Kind::Deliverables | Kind::Scope | Kind::Criteria | Kind::Never => false,
            }
    };
    if !own_words.is_empty() {
        return beside_headings(&select, own_words, &|place| marked(place) && !inside_own(place.section));
    }
    let marked_work = select.any(|place| marked(place) && place.kind == Kind::Work);
    // With criteria of its own and without a word of children, a text is one unit: a plan without boxes says how it is done,
    // and the issues in it are facts.
    let is_unit = outline.sections.iter().any(|section| section.own_kind && section.kind == Kind::Criteria);
    let tells_how = |place: &Place| {
        let title = spaced(&outline.sections[place.section].title);
        is_unit
            && !declared
            && !place.links
            && !place.numbered
            && HOW.iter().any(|word| title.trim_end().ends_with(word))
    };
    // Beside a list of issues, wishes say why.
    let has_issues = select.any(|place| place.links && place.items > 1 && place.kind == Kind::Work);
    let beside_the_work = |place: &Place| place.wishes && has_issues || tells_how(place);
    let work = |place: &Place| {
        let stands = place.kind == Kind::Work && !place.marked && (place.links || !marked_work);
        stands && !beside_the_work(place)
    };
    // A section that is called tasks outweighs fewer boxes in sections that are called nothing.
    let called = select
        .lists(|place| work(place) && words::CALLED.any(&spaced(&outline.sections[place.section].title)));
    if !marked_work && called.len() > 1 && called.len() > select.lists(marked).len() {
        return select.choose(Chosen::Called, called);
    }
    let boxes_only = select.any(marked);
    let listed_issues =
        |place: &Place| place.kind == Kind::Work && !place.marked && (place.links || place.issues);
    let with_boxes =
        select.lists(|place| marked(place) || listed_issues(place) || work(place) && !boxes_only);
    if boxes_only && !with_boxes.is_empty() {
        return select.choose(Chosen::Boxes, with_boxes);
    }
    let has_links = select.any(|place| place.links && place.items > 1 && place.kind == Kind::Plain);
    let links = |place: &Place| {
        (place.links || declared && place.mentions_issues && has_links)
            && (place.items > 1 && !is_unit || declared)
            && matches!(place.kind, Kind::Plain | Kind::Prose)
    };
    let listed = |place: &Place| work(place) || links(place);
    let in_a_named_epic =
        |wanted: &dyn Fn(&Place) -> bool| if said.strong { select.lists(wanted) } else { Vec::new() };
    let in_an_epic =
        |wanted: &dyn Fn(&Place) -> bool| if declared { select.lists(wanted) } else { Vec::new() };
    // One link alone may be the parent or an aside; a list of plain items in an epic is more.
    let several = || Some(select.lists(listed)).filter(|found| found.len() > 1 || select.any(work));
    let rules: [(Chosen, &dyn Fn() -> Vec<Draft>); 14] = [
        (Chosen::Stages, &|| select.waves(false)),
        (Chosen::Listed, &|| several().unwrap_or_default()),
        (Chosen::Urls, &|| {
            select.lists(|place| place.urls && matches!(place.kind, Kind::Plain | Kind::Prose))
        }),
        (Chosen::Tables, &|| select.tables()),
        (Chosen::OneLine, &|| select.inline_children()),
        (Chosen::OneLine, &|| if declared { select.issue_lines() } else { Vec::new() }),
        (Chosen::Numbered, &|| in_a_named_epic(&|place| place.kind == Kind::Plain && place.numbered)),
        (Chosen::Plain, &|| in_a_named_epic(&|place| place.kind == Kind::Plain && !place.metadata)),
        (Chosen::Deliverables, &|| in_an_epic(&|place| place.kind == Kind::Deliverables)),
        (Chosen::Scope, &|| {
            in_an_epic(&|place| place.kind == Kind::Scope && (place.mentions_issues || place.marked))
        }),
        (Chosen::Arrows, &|| select.arrows()),
        (Chosen::Plain, &|| {
            if said.is_list {
                select.lists(|place| place.kind == Kind::Plain && place.items > 2)
            } else {
                Vec::new()
            }
        }),
        (Chosen::Listed, &|| select.lists(listed)),
        // All that an epic says of its children may be what waits for what.
        (Chosen::Stages, &|| if declared { select.waves(true) } else { Vec::new() }),
    ];
    let found = rules.iter().map(|(chosen, rule)| (*chosen, rule())).find(|(_, found)| !found.is_empty());
    found.map(|(chosen, found)| select.choose(chosen, found)).unwrap_or_default()
}

/// Headings are tasks and their boxes details. A list of boxes in front of them, in a section for work, is the list
/// itself and the headings its details; one behind them adds to them. Boxes elsewhere count beside stages only.
fn beside_headings(select: &Select<'_>, mut own: Vec<Draft>, beside: &dyn Fn(&Place) -> bool) -> Vec<Draft> {
    let first = own.iter().map(|draft| draft.line).min().unwrap_or(0);
    let list = select.lists(|place| beside(place) && place.kind == Kind::Work);
    if list.len() > 1 && list.iter().all(|draft| draft.line < first) {
        return select.choose(Chosen::ListBeforeHeadings, list);
    }
    select.choose(Chosen::Headings, Vec::new());
    let units = own.iter().any(|draft| headings::numbered(&draft.title).is_some_and(|n| n.is_unit()));
    if units {
        let checklist =
            |section: usize| has_any(&spaced(&select.outline.sections[section].title), &["checklist"]);
        own.extend(list.into_iter().filter(|draft| !checklist(draft.section)));
    } else {
        own.extend(select.lists(beside));
    }
    own
}

/// What ends the name of a section that may as well say how one unit of work is done.
const HOW: &[&str] = &["plan", "implementation", "approach"];

/// What names a list in front of a colon is not longer, in bytes.
const LONGEST_LABEL: usize = 60;

struct Select<'a> {
    outline: &'a Outline,
    reader: &'a Reader<'a>,
    declared: bool,
    /// Every list of the issue, judged and read once.
    places: Vec<(&'a List, Place, OnceCell<Vec<Draft>>)>,
}

impl<'a> Select<'a> {
    fn new(outline: &'a Outline, reader: &'a Reader<'a>, declared: bool) -> Self {
        let lists = outline.sections.iter().enumerate().flat_map(|(index, section)| {
            let lists = section.content.iter().filter_map(|content| match content {
                Content::List(list) => Some(list),
                Content::Text(_) | Content::Table(_) => None,
            });
            lists.map(move |list| (index, list))
        });
        let lists: Vec<(usize, &'a List)> = lists.collect();
        let judged = |section: usize| matches!(outline.sections[section].kind, Kind::Never | Kind::Criteria);
        let alone = lists.iter().filter(|(section, _)| !judged(*section)).count() == 1;
        let places = lists
            .into_iter()
            .map(|(index, list)| (list, place(outline, reader, index, list, alone), OnceCell::new()))
            .collect();
        Self { outline, reader, declared, places }
    }

    /// Notes which rule has found the tasks, for whoever asks why.
    fn choose(&self, chosen: Chosen, found: Vec<Draft>) -> Vec<Draft> {
        if let Some(trace) = self.reader.trace {
            trace.choose(chosen);
        }
        found
    }

    fn any(&self, wanted: impl Fn(&Place) -> bool) -> bool {
        self.wanted(&wanted).any(|drafts| !drafts.is_empty())
    }

    /// The tasks of all lists that a rule wants.
    fn lists(&self, wanted: impl Fn(&Place) -> bool) -> Vec<Draft> {
        self.wanted(&wanted).flatten().cloned().collect()
    }

    fn wanted(&self, wanted: &impl Fn(&Place) -> bool) -> impl Iterator<Item = &Vec<Draft>> {
        self.places.iter().filter(|(_, place, _)| wanted(place)).map(|(list, place, read)| {
            read.get_or_init(|| {
                let mut out = Vec::new();
                self.reader.tasks(list, place.section, place.marked, &mut out);
                out
            })
        })
    }

    fn tables(&self) -> Vec<Draft> {
        let mut out = Vec::new();
        for (index, section) in self.outline.sections.iter().enumerate() {
            if matches!(section.kind, Kind::Never | Kind::Criteria) {
                continue;
            }
            for content in &section.content {
                if let Content::Table(found) = content {
                    out.extend(table::tasks(
                        found,
                        index,
                        section.kind == Kind::Work,
                        self.declared,
                        self.reader.home,
                    ));
                }
            }
        }
        out
    }

    /// `Wave 1: 02-01, 02-02 (parallel)`: the names behind a stage are its tasks, in a list or line by line.
    /// With `in_never` also in sections that are not for work.
    fn waves(&self, in_never: bool) -> Vec<Draft> {
        let mut out = Vec::new();
        for (index, section) in self.outline.sections.iter().enumerate() {
            if section.kind == Kind::Criteria || section.kind == Kind::Never && !in_never {
                continue;
            }
            for content in &section.content {
                match content {
                    Content::List(list) => {
                        for item in list.items.iter().filter(|item| item.lists.is_empty()) {
                            let done = self.reader.status(item) == Some(true);
                            self.stage(&item.title, item.line, done, index, &mut out);
                        }
                    }
                    Content::Text(lines) => {
                        lines.iter().for_each(|line| self.stage(line, section.line, false, index, &mut out));
                    }
                    Content::Table(_) => {}
                }
            }
        }
        out
    }

    fn stage(&self, line: &str, at: usize, done: bool, section: usize, out: &mut Vec<Draft>) {
        let Some(stage) = headings::numbered(line).filter(|n| !n.word.is_empty() && !n.is_unit()) else {
            return;
        };
        // A remark may stand between the stage and the colon: `Phase 1 (start now, in parallel): …`.
        let rest = stage.rest.rsplit_once([':', '：']).map_or(stage.rest.as_str(), |(_, names)| names.trim());
        let names = split_outside_brackets(rest.trim_end_matches('.'));
        if !names.is_empty() && names.iter().all(|name| self.is_name(name)) {
            out.extend(names.iter().map(|name| Draft {
                title: without_remark(name),
                done,
                line: at,
                section,
                group: Some(format!("{} {}", stage.word, stage.number)),
                ..Draft::default()
            }));
        }
    }

    /// A plan's identifier (`02-01`, `T4`) or an issue, perhaps with a remark in brackets.
    fn is_name(&self, name: &str) -> bool {
        let bare = name.split('(').next().unwrap_or("").trim();
        let one_word = !bare.is_empty() && !bare.contains(char::is_whitespace) && bare.len() <= 24;
        one_word
            && (bare.contains(|c: char| c.is_ascii_digit())
                || !links::find(bare, self.reader.home).is_empty())
    }

    /// `Sub-tasks: #1, #2, #3` in one line.
    fn inline_children(&self) -> Vec<Draft> {
        let mut out = Vec::new();
        for (index, section) in self.outline.sections.iter().enumerate() {
            for line in texts(section) {
                let named = line
                    .split_once(':')
                    .filter(|(label, _)| label.len() < LONGEST_LABEL && classify(label) == Some(Kind::Work))
                    .map(|(_, rest)| rest);
                let under_heading = section.kind == Kind::Work
                    && section.own_kind
                    && links::is_link_item(line, self.reader.home);
                let Some(rest) = named.or(under_heading.then_some(line.as_str())) else { continue };
                let parts = match self.reader.parts(rest) {
                    parts if parts.is_empty() && self.is_one_link(rest) => vec![rest.trim().to_owned()],
                    parts => parts,
                };
                out.extend(parts.into_iter().map(|title| Draft {
                    title,
                    line: section.line,
                    section: index,
                    ..Draft::default()
                }));
            }
        }
        out
    }

    /// R11: lines of text that each begin with an issue or as `Task 2 – …`, in an issue without a list.
    fn issue_lines(&self) -> Vec<Draft> {
        const FEWEST: usize = 2;
        let mut out = Vec::new();
        for (index, section) in self.outline.sections.iter().enumerate() {
            let told = matches!(section.kind, Kind::Never | Kind::Criteria);
            let is_unit =
                |line: &str| headings::numbered(line).is_some_and(|n| n.is_unit() && !n.rest.is_empty());
            let begins = |line: &str| links::is_link_item(line, self.reader.home) || is_unit(line);
            for line in texts(section).filter(|line| !told && begins(line)) {
                let title = line.clone();
                out.push(Draft { title, line: section.line, section: index, ..Draft::default() });
            }
        }
        if out.len() < FEWEST || !self.places.is_empty() { Vec::new() } else { out }
    }

    fn is_one_link(&self, text: &str) -> bool {
        links::is_link_item(text, self.reader.home) && links::find(text, self.reader.home).len() == 1
    }

    /// An issue that is prose alone but orders issues with arrows: each of them is a task.
    fn arrows(&self) -> Vec<Draft> {
        let no_lists =
            self.outline.sections.iter().all(|s| s.content.iter().all(|c| matches!(c, Content::Text(_))));
        let mut out: Vec<Draft> = Vec::new();
        if !no_lists && !self.declared {
            return out;
        }
        for (index, section) in self.outline.sections.iter().enumerate() {
            if matches!(section.kind, Kind::Never | Kind::Criteria) {
                continue;
            }
            for line in texts(section) {
                let found = links::find(line, self.reader.home);
                let arrows = found
                    .windows(2)
                    .any(|pair| super::cue::is_arrow(&line[pair[0].range.end..pair[1].range.start]));
                if !arrows {
                    continue;
                }
                for link in found {
                    let title = line[link.range].to_owned();
                    out.push(Draft { title, line: section.line, section: index, ..Draft::default() });
                }
            }
        }
        out
    }
}

/// `02-02 (parallel)` → `02-02`; a remark that says more stays.
fn without_remark(name: &str) -> String {
    let parallel = name.strip_suffix(')').and_then(|rest| rest.rsplit_once('(')).filter(|(_, remark)| {
        let words = spaced(remark);
        words.contains(" parallel ") && words.split_whitespace().count() <= 3
    });
    parallel.map_or(name, |(bare, _)| bare).trim().to_owned()
}

/// Whether signs tell a state in this text: by a legend, or because both kinds occur (R9).
pub(super) fn signs_tell_state(outline: &Outline) -> bool {
    let mut seen = [false; 2];
    for section in &outline.sections {
        if texts(section).any(|line| is_legend(line)) {
            return true;
        }
        for content in &section.content {
            match content {
                Content::List(list) => note_signs(list, &mut seen),
                Content::Text(_) | Content::Table(_) => {}
            }
        }
    }
    seen == [true, true]
}

fn note_signs(list: &List, seen: &mut [bool; 2]) {
    for item in &list.items {
        if let Some(done) = sign(&item.title) {
            seen[usize::from(done)] = true;
        }
        item.lists.iter().for_each(|below| note_signs(below, seen));
    }
}

pub(super) fn texts(section: &Section) -> impl Iterator<Item = &String> {
    section
        .content
        .iter()
        .filter_map(|content| if let Content::Text(lines) = content { Some(lines) } else { None })
        .flatten()
}
