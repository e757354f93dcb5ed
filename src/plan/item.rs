//! One list → drafts of tasks: which items are work (R4, R9), and whether a parent or its children are the unit (R6).

use super::document::{Item, List};
use super::links::{self, Home, Target};
use super::outline::{bold_and_remark, unmarked_item};
use super::purpose::{Kind, classify, starts_with_verb};
use super::text::{bold_line, has_any, plain, spaced, unwrapped};
use super::trace::{Trace, Why};
use super::words;

/// A task before its relations are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub title: String,
    pub done: bool,
    pub children: Vec<String>,
    pub details: String,
    pub criteria: Vec<String>,
    pub line: usize,
    /// The section it stands in.
    pub section: usize,
    /// The parent item that only names its group.
    pub group: Option<String>,
    /// Its number in a numbered list or its row's number.
    pub number: Option<String>,
    /// The text of a `Depends on` cell.
    pub waits_for: Option<String>,
    /// The issue it is, where that is said outside the title (a table's cell).
    pub issue: Option<Target>,
}

/// What the whole text says about signs such as ✅ and ⬜.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    /// A legend or a contrast shows that signs tell the state; a ✅ on everything is decoration (R9).
    pub tell_state: bool,
}

const DONE: &[char] = &['✓', '✔', '✅', '☑', '🟢'];
const OPEN: &[char] =
    &['⬜', '☐', '🔲', '○', '⭕', '◻', '▢', '▶', '🚧', '⏳', '🔄', '🟡', '❌', '🔴', '📋', '⚪', '🕐', '🔜'];

/// Reads the items of lists; knows the repository for links.
pub(super) struct Reader<'a> {
    pub home: Home<'a>,
    pub signs: Signs,
    /// Whether `Task 1` and `Task 2` stand for themselves: under a heading for tasks, or with no text around them. Elsewhere
    /// they are a sample of a list.
    pub stand_ins_are_meant: bool,
    /// Where it notes why, if somebody asks.
    pub trace: Option<&'a Trace>,
}

impl Reader<'_> {
    /// Whether the item is marked as done or not, by a box or by a sign that tells a state.
    pub fn status(&self, item: &Item) -> Option<bool> {
        if item.ticked.is_some() {
            return item.ticked;
        }
        if let Some((ticked @ Some(_), _)) = unmarked_item(&item.title) {
            return ticked;
        }
        if self.signs.tell_state { sign(&item.title) } else { None }
    }

    /// Whether any item of the list, or of a group in it, has a box or a telling sign.
    pub fn has_status(&self, list: &List) -> bool {
        list.items.iter().any(|item| {
            let judged_elsewhere = matches!(classify_item(item), Some(Kind::Criteria | Kind::Never));
            !judged_elsewhere
                && (self.status(item).is_some() || item.lists.iter().any(|below| self.has_status(below)))
        })
    }

    /// Whether all boxes of a list, and of the lists in it, are ticked; `None` when it has none.
    fn all_ticked(&self, list: &List) -> Option<bool> {
        let of_item = |item: &Item| {
            let below = item.lists.iter().map(|list| self.all_ticked(list)).reduce(join).flatten();
            join(self.status(item), below)
        };
        list.items.iter().map(of_item).reduce(join).flatten()
    }

    /// Whether every item is an issue link with perhaps a remark.
    pub fn all_links(&self, list: &List) -> bool {
        !list.items.is_empty() && list.items.iter().all(|item| links::is_link_item(&item.title, self.home))
    }

    /// The tasks of a list. With `marked_only`, items without box or sign are groups or nothing.
    pub fn tasks(&self, list: &List, section: usize, marked_only: bool, out: &mut Vec<Draft>) {
        self.collect(list, section, marked_only, None, out);
    }

    fn collect(
        &self,
        list: &List,
        section: usize,
        marked_only: bool,
        group: Option<&str>,
        out: &mut Vec<Draft>,
    ) {
        if is_attestation(list) {
            list.items.iter().for_each(|item| self.note(item, Why::Attested));
            return;
        }
        let sample = list.items.len() > 1 && list.items.iter().all(|item| is_dummy(&item.title));
        if sample && !self.stand_ins_are_meant {
            list.items.iter().for_each(|item| self.note(item, Why::Sample));
            return;
        }
        let boxed = list.items.iter().filter(|item| item.ticked.is_some()).count();
        // An order among boxes whose own box was forgotten.
        let forgotten = |item: &Item| {
            const FEWEST: usize = 2;
            boxed >= FEWEST && boxed + 1 == list.items.len() && starts_with_verb(&item.title)
        };
        for (index, item) in list.items.iter().enumerate() {
            let number = list.number.map(|first| first.saturating_add(index as u64).to_string());
            if item.title.is_empty() || is_group(self, item) {
                self.note(item, if is_never(item) { Why::HeadsOther } else { Why::Group });
                let name = if item.title.is_empty() { group } else { Some(item.title.as_str()) };
                if !is_never(item) {
                    item.lists.iter().for_each(|below| self.collect(below, section, marked_only, name, out));
                }
                continue;
            }
            let below = || item.lists.iter().map(|list| self.all_ticked(list)).reduce(join).flatten();
            // An order without a box over boxes is one task, done when they are.
            let status = self.status(item).or_else(below);
            if (marked_only && status.is_none() && !forgotten(item)) || !is_work(item) {
                self.note(item, if is_work(item) { Why::Unmarked } else { no_work(item) });
                continue;
            }
            if self.status(item).is_some() {
                self.note(item, Why::Marked);
            }
            self.note_below(item);
            let parts = if item.lists.is_empty() { self.parts(&item.title) } else { Vec::new() };
            let titles = if parts.is_empty() { vec![bare_title(&item.title)] } else { parts };
            for title in titles {
                out.push(Draft {
                    title,
                    done: status == Some(true),
                    children: children(item),
                    details: item.details.clone(),
                    criteria: own_criteria(item),
                    line: item.line,
                    section,
                    group: group.map(str::to_owned),
                    number: number.clone(),
                    ..Draft::default()
                });
            }
        }
    }

    fn note(&self, item: &Item, why: Why) {
        if let Some(trace) = self.trace {
            trace.note(item.line, why);
        }
    }

    /// What stands below an item that is a task is part of it.
    fn note_below(&self, item: &Item) {
        if let Some(trace) = self.trace {
            for kid in item.lists.iter().flat_map(|list| &list.items) {
                trace.note(kid.line, Why::PartOf);
                self.note_below(kid);
            }
        }
    }

    /// R8: one line that lists several issues, each with its own words: `store (#1), api (#2)`. All parts must be of one
    /// form; a part that only mentions an issue (`…, see also #2`) shows that the line is one item.
    pub fn parts(&self, line: &str) -> Vec<String> {
        let links = links::find(line, self.home);
        if links.len() < 2 {
            return Vec::new();
        }
        if let Some(bare) = self.only_links(line, &links) {
            return bare;
        }
        // `Needed for the release: #1, #2`: the label names the group, unless it says what the line waits for.
        if let Some((label, rest)) = line.split_once([':', '：'])
            && !label.contains(['#', '/'])
            && !is_relation(label)
            && let Some(bare) = self.only_links(rest, &links::find(rest, self.home))
        {
            return bare;
        }
        let segments = split_outside_brackets(line);
        let form = |segment: &String| {
            let links = links::find(segment, self.home);
            let [link] = links.as_slice() else { return None };
            links::own(segment, self.home)?;
            let leads = !segment[..link.range.start].contains(char::is_alphanumeric);
            let behind = segment[link.range.end..].trim_start_matches([')', ']', '*', '.', ' ']);
            match (leads, behind.is_empty()) {
                (true, _) => Some(0),
                (false, true) if segment[..link.range.start].trim_end().ends_with(['(', '[']) => Some(0),
                (false, true) => Some(1),
                (false, false) => None,
            }
        };
        let first = segments.first().and_then(form);
        let alike =
            segments.len() > 1 && first.is_some() && segments.iter().all(|segment| form(segment) == first);
        if alike { segments } else { Vec::new() }
    }

    /// `#1, #2 and #3`: nothing but links and what joins them.
    fn only_links(&self, line: &str, links: &[links::Link]) -> Option<Vec<String>> {
        let mut from = 0;
        for link in links {
            let between = line.get(from..link.range.start)?.trim();
            let joins = matches!(
                between,
                "" | "," | "and" | ", and" | "&" | "+" | "/" | ";" | "y" | "et" | "und" | "e" | "、" | "，"
            );
            if !joins || (from > 0 && line.get(from..link.range.start) == Some("")) {
                return None;
            }
            from = link.range.end;
        }
        let rest = line[from..].trim_matches([' ', '.', '*']);
        let remark = rest.is_empty() || (rest.starts_with('(') && rest.ends_with(')'));
        remark.then(|| links.iter().map(|link| line[link.range.clone()].to_owned()).collect())
    }
}

/// Whether a label says how the issues behind it belong to this one (`Blocked by: …`), and not what they are.
fn is_relation(label: &str) -> bool {
    const RELATIONS: &[&str] = &[
        "blocks",
        "blocked",
        "blocking",
        "waits",
        "needs",
        "after",
        "before",
        "unblocks",
        "closes",
        "fixes",
        "parallel",
        "with",
        "supersedes",
        "duplicates",
        "replaces",
        "see",
        "pr",
        "prs",
        "covers",
        "merged",
        "on",
        "by",
        "for",
    ];
    let words = spaced(label);
    let mut words = words.split_whitespace();
    let (first, last) = (words.next(), words.next_back());
    matches!(classify(label), Some(Kind::Criteria | Kind::Never))
        || [first, last].into_iter().flatten().any(|word| RELATIONS.contains(&word))
}

fn join(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a && b),
        (one, other) => one.or(other),
    }
}

/// Splits at commas that stand in no bracket.
pub(super) fn split_outside_brackets(line: &str) -> Vec<String> {
    let mut depth = 0usize;
    let pieces = line.split(|c: char| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    pieces.map(|piece| piece.trim().to_owned()).filter(|piece| !piece.is_empty()).collect()
}

/// The state that a sign at the start of an item, or right after its first colon, tells.
pub(super) fn sign(title: &str) -> Option<bool> {
    let at_start = title.trim_start_matches(['*', '_', ' ']).chars().next();
    let after_colon =
        title.split_once(": ").and_then(|(_, rest)| rest.trim_start_matches(['*', '_', ' ']).chars().next());
    [at_start, after_colon].into_iter().flatten().find_map(|c| {
        if DONE.contains(&c) {
            Some(true)
        } else if OPEN.contains(&c) {
            Some(false)
        } else {
            None
        }
    })
}

/// Whether a line explains the signs (`✓ done · ○ planned`).
pub(super) fn is_legend(line: &str) -> bool {
    line.contains(DONE) && line.contains(OPEN)
}

/// A box that Markdown does not see is not part of the title.
fn bare_title(title: &str) -> String {
    match unmarked_item(title) {
        Some((Some(_), rest)) => rest,
        _ => title.to_owned(),
    }
}

/// What an item is for that heads others. `**Store** — each with its criteria`: what stands behind a dash tells of it.
fn classify_item(item: &Item) -> Option<Kind> {
    let name = item.title.split(" — ").next().unwrap_or("");
    if item.lists.is_empty() { None } else { *item.heads.get_or_init(|| classify(name)) }
}

/// An item that heads criteria, notes and the like.
fn is_never(item: &Item) -> bool {
    matches!(classify_item(item), Some(Kind::Criteria | Kind::Never))
}

/// R4 and R9: neither a placeholder, nor struck through, nor a remark that the list goes on.
fn is_work(item: &Item) -> bool {
    let title = item.title.trim();
    let struck = unwrapped(title, "~~").is_some() || unwrapped(title, "~").is_some();
    let goes_on = matches!(title, "++" | "..." | "…" | "+" | "etc." | "etc" | "-" | "—");
    !(struck
        || goes_on
        || is_placeholder(title)
        || is_never(item)
        || title.is_ascii() && !title.contains(|c: char| c.is_alphanumeric() || c == '#'))
}

/// Why an item is not work, for whoever asks.
fn no_work(item: &Item) -> Why {
    let title = item.title.trim();
    if unwrapped(title, "~~").is_some() || unwrapped(title, "~").is_some() {
        Why::Struck
    } else if is_never(item) {
        Why::HeadsOther
    } else {
        Why::NoWork
    }
}

/// `<issue>`, `[Requirement 1]`, `As a ROLE, I want GOAL`: what a template leaves to be filled.
fn is_placeholder(title: &str) -> bool {
    let title = plain(title);
    let title = title.trim_end_matches(['.', ':', ';']);
    let inside = |open: char, close: char| {
        title
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .filter(|t| !t.contains([open, close]))
    };
    let angle = inside('<', '>').is_some_and(|t| !t.starts_with("http"));
    let bracket = inside('[', ']')
        .is_none_or(|t| !starts_with_verb(t) || has_any(&spaced(t), &["here", "your"]))
        && inside('[', ']').is_some_and(|t| t.contains(|c: char| c.is_alphabetic()) && !t.contains('#'));
    let story = title.to_lowercase().starts_with("as a") && title.to_lowercase().contains("i want");
    let shouted = title.split_whitespace().filter(|word| {
        let letters: String = word.chars().filter(|c| c.is_alphabetic()).collect();
        letters.len() > 2 && letters.chars().all(char::is_uppercase)
    });
    let blank = title.contains("[...]")
        || title.contains("[…]")
        || matches!(title, "TBD" | "Yes" | "No" | "N/A" | "None" | "Not yet" | "Maybe" | "TODO")
        || title == "Task description";
    angle || bracket || blank || (story && (shouted.count() >= 2 || title.contains(['<', '['])))
}

/// A list in which its author vouches (`I have searched …`) or picks a kind of change: no work at all.
fn is_attestation(list: &List) -> bool {
    let mut kinds = 0;
    for item in &list.items {
        let words = spaced(&item.title);
        if words::FIRST_PERSON.starts(&words) || words::VOUCHED.any(&words) {
            return true;
        }
        kinds += usize::from(words::CHANGE_TYPES.any(&words));
    }
    kinds >= 2 && kinds * 3 >= list.items.len()
}

/// `Task one`, `item 2`, `foo`: what stands in a list that only shows a list.
pub(super) fn is_dummy(title: &str) -> bool {
    let words = spaced(title);
    let mut words = words.split_whitespace();
    let thing = words.next().is_some_and(|word| {
        matches!(
            word,
            "task"
                | "item"
                | "todo"
                | "step"
                | "subtask"
                | "thing"
                | "foo"
                | "bar"
                | "baz"
                | "blah"
                | "test"
                | "lorem"
                | "tarea"
                | "tarefa"
                | "aufgabe"
                | "tache"
        )
    });
    let which = words.next().is_none_or(|word| {
        word.chars().all(|c| c.is_ascii_digit())
            || word.len() == 1
            || matches!(word, "one" | "two" | "three" | "four" | "five" | "ipsum")
    });
    thing && which && words.next().is_none()
}

/// R6: whether an item only names a group, so that its children are the tasks.
fn is_group(reader: &Reader<'_>, item: &Item) -> bool {
    let kids = || item.lists.iter().flat_map(|list| &list.items);
    if kids().next().is_none() {
        return false;
    }
    let title = item.title.trim();
    let ticked_kids = kids().any(|kid| reader.status(kid).is_some());
    if item.lists.iter().all(|list| reader.all_links(list)) {
        // All children are issues: they are the units, unless the parent has a box and they have none.
        return item.ticked.is_none() || ticked_kids;
    }
    if !links::find(title, reader.home).is_empty() {
        return false;
    }
    let verb = starts_with_verb(
        title.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ')' | ' ')),
    );
    let bold = bold_line(title).is_some() || bold_and_remark(title).is_some();
    let ends_open = title.ends_with([':', '：']);
    let short = title.split_whitespace().count() <= 3;
    let unmarked_parent = item.ticked.is_none() && ticked_kids;
    if item.ticked.is_some() && !ticked_kids {
        return false;
    }
    // `Backend` over `Create store`, `Add api`: what stands below are orders, what stands above is none.
    let orders = kids().filter(|kid| starts_with_verb(&kid.title)).count() * 2 > kids().count()
        && kids().nth(1).is_some();
    if !verb && orders && (ticked_kids || item.ticked.is_none()) {
        return true;
    }
    unmarked_parent && !verb
        || !verb && (bold || ends_open || short && ticked_kids)
        || ends_open && unmarked_parent
}

/// The texts of all items below, criteria left out.
fn children(item: &Item) -> Vec<String> {
    let mut out = Vec::new();
    item.lists.iter().for_each(|list| texts(list, &mut out));
    out
}

fn texts(list: &List, out: &mut Vec<String>) {
    for item in list.items.iter().filter(|item| !is_never(item)) {
        if !item.title.is_empty() {
            out.push(item.title.clone());
        }
        item.lists.iter().for_each(|below| texts(below, out));
    }
}

/// The items below a child that is called acceptance criteria or the like.
fn own_criteria(item: &Item) -> Vec<String> {
    let mut out = Vec::new();
    let labelled =
        item.prose.iter().any(|line| line.ends_with(':') && classify(line) == Some(Kind::Criteria));
    for list in &item.lists {
        for kid in &list.items {
            if classify_item(kid) == Some(Kind::Criteria) {
                kid.lists.iter().for_each(|below| texts(below, &mut out));
            } else if labelled {
                out.push(kid.title.clone());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::document::{Block, blocks};
    use crate::plan::source::Source;

    fn titles(body: &str, marked_only: bool) -> Vec<String> {
        let mut out = Vec::new();
        let reader = Reader { home: None, signs: Signs::default(), stand_ins_are_meant: false, trace: None };
        for block in blocks(&Source::new(body), None) {
            if let Block::List(list) = block {
                reader.tasks(&list, 0, marked_only, &mut out);
            }
        }
        out.into_iter().map(|draft| draft.title).collect()
    }

    #[test]
    fn parents_with_a_verb_are_tasks_and_names_are_groups() {
        assert_eq!(titles("- [ ] Announce\n  - [ ] forum\n  - [ ] chat\n", true), ["Announce"]);
        assert_eq!(
            titles("- [ ] Backend\n  - [ ] Create store\n  - [ ] Add api\n", true),
            ["Create store", "Add api"]
        );
        assert_eq!(
            titles("1. **Core Development**\n   - Write parser\n2. **Docs**\n   - Write guide\n", false),
            ["Write parser", "Write guide"]
        );
        assert_eq!(titles("- [ ] Fix boards\n  - [ ] #1\n  - [ ] #2\n", true), ["#1", "#2"]);
        assert_eq!(titles("- [ ] Fix boards\n  - #1\n  - #2\n", true), ["Fix boards"]);
        assert_eq!(titles("- - [ ] x\n", true), ["x"]);
    }

    #[test]
    fn a_line_of_children_is_split_and_a_remark_is_not() {
        assert_eq!(titles("- store (#1), api (#2)\n", false), ["store (#1)", "api (#2)"]);
        assert_eq!(titles("- [ ] #1 store, after #2\n", true), ["#1 store, after #2"]);
    }

    #[test]
    fn placeholders_attestations_and_cancelled_items_are_no_work() {
        for body in [
            "- [ ] <issue>\n",
            "- [ ] [Requirement 1]\n",
            "- [ ] As a ROLE, I want GOAL, so that REASON #link\n",
            "- [ ] ~~dropped~~\n",
            "- [x] I have searched the issues\n- [ ] Tests pass\n",
            "- [ ] Bug fix\n- [ ] New feature\n",
            "- [ ] ...\n",
        ] {
            assert_eq!(titles(body, true), Vec::<String>::new(), "{body}");
        }
        assert_eq!(titles("- [ ] [Feat] Create endpoint\n", true), ["[Feat] Create endpoint"]);
    }

    #[test]
    fn criteria_below_an_item_are_its_own() {
        let body = "- [ ] Add login\n  - form\n  - Acceptance criteria:\n    - it works\n";
        let mut out = Vec::new();
        let reader = Reader { home: None, signs: Signs::default(), stand_ins_are_meant: false, trace: None };
        for block in blocks(&Source::new(body), None) {
            if let Block::List(list) = block {
                reader.tasks(&list, 0, true, &mut out);
            }
        }
        assert_eq!(out[0].children, ["form"]);
        assert_eq!(out[0].criteria, ["it works"]);
    }
}
