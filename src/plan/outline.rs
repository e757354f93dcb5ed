//! The sections of an issue and what each is for. Headings make sections; so do wholly bold lines and, for the one
//! list below it, a line that ends with a colon.

use super::document::{Block, Item, List, Paragraph, Table};
use super::purpose::{Kind, classify, last_sentence};
use super::text::{bold_line, has_any, spaced};
use super::words;

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

impl Section {
    /// Whether it is what stands below a line that ends with a colon.
    pub fn is_label(&self) -> bool {
        self.level == LABEL
    }
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
        self.close_for(level, &title, at);
        let parent = self.open.last().copied().unwrap_or(0);
        let own = match level == LABEL && words::SAMPLE.any(&spaced(&title)) {
            true => Some(Kind::Never),
            // A sentence that wishes or supposes announces nothing.
            false if level == LABEL && words::WISHED.any(&spaced(last_sentence(&title))) => {
                classify(last_sentence(&title)).filter(|kind| *kind != Kind::Work)
            }
            false if level == LABEL => classify(last_sentence(&title)),
            false => classify(&title),
        };
        let length = self.sections[0].end;
        self.sections.push(Section {
            level,
            ordered: is_an_order(&spaced(&title)),
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

    /// Ends the sections that a title of `level` ends. Bold lines have one level only: what says nothing of its own right
    /// below a bold line that names the work (`**Tasks**`) stands inside it.
    fn close_for(&mut self, level: u8, title: &str, at: usize) {
        let names_work = |&index: &usize| {
            let section = &self.sections[index];
            section.level == BOLD
                && section.own_kind
                && section.kind == Kind::Work
                && section.content.is_empty()
        };
        let nests = level == BOLD && classify(title).is_none();
        match self.open.iter().position(names_work).filter(|_| nests) {
            Some(work) => {
                while self.open.len() > work + 1 {
                    if let Some(last) = self.open.pop() {
                        self.sections[last].end = at;
                    }
                }
            }
            None => self.close(level, at),
        }
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
        let listed = lines_under_label(&lines);
        for (index, raw) in lines.iter().enumerate() {
            let at = line + index;
            if let Some(label) = listed
                && index > label
            {
                items.push(Item { title: raw.clone(), line: at, ..Item::default() });
                continue;
            }
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
            let before_list = match index == last {
                true => list_follows,
                false => listed == Some(index) || next_is_item(&lines[index + 1..]),
            };
            if let Some(title) = bold_line(raw) {
                self.text(&mut text, range.start, true);
                self.open(BOLD, title.to_owned(), at, range.start, range.end);
            } else if let Some(title) = before_list.then(|| bold_and_remark(raw)).flatten() {
                self.text(&mut text, range.start, true);
                self.open(BOLD, title, at, range.start, range.end);
            } else if before_list && (is_label(raw) || is_plain_heading(raw)) {
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

/// Whether a title says that its list is an order; `in order of priority` sorts, and `in order to` wants.
fn is_an_order(title: &str) -> bool {
    let sorts = has_any(title, &["in order of", "in order to"]);
    words::ORDER.any(title) && (!sorts || words::ORDER.any(&title.replace(" in order ", " ")))
}

/// Whether a line above a list names what the list is.
fn is_label(line: &str) -> bool {
    let line = line.trim_end_matches(['*', '_', ' ']);
    line.ends_with([':', '：']) || line.len() < 30 && has_any(&spaced(line), &["e g", "for example"])
}

/// R11: GitHub shows each line of an issue as one, so short lines below a line such as `Tasks:` are read as its list.
/// Where that line stands.
fn lines_under_label(lines: &[String]) -> Option<usize> {
    const LONGEST: usize = 100;
    let label = lines.iter().position(|line| is_label(line) && classify(line) == Some(Kind::Work))?;
    let below = &lines[label + 1..];
    let plain = |line: &String| {
        line.len() <= LONGEST
            && !line.ends_with(['.', ',', ';', ':', '：', '。'])
            && !is_url(line)
            && unmarked_item(line).is_none()
    };
    (below.len() > 1 && below.iter().all(plain)).then_some(label)
}

/// `**Phase B** (after Phase A)`: a bold line with a remark in brackets.
pub(super) fn bold_and_remark(line: &str) -> Option<String> {
    let (bold, remark) =
        line.split_once(" (").filter(|(_, remark)| remark.trim_end_matches(':').ends_with(')'))?;
    Some(format!("{} ({remark}", bold_line(bold)?))
}

/// A line of a few words right above a list that reads like a heading: `Acceptance criteria`, `Dependencies`.
fn is_plain_heading(line: &str) -> bool {
    const LONGEST: usize = 40;
    line.len() <= LONGEST && !line.ends_with(['.', ',', ';', '!', '?']) && classify(line).is_some()
}

fn next_is_item(below: &[String]) -> bool {
    let first_is_item = below.first().is_some_and(|next| unmarked_item(next).is_some());
    first_is_item || (below.len() > 1 && below.iter().take(2).all(|next| is_url(next)))
}

fn is_url(line: &str) -> bool {
    line.starts_with("https://") || line.starts_with("http://")
}

/// Boxes as people write them, and whether they are ticked: half done and set aside are open.
const BOXES: [(&str, bool); 15] = [
    ("[ ]", false),
    ("[x]", true),
    ("[X]", true),
    ("[]", false),
    ("[-]", false),
    ("[~]", false),
    ("[/]", false),
    ("[>]", false),
    ("[✓]", true),
    ("[✔]", true),
    ("[v]", true),
    ("[V]", true),
    ("☐", false),
    ("☑", true),
    ("☒", true),
];

/// R11: a line that a person reads as an item though Markdown does not: `[ ] x`, `-[ ] x`, `☐ x`, `• x`, `├── x`.
pub(super) fn unmarked_item(line: &str) -> Option<(Option<bool>, String)> {
    let bare = line.trim_start_matches(['-', '*', '+']).trim_start();
    if bare.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '#') {
        return None;
    }
    for (mark, ticked) in BOXES {
        if let Some(rest) = bare.strip_prefix(mark)
            && (rest.starts_with([' ', '\t'])
                || !mark.starts_with('[')
                || mark != "[]" && rest.starts_with(char::is_alphanumeric))
        {
            return item_text(rest).map(|title| (Some(ticked), title));
        }
    }
    for mark in ["•", "‣", "◦", "·", "▪", "├──", "└──", "├─", "└─"] {
        if let Some(rest) = line.trim_start_matches(['│', '┃', '|', ' ', '\u{a0}']).strip_prefix(mark) {
            return item_text(rest.trim_start_matches('─')).map(|title| (None, title));
        }
    }
    None
}

fn item_text(rest: &str) -> Option<String> {
    let title = rest.trim();
    (!title.is_empty()).then(|| title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_only_people_read_as_items() {
        assert_eq!(unmarked_item("[ ] #19"), Some((Some(false), "#19".into())));
        assert_eq!(unmarked_item("-[x] a"), Some((Some(true), "a".into())));
        assert_eq!(unmarked_item("☐ a"), Some((Some(false), "a".into())));
        assert_eq!(unmarked_item("[~] a"), Some((Some(false), "a".into())));
        assert_eq!(unmarked_item("[✓] a"), Some((Some(true), "a".into())));
        assert_eq!(unmarked_item("[x](https://example.org)"), None);
        assert_eq!(unmarked_item("[ ]"), None);
    }
}
