//! How the text of an issue names its own tasks: by issue (`#12`), by number (`Task 3`), by an identifier of the
//! plan (`T001`, `02-03`), by stage (`Phase 2`), or by title.

use super::headings::numbered;
use super::item::Draft;
use super::links::{self, Home, Link, Target};
use super::outline::Outline;
use super::text::{fold, plain};
use std::collections::HashMap;
use std::ops::Range;

/// A stage of the plan and its tasks, in the order of the text.
pub(super) struct Stage {
    pub word: String,
    pub number: String,
    pub tasks: Vec<usize>,
}

/// A name in a line: where it stands and the tasks it means (none when it is something outside the plan).
pub(super) struct Mention {
    pub range: Range<usize>,
    pub tasks: Vec<usize>,
}

/// Finds tasks by their names.
pub(super) struct Naming<'a> {
    home: Home<'a>,
    here: HashMap<u64, usize>,
    elsewhere: HashMap<String, usize>,
    units: HashMap<String, usize>,
    rows: HashMap<String, usize>,
    ids: HashMap<String, usize>,
    titles: Vec<String>,
    pub stages: Vec<Stage>,
}

/// Titles are searched only in plans that could run; the search looks at every title.
const MOST_TITLES: usize = 120;
/// A title shorter than this is too common a phrase to be a name.
const SHORTEST_TITLE: usize = 8;

impl<'a> Naming<'a> {
    /// Learns the names of `drafts`; `own` is the issue that each of them is.
    pub fn new(drafts: &[Draft], own: &[Option<Target>], outline: &Outline, home: Home<'a>) -> Self {
        let mut naming = Self {
            home,
            here: HashMap::new(),
            elsewhere: HashMap::new(),
            units: HashMap::new(),
            rows: HashMap::new(),
            ids: HashMap::new(),
            titles: Vec::new(),
            stages: Vec::new(),
        };
        for (index, draft) in drafts.iter().enumerate() {
            match own.get(index) {
                Some(Some(Target::Here(number))) => {
                    naming.here.entry(*number).or_insert(index);
                }
                Some(Some(Target::Elsewhere(name))) => {
                    naming.elsewhere.entry(name.clone()).or_insert(index);
                }
                _ => {}
            }
            if let Some(own_number) = numbered(&draft.title) {
                if own_number.is_unit() {
                    naming.units.entry(own_number.number).or_insert(index);
                } else if !own_number.word.is_empty() {
                    naming.stage(own_number.word, own_number.number, index);
                }
            } else if let Some((word, number)) = stage_of(draft, outline) {
                naming.stage(word, number, index);
            }
            if let Some(id) = identifier(&draft.title) {
                naming.ids.entry(id).or_insert(index);
            }
            let row = draft.number.as_ref().map(|number| fold(&plain(number)));
            naming.rows.entry(row.unwrap_or_else(|| (index + 1).to_string())).or_insert(index);
        }
        if drafts.len() <= MOST_TITLES {
            naming.titles = drafts
                .iter()
                .map(|draft| fold(plain(&draft.title).trim_end_matches(['.', ':', ';'])))
                .collect();
        }
        if naming.units.is_empty() {
            naming.units = naming.rows.clone();
        }
        naming
    }

    fn stage(&mut self, word: String, number: String, task: usize) {
        match self.stages.iter_mut().rev().find(|stage| stage.word == word && stage.number == number) {
            Some(stage) => stage.tasks.push(task),
            None => self.stages.push(Stage { word, number, tasks: vec![task] }),
        }
    }

    /// The issue links of a line, to be handed to the methods below.
    pub fn links(&self, line: &str) -> Vec<Link> {
        links::find(line, self.home)
    }

    /// The name that starts exactly at byte `at`. `bare`: a number alone is a task's number (in a cell, or after
    /// `Tasks 1, 2`).
    pub fn at(&self, line: &str, links: &[Link], at: usize, bare: bool) -> Option<Mention> {
        if let Ok(found) = links.binary_search_by(|link| link.range.start.cmp(&at)) {
            let link = &links[found];
            let task = match &link.target {
                Target::Here(number) => self.here.get(number),
                Target::Elsewhere(name) => self.elsewhere.get(name),
                Target::Pull => None,
            };
            return Some(Mention { range: link.range.clone(), tasks: task.copied().into_iter().collect() });
        }
        let rest = &line[at..];
        let word_end =
            rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(rest.len());
        let token = rest[..word_end].trim_end_matches(['.', '-']);
        if token.is_empty() || token.len() > 40 {
            return None;
        }
        if bare && token.bytes().all(|b| b.is_ascii_digit()) {
            let task = self.rows.get(token).or_else(|| self.units.get(token));
            return Some(Mention { range: at..at + token.len(), tasks: task.copied().into_iter().collect() });
        }
        self.by_word(rest, token, at).or_else(|| {
            let task = self.ids.get(&fold(token))?;
            Some(Mention { range: at..at + token.len(), tasks: vec![*task] })
        })
    }

    /// `Task 3`, `Phase 2`.
    fn by_word(&self, rest: &str, token: &str, at: usize) -> Option<Mention> {
        let word = fold(token);
        let singular = word.strip_suffix('s').unwrap_or(&word).to_owned();
        let after = rest[token.len()..].trim_start_matches([' ', '#', '*']);
        let digits = after.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(after.len());
        let number = after[..digits].trim_end_matches('.');
        if number.is_empty() {
            return None;
        }
        let end = at + (rest.len() - after.len()) + number.len();
        let unit = numbered(&format!("{singular} {number}"))?;
        let tasks = if unit.word.is_empty() {
            return None;
        } else if let Some(stage) = self.stages.iter().find(|s| s.word == unit.word && s.number == number) {
            stage.tasks.clone()
        } else if unit.is_unit() || unit.word == "step" {
            self.units.get(number).copied().into_iter().collect()
        } else {
            Vec::new()
        };
        Some(Mention { range: at..end, tasks })
    }

    /// The task whose title starts at byte `at`, the longest first.
    pub fn title_at(&self, line: &str, at: usize) -> Option<Mention> {
        const LONGEST: usize = 300;
        let rest = super::text::cut(&line[at..], LONGEST);
        let folded = fold(&plain(rest));
        let best = self
            .titles
            .iter()
            .enumerate()
            .filter(|(_, title)| title.len() >= SHORTEST_TITLE && folded.starts_with(title.as_str()));
        let (task, title) = best.max_by_key(|(_, title)| title.len())?;
        let length = rest.floor_char_boundary(title.len().min(rest.len()));
        Some(Mention { range: at..at + length, tasks: vec![task] })
    }

    /// The one task whose title holds `words`; `None` when there are several.
    pub fn containing(&self, words: &str) -> Option<usize> {
        let words = fold(plain(words).trim());
        if words.len() < 4 {
            return None;
        }
        let mut holding = self.titles.iter().enumerate().filter(|(_, title)| title.contains(&words));
        let (task, _) = holding.next()?;
        holding.next().is_none().then_some(task)
    }

    /// All names in a line, in order.
    pub fn all(&self, line: &str) -> Vec<Mention> {
        let links = self.links(line);
        let mut found = Vec::new();
        let mut from = 0;
        let mut previous = ' ';
        for (at, c) in line.char_indices() {
            let starts = !previous.is_alphanumeric() && (c.is_alphanumeric() || matches!(c, '#' | '['));
            previous = c;
            if at >= from
                && starts
                && let Some(mention) = self.at(line, &links, at, false)
            {
                from = mention.range.end;
                found.push(mention);
            }
        }
        found
    }
}

/// An identifier at the start of a title: one short word with a digit (`T001`, `E1-S1:`, `[A1]`).
fn identifier(title: &str) -> Option<String> {
    let title = plain(title);
    let first = title.trim_start_matches(['[', '(']).split([' ', ':', ']', ')', '—']).next()?;
    let first = first.trim_end_matches(['.', ':', '-']);
    let shape = first.contains(|c: char| c.is_ascii_digit())
        && first.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    let plain_number = first.bytes().all(|b| b.is_ascii_digit());
    (shape && !plain_number && (2..=16).contains(&first.len())).then(|| fold(first))
}

/// The stage that a task stands in, by its group or by the headings around it.
fn stage_of(draft: &Draft, outline: &Outline) -> Option<(String, String)> {
    let stage = |title: &str| {
        numbered(title).filter(|n| !n.word.is_empty() && !n.is_unit()).map(|n| (n.word, n.number))
    };
    if let Some(found) = draft.group.as_deref().and_then(stage) {
        return Some(found);
    }
    let mut section = draft.section;
    while section > 0 {
        let here = outline.sections.get(section)?;
        if let Some(found) = stage(&here.title) {
            return Some(found);
        }
        section = here.parent;
    }
    None
}
