//! How the text of an issue names its own tasks: by issue (`#12`), by number (`Task 3`), by an identifier of the
//! plan (`T001`, `02-03`), by stage (`Phase 2`), or by title.

use super::headings::numbered;
use super::item::Draft;
use super::links::{self, Home, Link, Target};
use super::outline::Outline;
use super::phrases::Phrases;
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
    /// By a title, a short name or a bare number, which may mean something else.
    pub loose: bool,
}

/// Finds tasks by their names.
pub(super) struct Naming<'a> {
    home: Home<'a>,
    here: HashMap<u64, usize>,
    elsewhere: HashMap<String, usize>,
    units: HashMap<String, usize>,
    rows: HashMap<String, usize>,
    ids: HashMap<String, usize>,
    /// Short names: the word that a title begins with and sets off (`**schema**: …`). None where two share it.
    aliases: HashMap<String, Option<usize>>,
    titles: Vec<String>,
    /// Titles and parts of titles that name a task, by their first word.
    spoken: HashMap<String, Vec<(String, usize)>>,
    /// The tasks are numbered in the text.
    pub has_numbers: bool,
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
            aliases: HashMap::new(),
            titles: Vec::new(),
            spoken: HashMap::new(),
            has_numbers: drafts.iter().any(|draft| draft.number.is_some()),
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
            match numbered(&draft.title) {
                Some(own) if !own.word.is_empty() && !own.is_unit() => {
                    naming.stage(own.word, own.number, index)
                }
                own => {
                    if let Some(own) = own.filter(|own| own.is_unit()) {
                        naming.units.entry(own.number).or_insert(index);
                    }
                    if let Some((word, number)) = stage_of(draft, outline) {
                        naming.stage(word, number, index);
                    }
                }
            }
            if let Some(id) = identifier(&draft.title) {
                naming.ids.entry(id).or_insert(index);
            }
            let row = draft.number.as_ref().map(|number| fold(&plain(number)));
            naming.rows.entry(row.unwrap_or_else(|| (index + 1).to_string())).or_insert(index);
        }
        if drafts.len() <= MOST_TITLES {
            for (index, draft) in drafts.iter().enumerate() {
                naming.learn_title(&draft.title, index);
            }
        }
        if naming.units.is_empty() {
            naming.units = naming.rows.clone();
        }
        // `A: schema`, `B) api`: a letter that is set off is a name as well.
        for (index, draft) in drafts.iter().enumerate() {
            let title = draft.title.trim_start_matches(['*', '[', '(']);
            if let (Some(letter), Some(behind)) = (title.get(..1), title.get(1..))
                && letter.starts_with(|c: char| c.is_ascii_uppercase())
                && behind.starts_with([':', ')', ']', '.', '*'])
            {
                naming.units.entry(letter.to_owned()).or_insert(index);
            }
        }
        naming
    }

    /// A task is also called by its title without remarks in brackets, or by the bold words that its title begins with.
    fn learn_title(&mut self, title: &str, index: usize) {
        let clean = |text: &str| fold(plain(text).trim_end_matches(['.', ':', ';', ' ']));
        self.titles.push(clean(title));
        let unlinked = links::find(title, self.home)
            .first()
            .filter(|link| title[..link.range.start].trim_start_matches(['*', '[']).is_empty())
            .map_or(title, |link| title[link.range.end..].trim_start_matches([' ', ':', '-', '–', '—', '*']));
        let unnumbered = numbered(unlinked).map_or_else(|| unlinked.to_owned(), |own| own.rest);
        let whole = clean(&unnumbered);
        let bracket = unnumbered.find(" (").map(|at| clean(&unnumbered[..at]));
        let bold = unnumbered.trim_start().strip_prefix("**").and_then(|rest| rest.split_once("**"));
        let lead = bold.map(|(lead, _)| clean(lead));
        let set_off = unnumbered.split_once(": ").or_else(|| unnumbered.split_once(" — "));
        let word =
            lead.clone().or_else(|| set_off.map(|(lead, _)| clean(lead))).or_else(|| Some(whole.clone()));
        if let Some(word) = word.filter(|word| word.len() > 1 && !word.contains(' ')) {
            let taken = self.aliases.contains_key(&word);
            self.aliases.insert(word, (!taken).then_some(index));
        }
        let mut names: Vec<String> =
            [Some(clean(title)), Some(whole), bracket, lead].into_iter().flatten().collect();
        names.sort_unstable();
        names.dedup();
        for name in names.into_iter().filter(|name| name.len() >= SHORTEST_TITLE) {
            let first = first_word(&name).to_owned();
            self.spoken.entry(first).or_default().push((name, index));
        }
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
    /// `Tasks 1, 2`). `short`: short names count as well.
    pub fn at(&self, line: &str, links: &[Link], at: usize, bare: bool, short: bool) -> Option<Mention> {
        if let Ok(found) = links.binary_search_by(|link| link.range.start.cmp(&at)) {
            let link = &links[found];
            let task = match &link.target {
                Target::Here(number) => self.here.get(number),
                Target::Elsewhere(name) => self.elsewhere.get(name),
                Target::Pull => None,
            };
            let tasks = task.copied().into_iter().collect();
            return Some(Mention { range: link.range.clone(), tasks, loose: false });
        }
        let rest = &line[at..];
        let word_end =
            rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(rest.len());
        let token = rest[..word_end].trim_end_matches(['.', '-']);
        if token.is_empty() || token.len() > 40 {
            return None;
        }
        let row = if bare { self.rows.get(&fold(token)) } else { None };
        if row.is_some() || bare && token.bytes().all(|b| b.is_ascii_digit()) {
            let task = row.or_else(|| self.units.get(token));
            let tasks = task.copied().into_iter().collect();
            return Some(Mention { range: at..at + token.len(), tasks, loose: false });
        }
        self.by_word(rest, token, at).or_else(|| {
            let range = at..at + token.len();
            // A letter is a name only where it is written as one: `blocked by A`.
            let letter = (token.len() == 1 && token.starts_with(|c: char| c.is_ascii_uppercase()))
                .then(|| self.units.get(token))
                .flatten();
            if let Some(task) = letter.or_else(|| self.ids.get(&fold(token))) {
                return Some(Mention { range, tasks: vec![*task], loose: false });
            }
            let ends = rest[token.len()..].trim_start_matches(['*', '`', '"', '”']);
            let alone = !ends.trim_start().starts_with(|c: char| c.is_alphanumeric())
                || CONNECT.has(first_word(ends.trim_start()));
            let task = self.aliases.get(&fold(token)).copied().flatten().filter(|_| short && alone)?;
            Some(Mention { range, tasks: vec![task], loose: true })
        })
    }

    /// `Task 3`, `Phase 2`.
    fn by_word(&self, rest: &str, token: &str, at: usize) -> Option<Mention> {
        let word = fold(token);
        let singular = word.strip_suffix('s').unwrap_or(&word).to_owned();
        let after = rest[token.len()..].trim_start_matches([' ', '#', '*']);
        let number = number_of(after)?;
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
        Some(Mention { range: at..end, tasks, loose: false })
    }

    /// The task whose title starts at byte `at`, the longest first.
    pub fn title_at(&self, line: &str, at: usize) -> Option<Mention> {
        const LONGEST: usize = 300;
        let rest = super::text::cut(&line[at..], LONGEST);
        let first = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
        let spoken = self.spoken.get(&fold(first))?;
        let folded = fold(&plain(rest));
        let whole = |name: &str| {
            folded.strip_prefix(name).is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric()))
        };
        let (title, task) =
            spoken.iter().filter(|(name, _)| whole(name)).max_by_key(|(name, _)| name.len())?;
        let length = rest.floor_char_boundary(title.len().min(rest.len()));
        Some(Mention { range: at..at + length, tasks: vec![*task], loose: true })
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
    pub fn all(&self, line: &str, short: bool) -> Vec<Mention> {
        let links = self.links(line);
        let mut found = Vec::new();
        let mut from = 0;
        let mut previous = ' ';
        for (at, c) in line.char_indices() {
            let starts = !previous.is_alphanumeric() && (c.is_alphanumeric() || matches!(c, '#' | '['));
            previous = c;
            if at >= from
                && starts
                && let Some(mention) = self
                    .at(line, &links, at, false, short)
                    .or_else(|| self.title_at(line, at).filter(|_| short))
            {
                from = mention.range.end;
                found.push(mention);
            }
        }
        found
    }
}

/// Words that may follow a short name; any other shows that it is part of a longer phrase.
static CONNECT: Phrases = Phrases::of(&[
    "and", "or", "is", "are", "has", "have", "can", "then", "lands", "ships", "merges", "first", "y", "e",
    "et", "und",
]);

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("")
}

/// A number, or a capital letter that stands alone, at the start of `text`.
pub(super) fn number_of(text: &str) -> Option<&str> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..digits].trim_end_matches('.');
    if !number.is_empty() {
        return Some(number);
    }
    let letter = text.starts_with(|c: char| c.is_ascii_uppercase());
    let alone =
        !text.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '\''));
    (letter && alone).then(|| &text[..1])
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
