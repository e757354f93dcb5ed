//! "Did you mean": the known word that is nearest to a mistyped one.

/// The candidate with the smallest edit distance to `word`, if it is near enough to be what was meant: at most
/// a third of the word's length away, and at least one edit is always allowed. `-` and `_` and upper and lower
/// case count as the same.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = fold(word);
    let limit = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// At most 64 characters of a word count, so that the work is bounded whatever a file holds.
fn fold(word: &str) -> Vec<char> {
    word.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        let known = ["max_workers", "max_retries", "base", "model"];
        assert_eq!(nearest("max_worker", known), Some("max_workers"));
        assert_eq!(nearest("max-workers", known), Some("max_workers"));
        assert_eq!(nearest("MODEL", known), Some("model"));
        assert_eq!(nearest("bsae", known), Some("base"));
    }

    #[test]
    fn stays_silent_when_nothing_is_near() {
        assert_eq!(nearest("timeout", ["max_workers", "base"]), None);
        assert_eq!(nearest("", ["base"]), None);
    }

    #[test]
    fn a_huge_word_is_no_work() {
        assert_eq!(nearest(&"x".repeat(10_000_000), ["base"]), None);
    }
}
