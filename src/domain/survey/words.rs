//! Words of prose and of code, brought to one form.

/// Of one text no more bytes than this are read.
pub(super) const LONGEST_TEXT: usize = 16_384;
/// A longer run of letters is data, not a word.
const LONGEST_WORD: usize = 60;

/// Words that say what is done to something, or nothing at all; in order.
#[rustfmt::skip]
const EMPTY: &[&str] = &[
    "about", "above", "add", "added", "adding", "adds", "after", "again", "all", "allow", "allows", "also", "always",
    "and", "any", "are", "avoid", "because", "been", "before", "being", "better", "both", "bump", "but", "can", "case",
    "cases", "change", "changed", "changes", "clean", "cleanup", "close", "closes", "code", "com", "commit", "could",
    "create", "current", "currently", "did", "different", "does", "don", "done", "each", "edit", "enable", "ensure",
    "etc", "even", "every", "example", "few", "file", "files", "first", "fix", "fixed", "fixes", "fixing", "following",
    "for", "from", "get", "gets", "github", "give", "good", "had", "handle", "has", "have", "here", "how", "http",
    "https", "implement", "implemented", "improve", "improved", "improves", "initial", "instead", "into", "introduce",
    "isn", "issue", "its", "just", "keep", "let", "like", "look", "made", "make", "makes", "making", "many", "may",
    "merge", "might", "minor", "more", "most", "move", "moved", "much", "must", "need", "needed", "needs", "new", "non",
    "not", "now", "off", "old", "one", "only", "onto", "org", "other", "our", "out", "over", "please", "possible",
    "previous", "previously", "provide", "pull", "put", "quite", "rather", "really", "refactor", "remove", "removed",
    "removes", "rename", "renamed", "replace", "request", "same", "see", "set", "should", "show", "simplify", "since",
    "small", "some", "still", "such", "support", "supports", "sure", "take", "task", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "thing", "things", "this", "those", "through", "too", "tweak", "two",
    "under", "unless", "until", "update", "updated", "updates", "use", "used", "uses", "using", "very", "want", "was",
    "way", "were", "what", "when", "where", "whether", "which", "while", "who", "why", "will", "with", "without",
    "work", "works", "would", "www", "you", "your",
];

/// The words of a text in order: `(form, as written)`. `user_id` and `UserId` give `user_id`, and their parts.
pub(super) fn each(text: &str, mut tell: impl FnMut(&str, &str)) {
    let (mut parts, mut form, mut whole) = (Vec::new(), String::new(), String::new());
    for run in text.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
        if run.is_empty() || run.len() > LONGEST_WORD {
            continue;
        }
        split(run, &mut parts);
        whole.clear();
        for &part in &parts {
            if !whole.is_empty() {
                whole.push('_');
            }
            let begins = whole.len();
            whole.extend(part.chars().flat_map(char::to_lowercase));
            let lower = &whole[begins..];
            if counts(lower) {
                form.clear();
                form.push_str(stem(lower));
                tell(&form, part);
            }
        }
        if parts.len() > 1 {
            tell(&whole, run.trim_matches('_'));
        }
    }
}

/// Where a word of code is put together: at `_`, before a capital that follows a small letter, before the last capital of a row.
fn split<'a>(run: &'a str, parts: &mut Vec<&'a str>) {
    parts.clear();
    for piece in run.split('_').filter(|piece| !piece.is_empty()) {
        let chars: Vec<(usize, char)> = piece.char_indices().collect();
        let mut begins = 0;
        for at in 1..chars.len() {
            let (before, (place, here)) = (chars[at - 1].1, chars[at]);
            let next_is_small = chars.get(at + 1).is_some_and(|(_, c)| c.is_lowercase());
            if here.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && next_is_small)) {
                parts.push(&piece[begins..place]);
                begins = place;
            }
        }
        parts.push(&piece[begins..]);
    }
}

fn counts(lower: &str) -> bool {
    lower.chars().nth(if lower.is_ascii() { 2 } else { 0 }).is_some()
        && !lower.bytes().all(|b| b.is_ascii_digit())
        && EMPTY.binary_search(&lower).is_err()
}

/// The word without the endings that English gives to verbs and plurals. Not a real stem, but the same for both sides.
fn stem(word: &str) -> &str {
    if !word.is_ascii() {
        return word;
    }
    let long = |rest: &str| rest.len() >= 3;
    let mut rest = word;
    if let Some(short) = rest.strip_suffix('s').filter(|r| long(r) && !r.ends_with(['s', 'u', 'i'])) {
        rest = short;
    }
    for ending in ["ing", "ers", "ed", "er"] {
        if let Some(short) = rest.strip_suffix(ending).filter(|r| long(r)) {
            rest = short;
            let bytes = rest.as_bytes();
            // `mapping` is to `map` as `parsing` to `pars`.
            if rest.len() > 3 && bytes[rest.len() - 1] == bytes[rest.len() - 2] && !rest.ends_with(['l', 's'])
            {
                rest = &rest[..rest.len() - 1];
            }
            break;
        }
    }
    rest.strip_suffix('e').filter(|r| long(r)).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        each(text, |form, _| all.push(form.to_owned()));
        all
    }

    #[test]
    fn the_empty_words_are_in_order() {
        let mut sorted = EMPTY.to_vec();
        sorted.sort_unstable();
        assert_eq!(EMPTY, sorted);
    }

    #[test]
    fn code_and_prose_meet() {
        assert_eq!(forms("Fix the `JobGraph`"), ["job", "graph", "job_graph"]);
        assert_eq!(forms("job_graph"), ["job", "graph", "job_graph"]);
        assert_eq!(forms("HTTPServer"), ["serv", "http_server"]);
        assert_eq!(
            forms("parsing, parser, parsed; tokenizes a tokenizer"),
            ["pars", "pars", "pars", "tokeniz", "tokeniz"]
        );
        assert_eq!(forms("a 12 of 日本語 Größe"), ["日本語", "größe"]);
        assert_eq!(forms(&"x".repeat(100)), Vec::<String>::new());
    }
}
