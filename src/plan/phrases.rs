//! Lists of words and phrases that are searched in a text all at once.
//!
//! A body has thousands of lines and the lists hundreds of phrases, so a phrase is looked at only where its first two bytes
//! stand at the start of a word.

use std::sync::OnceLock;

/// A list of phrases in folded form (see `text::fold`).
pub(super) struct Phrases {
    list: &'static [&'static str],
    index: OnceLock<Index>,
}

struct Index {
    /// Phrases that are whole words, sorted by the key of their first two bytes.
    words: Vec<&'static str>,
    /// Where the words of each key begin, and the end.
    starts: Vec<u16>,
    /// Phrases with other than Latin letters: such scripts join words or bend their ends, so these count anywhere.
    anywhere: Vec<&'static str>,
}

impl Phrases {
    pub const fn of(list: &'static [&'static str]) -> Self {
        Self { list, index: OnceLock::new() }
    }

    /// Whether any of them is in a text made by `text::spaced`.
    pub fn any(&self, spaced: &str) -> bool {
        self.find(spaced, |_| true).is_some()
    }

    /// Where the first of them stands in a text made by `text::spaced`.
    pub fn place(&self, spaced: &str) -> Option<usize> {
        self.find(spaced, |_| true)
    }

    /// The same for those that no single Latin word is: they may stand anywhere in a title of any length.
    pub fn any_long(&self, spaced: &str) -> bool {
        self.find(spaced, |phrase| phrase.contains(' ')).is_some()
    }

    /// Whether `word` is one of them.
    pub fn has(&self, word: &str) -> bool {
        if word.is_empty() {
            return false;
        }
        let index = self.index();
        index.like(word.as_bytes()).contains(&word) || (!word.is_ascii() && index.anywhere.contains(&word))
    }

    /// Whether a text made by `text::spaced` begins with one of them.
    pub fn starts(&self, spaced: &str) -> bool {
        let Some(rest) = spaced.strip_prefix(' ') else { return false };
        if rest.is_empty() {
            return false;
        }
        let begins = |phrase: &&str| rest.starts_with(*phrase) && rest[phrase.len()..].starts_with(' ');
        let index = self.index();
        index.like(rest.as_bytes()).iter().any(begins)
            || index.anywhere.iter().any(|phrase| rest.starts_with(*phrase))
    }

    /// Whether a text made by `text::spaced` ends with one of them.
    pub fn ends(&self, spaced: &str) -> bool {
        let text = spaced.trim_end();
        self.list.iter().any(|phrase| {
            text.strip_suffix(phrase)
                .is_some_and(|rest| !phrase.is_ascii() || rest.is_empty() || rest.ends_with(' '))
        })
    }

    fn find(&self, spaced: &str, wanted: impl Fn(&str) -> bool) -> Option<usize> {
        let index = self.index();
        let bytes = spaced.as_bytes();
        for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b' ') {
            let rest = &bytes[at + 1..];
            if rest.is_empty() {
                break;
            }
            let here = index.like(rest).iter().any(|phrase| {
                rest.starts_with(phrase.as_bytes()) && rest.get(phrase.len()) == Some(&b' ') && wanted(phrase)
            });
            if here {
                return Some(at + 1);
            }
        }
        if spaced.is_ascii() {
            return None;
        }
        index.anywhere.iter().find_map(|phrase| spaced.find(phrase))
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let (mut words, anywhere): (Vec<_>, Vec<_>) = self.list.iter().partition(|p| p.is_ascii());
            words.sort_by_key(|word: &&str| key(word.as_bytes()));
            let before = |at: usize| words.partition_point(|word| key(word.as_bytes()) < at);
            let starts = (0..=KEYS).map(|at| u16::try_from(before(at)).unwrap_or(u16::MAX)).collect();
            Index { words, starts, anywhere }
        })
    }
}

/// Five bits of each of two bytes.
const KEYS: usize = 1 << 10;

/// What two texts have in common that begin with the same two bytes; a text of one byte is followed by a space.
fn key(text: &[u8]) -> usize {
    let bits = |at: usize| usize::from(text.get(at).copied().unwrap_or(b' ') & 31);
    bits(0) << 5 | bits(1)
}

impl Index {
    /// The words that may stand at the start of `text`, and perhaps some more.
    fn like(&self, text: &[u8]) -> &[&'static str] {
        let key = key(text);
        &self.words[usize::from(self.starts[key])..usize::from(self.starts[key + 1])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::text::spaced;

    static LIST: Phrases = Phrases::of(&["task", "to do", "受け入れ条件", "цел"]);

    #[test]
    fn latin_phrases_are_whole_words_and_others_count_anywhere() {
        assert!(LIST.any(&spaced("The task")) && LIST.any(&spaced("to do: x")));
        assert!(!LIST.any(&spaced("Subtasking today")));
        assert!(LIST.any(&spaced("受け入れ条件一覧")) && LIST.any(&spaced("Цели")));
    }

    #[test]
    fn single_words_can_be_left_out_and_asked_for() {
        assert!(!LIST.any_long(&spaced("a task")) && LIST.any_long(&spaced("to do")));
        assert!(LIST.has("task") && !LIST.has("tas") && !LIST.has(""));
        assert!(LIST.starts(&spaced("To do list")) && !LIST.starts(&spaced("a task")));
    }
}
