//! Markdown → blocks: headings, paragraphs, lists and tables, each with its raw text and line.
//!
//! Fenced and indented code, HTML comments and block quotes never come out of here (R5); a `[tasklist]` fence comes
//! out as the list that it is.

use super::purpose::Kind;
use super::source::Source;
use super::text::{one_line, without_comments};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::cell::OnceCell;
use std::ops::Range;

/// One block of the issue in the order of the text.
#[derive(Debug)]
pub(super) enum Block {
    Heading(Heading),
    Paragraph(Paragraph),
    List(List),
    Table(Table),
}

#[derive(Debug)]
pub(super) struct Heading {
    pub level: u8,
    pub text: String,
    pub line: usize,
    /// The bytes of the heading in the text.
    pub range: Range<usize>,
}

/// Raw lines, trimmed.
#[derive(Debug)]
pub(super) struct Paragraph {
    pub lines: Vec<String>,
    pub line: usize,
    pub range: Range<usize>,
}

#[derive(Debug, Default)]
pub(super) struct List {
    /// The first number of a numbered list.
    pub number: Option<u64>,
    pub items: Vec<Item>,
}

#[derive(Debug, Default)]
pub(super) struct Item {
    /// The box, when there is one: ticked or not.
    pub ticked: Option<bool>,
    /// The first paragraph, on one line.
    pub title: String,
    /// Its further prose, line by line.
    pub prose: Vec<String>,
    /// The lists below it.
    pub lists: Vec<List>,
    /// Markdown of all below the title, without its indentation.
    pub details: String,
    pub line: usize,
    /// What its title says that the lists below it are for; read when first asked for.
    pub heads: OnceCell<Option<Kind>>,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    pub head: Vec<String>,
    /// The cells of each row and its line.
    pub rows: Vec<(Vec<String>, usize)>,
}

/// Lists nested deeper than this are read as prose of the item above; nobody plans twelve levels deep, and it bounds
/// the work on hostile text.
const DEEPEST: usize = 12;

/// Reads the blocks of a tidied body.
pub(super) fn blocks(source: &Source) -> Vec<Block> {
    let mut builder = Builder::new(source, &source.text, 0);
    builder.run();
    builder.out
}

struct OpenItem {
    item: Item,
    range: Range<usize>,
    /// Where the title ends, once it is known.
    title_end: Option<usize>,
}

struct Builder<'a> {
    source: &'a Source,
    text: &'a str,
    /// Where `text` starts in the source (a fence's content).
    base: usize,
    out: Vec<Block>,
    lists: Vec<List>,
    items: Vec<OpenItem>,
    /// Lists open beyond [`DEEPEST`].
    too_deep: usize,
    /// Quotes and the like that are open: their content is not read.
    hidden: usize,
    fence: Option<(bool, Range<usize>)>,
    inline: Option<Range<usize>>,
    table: Option<Table>,
    row: Vec<String>,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source, text: &'a str, base: usize) -> Self {
        Self {
            source,
            text,
            base,
            out: Vec::new(),
            lists: Vec::new(),
            items: Vec::new(),
            too_deep: 0,
            hidden: 0,
            fence: None,
            inline: None,
            table: None,
            row: Vec::new(),
        }
    }

    fn run(&mut self) {
        let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH;
        for (event, range) in Parser::new_ext(self.text, options).into_offset_iter() {
            match event {
                Event::Start(tag) => self.start(tag, range),
                Event::End(tag) => self.end(tag, range),
                Event::TaskListMarker(ticked) if self.hidden == 0 && self.too_deep == 0 => {
                    if let Some(open) = self.items.last_mut() {
                        open.item.ticked = Some(ticked);
                    }
                }
                Event::Rule => self.flush_item_text(),
                _ => self.extend(range),
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::BlockQuote(_) | Tag::HtmlBlock | Tag::FootnoteDefinition(_) | Tag::MetadataBlock(_) => {
                self.flush_item_text();
                self.hidden += 1;
            }
            Tag::CodeBlock(kind) => {
                self.flush_item_text();
                let is_tasklist = matches!(&kind, CodeBlockKind::Fenced(info) if info.trim() == "[tasklist]");
                if self.hidden == 0 {
                    self.fence = Some((is_tasklist && self.base == 0, range.end..range.end));
                }
                self.hidden += 1;
            }
            _ if self.hidden > 0 => {}
            Tag::List(number) => {
                self.flush_item_text();
                if self.lists.len() >= DEEPEST {
                    self.too_deep += 1;
                } else {
                    self.lists.push(List { number, items: Vec::new() });
                }
            }
            Tag::Item if self.too_deep > 0 => self.flush_item_text(),
            Tag::Item => {
                let item = Item { line: self.source.line(self.base + range.start), ..Item::default() };
                self.items.push(OpenItem { item, range, title_end: None });
            }
            Tag::Table(_) => {
                self.flush_item_text();
                self.table = Some(Table::default());
            }
            Tag::Paragraph | Tag::Heading { .. } => self.flush_item_text(),
            Tag::TableHead | Tag::TableRow => self.row.clear(),
            Tag::TableCell => self.inline = None,
            _ => self.extend(range),
        }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::BlockQuote(_)
            | TagEnd::HtmlBlock
            | TagEnd::FootnoteDefinition
            | TagEnd::MetadataBlock(_) => {
                self.hidden = self.hidden.saturating_sub(1);
            }
            TagEnd::CodeBlock => {
                self.hidden = self.hidden.saturating_sub(1);
                if let Some((true, content)) = self.fence.take() {
                    self.tasklist(content);
                }
            }
            _ if self.hidden > 0 => {}
            TagEnd::Heading(level) => {
                if let Some(text) = self.inline.take() {
                    let text = one_line(&without_comments(&self.text[text]));
                    self.block(Block::Heading(Heading {
                        level: level as u8,
                        text,
                        line: self.source.line(self.base + range.start),
                        range: self.base + range.start..self.base + range.end,
                    }));
                }
            }
            TagEnd::Paragraph if self.items.is_empty() => {
                if let Some(inline) = self.inline.take() {
                    let range = self.base + inline.start..self.base + inline.end;
                    let lines = trimmed_lines(&self.text[inline]);
                    let line = self.source.line(range.start);
                    self.block(Block::Paragraph(Paragraph { lines, line, range }));
                }
            }
            TagEnd::Paragraph => self.flush_item_text(),
            TagEnd::Item => {
                self.flush_item_text();
                if self.too_deep == 0 {
                    self.close_item();
                }
            }
            TagEnd::List(_) if self.too_deep > 0 => self.too_deep -= 1,
            TagEnd::List(_) => {
                let Some(list) = self.lists.pop() else { return };
                match self.items.last_mut() {
                    Some(open) => open.item.lists.push(list),
                    None => self.out.push(Block::List(list)),
                }
            }
            TagEnd::TableCell => {
                let cell = self.inline.take().map(|text| one_line(&without_comments(&self.text[text])));
                self.row.push(cell.unwrap_or_default());
            }
            TagEnd::TableHead => {
                if let Some(table) = &mut self.table {
                    table.head = std::mem::take(&mut self.row);
                }
            }
            TagEnd::TableRow => {
                let line = self.source.line(self.base + range.start);
                let row = std::mem::take(&mut self.row);
                if let Some(table) = &mut self.table {
                    table.rows.push((row, line));
                }
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.block(Block::Table(table));
                }
            }
            _ => self.extend(range),
        }
    }

    /// A block that stands in no item; inside one, headings and tables are only details.
    fn block(&mut self, block: Block) {
        if self.items.is_empty() {
            self.out.push(block);
        } else if let (Block::Heading(heading), Some(open)) = (block, self.items.last_mut())
            && open.title_end.is_none()
        {
            // `- ## Title` and `1. ### Title` are items whose title is a heading.
            open.title_end = Some(heading.range.end - self.base);
            open.item.title = heading.text;
        }
    }

    fn extend(&mut self, range: Range<usize>) {
        if let Some((true, content)) = &mut self.fence {
            content.start = content.start.min(range.start);
            content.end = content.end.max(range.end);
        }
        if self.hidden > 0 {
            return;
        }
        self.inline = match self.inline.take() {
            Some(inline) => Some(inline.start.min(range.start)..inline.end.max(range.end)),
            None => Some(range),
        };
    }

    /// The content of a `[tasklist]` fence is Markdown of its own.
    fn tasklist(&mut self, content: Range<usize>) {
        let mut inner = Builder::new(self.source, &self.text[content.clone()], self.base + content.start);
        inner.run();
        let inner = inner.out;
        inner.into_iter().for_each(|block| match (block, self.items.last_mut()) {
            (Block::List(list), Some(open)) => open.item.lists.push(list),
            (block, None) => self.out.push(block),
            _ => {}
        });
    }

    /// Ends a run of text that stands directly in an item: the first is its title, later ones are prose.
    fn flush_item_text(&mut self) {
        let Some(inline) = self.inline.take() else { return };
        let Some(open) = self.items.last_mut() else { return };
        let raw = &self.text[inline.clone()];
        if open.title_end.is_some() {
            open.item.prose.extend(trimmed_lines(raw));
            return;
        }
        let indent = self.source.column(self.base + open.range.start);
        let (title, length) = title_of(raw, indent);
        open.item.prose.extend(trimmed_lines(&raw[length..]));
        open.title_end = Some(inline.start + length);
        open.item.title = one_line(&without_comments(title));
    }

    fn close_item(&mut self) {
        let Some(mut open) = self.items.pop() else { return };
        if let Some(end) = open.title_end {
            open.item.details = dedented(&self.text[end.min(open.range.end)..open.range.end]);
        }
        if let Some(list) = self.lists.last_mut() {
            list.items.push(open.item);
        }
    }
}

/// The title at the start of an item's first paragraph, and its length. A line stuck under an item that is clearly
/// another thing (an image, `ex:`, a label, a bare path) is not part of it; neither is what follows a hard break.
fn title_of(raw: &str, indent: usize) -> (&str, usize) {
    let mut end = 0;
    let mut previous = "";
    for line in raw.split_inclusive('\n') {
        if end > 0 {
            let margin = line.len() - line.trim_start().len();
            let hard_break = previous.ends_with("  \n") || previous.ends_with("\\\n");
            if hard_break || is_another_thing(line.trim(), margin <= indent) {
                break;
            }
        }
        end += line.len();
        previous = line;
    }
    (raw[..end].trim_end().trim_end_matches('\\'), end)
}

/// `lazy`: the line is not indented below the item's marker, so it belongs to it only by Markdown's laziness.
fn is_another_thing(line: &str, lazy: bool) -> bool {
    let first = line.split_whitespace().next().unwrap_or("");
    let label = line.split_once(':').is_some_and(|(label, rest)| {
        label.split_whitespace().count() <= 2
            && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | ' ' | '*' | '_'))
            && !rest.starts_with("//")
            && (lazy || !label.starts_with(char::is_lowercase))
    });
    let link = line.strip_prefix('#').is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
    let image = line.starts_with("![") || line.starts_with("<img") || line.starts_with("[![");
    let example = ["e.g.", "ex.", "i.e."].iter().any(|mark| first.eq_ignore_ascii_case(mark));
    let tree = line.starts_with(['├', '└', '│']) || line.starts_with("~- [") || line.starts_with("~~- [");
    let bare = lazy && line == first && (line.contains('/') || line.contains('\\'));
    link || image || label || tree || bare || (lazy && example)
}

fn trimmed_lines(raw: &str) -> Vec<String> {
    let lines = without_comments(raw);
    lines.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Removes the indentation that all lines share, and blank lines at both ends.
pub(super) fn dedented(raw: &str) -> String {
    let body = raw.split_once('\n').map_or("", |(_, below)| below);
    let margin = |line: &&str| line.len() - line.trim_start_matches(' ').len();
    let shared =
        body.lines().filter(|line| !line.trim().is_empty()).map(|line| margin(&line)).min().unwrap_or(0);
    let mut out = raw.split('\n').next().unwrap_or("").trim().to_owned();
    for line in body.lines() {
        out.push('\n');
        out.push_str(line.get(shared..).unwrap_or("").trim_end());
    }
    out.trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Vec<Block> {
        blocks(&Source::new(body))
    }

    fn first_list(body: &str) -> List {
        let list = read(body).into_iter().find_map(|block| match block {
            Block::List(list) => Some(list),
            _ => None,
        });
        list.unwrap_or_default()
    }

    #[test]
    fn code_comments_and_quotes_hold_no_items() {
        let body =
            "> - [ ] q\n\n```md\n- [ ] f\n```\n\n    - [ ] i\n\n<!--\n- [ ] c\n-->\n\n~~~\n- [ ] open\n";
        assert!(read(body).iter().all(|block| !matches!(block, Block::List(_))));
    }

    #[test]
    fn a_tasklist_fence_is_a_list() {
        let list = first_list("x\n\n```[tasklist]\n### Tasks\n- [x] a\n- [ ] b\n```\n");
        assert_eq!(list.items.len(), 2);
        assert_eq!(list.items[1].line, 6);
        assert_eq!(list.items[0].ticked, Some(true));
    }

    #[test]
    fn wrapped_titles_join_and_stuck_lines_do_not() {
        let list = first_list("- [ ] a long\n      title\n- b.\nex: c\n- d  \n  e\n- f\n![x](y)\n");
        let titles: Vec<_> = list.items.iter().map(|item| item.title.as_str()).collect();
        assert_eq!(titles, ["a long title", "b.", "d", "f"]);
        assert_eq!(list.items[1].prose, ["ex: c"]);
    }

    #[test]
    fn nested_lists_and_details_stay_with_their_item() {
        let list = first_list("1. a\n\n   prose\n   - [ ] b\n     - c\n2. d\n");
        assert_eq!(list.number, Some(1));
        assert_eq!(list.items[0].details, "prose\n- [ ] b\n  - c");
        assert_eq!(list.items[0].lists[0].items[0].lists[0].items[0].title, "c");
    }

    #[test]
    fn absurd_nesting_is_flattened() {
        let body = "- ".repeat(20_000) + "x";
        assert_eq!(read(&body).len(), 1);
    }
}
