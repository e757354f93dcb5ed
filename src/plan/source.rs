//! Tidies a body as GitHub stores it: line ends, NUL, byte order mark, front matter, and line breaks that an agent
//! wrote as the two characters `\n`. Keeps the way back to the line of the original.

/// A body that is ready to be parsed.
pub(super) struct Source {
    /// The tidied text: lines end with `\n`, no NUL.
    pub text: String,
    /// Where each line of `text` starts.
    starts: Vec<usize>,
    /// The line of the original (from 1) of each line of `text`.
    origin: Vec<usize>,
}

impl Source {
    /// Tidies `body`; see the module.
    pub fn new(body: &str) -> Self {
        let body = body
            .trim_start_matches('\u{feff}')
            .replace("\r\n", "\n")
            .replace('\r', "\n")
            .replace('\0', "\u{fffd}");
        let hidden = front_matter(&body);
        let mut source =
            Self { text: String::with_capacity(body.len() + 1), starts: Vec::new(), origin: Vec::new() };
        for (index, line) in body.split('\n').enumerate() {
            if index < hidden {
                source.push("", index + 1);
            } else if breaks_are_spelled_out(line) {
                // A shell's own quoting of a line break is one too.
                let line = line.replace("$'\\n'", "\\n");
                line.split("\\n").for_each(|part| source.push(part, index + 1));
            } else if breaks_were_lost(line) {
                split_before_marks(line).for_each(|part| source.push(part, index + 1));
            } else {
                source.push(line, index + 1);
            }
        }
        source
    }

    /// The original line (from 1) of the byte `offset` of the text.
    pub fn line(&self, offset: usize) -> usize {
        let index = self.starts.partition_point(|&start| start <= offset).saturating_sub(1);
        self.origin.get(index).copied().unwrap_or(1)
    }

    /// How far the byte `offset` stands from the start of its line.
    pub fn column(&self, offset: usize) -> usize {
        let index = self.starts.partition_point(|&start| start <= offset).saturating_sub(1);
        offset - self.starts.get(index).copied().unwrap_or(0)
    }

    fn push(&mut self, line: &str, origin: usize) {
        self.starts.push(self.text.len());
        self.origin.push(origin);
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// How many first lines are YAML front matter (`---`, keys, `---`).
fn front_matter(body: &str) -> usize {
    const LONGEST: usize = 60;
    let mut lines = body.split('\n').enumerate();
    if lines.next().is_none_or(|(_, first)| first.trim_end() != "---") {
        return 0;
    }
    for (index, line) in lines.take(LONGEST) {
        let line = line.trim_end();
        if line == "---" {
            return index + 1;
        }
        let is_yaml = line.is_empty()
            || line.starts_with([' ', '#', '-'])
            || line.split_once(':').is_some_and(|(key, _)| !key.contains(char::is_whitespace));
        if !is_yaml {
            return 0;
        }
    }
    0
}

/// R11: some agents post `\n` as two characters; a person still sees lines. Only where list items follow such breaks.
fn breaks_are_spelled_out(line: &str) -> bool {
    const FEWEST: usize = 2;
    line.matches("\\n").count() >= FEWEST
        && ["\\n- ", "\\n* ", "\\n1. ", "\\n## ", "\\n'- "].iter().any(|mark| line.contains(mark))
}

/// What begins a line wherever it stands: the boxes of items, and headings of two signs or more.
const LINE_MARKS: [&str; 6] = ["- [ ] ", "- [x] ", "- [X] ", "## ", "### ", "#### "];

/// R11: a form or a script swallowed the line breaks; a person still sees where items and headings begin. Several boxes
/// in one line show it, or a heading stuck to them.
fn breaks_were_lost(line: &str) -> bool {
    const FEWEST: usize = 3;
    let boxes = LINE_MARKS.iter().take(3).map(|mark| line.matches(mark).count()).sum::<usize>();
    boxes >= FEWEST && !line.trim_start().starts_with('|')
}

/// The pieces of a line that lost its breaks, each beginning with a mark.
fn split_before_marks(line: &str) -> impl Iterator<Item = &str> {
    let mut starts = vec![0];
    let bytes = line.as_bytes();
    for (at, c) in line.char_indices() {
        let begins = matches!(c, '-' | '#') && LINE_MARKS.iter().any(|mark| line[at..].starts_with(mark));
        if at > 0 && begins && !(c == '#' && bytes[at - 1] == b'#') {
            starts.push(at);
        }
    }
    let mut ends = starts.clone();
    ends.push(line.len());
    starts.into_iter().zip(ends.into_iter().skip(1)).map(|(from, to)| &line[from..to])
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn every_kind_of_line_end_counts_as_one() {
        let source = Source::new("\u{feff}a\r\nb\rc\0");
        assert_eq!(source.text, "a\nb\nc\u{fffd}\n");
        assert_eq!([0, 2, 4].map(|offset| source.line(offset)), [1, 2, 3]);
    }

    #[test]
    fn front_matter_is_hidden_but_counted() {
        let source = Source::new("---\nid: x\nlist: [a]\n---\n# T\n");
        assert_eq!(source.text.trim(), "# T");
        assert_eq!(source.line(source.text.find('#').unwrap_or(0)), 5);
        assert!(Source::new("---\nSome prose here: yes\n---\n").text.contains("prose"));
    }

    #[test]
    fn spelled_out_breaks_become_lines_of_the_same_origin() {
        let source = Source::new("one\ntwo\\n\\n- [ ] a\\n- [ ] b\n");
        assert!(source.text.contains("\n- [ ] a\n- [ ] b\n"));
        assert_eq!(source.line(source.text.find("] b").unwrap_or(0)), 2);
        assert!(Source::new("a regex \\n and \\n again").text.contains("\\n and"));
    }
}
