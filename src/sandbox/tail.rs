//! The last lines of an output.

use std::collections::VecDeque;

/// The longest piece of one line that a tail keeps, in bytes.
const LINE_BYTES: usize = 2_000;

/// Keeps the last lines of an output as text (bytes that are not UTF-8 replaced, long lines cut). Not redacted and not escaped.
#[derive(Clone, Debug)]
pub struct Tail {
    lines: VecDeque<String>,
    keep: usize,
}

impl Tail {
    /// A tail of at most `keep` lines.
    pub fn new(keep: usize) -> Self {
        Self { lines: VecDeque::new(), keep }
    }

    /// Adds a line.
    pub fn push(&mut self, line: &[u8]) {
        if self.keep == 0 {
            return;
        }
        if self.lines.len() == self.keep {
            self.lines.pop_front();
        }
        let cut = &line[..line.len().min(LINE_BYTES)];
        self.lines.push_back(String::from_utf8_lossy(cut).trim_end_matches(['\r', '\n']).to_owned());
    }

    /// Adds each line of a text.
    pub fn push_text(&mut self, text: &[u8]) {
        for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            self.push(line);
        }
    }

    /// The kept lines, oldest first.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_stay() {
        let mut tail = Tail::new(2);
        tail.push_text(b"one\ntwo\r\n\nthree\n");
        tail.push(&[0xff, b'x']);
        assert_eq!(tail.into_lines(), ["three", "\u{fffd}x"]);
        let mut none = Tail::new(0);
        none.push(b"x");
        assert!(none.into_lines().is_empty());
    }
}
