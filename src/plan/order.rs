//! What waits for what, by words and signs alone: list order is never a dependency.

use super::cue::{
    Cue, Turn, as_reason, cues, is_and, is_arrow, is_denied, is_filler, joins_words, lowered,
    may_hold_arrows, said_of_stages, sentence_start, tasks_are_sequential,
};
use super::document::{Item, List};
use super::item::Draft;
use super::links::{Link, Target};
use super::model::{Barrier, Confidence, Dependency};
use super::naming::{Mention, Naming};
use super::outline::{Content, Outline};
use super::text::{cut, has_any, spaced};
use std::collections::BTreeSet;

/// More edges than this are not a plan but an attack on the reader.
const MOST_EDGES: usize = 5_000;
/// Of a line, no more than this is read for order words.
const LONGEST_LINE: usize = 4_000;

/// Reads the order of `drafts`; `own` is the issue that each of them is.
pub(super) fn read(
    drafts: &[Draft],
    own: &[Option<Target>],
    outline: &Outline,
    naming: &Naming<'_>,
) -> (Vec<Dependency>, Vec<Barrier>) {
    debug_assert_eq!(drafts.len(), own.len());
    let mut order = Order { naming, seen: BTreeSet::new(), dependencies: Vec::new(), barriers: Vec::new() };
    for (index, draft) in drafts.iter().enumerate() {
        order.line(&draft.title, Some(index));
        if let Some(cell) = &draft.waits_for {
            order.cell(cell, index);
        }
        let mut in_code = false;
        for line in draft.details.lines() {
            in_code ^= line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
            if !in_code {
                order.line(line, Some(index));
            }
        }
    }
    let of_task: BTreeSet<usize> = drafts.iter().map(|draft| draft.line).collect();
    for section in &outline.sections {
        order.line(&section.title, None);
        for (at, content) in section.content.iter().enumerate() {
            match content {
                Content::Text(lines) => {
                    lines.iter().for_each(|line| order.line(line, None));
                    order.start_with(&lines.join(" "), drafts.len());
                    if let Some(line) = lines.iter().find(|line| tasks_are_sequential(line)) {
                        // It speaks of the numbered list below it, or of all tasks.
                        match section.content.get(at + 1) {
                            Some(Content::List(list)) if list.number.is_some() => {
                                order.ordered_list(list, drafts, line);
                            }
                            _ => order.chain_all(drafts, line),
                        }
                    }
                    if section.ordered {
                        lines.iter().for_each(|line| order.ordered_line(line));
                    }
                }
                Content::List(list) => {
                    order.items(list, &of_task);
                    if section.ordered {
                        order.ordered_list(list, drafts, &section.title);
                    }
                }
                Content::Table(_) => {}
            }
        }
    }
    order.stages(outline);
    (order.dependencies, order.barriers)
}

struct Order<'a> {
    naming: &'a Naming<'a>,
    seen: BTreeSet<(usize, usize)>,
    dependencies: Vec<Dependency>,
    barriers: Vec<Barrier>,
}

/// Names in a row.
#[derive(Default)]
struct Run {
    /// The tasks that each name means; none for a name of something outside the plan.
    names: Vec<Vec<usize>>,
    /// Where the row ends.
    end: usize,
    /// How many names stand before the row's first comma.
    before_comma: Option<usize>,
    /// A name was a title, a short name or a bare number, which may mean something else.
    loose: bool,
}

impl Order<'_> {
    fn edge(&mut self, task: usize, on: usize, reason: &str, confidence: Confidence) {
        if task != on && self.dependencies.len() < MOST_EDGES && self.seen.insert((task, on)) {
            self.dependencies.push(Dependency { task, on, reason: as_reason(reason), confidence });
        }
    }

    /// `after` waits for `before`: an edge for single tasks, a wall for a stage of several.
    fn waits(&mut self, after: &[usize], before: &[usize], reason: &str, confidence: Confidence) {
        match (after, before) {
            ([], _) | (_, []) => {}
            (&[task], &[on]) => self.edge(task, on, reason, confidence),
            (_, &[on]) if confidence == Confidence::Certain => {
                after.iter().for_each(|&task| self.edge(task, on, reason, confidence));
            }
            _ => self.wall(before, after, reason, confidence),
        }
    }

    fn wall(&mut self, before: &[usize], after: &[usize], reason: &str, confidence: Confidence) {
        let after: Vec<usize> = after.iter().copied().filter(|task| !before.contains(task)).collect();
        let known = self.barriers.iter().any(|wall| wall.before == before && wall.after == after);
        if !after.is_empty() && !known && self.barriers.len() < super::Plan::MAX_TASKS {
            let before = before.to_vec();
            self.barriers.push(Barrier { before, after, reason: as_reason(reason), confidence });
        }
    }

    /// Reads one line. Words of order without a subject of their own are about `task`.
    fn line(&mut self, line: &str, task: Option<usize>) {
        let line = cut(line, LONGEST_LINE);
        let lower = lowered(line);
        if may_hold_arrows(&lower) {
            self.arrows(line);
        }
        let found = cues(&lower);
        if found.is_empty() {
            return;
        }
        let links = self.naming.links(line);
        for cue in found {
            self.cue(line, &lower, &links, cue, task);
        }
    }

    fn cue(&mut self, line: &str, lower: &str, links: &[Link], cue: Cue, task: Option<usize>) {
        // "Not until X" and "not before X" are the plain way to say that something waits for X.
        let not_yet = is_denied(&lower[..cue.at]);
        if not_yet
            && !matches!(cue.word, "until" | "before" | "after" | "when" | "once" | "vor" | "hasta" | "bis")
        {
            return;
        }
        if cue.turn == Turn::Behind {
            return self.behind(line, links, cue, task);
        }
        let objects = self.objects(line, links, cue);
        if objects.names.is_empty() {
            return;
        }
        let holds_up = cue.turn == Turn::HoldsUp && !not_yet;
        let start = sentence_start(line, cue.at);
        let mut named = self.names_from(&line[..cue.at], links, start, false);
        let mut objects = objects;
        if named.names.is_empty() && task.is_none() {
            named = self.subject(line, links, cue, start, &mut objects);
        }
        let subjects = match (named.names.is_empty(), task) {
            (true, Some(task)) => vec![vec![task]],
            _ => named.names,
        };
        let confidence = if objects.loose || named.loose { Confidence::Likely } else { Confidence::Certain };
        for subject in &subjects {
            for object in &objects.names {
                let (after, before) = if holds_up { (object, subject) } else { (subject, object) };
                self.waits(after, before, line, confidence);
            }
        }
    }

    /// What a word of order is about. After a colon (`Depends on: 1, 2`), and where a row of numbers is all that
    /// follows (`(after 1 and 2)`), a number alone is a task's number.
    fn objects(&self, line: &str, links: &[Link], cue: Cue) -> Run {
        let behind = line[cue.end..].trim_start_matches(['*', '_']);
        let colon = cue.word.ends_with(':') || behind.starts_with([':', '：']);
        let run = self.names_from(line, links, cue.end, colon);
        if !run.names.is_empty() || colon || !self.naming.has_numbers {
            return run;
        }
        let bare = self.names_from(line, links, cue.end, true);
        let ends = line[bare.end..]
            .trim_start()
            .chars()
            .next()
            .is_none_or(|c| matches!(c, ')' | '.' | ';' | ']' | '）'));
        if ends { Run { loose: true, ..bare } } else { Run::default() }
    }

    /// Who waits, where no name stands at the start of the sentence: the names right before the word, or, if the word
    /// begins the sentence, those behind what it is about (`After #1: #2 and #3`, `Once #1 is in, #2 can start`).
    fn subject(&self, line: &str, links: &[Link], cue: Cue, start: usize, objects: &mut Run) -> Run {
        const MOST_WORDS: usize = 4;
        if start < cue.at {
            let before = &line[..cue.at];
            let from = links.iter().rfind(|link| link.range.start >= start && link.range.end <= cue.at);
            let Some(link) = from else { return Run::default() };
            if before[link.range.end..].split_whitespace().count() > MOST_WORDS {
                return Run::default();
            }
            return self.names_from(before, links, link.range.start, false);
        }
        let rest = &line[objects.end..];
        let sentence = rest.find(['.', ';']).map_or(rest, |end| &rest[..end]);
        if let Some(at) = sentence.find([':', ',', '，', '：']) {
            let width = sentence[at..].chars().next().map_or(1, char::len_utf8);
            let found = self.names_from(line, links, objects.end + at + width, false);
            if !found.names.is_empty() {
                return found;
            }
        }
        // `After #1, #2 can start`: the row was read as one; its first comma divides it.
        match objects.before_comma {
            Some(first)
                if first < objects.names.len() && sentence.trim_start().starts_with(char::is_alphabetic) =>
            {
                Run { names: objects.names.split_off(first), ..Run::default() }
            }
            _ => Run::default(),
        }
    }

    /// `#2 は #1 の完了後`, `(#1 first)`: the name stands right before the word.
    fn behind(&mut self, line: &str, links: &[Link], cue: Cue, task: Option<usize>) {
        let after = line[cue.end..].trim_start().chars().next();
        let english = cue.word.is_ascii();
        if english && after.is_some_and(char::is_alphanumeric) {
            return;
        }
        let before = line[..cue.at].trim_end();
        let Some(link) = links.iter().rfind(|link| link.range.end == before.len()) else { return };
        let start = sentence_start(line, cue.at);
        let object = self.names_from(before, links, link.range.start, false);
        let mut subjects = self.names_from(&line[..link.range.start], links, start, false).names;
        if subjects.is_empty() {
            subjects = match task {
                Some(task) => vec![vec![task]],
                None if english => return,
                None => self.names_from(line, links, cue.end, false).names,
            };
        }
        for subject in &subjects {
            for object in &object.names {
                self.waits(subject, object, line, Confidence::Certain);
            }
        }
    }

    /// A `Depends on` cell: `1 (for data), 2`, `#12`, `—`.
    fn cell(&mut self, cell: &str, task: usize) {
        let links = self.naming.links(cell);
        // `#1` may be the number of a row.
        let bare = cell.replace('#', " ");
        let names = match self.names_from(cell, &links, 0, true).names {
            names if names.iter().all(Vec::is_empty) => self.names_from(&bare, &[], 0, true).names,
            names => names,
        };
        for name in names {
            self.waits(&[task], &name, cell, Confidence::Certain);
        }
    }

    /// The names in a row from byte `at` on: `#1, #2 and Task 3 (for data)`.
    fn names_from(&self, line: &str, links: &[Link], mut at: usize, bare: bool) -> Run {
        let mut run = Run { end: at, ..Run::default() };
        let mut numbers = bare;
        while let Some(c) = line.get(at..).and_then(|rest| rest.chars().next()) {
            let rest = &line[at..];
            if let Some(mention) = self.naming.at(line, links, at, numbers, true) {
                if mention.range.end > line.len() {
                    break;
                }
                numbers |= !rest.starts_with(['#', '[']) && rest[..mention.range.len()].contains(' ');
                run.loose |= mention.loose;
                at = mention.range.end;
                run.end = at;
                run.names.push(mention.tasks);
            } else if matches!(c, '(' | '（') {
                let length = rest
                    .find([')', '）'])
                    .map_or(rest.len(), |end| end + rest[end..].chars().next().map_or(1, char::len_utf8));
                at += if run.names.is_empty() { c.len_utf8() } else { length };
            } else if c.is_alphanumeric() {
                let word: &str =
                    match rest.find(|c: char| !(c.is_alphanumeric() || c == '-') || joins_words(c)) {
                        Some(0) => &rest[..rest.find(|c: char| !joins_words(c)).unwrap_or(rest.len())],
                        Some(end) => &rest[..end],
                        None => rest,
                    };
                if is_filler(word) || (numbers && !run.names.is_empty() && word.eq_ignore_ascii_case("for")) {
                    at += word.len();
                } else {
                    let Some(mention) = self.naming.title_at(line, at) else { break };
                    at = mention.range.end;
                    run.end = at;
                    run.loose = true;
                    run.names.push(mention.tasks);
                }
            } else if matches!(c, ':' | '：') && !run.names.is_empty() {
                break;
            } else if matches!(c, ',' | '，' | '、') {
                run.before_comma = run.before_comma.or(Some(run.names.len()));
                at += c.len_utf8();
            } else if c.is_whitespace()
                || matches!(
                    c,
                    '&' | '+'
                        | '/'
                        | ':'
                        | '：'
                        | '*'
                        | '_'
                        | '"'
                        | '“'
                        | '”'
                        | '\''
                        | '`'
                        | '–'
                        | '['
                        | ']'
                        | '-'
                        | '∥'
                )
            {
                at += c.len_utf8();
            } else {
                break;
            }
        }
        run.names.retain(|name| !name.is_empty());
        run
    }

    /// `#47 → #48, #49 → #50`: each side waits for the one before it.
    fn arrows(&mut self, line: &str) {
        let mut before: Vec<usize> = Vec::new();
        let mut group: Vec<usize> = Vec::new();
        let mut previous: Option<Mention> = None;
        for mention in self.naming.all(line, true) {
            let between = previous.as_ref().map_or("", |p| &line[p.range.end..mention.range.start]);
            if is_arrow(between) {
                before = std::mem::take(&mut group);
            } else if !is_and(between) {
                before.clear();
                group.clear();
            }
            for &task in &mention.tasks {
                before.iter().for_each(|&on| self.edge(task, on, line, Confidence::Certain));
                group.push(task);
            }
            previous = Some(mention);
        }
    }

    /// Items of lists that are no tasks, such as those of a section `Dependencies`.
    fn items(&mut self, list: &List, of_task: &BTreeSet<usize>) {
        for item in &list.items {
            // What stands below a task has been read as its details.
            if !of_task.contains(&item.line) {
                self.line(&item.title, None);
                item.lists.iter().for_each(|below| self.items(below, of_task));
            }
        }
    }

    /// `Execution order` over a list: each item waits for the one above.
    fn ordered_list(&mut self, list: &List, drafts: &[Draft], reason: &str) {
        // Items that each say an order of their own are not one after the other.
        let arrows =
            list.items.iter().filter(|item| may_hold_arrows(&lowered(cut(&item.title, LONGEST_LINE))));
        if list.items.len() > 1 && arrows.count() * 2 > list.items.len() {
            return;
        }
        let mut before: Vec<usize> = Vec::new();
        for item in &list.items {
            let now = self.meant(item, drafts);
            if now.is_empty() {
                continue;
            }
            for &task in &now {
                before.iter().for_each(|&on| self.edge(task, on, reason, Confidence::Likely));
            }
            before = now;
        }
    }

    /// `Merge order: #1, #2, #3`: each waits for the one before it.
    fn ordered_line(&mut self, line: &str) {
        if may_hold_arrows(&lowered(line)) {
            return;
        }
        let links = self.naming.links(line);
        let run = self.names_from(line, &links, line.find([':', '：']).map_or(0, |at| at + 1), false);
        for pair in run.names.windows(2) {
            self.waits(&pair[1], &pair[0], line, Confidence::Likely);
        }
    }

    /// The tasks that an item of an order means: itself, or those it names.
    fn meant(&self, item: &Item, drafts: &[Draft]) -> Vec<usize> {
        let from = drafts.partition_point(|draft| draft.line < item.line);
        let own: Vec<usize> =
            (from..drafts.len()).take_while(|&task| drafts[task].line == item.line).collect();
        if !own.is_empty() {
            return own;
        }
        let named: Vec<usize> =
            self.naming.all(&item.title, false).into_iter().flat_map(|mention| mention.tasks).collect();
        if named.is_empty() {
            self.naming.title_at(&item.title, 0).map(|m| m.tasks).unwrap_or_default()
        } else {
            named
        }
    }

    /// `Start with X; when it works, do the rest`: all others wait for X.
    fn start_with(&mut self, text: &str, tasks: usize) {
        let lower = lowered(text);
        let Some((at, start)) =
            ["start with ", "begin with "].iter().find_map(|start| lower.find(start).map(|at| (at, start)))
        else {
            return;
        };
        if !has_any(
            &spaced(&text[at..]),
            &[
                "the rest",
                "the others",
                "the remaining",
                "everything else",
                "all others",
                "other tasks",
                "the other",
            ],
        ) {
            return;
        }
        let rest = text.get(at + start.len()..).unwrap_or("");
        let name = rest.split([',', '.', ';', ':']).next().unwrap_or("");
        let first = self
            .naming
            .all(name, false)
            .into_iter()
            .flat_map(|mention| mention.tasks)
            .next()
            .or_else(|| self.naming.containing(name));
        if let Some(first) = first {
            (0..tasks)
                .filter(|&task| task != first)
                .for_each(|task| self.edge(task, first, text, Confidence::Likely));
        }
    }

    /// The text says that the tasks follow one another.
    fn chain_all(&mut self, drafts: &[Draft], reason: &str) {
        (1..drafts.len()).for_each(|task| self.edge(task, task - 1, reason, Confidence::Likely));
    }

    /// Waves are walls by their name; phases and the like only where the text says so.
    fn stages(&mut self, outline: &Outline) {
        let stages = &self.naming.stages;
        let mut words: Vec<&str> = stages.iter().map(|stage| stage.word.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        for word in words {
            let row: Vec<_> = stages.iter().filter(|stage| stage.word == word).collect();
            if row.len() < 2 {
                continue;
            }
            let Some(reason) = (if word == "wave" {
                Some("waves run one after the other".to_owned())
            } else {
                said_of_stages(outline, word)
            }) else {
                continue;
            };
            for pair in row.windows(2) {
                let [before, after] = pair else { continue };
                let reason = format!(
                    "{} {} comes before {} {}: {reason}",
                    before.word, before.number, after.word, after.number
                );
                self.wall(&before.tasks, &after.tasks, &reason, Confidence::Likely);
            }
        }
    }
}
