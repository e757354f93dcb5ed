//! Terminal escapes and other control characters taken out of a text, in one pass and across chunks.
//!
//! What an agent prints ends up on terminals and in issues; there it must be text and nothing else.

/// An operating-system command (such as a window title) longer than this is not swallowed any further.
const LONGEST: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// After ESC.
    Escape,
    /// In `ESC [ …`, until a final byte.
    Sequence,
    /// In `ESC ] …` and the like, until BEL or `ESC \`; with the number of characters swallowed.
    Command(usize),
    /// After an ESC inside of it.
    CommandEscape,
}

/// Removes escapes from text that comes in pieces.
#[derive(Debug)]
pub(super) struct Stripper {
    state: State,
    carriage_return: bool,
}

impl Default for Stripper {
    fn default() -> Self {
        Self { state: State::Text, carriage_return: false }
    }
}

impl Stripper {
    /// Appends to `out` what is left of `text`. `\r\n` becomes `\n`, as does a lone `\r`, which would let a
    /// later text overwrite an earlier one.
    pub(super) fn push(&mut self, text: &str, out: &mut String) {
        for c in text.chars() {
            if self.carriage_return {
                self.carriage_return = false;
                out.push('\n');
                if c == '\n' {
                    continue;
                }
            }
            self.step(c, out);
        }
    }

    /// Ends the text.
    pub(super) fn finish(&mut self, out: &mut String) {
        if std::mem::take(&mut self.carriage_return) {
            out.push('\n');
        }
        self.state = State::Text;
    }

    fn step(&mut self, c: char, out: &mut String) {
        self.state = match (self.state, c) {
            (_, '\u{18}' | '\u{1a}') => State::Text,
            (State::Command(_), '\u{1b}') => State::CommandEscape,
            (_, '\u{1b}') => State::Escape,
            // A line end ends every sequence: a broken one must not hide the next line.
            (state, '\n') if state != State::Text => {
                out.push('\n');
                State::Text
            }
            (State::Text, _) => self.text(c, out),
            (State::Escape, '[') => State::Sequence,
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::Command(0),
            (State::Escape, ' '..='/') => State::Escape,
            (State::Escape, _) => State::Text,
            (State::Sequence, '\u{40}'..='\u{7e}') => State::Text,
            (State::Sequence, ' '..='?') => State::Sequence,
            (State::Sequence, _) => self.text(c, out),
            (State::Command(_), '\u{7}' | '\u{9c}') => State::Text,
            (State::Command(n), _) if n < LONGEST => State::Command(n + 1),
            (State::Command(_), _) => self.text(c, out),
            (State::CommandEscape, _) => State::Text,
        };
    }

    fn text(&mut self, c: char, out: &mut String) -> State {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => self.carriage_return = true,
            '\u{9b}' => return State::Sequence,
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => return State::Command(0),
            // Marks that turn the direction of writing make a text look like another one.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            _ if c.is_control() => {}
            _ => out.push(c),
        }
        State::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(pieces: &[&str]) -> String {
        let (mut stripper, mut out) = (Stripper::default(), String::new());
        for piece in pieces {
            stripper.push(piece, &mut out);
        }
        stripper.finish(&mut out);
        out
    }

    #[test]
    fn escapes_go_and_text_stays() {
        assert_eq!(strip(&["\u{1b}[1;31mred\u{1b}[0m and\ttab\r\nend"]), "red and\ttab\nend");
        assert_eq!(strip(&["\u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\b"]), "ab");
        assert_eq!(strip(&["a\u{9b}31mb\u{90}q\u{9c}c\u{0}\u{8}\u{7f}d"]), "abcd");
        assert_eq!(strip(&["a\u{1b}(Bb\u{1b}cc"]), "abc");
        assert_eq!(strip(&["10%\r20%\r"]), "10%\n20%\n");
        assert_eq!(strip(&["a\u{202e}b"]), "ab");
        assert_eq!(strip(&["größe 😀"]), "größe 😀");
    }

    #[test]
    fn an_escape_may_be_cut_anywhere() {
        let text = "a\u{1b}[1;31mb\u{1b}]0;t\u{1b}\\c\r\nd";
        let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        for cut in cuts {
            assert_eq!(strip(&[&text[..cut], &text[cut..]]), "abc\nd", "{cut}");
        }
    }

    #[test]
    fn an_endless_command_does_not_swallow_the_rest() {
        assert_eq!(strip(&["\u{1b}]0;", "next", "\nline"]), "\nline");
        let long = "x".repeat(LONGEST + 10);
        assert_eq!(strip(&["\u{1b}]", &long, "seen"]), format!("{}seen", "x".repeat(10)));
    }
}
