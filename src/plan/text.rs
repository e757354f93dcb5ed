//! Small readings of one line: folding for comparison, phrases, emphasis, comments.

use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// Lower case without Latin accents, for comparison only.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).nfc().flat_map(char::to_lowercase).collect()
}

/// The folded words of `text` with one space around each, so that a phrase can be searched as ` phrase `.
pub(super) fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    if text.is_ascii() {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || byte == b'\'' {
                out.push(char::from(byte.to_ascii_lowercase()));
            } else if !out.ends_with(' ') {
                out.push(' ');
            }
        }
        if !out.ends_with(' ') {
            out.push(' ');
        }
        return out;
    }
    for word in
        fold(text).split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’').filter(|w| !w.is_empty())
    {
        out.push_str(word);
        out.push(' ');
    }
    out
}

/// Whether a text made by [`spaced`] holds `phrase`: as whole words, or, in a script that does not put spaces between
/// words, anywhere.
pub(super) fn has_phrase(spaced: &str, phrase: &str) -> bool {
    let mut from = 0;
    while let Some(at) = spaced[from..].find(phrase) {
        let start = from + at;
        let end = start + phrase.len();
        let bounded = spaced[..start].ends_with(' ') && spaced[end..].starts_with(' ');
        if bounded || !phrase.is_ascii() {
            return true;
        }
        from = end;
    }
    false
}

/// Whether any of `phrases` is in `spaced`.
pub(super) fn has_any(spaced: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| has_phrase(spaced, phrase))
}

/// Removes `<!-- … -->`; an unclosed comment runs to the end.
pub(super) fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

/// `text` without one pair of marks around all of it (`**a**` → `a`); `None` when it is not wholly inside one pair.
pub(super) fn unwrapped<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    let inner = text.strip_prefix(mark)?.strip_suffix(mark)?;
    (!inner.is_empty() && !inner.contains(mark) && !inner.starts_with(char::is_whitespace)).then_some(inner)
}

/// The text inside when the whole line is bold, with or without a colon (`**Tasks**`, `**Tasks:**`, `**Tasks**:`).
pub(super) fn bold_line(text: &str) -> Option<&str> {
    let text = text.trim();
    let text = text.strip_suffix([':', '：']).unwrap_or(text).trim_end();
    unwrapped(text, "**").or_else(|| unwrapped(text, "__")).filter(|t| !t.contains('\n'))
}

/// Strips emphasis, code marks, leading signs and emoji: the words a person would read aloud.
pub(super) fn plain(text: &str) -> String {
    let bare: String = text.chars().filter(|c| !matches!(c, '*' | '`' | '~')).collect();
    bare.trim_start_matches(|c: char| {
        !c.is_alphanumeric() && !matches!(c, '#' | '[' | '(' | '<' | '@' | '/' | '.' | '$' | '_')
    })
    .trim_end()
    .to_owned()
}

/// Joins the pieces of a wrapped line with one space.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `limit` bytes of `text`, cut between characters.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// Removes what stands in brackets: `Scope (this epic)` → `Scope `.
pub(super) fn outside_brackets(title: &str) -> Cow<'_, str> {
    if !title.contains(['(', ')', '（', '）']) {
        return Cow::Borrowed(title);
    }
    let mut depth = 0usize;
    let kept = title.chars().filter(|&c| {
        match c {
            '(' | '（' => depth += 1,
            ')' | '）' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    });
    Cow::Owned(kept.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_whole_words_except_where_a_script_has_no_spaces() {
        assert!(has_phrase(&spaced("## Criterios de Aceptación:"), "criterios de aceptacion"));
        assert!(!has_phrase(&spaced("Subtasking"), "task"));
        assert!(has_phrase(&spaced("受け入れ条件一覧"), "受け入れ条件"));
    }

    #[test]
    fn only_a_wholly_bold_line_is_a_heading() {
        assert_eq!(bold_line("**Tasks:**"), Some("Tasks:"));
        assert_eq!(bold_line("**Tasks**:"), Some("Tasks"));
        assert_eq!(bold_line("**Epic:** #12"), None);
        assert_eq!(bold_line("**a** and **b**"), None);
    }

    #[test]
    fn comments_go_even_unclosed() {
        assert_eq!(without_comments("a<!-- x -->b<!-- y"), "ab");
    }
}
