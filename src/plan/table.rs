//! R7: a table is a list of work when it has a column for tasks and one that only work has.

use super::document::Table;
use super::item::{Draft, is_dummy, sign};
use super::links::{self, Home};
use super::text::spaced;

/// Titles of the column that names the task, the best first.
const TITLE: &[&str] = &[
    "task",
    "sub task",
    "subtask",
    "title",
    "work item",
    "item",
    "story",
    "issue title",
    "deliverable",
    "name",
    "what",
    "description",
    "summary",
    "feature",
    "step",
];
/// Columns that only a list of work has.
const WORK_ONLY: &[&str] = &[
    "depends on",
    "dependencies",
    "depends",
    "dependency",
    "blocked by",
    "waits for",
    "status",
    "state",
    "owner",
    "assignee",
    "estimate",
    "effort",
    "done",
    "points",
    "sprint",
    "issue",
    "pr",
    "ticket",
];
/// Of these, one is enough in a tracking issue, whatever the first column is called.
const STRONG: &[&str] = &[
    "status",
    "state",
    "done",
    "progress",
    "depends on",
    "dependencies",
    "blocked by",
    "waits for",
    "pr",
    "issue",
    "ticket",
    "tracking issue",
    "pull request",
    "estado",
    "statut",
    "stand",
    "状态",
    "状態",
    "進捗",
    "статус",
    "상태",
];
const WAITS: &[&str] = &[
    "depends on",
    "dependencies",
    "depends",
    "dependency",
    "blocked by",
    "waits for",
    "after",
    "requires",
    "needs",
    "prerequisites",
    "prerequisite",
    "waits on",
    "waiting on",
    "waiting for",
    "depends upon",
    "deps",
    "blocker",
    "blockers",
    "predecessor",
    "predecessors",
    "gated by",
    "depende de",
    "dependencias",
    "depend de",
    "dependances",
    "abhangig von",
    "abhangigkeiten",
    "依赖",
    "依存",
    "선행",
    "зависит от",
];
const STATUS: &[&str] = &["status", "state", "done", "progress"];
const ISSUE: &[&str] = &["issue", "ticket", "sub issue", "github issue", "link", "#"];
/// Columns that name the group of a row.
const GROUP: &[&str] = &[
    "wave",
    "phase",
    "stage",
    "sprint",
    "milestone",
    "step",
    "priority",
    "prio",
    "area",
    "component",
    "lane",
    "track",
    "week",
    "version",
    "fase",
    "etapa",
    "phase nr",
    "阶段",
    "フェーズ",
    "단계",
    "этап",
    "фаза",
];
/// Columns that name a place in the code: a group, or the task itself where nothing else names it.
const PLACES: &[&str] = &["component", "area"];
/// Columns of the changes that were made for a row.
const CHANGES: &[&str] = &["pr", "prs", "pull request", "pull requests"];
const NUMBER: &[&str] = &["#", "no", "nr", "id", "n", "num", "task id", "№"];

/// The tasks of a table; empty when it is a table of something else. `in_work`: it stands in a section of work.
pub(super) fn tasks(
    table: &Table,
    section: usize,
    in_work: bool,
    declared: bool,
    home: Home<'_>,
) -> Vec<Draft> {
    let heads: Vec<String> = table.head.iter().map(|cell| head(cell)).collect();
    let column = |names: &[&str]| names.iter().find_map(|name| heads.iter().position(|head| head == name));
    let number = column(NUMBER);
    let boxes = (0..table.head.len()).find(|&c| {
        !table.rows.is_empty()
            && table.rows.iter().all(|(row, _)| row.get(c).is_some_and(|cell| boxed(cell).is_some()))
    });
    let named = column(TITLE);
    // Columns whose every cell is an issue, or issues.
    let linked = (0..table.head.len()).find(|&c| {
        !table.rows.is_empty()
            && table.rows.iter().all(|(row, _)| row.get(c).is_some_and(|cell| is_only_links(cell, home)))
    });
    let several = linked.filter(|&c| table.rows.iter().any(|(row, _)| links::find(&row[c], home).len() > 1));
    if let Some(column) = several.filter(|_| named.is_none() && (in_work || declared)) {
        return rows_of_links(table, section, column, home);
    }
    let tracked = boxes.is_some()
        || declared && linked.is_some()
        || declared && (column(STRONG).is_some() || column(WAITS).is_some());
    let is_work = named.is_some() && (in_work || column(WORK_ONLY).is_some())
        || table.head.len() > 1 && (in_work || tracked);
    // A column called issue that holds words is the title.
    let issue = column(ISSUE).filter(|&c| {
        table.rows.iter().any(|(row, _)| {
            row.get(c).is_some_and(|cell| {
                cell.trim().is_empty()
                    || is_only_links(cell, home)
                    || cell.trim().starts_with(['-', '—', '–'])
            })
        })
    });
    let worded = column(ISSUE).filter(|_| issue.is_none());
    let named = named.or(worded);
    let others =
        [number, issue, column(STATUS), column(WAITS), boxes, linked, column(GROUP), column(CHANGES)];
    let text = (0..table.head.len()).find(|&c| !others.contains(&Some(c)));
    let first_text = text.or(column(PLACES)).or(issue).or(linked);
    let Some(title) = named.or(first_text).filter(|_| is_work) else { return Vec::new() };
    let (waits, status, issue) = (column(WAITS), column(STATUS), issue.or(linked));
    let cell = |row: &[String], at: Option<usize>| {
        at.and_then(|at| row.get(at)).map(|cell| cell.trim().to_owned()).filter(|c| !c.is_empty())
    };
    if table.rows.iter().all(|(row, _)| cell(row, Some(title)).is_none_or(|text| is_dummy(&text))) {
        return Vec::new();
    }
    let mut out = Vec::new();
    for (row, line) in &table.rows {
        let Some(text) = cell(row, Some(title)) else { continue };
        let linked =
            [issue, number].into_iter().find_map(|at| cell(row, at).and_then(|c| links::own(&c, home)));
        out.push(Draft {
            title: text,
            done: [status, boxes].into_iter().any(|at| cell(row, at).is_some_and(|state| is_done(&state)))
                || cell(row, column(CHANGES)).is_some_and(|change| spaced(&change).ends_with(" merged ")),
            line: *line,
            section,
            number: cell(row, number),
            waits_for: cell(row, waits),
            issue: linked,
            ..Draft::default()
        });
    }
    out
}

/// Nothing but links to issues and what joins them.
fn is_only_links(cell: &str, home: Home<'_>) -> bool {
    let found = links::find(cell, home);
    let mut rest = cell.to_owned();
    for link in found.iter().rev() {
        rest.replace_range(link.range.clone(), " ");
    }
    !found.is_empty() && !rest.contains(char::is_alphanumeric)
}

/// R8 in a table: each link of the column is a task, its row the group.
fn rows_of_links(table: &Table, section: usize, column: usize, home: Home<'_>) -> Vec<Draft> {
    let of_row = |(row, line): &(Vec<String>, usize)| {
        let cell = row.get(column).map_or("", String::as_str);
        let title = |link: links::Link| cell[link.range].to_owned();
        let group = row.first().filter(|_| column > 0).cloned();
        let line = *line;
        let drafts: Vec<Draft> = links::find(cell, home)
            .into_iter()
            .map(|link| Draft { title: title(link), line, section, group: group.clone(), ..Draft::default() })
            .collect();
        drafts
    };
    table.rows.iter().flat_map(of_row).collect()
}

fn head(cell: &str) -> String {
    let words = spaced(cell);
    if words.trim().is_empty() { cell.trim_matches(['*', ' ']).to_owned() } else { words.trim().to_owned() }
}

/// A cell that holds a box or a tick and nothing else.
fn boxed(cell: &str) -> Option<bool> {
    match cell.trim().trim_start_matches(['-', '*', '\\']).trim_start() {
        "[ ]" | "\\[ ]" | "☐" | "⬜" => Some(false),
        "[x]" | "[X]" | "☑" | "✅" | "✔" | "✓" => Some(true),
        _ => None,
    }
}

fn is_done(state: &str) -> bool {
    let words = spaced(state);
    let says_done =
        ["done", "complete", "completed", "merged", "closed", "x", "finished"].contains(&words.trim());
    says_done || sign(state) == Some(true) || boxed(state) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::document::{Block, blocks};
    use crate::plan::source::Source;

    fn read(body: &str) -> Vec<Draft> {
        let mut found = blocks(&Source::new(body), None).into_iter();
        found
            .find_map(|block| {
                if let Block::Table(table) = block {
                    Some(tasks(&table, 0, false, false, None))
                } else {
                    None
                }
            })
            .unwrap_or_default()
    }

    #[test]
    fn rows_of_work_are_tasks() {
        let rows = read(
            "| # | Task | Depends on | Status | Issue |\n|---|---|---|---|---|\n| 1 | Add a | — | ✅ | #7 |\n| 2 | Add b | 1 | open | |\n",
        );
        assert_eq!(rows.iter().map(|row| row.title.as_str()).collect::<Vec<_>>(), ["Add a", "Add b"]);
        assert_eq!(rows.iter().map(|row| row.done).collect::<Vec<_>>(), [true, false]);
        assert_eq!(rows[0].issue, Some(links::Target::Here(7)));
        assert_eq!(rows[1].waits_for.as_deref(), Some("1"));
    }

    #[test]
    fn tables_of_facts_are_not_work() {
        assert!(read("| File | LOC |\n|---|---|\n| a.rs | 3 |\n").is_empty());
        assert!(read("| Task | Subject | Form |\n|---|---|---|\n| Step 0 | Parse | Parsing |\n").is_empty());
    }
}
