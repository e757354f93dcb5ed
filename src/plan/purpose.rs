//! What a section, or an item that heads others, is for: read from its title alone.

use super::phrases::Phrases;
use super::text::{fold, outside_brackets, plain, spaced};
use super::words;

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is said; inherited from the section around it.
    Plain,
    /// Holds the list of work.
    Work,
    /// What an epic delivers.
    Deliverables,
    /// What an epic covers.
    Scope,
    /// Description: only boxes are work there.
    Prose,
    /// What the author wants of the result: only boxes of a declared epic are work there.
    Requirements,
    /// Acceptance criteria and the like.
    Criteria,
    /// Anything else that is never work.
    Never,
}

/// What a title says that its section is for; `None` when it says nothing.
pub(super) fn classify(title: &str) -> Option<Kind> {
    if is_path(title) {
        return None;
    }
    let raw = outside_brackets(title);
    let text = spaced(&raw);
    let bare = text.trim();
    let count = bare.split(' ').filter(|word| !word.is_empty()).count();
    if count == 0 {
        return None;
    }
    let order = is_order(&raw);
    let names = Names::of(&raw, order);
    let initials = matches!(bare, "ac" | "acs" | "a c");
    if initials || words::CRITERIA.any(&text) && (count <= 8 || title.trim_end().ends_with(':')) {
        return Some(Kind::Criteria);
    }
    if text.starts_with(" parent ") && count <= 3
        || words::NEVER_ALONE.has(bare)
        || names.match_any(&text, &words::NEVER, 3)
        || asks_the_author(title, &text)
    {
        // `Scope` is never work beside a list, but it may be all that an epic has.
        return Some(Kind::Never);
    }
    if names.match_any(&text, &words::DELIVERABLES, 3) {
        return Some(Kind::Deliverables);
    }
    if names.match_any(&text, &words::SCOPE, 3) {
        return Some(Kind::Scope);
    }
    if order {
        // A form's field: `Describe the tasks that are required`.
        let field =
            text.starts_with(" describe ") || text.starts_with(" list ") || text.starts_with(" enumerate ");
        return (field && words::CALLED.any(&text)).then_some(Kind::Work);
    }
    if words::WORK.any(&text) || (count <= 3 && stands_at_an_edge(bare)) {
        return Some(Kind::Work);
    }
    if names.match_any(&text, &words::REQUIREMENTS, 4) {
        return Some(Kind::Requirements);
    }
    names.match_any(&text, &words::PROSE, 4).then_some(Kind::Prose)
}

/// The last sentence of a line: of a paragraph in front of a list, the one that speaks of the list.
pub(super) fn last_sentence(line: &str) -> &str {
    let ends = |at: usize, mark: char| at + mark.len_utf8();
    let body = line.trim_end_matches([':', '：', ' ', '*', '_']);
    let latin = body.rfind(". ").or_else(|| body.rfind("! ")).or_else(|| body.rfind("? ")).map(|at| at + 2);
    let other = body.rfind(['。', '！', '？']).map(|at| ends(at, '。'));
    let from = latin.max(other).unwrap_or(0);
    line.get(from..).unwrap_or(line)
}

/// `Plan`, `Next phases`, `Remaining migrations`: a word for a list of work that ends a short title, or that such a
/// title may begin with.
fn stands_at_an_edge(bare: &str) -> bool {
    let first = bare.split(' ').next().unwrap_or("");
    let last = bare.rsplit(' ').next().unwrap_or("");
    // `Possible implementation` proposes.
    if last == "implementation" && matches!(first, "possible" | "proposed" | "suggested" | "potential") {
        return false;
    }
    words::WORK_ALONE.has(last) || words::WORK_FIRST.has(first) || words::WORK_ALONE.has(bare)
}

/// A question to whoever fills in a form (`Have you searched?`, `What does this PR do?`).
fn asks_the_author(title: &str, text: &str) -> bool {
    let asks = title.trim_end_matches(['*', '_', ' ', ':']).ends_with(['?', '？']);
    asks && words::ASKED.any(text) && !words::WORK.any(text)
}

/// A title that is a path, a file or a handle names what its list is about, not what it is for.
fn is_path(title: &str) -> bool {
    let bare = title.trim().trim_end_matches(':').trim_matches(['*', '`', '_']);
    let one = !bare.contains(char::is_whitespace);
    one && (bare.starts_with('@')
        || bare.contains('/') && !bare.contains("://") && !bare.contains(['&', '|']))
}

/// The words of a title that can name a section: the last one of each part of a title (`Technical notes`,
/// `Goals & metrics`), and one that has its attribute behind it (`Notes for reviewers`, `Reglas de negocio`).
struct Names {
    /// A word and how many stand before it in its part.
    found: Vec<(String, usize)>,
}

impl Names {
    fn of(raw: &str, order: bool) -> Self {
        let mut found = Vec::new();
        if order {
            return Self { found };
        }
        let parts = raw.split(['&', '/', ',', '+', ':', '(']).flat_map(|part| part.split(" and "));
        // The whole title is no order, as its caller has found out.
        for part in parts.filter(|part| part.len() == raw.len() || !is_order(part)) {
            let text = spaced(part);
            let mut all = text.split_whitespace();
            let (Some(first), second) = (all.next(), all.next()) else { continue };
            if second.is_some_and(|word| words::ATTRIBUTE_FOLLOWS.has(word)) {
                found.push((first.to_owned(), 0));
            }
            let before = text.split_whitespace().count() - 1;
            if let Some(last) = text.split_whitespace().next_back() {
                found.push((last.to_owned(), before));
            }
        }
        Self { found }
    }

    /// Whether one of `phrases` names the section: a single word in a part of at most `longest` words, several words
    /// anywhere.
    fn match_any(&self, text: &str, phrases: &Phrases, longest: usize) -> bool {
        self.found.iter().any(|(word, before)| *before < longest && phrases.has(word))
            || phrases.any_long(text)
    }
}

/// Whether a title is an order (`Update dependencies`), so that its last word does not name a section. Words that are
/// nouns as well (`Test plan`, `Open questions`) do not count.
pub(super) fn is_order(title: &str) -> bool {
    first_word(title).is_some_and(|word| words::VERBS.has(&word) && !words::NOUNS_TOO.has(&word))
}

/// The first word of a title in folded form, signs and a tag in brackets skipped.
fn first_word(title: &str) -> Option<String> {
    let bare = plain(title);
    let bare =
        bare.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(bare.as_str(), |(_, rest)| rest);
    let mut words = bare.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    words.find(|word| !word.is_empty()).map(fold)
}

/// Whether a title says what to do: its first word is a verb (`Add …`, `Planning …`, `Tagged`). A word alone that is
/// a noun as well (`Setup`, `Refactoring`) is the name of a group.
pub(super) fn starts_with_verb(title: &str) -> bool {
    let Some(word) = first_word(title) else { return false };
    let alone = plain(title).split_whitespace().nth(1).is_none();
    let ends = |end: &str, shortest: usize| word.is_ascii() && word.len() > shortest && word.ends_with(end);
    let named = words::ADJECTIVES.has(&word);
    let form = (ends("ing", 5) && !alone || ends("ed", 4)) && !named;
    words::VERBS.has(&word) && !(alone && words::NOUNS_TOO.has(&word)) || form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_say_what_a_section_is_for() {
        for (title, kind) in [
            ("🎯 Acceptance Criteria", Some(Kind::Criteria)),
            ("Criterios de aceptación", Some(Kind::Criteria)),
            ("受け入れ条件", Some(Kind::Criteria)),
            ("This task is done when...", Some(Kind::Criteria)),
            ("Out of scope", Some(Kind::Never)),
            ("Technical notes", Some(Kind::Never)),
            ("Scope & Objectives", Some(Kind::Never)),
            ("Validation", Some(Kind::Never)),
            ("Form validation", None),
            ("Update dependencies", None),
            ("Plan the upgrade", None),
            ("Test plan", Some(Kind::Never)),
            ("Open questions", Some(Kind::Never)),
            ("Scope (this epic)", Some(Kind::Scope)),
            ("Frontend Tasks:", Some(Kind::Work)),
            ("Planned stories", Some(Kind::Work)),
            ("Roadmap", Some(Kind::Work)),
            ("Steps To Reproduce", Some(Kind::Never)),
            ("Steps", Some(Kind::Work)),
            ("Key Deliverables", Some(Kind::Deliverables)),
            ("Proposed Solution", Some(Kind::Prose)),
            ("HIGH Priority", None),
            ("Backend", None),
        ] {
            assert_eq!(classify(title), kind, "{title}");
        }
    }
}
