//! What a rule may ask about a list: where it stands, what it is for, and what its items are.

use super::document::{Item, List};
use super::headings;
use super::item::Reader;
use super::links;
use super::outline::{Outline, Section};
use super::purpose::{Kind, is_order, last_sentence, starts_with_verb};
use super::text::{has_any, plain, spaced};
use super::words;

/// What a rule may ask about a list.
pub(super) struct Place {
    pub section: usize,
    pub kind: Kind,
    pub items: usize,
    /// An item has a box or a telling sign.
    pub marked: bool,
    /// Every item is an issue link.
    pub links: bool,
    /// Every item is an issue or names exactly one.
    pub issues: bool,
    /// Most items are wishes of somebody (`As a user, I want …`).
    pub wishes: bool,
    /// Every item begins with a URL.
    pub urls: bool,
    pub numbered: bool,
    /// Most items are `Key: value`.
    pub metadata: bool,
    pub mentions_issues: bool,
}

/// `alone`: the issue has no other list.
pub(super) fn place(
    outline: &Outline,
    reader: &Reader<'_>,
    section: usize,
    list: &List,
    alone: bool,
) -> Place {
    let items = &list.items;
    let issues = items.len() > 1 && items.iter().all(|item| links::own(&item.title, reader.home).is_some());
    let links = reader.all_links(list);
    let named = items.iter().all(|item| links::own(&item.title, reader.home).is_some());
    let count = |test: &dyn Fn(&str) -> bool| items.iter().filter(|item| test(&item.title)).count();
    let metadata =
        count(&|title| is_metadata(title) && links::own(title, reader.home).is_none()) * 2 > items.len();
    Place {
        section,
        kind: match links && (is_group_of_work(outline, section) || is_stage(outline, section, items)) {
            true => Kind::Work,
            false => kind_of(&outline.sections[section], items, named, alone),
        },
        items: items.len(),
        // Boxes below facts (`Database:`) are choices.
        marked: reader.has_status(list) && !(metadata && items.iter().all(|item| item.ticked.is_none())),
        links,
        issues,
        wishes: count(&|title| spaced(title).starts_with(" as a")) * 2 > items.len(),
        urls: items.len() > 1
            && items.iter().all(|item| item.title.trim_start_matches('<').starts_with("http")),
        numbered: list.number.is_some() && items.len() > 1,
        metadata,
        mentions_issues: count(&|title| !links::find(title, reader.home).is_empty()) * 2 > items.len(),
    }
}

/// What a list is for. A sentence in front of it announces work where most items are orders (`I need to:`); an order of
/// its own (`Write a post about:`) in an issue without another list has them as its details, unless it points at them
/// (`Fix the following:`).
///
/// A state or a priority is never work, but may be the name of a group of issues. What a checklist only states (`The
/// version is right`) are criteria.
fn kind_of(section: &Section, items: &[Item], issues: bool, alone: bool) -> Kind {
    let title = spaced(&section.title);
    if section.kind == Kind::Never && section.own_kind && issues && words::STATES.has(title.trim()) {
        return Kind::Plain;
    }
    if section.kind == Kind::Work && title.trim_end().ends_with("checklist") && states_facts(items) {
        return Kind::Criteria;
    }
    if !section.is_label() || !matches!(section.kind, Kind::Plain | Kind::Prose) || section.own_kind {
        return section.kind;
    }
    let label = spaced(last_sentence(&section.title));
    let orders = items.iter().filter(|item| starts_with_verb(&item.title)).count();
    let details = has_any(
        &label,
        &["changes", "cambios", "mudancas", "changements", "anderungen", "変更", "变更", "변경"],
    );
    if words::ANNOUNCED.any(&label) && !words::WISHED.any(&label) && !details && orders * 2 > items.len() {
        return Kind::Work;
    }
    let points = has_any(
        &label,
        &["following", "these", "below", "siguientes", "seguintes", "suivants", "folgende", "folgenden"],
    );
    let boxed = items.iter().any(|item| item.ticked.is_some() || item.title.contains("://"));
    if alone && is_order(last_sentence(&section.title)) && !points && !boxed && !issues {
        return Kind::Never;
    }
    section.kind
}

/// Whether a section inside a section of work has a name of several words of which one alone would not be work
/// (`General reference/explanation`): over issues it is a group.
fn is_group_of_work(outline: &Outline, section: usize) -> bool {
    let here = &outline.sections[section];
    let title = spaced(&here.title);
    here.kind == Kind::Never
        && outline.sections[here.parent].kind == Kind::Work
        && title.split_whitespace().count() > 2
        && !words::NEVER.any_long(&title)
}

/// `Phase 1` over several issues: a part of the plan, though it may stand below `Dependencies`.
fn is_stage(outline: &Outline, section: usize, items: &[Item]) -> bool {
    let here = &outline.sections[section];
    let stage = headings::numbered(&here.title).is_some_and(|n| !n.word.is_empty() && !n.is_unit());
    here.kind == Kind::Never && !here.own_kind && items.len() > 1 && stage
}

/// Whether a list says how things are and not what to do.
fn states_facts(items: &[Item]) -> bool {
    const FEWEST: usize = 2;
    let states = |item: &Item| words::STATED.any(&spaced(&item.title)) && !starts_with_verb(&item.title);
    let stated = items.iter().filter(|item| states(item)).count();
    items.len() >= FEWEST
        && stated * 3 >= items.len() * 2
        && !items.iter().any(|item| starts_with_verb(&item.title))
}

/// `Estimated: 3 days`: a fact about the issue.
fn is_metadata(title: &str) -> bool {
    let title = plain(title);
    title.split_once([':', '：']).is_some_and(|(key, value)| {
        key.split_whitespace().count() <= 3
            && value.split_whitespace().count() <= 6
            && !key.starts_with("http")
    })
}
