//! The sections of an issue and what each is for. Headings make sections; so do wholly bold lines and, for the one
//! list below it, a line that ends with a colon.

use super::document::{Block, Item, List, Paragraph, Table};
use super::text::{bold_line, fold, has_any, has_phrase, plain, spaced};
use super::words;

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is said; inherited from the section around it.
    Plain,
    /// Holds the list of work.
    Work,
    /// What an epic delivers.
    Deliverables,
    /// What an epic covers.
    Scope,
    /// Description: only boxes are work there.
    Prose,
    /// What the author wants of the result: only boxes of a declared epic are work there.
    Requirements,
    /// Acceptance criteria and the like.
    Criteria,
    /// Anything else that is never work.
    Never,
}

#[derive(Debug)]
pub(super) enum Content {
    Text(Vec<String>),
    List(List),
    Table(Table),
}

#[derive(Debug)]
pub(super) struct Section {
    /// 0 for the text before any heading, 1 to 6 for headings, 7 for bold lines, 8 for lines that end with a colon.
    pub level: u8,
    pub title: String,
    /// Its own kind, or what it inherits.
    pub kind: Kind,
    /// Whether its own title says so.
    pub own_kind: bool,
    /// Whether the title says that its list is an order.
    pub ordered: bool,
    pub parent: usize,
    pub line: usize,
    /// The bytes of the text below the title, sections inside included.
    pub start: usize,
    pub end: usize,
    pub content: Vec<Content>,
}

const BOLD: u8 = 7;
const LABEL: u8 = 8;

/// All sections in the order of the text; the first is the issue itself.
pub(super) struct Outline {
    pub sections: Vec<Section>,
}

impl Outline {
    /// Sorts blocks into sections. `length` is that of the text.
    pub fn new(blocks: Vec<Block>, length: usize) -> Self {
        let root = Section {
            level: 0,
            title: String::new(),
            kind: Kind::Plain,
            own_kind: false,
            ordered: false,
            parent: 0,
            line: 1,
            start: 0,
            end: length,
            content: Vec::new(),
        };
        let mut build = Build { sections: vec![root], open: vec![0] };
        let mut blocks = blocks.into_iter().peekable();
        while let Some(block) = blocks.next() {
            match block {
                Block::Heading(heading) => {
                    build.open(
                        heading.level,
                        heading.text,
                        heading.line,
                        heading.range.start,
                        heading.range.end,
                    );
                }
                Block::Paragraph(paragraph) => {
                    let list_follows = matches!(blocks.peek(), Some(Block::List(_) | Block::Table(_)));
                    build.paragraph(paragraph, list_follows);
                }
                Block::List(list) => build.push(Content::List(list)),
                Block::Table(table) => build.push(Content::Table(table)),
            }
        }
        Self { sections: build.sections }
    }

    /// Whether `section` is `ancestor` or stands inside it.
    pub fn inside(&self, mut section: usize, ancestor: usize) -> bool {
        while section > ancestor {
            section = self.sections[section].parent;
        }
        section == ancestor
    }
}

struct Build {
    sections: Vec<Section>,
    open: Vec<usize>,
}

impl Build {
    fn open(&mut self, level: u8, title: String, line: usize, at: usize, start: usize) {
        self.close(level, at);
        let parent = self.open.last().copied().unwrap_or(0);
        let own = classify(&title);
        let length = self.sections[0].end;
        self.sections.push(Section {
            level,
            ordered: has_any(&spaced(&title), words::ORDER),
            title,
            kind: own.unwrap_or(self.sections[parent].kind),
            own_kind: own.is_some(),
            parent,
            line,
            start,
            end: length,
            content: Vec::new(),
        });
        self.open.push(self.sections.len() - 1);
    }

    /// Ends the sections of `level` and deeper at byte `at`.
    fn close(&mut self, level: u8, at: usize) {
        while self.open.last().is_some_and(|&last| last > 0 && self.sections[last].level >= level) {
            if let Some(last) = self.open.pop() {
                self.sections[last].end = at;
            }
        }
    }

    fn push(&mut self, content: Content) {
        let last = self.open.last().copied().unwrap_or(0);
        self.sections[last].content.push(content);
    }

    fn paragraph(&mut self, paragraph: Paragraph, list_follows: bool) {
        let Paragraph { lines, line, range } = paragraph;
        let last = lines.len().saturating_sub(1);
        let mut text = Vec::new();
        let mut items: Vec<Item> = Vec::new();
        for (index, raw) in lines.iter().enumerate() {
            let at = line + index;
            if let Some((ticked, title)) = unmarked_item(raw).or_else(|| {
                let goes_on = !items.is_empty() || lines.get(index + 1).is_some_and(|next| is_url(next));
                (is_url(raw) && goes_on).then(|| (None, raw.clone()))
            }) {
                self.text(&mut text, range.start, items.is_empty());
                items.push(Item { ticked, title, line: at, ..Item::default() });
                continue;
            }
            if !items.is_empty() {
                self.push(Content::List(List { number: None, items: std::mem::take(&mut items) }));
            }
            let before_list = if index == last { list_follows } else { next_is_item(&lines[index + 1..]) };
            if let Some(title) = bold_line(raw) {
                self.text(&mut text, range.start, true);
                self.open(BOLD, title.to_owned(), at, range.start, range.end);
            } else if before_list && is_label(raw) {
                self.text(&mut text, range.start, true);
                self.open(LABEL, raw.clone(), at, range.start, range.end);
            } else {
                text.push(raw.clone());
            }
        }
        if !items.is_empty() {
            self.push(Content::List(List { number: None, items }));
        }
        self.text(&mut text, range.start, true);
    }

    /// Ends the reach of a colon line (when `ends_label`) and keeps the prose.
    fn text(&mut self, text: &mut Vec<String>, at: usize, ends_label: bool) {
        if text.is_empty() {
            return;
        }
        if ends_label {
            self.close(LABEL, at);
        }
        self.push(Content::Text(std::mem::take(text)));
    }
}

/// Whether a line above a list names what the list is.
fn is_label(line: &str) -> bool {
    let line = line.trim_end_matches(['*', '_', ' ']);
    line.ends_with([':', '：']) || has_any(&spaced(line), &["e g", "for example"]) && line.len() < 30
}

fn next_is_item(below: &[String]) -> bool {
    let first_is_item = below.first().is_some_and(|next| unmarked_item(next).is_some());
    first_is_item || (below.len() > 1 && below.iter().take(2).all(|next| is_url(next)))
}

fn is_url(line: &str) -> bool {
    line.starts_with("https://") || line.starts_with("http://")
}

/// R11: a line that a person reads as an item though Markdown does not: `[ ] x`, `-[ ] x`, `☐ x`, `• x`, `├── x`.
pub(super) fn unmarked_item(line: &str) -> Option<(Option<bool>, String)> {
    let bare = line.trim_start_matches(['-', '*', '+']).trim_start();
    for (mark, ticked) in
        [("[ ]", false), ("[x]", true), ("[X]", true), ("[]", false), ("☐", false), ("☑", true), ("☒", true)]
    {
        if let Some(rest) = bare.strip_prefix(mark)
            && (rest.starts_with([' ', '\t']) || !mark.starts_with('['))
        {
            return item_text(rest).map(|title| (Some(ticked), title));
        }
    }
    for mark in ["•", "‣", "◦", "·", "▪", "├──", "└──", "├─", "└─"] {
        if let Some(rest) = line.strip_prefix(mark) {
            return item_text(rest).map(|title| (None, title));
        }
    }
    None
}

fn item_text(rest: &str) -> Option<String> {
    let title = rest.trim();
    (!title.is_empty()).then(|| title.to_owned())
}

/// What a title says that its section is for; `None` when it says nothing.
pub(super) fn classify(title: &str) -> Option<Kind> {
    let without_brackets = outside_brackets(title);
    let text = spaced(&without_brackets);
    let count = text.split_whitespace().count();
    if count == 0 {
        return None;
    }
    let alone = |list: &[&str]| list.contains(&text.trim());
    if has_any(&text, words::CRITERIA) && (count <= 8 || title.trim_end().ends_with(':')) {
        return Some(Kind::Criteria);
    }
    if alone(words::NEVER_ALONE) || names(&text, &without_brackets, words::NEVER, 3) {
        // `Scope` is never work beside a list, but it may be all that an epic has.
        return Some(Kind::Never);
    }
    if alone(words::DELIVERABLES) || names(&text, &without_brackets, words::DELIVERABLES, 3) {
        return Some(Kind::Deliverables);
    }
    if names(&text, &without_brackets, words::SCOPE, 3) {
        return Some(Kind::Scope);
    }
    if has_any(&text, words::WORK) && !is_order(&without_brackets) {
        return Some(Kind::Work);
    }
    let first_of = |word: &&str| words::WORK_FIRST.contains(word) && text.trim().starts_with(*word);
    let edge = |word: &&str| first_of(word) || text.trim().ends_with(*word);
    if count <= 3
        && words::WORK_ALONE.iter().any(|word| has_phrase(&text, word) && edge(word))
        && !is_order(&without_brackets)
    {
        return Some(Kind::Work);
    }
    if names(&text, &without_brackets, &["requirement", "requirements", "requisitos", "anforderungen"], 4) {
        return Some(Kind::Requirements);
    }
    names(&text, &without_brackets, words::PROSE, 4).then_some(Kind::Prose)
}

/// Whether a title of at most `longest` words is one of `phrases`, or ends with one (`Technical notes`,
/// `Goals & metrics`). A phrase of several words may stand anywhere in a title of any length.
fn names(text: &str, raw: &str, phrases: &[&str], longest: usize) -> bool {
    // The last word of each part of a title that is no order, if the part is short enough to be a name.
    let parts = raw.split(['&', '/', ',', '+', ':']).flat_map(|part| part.split(" and "));
    let lasts: Vec<String> = match is_order(raw) {
        true => Vec::new(),
        false => parts
            .filter(|part| !is_order(part))
            .filter_map(|part| last_word(&spaced(part), longest))
            .collect(),
    };
    phrases.iter().any(|phrase| {
        if phrase.contains(' ') || !phrase.is_ascii() {
            has_phrase(text, phrase)
        } else {
            lasts.iter().any(|last| last == phrase)
        }
    })
}

fn last_word(spaced: &str, longest: usize) -> Option<String> {
    let mut words = spaced.split_whitespace();
    let last = words.next_back()?;
    (words.count() < longest).then(|| last.to_owned())
}

/// Removes what stands in brackets: `Scope (this epic)` → `Scope `.
fn outside_brackets(title: &str) -> String {
    let mut depth = 0usize;
    let kept = title.chars().filter(|&c| {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    });
    kept.collect()
}

/// Whether a title is an order (`Update dependencies`), so that its last word does not name a section. Words that are
/// nouns as well (`Test plan`, `Open questions`) do not count.
fn is_order(title: &str) -> bool {
    first_word(title).is_some_and(|word| {
        words::VERBS.contains(&word.as_str()) && !words::NOUNS_TOO.contains(&word.as_str())
    })
}

/// The first word of a title in folded form, signs and a tag in brackets skipped.
fn first_word(title: &str) -> Option<String> {
    let bare = plain(title);
    let bare =
        bare.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(bare.as_str(), |(_, rest)| rest);
    let first = bare.split_whitespace().next()?;
    Some(fold(first.trim_matches(|c: char| !c.is_alphanumeric())))
}

/// Whether a title says what to do: its first word is a verb (`Add …`, `Planning …`, `Tagged`).
pub(super) fn starts_with_verb(title: &str) -> bool {
    let Some(word) = first_word(title) else { return false };
    let ends = |end: &str, shortest: usize| word.is_ascii() && word.len() > shortest && word.ends_with(end);
    let past = ends("ed", 4) && !words::ADJECTIVES.contains(&word.as_str());
    words::VERBS.contains(&word.as_str())
        || ends("ing", 5) && !words::ADJECTIVES.contains(&word.as_str())
        || past
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_say_what_a_section_is_for() {
        for (title, kind) in [
            ("🎯 Acceptance Criteria", Some(Kind::Criteria)),
            ("Criterios de aceptación", Some(Kind::Criteria)),
            ("受け入れ条件", Some(Kind::Criteria)),
            ("This task is done when...", Some(Kind::Criteria)),
            ("Out of scope", Some(Kind::Never)),
            ("Technical notes", Some(Kind::Never)),
            ("Scope & Objectives", Some(Kind::Never)),
            ("Validation", Some(Kind::Never)),
            ("Form validation", None),
            ("Update dependencies", None),
            ("Plan the upgrade", None),
            ("Test plan", Some(Kind::Never)),
            ("Open questions", Some(Kind::Never)),
            ("Scope (this epic)", Some(Kind::Scope)),
            ("Frontend Tasks:", Some(Kind::Work)),
            ("Planned stories", Some(Kind::Work)),
            ("Roadmap", Some(Kind::Work)),
            ("Steps To Reproduce", Some(Kind::Never)),
            ("Steps", Some(Kind::Work)),
            ("Key Deliverables", Some(Kind::Deliverables)),
            ("Proposed Solution", Some(Kind::Prose)),
            ("HIGH Priority", None),
            ("Backend", None),
        ] {
            assert_eq!(classify(title), kind, "{title}");
        }
    }

    #[test]
    fn lines_that_only_people_read_as_items() {
        assert_eq!(unmarked_item("[ ] #19"), Some((Some(false), "#19".into())));
        assert_eq!(unmarked_item("-[x] a"), Some((Some(true), "a".into())));
        assert_eq!(unmarked_item("☐ a"), Some((Some(false), "a".into())));
        assert_eq!(unmarked_item("[x](https://example.org)"), None);
        assert_eq!(unmarked_item("[ ]"), None);
    }
}
