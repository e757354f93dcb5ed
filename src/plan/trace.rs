//! What the reader notes while it reads, when somebody asks why: each note is taken where the thing is decided.
//! Without a trace nothing is noted and nothing is kept.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// What decided which lists are the work; the rules of `select`, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    Nothing,
    FormSection,
    Headings,
    ListBeforeHeadings,
    Called,
    Boxes,
    Stages,
    Listed,
    Urls,
    Tables,
    OneLine,
    Numbered,
    Plain,
    Deliverables,
    Scope,
    Arrows,
}

/// Why an item of a list is no task of its own, or text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Code,
    Quote,
    Html,
    Attested,
    /// It stands for an item in a list that only shows how a list looks.
    Sample,
    Group,
    HeadsOther,
    Unmarked,
    Struck,
    NoWork,
    /// A task with a box or a sign of its own.
    Marked,
    /// Below an item that is a task, whose details it is.
    PartOf,
    /// The issue is listed twice.
    Repeated,
    /// It is the master issue itself.
    Master,
}

#[derive(Debug)]
pub(super) struct Trace {
    chosen: Cell<Chosen>,
    notes: RefCell<HashMap<usize, Why>>,
}

impl Trace {
    pub fn new() -> Self {
        Self { chosen: Cell::new(Chosen::Nothing), notes: RefCell::default() }
    }

    /// The last word counts: a rule that found nothing is followed by another.
    pub fn choose(&self, chosen: Chosen) {
        self.chosen.set(chosen);
    }

    pub fn chosen(&self) -> Chosen {
        self.chosen.get()
    }

    pub fn note(&self, line: usize, why: Why) {
        self.notes.borrow_mut().insert(line, why);
    }

    /// A block of lines, both ends included.
    pub fn block(&self, lines: std::ops::RangeInclusive<usize>, why: Why) {
        let mut notes = self.notes.borrow_mut();
        lines.for_each(|line| {
            notes.entry(line).or_insert(why);
        });
    }

    pub fn of(&self, line: usize) -> Option<Why> {
        self.notes.borrow().get(&line).copied()
    }
}
