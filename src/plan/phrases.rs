//! Lists of words and phrases that are searched in a text all at once.
//!
//! A body has thousands of lines and the lists hundreds of phrases, so a phrase is looked at only where its first byte
//! stands at the start of a word.

use std::sync::OnceLock;

/// A list of phrases in folded form (see `text::fold`).
pub(super) struct Phrases {
    list: &'static [&'static str],
    index: OnceLock<Index>,
}

struct Index {
    /// Phrases that are whole words, by their first byte.
    words: Vec<Vec<&'static str>>,
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
        let Some(&first) = word.as_bytes().first() else { return false };
        let index = self.index();
        index.words[usize::from(first)].contains(&word)
            || (!word.is_ascii() && index.anywhere.contains(&word))
    }

    /// Whether a text made by `text::spaced` begins with one of them.
    pub fn starts(&self, spaced: &str) -> bool {
        let Some(rest) = spaced.strip_prefix(' ') else { return false };
        let Some(&first) = rest.as_bytes().first() else { return false };
        let begins = |phrase: &&str| rest.starts_with(*phrase) && rest[phrase.len()..].starts_with(' ');
        let index = self.index();
        index.words[usize::from(first)].iter().any(begins)
            || index.anywhere.iter().any(|phrase| rest.starts_with(*phrase))
    }

    fn find(&self, spaced: &str, wanted: impl Fn(&str) -> bool) -> Option<usize> {
        let index = self.index();
        let bytes = spaced.as_bytes();
        for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b' ') {
            let rest = &bytes[at + 1..];
            let Some(&first) = rest.first() else { break };
            let here = index.words[usize::from(first)].iter().any(|phrase| {
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
            let mut index = Index { words: vec![Vec::new(); 256], anywhere: Vec::new() };
            for phrase in self.list {
                match phrase.as_bytes().first() {
                    Some(&first) if phrase.is_ascii() => index.words[usize::from(first)].push(phrase),
                    _ => index.anywhere.push(phrase),
                }
            }
            index
        })
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
