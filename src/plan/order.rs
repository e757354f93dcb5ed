//! What waits for what, by words and signs alone: list order is never a dependency.

use super::cue::{
    FILLERS, HOLDS_UP, WAITS, as_reason, is_and, is_arrow, is_denied, occurrences, said_of_stages,
    says_sequential, sentence_start,
};
use super::document::{Item, List};
use super::item::Draft;
use super::links::Target;
use super::model::{Barrier, Dependency};
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
        for content in &section.content {
            match content {
                Content::Text(lines) => {
                    lines.iter().for_each(|line| order.line(line, None));
                    order.start_with(&lines.join(" "), drafts.len());
                    if lines.iter().any(|line| {
                        says_sequential(
                            line,
                            &["tasks", "steps", "items", "issues", "these", "following", "sub issues", "prs"],
                        )
                    }) {
                        order.chain_all(drafts, &lines.join(" "));
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

impl Order<'_> {
    fn edge(&mut self, task: usize, on: usize, reason: &str) {
        if task != on && self.dependencies.len() < MOST_EDGES && self.seen.insert((task, on)) {
            self.dependencies.push(Dependency { task, on, reason: as_reason(reason) });
        }
    }

    /// `after` waits for `before`: an edge for single tasks, a wall for a stage of several.
    fn waits(&mut self, after: &[usize], before: &[usize], reason: &str) {
        match (after, before) {
            ([], _) | (_, []) => {}
            (&[task], &[on]) => self.edge(task, on, reason),
            _ => self.wall(before, after, reason),
        }
    }

    fn wall(&mut self, before: &[usize], after: &[usize], reason: &str) {
        let after: Vec<usize> = after.iter().copied().filter(|task| !before.contains(task)).collect();
        let known = self.barriers.iter().any(|wall| wall.before == before && wall.after == after);
        if !after.is_empty() && !known && self.barriers.len() < super::Plan::MAX_TASKS {
            self.barriers.push(Barrier { before: before.to_vec(), after, reason: as_reason(reason) });
        }
    }

    /// Reads one line. Words of order without a subject of their own are about `task`.
    fn line(&mut self, line: &str, task: Option<usize>) {
        let line = cut(line, LONGEST_LINE);
        self.arrows(line);
        let lower = line.to_ascii_lowercase();
        let mut links = None;
        for (words, reversed) in [(WAITS, false), (HOLDS_UP, true)] {
            for word in words {
                for at in occurrences(&lower, word) {
                    let links = links.get_or_insert_with(|| self.naming.links(line));
                    // After a colon (`Depends on: 1, 2`) a number alone is a task's number.
                    let end = at + word.len();
                    let colon =
                        word.ends_with(':') || line[end..].trim_start_matches(['*', '_']).starts_with(':');
                    let objects = self.names_from(line, links, end, colon);
                    // "Not until X" and "not before X" are the plain way to say that something waits for X.
                    let not_yet = is_denied(&lower[..at]);
                    if objects.is_empty() || (not_yet && !matches!(*word, "until" | "before")) {
                        continue;
                    }
                    let reversed = reversed && !not_yet;
                    let start = sentence_start(line, at);
                    let named: Vec<Vec<usize>> = self.names_from(&line[..at], links, start, false);
                    let subjects = if named.is_empty() {
                        task.map(|task| vec![vec![task]]).unwrap_or_default()
                    } else {
                        named
                    };
                    for subject in &subjects {
                        for object in &objects {
                            let (after, before) =
                                if reversed { (object, subject) } else { (subject, object) };
                            self.waits(after, before, line);
                        }
                    }
                }
            }
        }
    }

    /// A `Depends on` cell: `1 (for data), 2`, `#12`, `—`.
    fn cell(&mut self, cell: &str, task: usize) {
        let links = self.naming.links(cell);
        let bare = cell.trim_start_matches(['#', ' ']);
        let names = match self.names_from(cell, &links, 0, true) {
            names if names.iter().all(Vec::is_empty) => self.names_from(bare, &[], 0, true),
            names => names,
        };
        for name in names {
            self.waits(&[task], &name, cell);
        }
    }

    /// The names in a row from byte `at` on: `#1, #2 and Task 3 (for data)`.
    fn names_from(
        &self,
        line: &str,
        links: &[super::links::Link],
        mut at: usize,
        bare: bool,
    ) -> Vec<Vec<usize>> {
        let mut names = Vec::new();
        let mut numbers = bare;
        while let Some(c) = line.get(at..).and_then(|rest| rest.chars().next()) {
            let rest = &line[at..];
            if let Some(mention) = self.naming.at(line, links, at, numbers) {
                if mention.range.end > line.len() {
                    break;
                }
                numbers |= !rest.starts_with(['#', '[']) && rest[..mention.range.len()].contains(' ');
                at = mention.range.end;
                names.push(mention.tasks);
            } else if c == '(' {
                let length = rest.find(')').map_or(rest.len(), |end| end + 1);
                if names.is_empty() {
                    at += 1;
                } else {
                    at += length;
                }
            } else if c.is_alphanumeric() {
                let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '-').collect();
                let lower = word.to_lowercase();
                if FILLERS.contains(&lower.as_str()) || (numbers && !names.is_empty() && lower == "for") {
                    at += word.len();
                } else {
                    if let Some(mention) = self.naming.title_at(line, at).filter(|_| names.is_empty()) {
                        names.push(mention.tasks);
                    }
                    break;
                }
            } else if c.is_whitespace()
                || matches!(
                    c,
                    ',' | '&'
                        | '+'
                        | '/'
                        | ':'
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
                )
            {
                at += c.len_utf8();
            } else {
                break;
            }
        }
        names.retain(|name| !name.is_empty());
        names
    }

    /// `#47 → #48, #49 → #50`: each side waits for the one before it.
    fn arrows(&mut self, line: &str) {
        if !["→", "->", "=>", "⇒", "►", "➜", "⟶"].iter().any(|arrow| line.contains(arrow)) {
            return;
        }
        let mut before: Vec<usize> = Vec::new();
        let mut group: Vec<usize> = Vec::new();
        let mut previous: Option<Mention> = None;
        for mention in self.naming.all(line) {
            let between = previous.as_ref().map_or("", |p| &line[p.range.end..mention.range.start]);
            if is_arrow(between) {
                before = std::mem::take(&mut group);
            } else if !is_and(between) {
                before.clear();
                group.clear();
            }
            for &task in &mention.tasks {
                before.iter().for_each(|&on| self.edge(task, on, line));
                group.push(task);
            }
            previous = Some(mention);
        }
    }

    /// Items of lists that are no tasks, such as those of a section `Dependencies`.
    fn items(&mut self, list: &List, of_task: &BTreeSet<usize>) {
        for item in &list.items {
            if !of_task.contains(&item.line) {
                self.line(&item.title, None);
            }
            item.lists.iter().for_each(|below| self.items(below, of_task));
        }
    }

    /// `Execution order` over a list: each item waits for the one above.
    fn ordered_list(&mut self, list: &List, drafts: &[Draft], reason: &str) {
        let mut before: Vec<usize> = Vec::new();
        for item in &list.items {
            let now = self.meant(item, drafts);
            if now.is_empty() {
                continue;
            }
            for &task in &now {
                before.iter().for_each(|&on| self.edge(task, on, reason));
            }
            before = now;
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
            self.naming.all(&item.title).into_iter().flat_map(|mention| mention.tasks).collect();
        if named.is_empty() {
            self.naming.title_at(&item.title, 0).map(|m| m.tasks).unwrap_or_default()
        } else {
            named
        }
    }

    /// `Start with X; when it works, do the rest`: all others wait for X.
    fn start_with(&mut self, text: &str, tasks: usize) {
        let lower = text.to_ascii_lowercase();
        let Some((at, start)) = ["start with ", "begin with "]
            .iter()
            .find_map(|start| occurrences(&lower, start.trim_end()).next().map(|at| (at, start)))
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
            .all(name)
            .into_iter()
            .flat_map(|mention| mention.tasks)
            .next()
            .or_else(|| self.naming.containing(name));
        if let Some(first) = first {
            (0..tasks).filter(|&task| task != first).for_each(|task| self.edge(task, first, text));
        }
    }

    /// The text says that the tasks follow one another.
    fn chain_all(&mut self, drafts: &[Draft], reason: &str) {
        (1..drafts.len()).for_each(|task| self.edge(task, task - 1, reason));
    }

    /// Waves are walls by their name; phases and the like only where the text says so.
    fn stages(&mut self, outline: &Outline) {
        let stages = &self.naming.stages;
        let mut words: Vec<&str> = stages.iter().map(|stage| stage.word.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        for word in words {
            let row: Vec<_> = stages.iter().filter(|stage| stage.word == word).collect();
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
                self.wall(&before.tasks, &after.tasks, &reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::read;

    /// The edges of an issue as (task, on), from 1 as people count.
    fn edges(body: &str) -> Vec<(usize, usize)> {
        let plan = read("Epic: x", body, None, None);
        plan.dependencies.iter().map(|edge| (edge.task + 1, edge.on + 1)).collect()
    }

    fn walls(body: &str) -> Vec<(Vec<usize>, Vec<usize>)> {
        let plan = read("Epic: x", body, None, None);
        plan.barriers.into_iter().map(|wall| (wall.before, wall.after)).collect()
    }

    #[test]
    fn each_word_that_waits_makes_an_edge() {
        for words in [
            "depends on #1",
            "blocked by #1",
            "waits for #1",
            "after #1",
            "once #1 is merged",
            "must not move until #1",
            "must not start before #1",
            "requires #1",
            "**Depends on:** #1",
            "builds on #1",
            "depende de #1",
            "après #1",
            "依赖 #1",
        ] {
            assert_eq!(edges(&format!("- [ ] #1 store\n- [ ] #2 api ({words})\n")), [(2, 1)], "{words}");
        }
        for words in ["blocks #2", "must land before #2", "required by #2"] {
            assert_eq!(edges(&format!("- [ ] #1 store, {words}\n- [ ] #2 api\n")), [(2, 1)], "{words}");
        }
    }

    #[test]
    fn a_denial_and_list_order_make_none() {
        for words in
            ["does not depend on #1", "no longer blocked by #1", "see #1", "after the merge", "after #99"]
        {
            assert_eq!(edges(&format!("- [ ] #1 store\n- [ ] #2 api ({words})\n")), [], "{words}");
        }
        assert_eq!(edges("1. Add a\n2. Add b\n3. Add c\n"), []);
    }

    #[test]
    fn tasks_are_named_by_number_identifier_title_and_cell() {
        assert_eq!(edges("- [ ] Add store\n- [ ] Add api, after task 1\n"), [(2, 1)]);
        assert_eq!(
            edges("- [ ] T1 store\n- [ ] T2 api\n- [ ] T3 page (after T1, T2 and T9)\n"),
            [(3, 1), (3, 2)]
        );
        assert_eq!(edges("- [ ] Create the store\n- [ ] Add api after \"Create the store\"\n"), [(2, 1)]);
        let table = "| # | Task | Depends on |\n|---|---|---|\n| 1 | Add a | — |\n| 2 | Add b | 1 (for data) |\n| 3 | Add c | 1, 2 |\n";
        assert_eq!(edges(table), [(2, 1), (3, 1), (3, 2)]);
    }

    #[test]
    fn sentences_outside_the_list_count_when_they_name_both() {
        let list = "- [ ] #1 a\n- [ ] #2 b\n- [ ] #3 c\n\n";
        assert_eq!(edges(&format!("{list}## Dependencies\n- #3 depends on #1 and #2\n")), [(3, 1), (3, 2)]);
        assert_eq!(edges(&format!("{list}Order: #1 → #2, #3\n")), [(2, 1), (3, 1)]);
        assert_eq!(edges(&format!("{list}Start with #2; do the rest when it works.\n")), [(1, 2), (3, 2)]);
        assert_eq!(edges(&format!("{list}Depends on #9.\n")), []);
        assert_eq!(edges(&format!("{list}```\n#1 -> #2\n```\n")), []);
    }

    #[test]
    fn an_execution_order_is_a_chain() {
        assert_eq!(edges("## Execution order\n1. Add a\n2. Add b\n3. Add c\n"), [(2, 1), (3, 2)]);
        assert_eq!(edges("- [ ] Add a\n- [ ] Add b\n\nThe tasks must be done one at a time.\n"), [(2, 1)]);
    }

    #[test]
    fn waves_are_walls_and_phases_only_where_the_text_says_so() {
        let stages = |word: &str, more: &str| {
            format!("{more}\n\n## {word} 1\n- [ ] Add a\n- [ ] Add b\n\n## {word} 2\n- [ ] Add c\n")
        };
        let wall = [(vec![0, 1], vec![2])];
        assert_eq!(walls(&stages("Wave", "")), wall);
        assert_eq!(walls(&stages("Phase", "")), []);
        assert_eq!(walls(&stages("Phase", "Phases are sequential.")), wall);
        assert_eq!(walls(&stages("Phase", "Phases are not sequential.")), []);
        assert_eq!(walls(&stages("Phase", "Phase 2 starts after Phase 1.")), wall);
    }
}
