//! The house rules of `ARCHITECTURE.md`, held by reading `src/`.
//!
//! Each rule is a function over the sources, so that the same code that guards the tree is also shown forged
//! sources that break it: a rule that cannot fail guards nothing.

mod scan;

use scan::{Literal, PathRef, Scan, paths, scan};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Who may import whom. `cli` may import everything. An entry with a path opens only what begins like it.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("plan", &["domain"]),
    ("agents", &["domain"]),
    ("report", &["domain", "plan"]),
    ("clock", &[]),
    ("sandbox", &["clock"]),
    ("egress", &["clock"]),
    ("config", &["domain"]),
    ("status_file", &["domain"]),
    ("telemetry", &[]),
    ("github", &["domain", "clock"]),
    ("store", &["domain", "clock", "plan"]),
    ("workspace", &["domain", "clock", "sandbox"]),
    ("dispatch", &["domain", "clock"]),
    (
        "runner",
        &[
            "domain",
            "agents",
            "dispatch",
            "workspace",
            "sandbox",
            "egress",
            "status_file",
            "clock",
            "telemetry",
        ],
    ),
    (
        "orchestrator",
        &[
            "domain",
            "plan",
            "report",
            "store",
            "github",
            "status_file",
            "clock",
            "telemetry",
            "config::RepoFile",
        ],
    ),
    ("server", &["domain", "report", "store", "dispatch", "github", "clock", "telemetry"]),
    ("simulator", &["clock"]),
];

/// Where a foreign crate may be named. A crate that is not listed may be used anywhere.
const OWNERS: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("rusqlite", &["store"]),
    ("octocrab", &["github"]),
    ("jsonwebtoken", &["github", "simulator"]),
    ("axum", &["server", "egress", "simulator", "cli/plane.rs"]),
    ("hyper", &["server", "egress", "github", "simulator"]),
    ("hyper_util", &["server", "egress", "github", "simulator"]),
    ("tower_http", &["server", "simulator"]),
    ("hmac", &["server", "report/marker.rs", "simulator"]),
    ("sha2", &["server", "report/marker.rs", "simulator"]),
    ("reqwest", &["dispatch", "egress", "simulator"]),
    ("clap", &["cli"]),
    ("anyhow", &["cli"]),
    ("miette", &["cli", "config"]),
    ("toml", &["config"]),
    ("pulldown_cmark", &["plan"]),
    ("tracing_subscriber", &["telemetry"]),
    ("metrics_exporter_prometheus", &["telemetry", "server"]),
    ("rand", &["clock"]),
    ("git2", &[]),
    ("gix", &[]),
    ("libc", &["sandbox"]),
];

/// Besides the launcher: the simulator, which is a world of its own; the demo's agent, which runs inside of the
/// launcher like any other; and the order for the runner process, which sandbox carries out.
const PROCESSES: &[&str] = &["sandbox", "simulator", "cli/demo_agent.rs", "cli/embedded.rs"];

/// Paths that belong to one module. A longer path counts as well: `std::env` covers `std::env::var`.
const PLACES: &[(&str, &[&str], &str)] = &[
    ("std::env", &["config", "simulator"], "the environment is read in config alone"),
    ("std::process::Command", PROCESSES, "processes are started in sandbox alone"),
    ("tokio::process", PROCESSES, "processes are started in sandbox alone"),
    ("std::time::SystemTime", &["clock", "simulator"], "wall time is read in clock alone"),
    ("std::time::Instant::now", &["clock", "simulator"], "time is read in clock alone"),
    ("Instant::now", &["clock", "simulator"], "time is read in clock alone"),
    ("SystemTime::now", &["clock", "simulator"], "wall time is read in clock alone"),
    ("Timestamp::now", &["clock", "simulator"], "wall time is read in clock alone"),
    ("Zoned::now", &["clock", "simulator"], "wall time is read in clock alone"),
    ("tokio::time", &["clock", "simulator"], "waiting and deadlines go through clock"),
    ("std::thread::sleep", &["clock", "simulator"], "waiting goes through clock"),
    ("thread::sleep", &["clock", "simulator"], "waiting goes through clock"),
];

/// Texts that only some places may hold: they are how a thing is named at run time. The second field tells whether
/// the whole literal is meant.
const TEXTS: &[(&str, bool, &[&str], &str)] = &[
    // workspace/attempt.rs keeps them out of commits.
    (".claude/runtime", false, &["status_file", "workspace/attempt.rs"], "public files have one writer"),
    // cli/run.rs works on the user's own repository.
    (
        "git",
        true,
        &["workspace", "simulator", "cli/demo_agent.rs", "cli/run.rs"],
        "git is run by workspace alone",
    ),
    ("--work-tree", true, IN_A_WORKTREE, "the host runs no git where an agent could write"),
    ("GIT_WORK_TREE", true, IN_A_WORKTREE, "the host runs no git where an agent could write"),
];

/// Where git is told to work in an attempt's worktree: started by the launcher, never by the host.
const IN_A_WORKTREE: &[&str] = &["simulator", "workspace/gather.rs"];

/// How a program is run as the host, and who may: the launcher itself, and two callers that give it git alone.
const HOST_CALL: &str = "run_host";
const HOST_CALLERS: &[&str] = &["sandbox", "workspace/git.rs", "cli/run.rs"];

/// Ways to git as the host; none may stand in a file that works in a worktree.
const HOST_GIT: &[&str] = &[HOST_CALL, "HostGit", "Call::new", ".git()"];

/// What changes something on GitHub. Called by effects alone, where the executor gives the leave.
const WRITES: &[&str] = &[
    ".create_issue(",
    ".update_issue(",
    ".create_comment(",
    ".update_comment(",
    ".delete_comment(",
    ".create_pull(",
    ".update_pull(",
    ".add_sub_issue(",
    ".add_blocked_by(",
    ".add_labels(",
    ".create_label(",
    ".react(",
];
/// The client that has them, and the state model behind GitHub's place.
const WRITERS: &[&str] = &["github", "simulator"];

const LONGEST_FILE: usize = 600;

struct Source {
    /// Below `src/`, such as `store/mod.rs`.
    path: String,
    text: String,
}

impl Source {
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn is_within(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.module() == *place || self.path == *place)
    }

    /// Whether this is the file that names a top-level module, where `super` is the crate.
    fn is_module_root(&self) -> bool {
        self.path == format!("{}.rs", self.module()) || self.path == format!("{}/mod.rs", self.module())
    }

    /// The line from which on the file is unit tests; foreign crates may be used there.
    fn tests_from(&self, code: &str) -> usize {
        if self.path.ends_with("tests.rs") || self.path.contains("/tests/") {
            return 0;
        }
        let lines: Vec<&str> = code.lines().collect();
        let begins = |i: usize| {
            lines[i].trim() == "#[cfg(test)]"
                && lines[i + 1..].iter().take(3).any(|line| line.split(' ').any(|word| word == "mod"))
        };
        (0..lines.len()).find(|i| begins(*i)).map_or(usize::MAX, |i| i + 1)
    }
}

fn tree() -> Vec<Source> {
    fn walk(directory: &Path, prefix: &str, found: &mut Vec<Source>) {
        let mut entries: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                walk(&path, &format!("{prefix}{name}/"), found);
            } else if name.ends_with(".rs") {
                found.push(Source {
                    path: format!("{prefix}{name}"),
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
    found
}

/// Everything that is wrong, one line each.
fn violations(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let Scan { code, literals } = scan(&source.text);
        let paths = paths(&code);
        let mut say = |line: usize, what: String| wrong.push(format!("src/{}:{line}: {what}", source.path));

        shape(source, &code, &mut say);
        host_git(source, &code, &literals, &mut say);
        writes(source, &code, &mut say);
        imports(source, &paths, &mut edges, source.tests_from(&code), &mut say);
        owners(source, &paths, source.tests_from(&code), &mut say);
        for (text, whole, places, why) in TEXTS {
            for literal in &literals {
                let hit = if *whole { literal.text == *text } else { literal.text.contains(text) };
                if hit && !source.is_within(places) {
                    say(literal.line, format!("names `{text}`: {why}"));
                }
            }
        }
    }
    wrong.dedup();
    wrong.extend(cycle(&edges).map(|cycle| format!("modules import each other: {}", cycle.join(" -> "))));
    wrong
}

fn shape(source: &Source, code: &str, say: &mut impl FnMut(usize, String)) {
    let length = source.text.lines().count();
    if length > LONGEST_FILE {
        say(1, format!("has {length} lines, more than {LONGEST_FILE}"));
    }
    let is_tests = source.tests_from(code) == 0;
    if !source.text.starts_with("//! ") && !is_tests {
        say(1, "does not begin with `//! ` and what the module is for".to_owned());
    }
    for (number, line) in code.lines().enumerate() {
        let number = number + 1;
        let compact: String = line.split_whitespace().collect();
        for (text, why) in [
            ("#[allow(", "use #[expect(…, reason = …)]"),
            ("#![allow(", "use #[expect(…, reason = …)]"),
            ("todo!(", "is not finished"),
            ("unimplemented!(", "is not finished"),
            ("cfg!(test)", "behaviour must not change under test"),
            ("cfg(not(test))", "behaviour must not change under test"),
        ] {
            if compact.contains(text) {
                say(number, format!("`{text}`: {why}"));
            }
        }
        if compact.contains("#[cfg(test)]") && number < source.tests_from(code) {
            say(number, "`#[cfg(test)]` before something else than the tests".to_owned());
        }
        if compact.contains("unsafe{") && source.module() != "sandbox" {
            say(number, "`unsafe` outside of sandbox".to_owned());
        }
    }
}

/// Every write to GitHub is an effect.
fn writes(source: &Source, code: &str, say: &mut impl FnMut(usize, String)) {
    if source.is_within(WRITERS) || source.path.starts_with("orchestrator/effects/") {
        return;
    }
    for (number, line) in code.lines().enumerate() {
        let compact: String = line.split_whitespace().collect();
        for call in WRITES.iter().filter(|call| compact.contains(**call)) {
            say(
                number + 1,
                format!("`{call}` outside of orchestrator/effects: a write to GitHub is an effect"),
            );
        }
    }
}

/// The host's git and an attempt's worktree never meet in one file.
fn host_git(source: &Source, code: &str, literals: &[Literal], say: &mut impl FnMut(usize, String)) {
    let in_a_worktree =
        literals.iter().any(|literal| ["GIT_WORK_TREE", "--work-tree"].contains(&&*literal.text));
    for (number, line) in code.lines().enumerate() {
        if line.contains(HOST_CALL) && !source.is_within(HOST_CALLERS) {
            say(number + 1, format!("`{HOST_CALL}` outside of {}", HOST_CALLERS.join(", ")));
        }
        let host = HOST_GIT.iter().find(|call| line.contains(**call));
        if let Some(call) = host.filter(|_| in_a_worktree && source.module() == "workspace") {
            say(
                number + 1,
                format!("`{call}` in a file that works in a worktree: the host runs no git there"),
            );
        }
    }
}

fn imports(
    source: &Source,
    paths: &[PathRef],
    edges: &mut BTreeMap<String, BTreeSet<String>>,
    tests_from: usize,
    say: &mut impl FnMut(usize, String),
) {
    let from = source.module();
    let allowed = MAY_IMPORT.iter().find(|(module, _)| *module == from).map(|(_, allowed)| *allowed);
    for path in paths {
        let parts: Vec<&str> = path.parts.iter().map(String::as_str).collect();
        let to = match parts.as_slice() {
            // Inside `mod tests` one step more leads no further.
            ["super", "super", third, ..] if path.line >= tests_from && *third != "super" => continue,
            ["super", "super", ..] => {
                say(path.line, "climbs by `super::super`; name it from `crate`".to_owned());
                continue;
            }
            ["crate" | "divisi", to, ..] => *to,
            ["super", to, ..] if source.is_module_root() && is_module(to) => *to,
            _ => continue,
        };
        if !is_module(to) || to == from || matches!(from, "main" | "lib") {
            continue;
        }
        edges.entry(from.to_owned()).or_default().insert(to.to_owned());
        let whole = parts[1..].join("::");
        let opens = |entry: &&str| *entry == to || entry.contains("::") && whole.starts_with(*entry);
        if from != "cli" && !allowed.is_some_and(|allowed| allowed.iter().any(opens)) {
            say(path.line, format!("`{from}` must not import `{to}`"));
        }
    }
    if allowed.is_none() && !matches!(from, "cli" | "main" | "lib") {
        say(1, format!("`{from}` is not in the table of modules"));
    }
}

fn is_module(name: &str) -> bool {
    name == "cli" || MAY_IMPORT.iter().any(|(module, _)| *module == name)
}

fn owners(source: &Source, paths: &[PathRef], tests_from: usize, say: &mut impl FnMut(usize, String)) {
    for path in paths.iter().filter(|path| path.line < tests_from) {
        let root = path.parts[0].as_str();
        if let Some((name, places)) = OWNERS.iter().find(|(name, _)| *name == root)
            && !source.is_within(places)
        {
            say(path.line, format!("uses `{name}`, which belongs to {}", places.join(", ")));
        }
        for (place, modules, why) in PLACES {
            let belongs = place.split("::").zip(&path.parts).filter(|(a, b)| a == b).count();
            // What the program was started with, and what it was built for, are no environment.
            let no_environment = match path.parts.get(2).map(String::as_str) {
                Some("consts") => true,
                Some("args_os") => source.module() == "cli",
                _ => false,
            };
            if belongs == place.split("::").count() && !no_environment && !source.is_within(modules) {
                say(path.line, format!("uses `{place}`: {why}"));
            }
        }
    }
}

/// One cycle among the modules, if there is any.
fn cycle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        at: &str,
        edges: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(begin) = way.iter().position(|module| module == at) {
            let mut found = way[begin..].to_vec();
            found.push(at.to_owned());
            return Some(found);
        }
        if !done.insert(at.to_owned()) {
            return None;
        }
        way.push(at.to_owned());
        let found = edges.get(at).into_iter().flatten().find_map(|to| visit(to, edges, way, done));
        way.pop();
        found
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|module| visit(module, edges, &mut Vec::new(), &mut done))
}

#[test]
fn the_tree_keeps_the_rules() {
    let sources = tree();
    assert!(sources.len() > 20, "the sources were not found");
    let wrong = violations(&sources);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_page_shows_the_table_that_is_held() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let table =
        page.split("| module | may import |").nth(1).expect("the table").split("\n\n").next().unwrap();
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in table.lines().filter(|row| !row.contains("---") && row.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let allowed = cells[1].split(", ").filter(|entry| *entry != "–").map(str::to_owned).collect();
        for module in cells[0].split(", ").filter(|module| *module != "cli") {
            shown.insert(module.to_owned(), BTreeSet::clone(&allowed));
        }
    }
    let held = MAY_IMPORT.iter().map(|(module, allowed)| {
        ((*module).to_owned(), allowed.iter().map(|entry| (*entry).to_owned()).collect::<BTreeSet<_>>())
    });
    assert_eq!(shown, held.collect());
}

#[test]
fn the_table_itself_has_no_cycle() {
    let edges = MAY_IMPORT.iter().map(|(module, allowed)| {
        let modules = allowed.iter().filter_map(|entry| entry.split("::").next());
        ((*module).to_owned(), modules.map(str::to_owned).collect())
    });
    assert_eq!(cycle(&edges.collect()), None);
}

#[test]
fn every_module_of_the_crate_is_in_the_table() {
    let lib = tree().into_iter().find(|source| source.path == "lib.rs").unwrap();
    let declared: BTreeSet<String> = lib
        .text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned))
        .collect();
    let table = MAY_IMPORT.iter().map(|(module, _)| (*module).to_owned()).chain(["cli".to_owned()]).collect();
    assert_eq!(declared, table);
}

#[test]
fn only_known_metrics_are_counted() {
    let sources = tree();
    let names = &sources.iter().find(|source| source.path == "telemetry.rs").unwrap().text;
    for source in sources.iter().filter(|source| source.module() != "telemetry") {
        let text: String = source.text.split_whitespace().collect();
        for part in
            ["counter!(\"", "gauge!(\"", "histogram!(\""].iter().flat_map(|call| text.split(call).skip(1))
        {
            let name = part.split('"').next().unwrap();
            assert!(
                names.contains(&format!("\"{name}\"")),
                "{}: {name} is not in telemetry::names",
                source.path
            );
        }
    }
}

/// What the rules say about one forged file.
#[track_caller]
fn forged(path: &str, text: &str, expected: &str) {
    let source = Source { path: path.to_owned(), text: format!("//! Forged.\n{text}") };
    let wrong = violations(&[source]).join("\n");
    assert!(wrong.contains(expected), "expected `{expected}`, got `{wrong}`");
}

#[test]
fn forged_sources_are_caught() {
    forged("domain/x.rs", "use crate::store::Store;", "src/domain/x.rs:2: `domain` must not import `store`");
    forged("runner/x.rs", "use crate::{clock, store::Store};", "`runner` must not import `store`");
    forged("plan/x.rs", "fn f() { crate::github::call() }", "`plan` must not import `github`");
    forged("plan/mod.rs", "use super::github;", "`plan` must not import `github`");
    forged("server/x.rs", "#[cfg(test)]\nmod tests { use crate::orchestrator::X; }", "must not import");
    forged("invented/mod.rs", "", "`invented` is not in the table");
    forged(
        "orchestrator/x.rs",
        "use crate::config::{Config, RepoFile};",
        "`orchestrator` must not import `config`",
    );
    forged("domain/a/b.rs", "use super::super::x;", "climbs");
    forged("server/x.rs", "use sqlx::Row;", "uses `sqlx`, which belongs to store");
    forged("report/table.rs", "use sha2::Sha256;", "uses `sha2`");
    forged("dispatch/x.rs", "async fn f() -> axum::Router { }", "uses `axum`");
    forged("cli/x.rs", "fn f() { std::env::var(\"X\"); }", "uses `std::env`");
    forged("cli/x.rs", "use std::{env, fs};", "uses `std::env`");
    forged("workspace/x.rs", "use std::process::{Command, Stdio};", "processes are started in sandbox");
    forged("store/x.rs", "fn f() { Timestamp::now(); }", "wall time");
    forged("orchestrator/x.rs", "fn f() { github.create_issue(1); }", "a write to GitHub is an effect");
    forged("runner/x.rs", "fn f() { tokio::time::sleep(x).await }", "waiting and deadlines");
    forged("runner/x.rs", "fn f() { let p = \".claude/runtime/x\"; }", "public files have one writer");
    forged("runner/x.rs", "fn f() { run(\"git\") }", "git is run by workspace alone");
    forged("workspace/x.rs", "fn f() { run(\"--work-tree\") }", "no git where an agent could write");
    forged(
        "workspace/gather.rs",
        "fn f() { x(\"GIT_WORK_TREE\"); mirror.git().ok() }",
        "works in a worktree",
    );
    forged("runner/x.rs", "fn f() { launcher.run_host(x) }", "`run_host` outside of");
    forged("plan/x.rs", "#[allow(dead_code)]\nfn f() {}", "use #[expect");
    forged("plan/x.rs", "#[cfg(test)]\nfn f() {}", "before something else than the tests");
    forged("plan/x.rs", "fn f() { if cfg!(test) {} }", "must not change under test");
    forged("plan/x.rs", &"\n".repeat(600), "has 601 lines");
    let undocumented = Source { path: "plan/x.rs".to_owned(), text: "fn f() {}".to_owned() };
    assert!(violations(&[undocumented])[0].contains("does not begin with"));
}

#[test]
fn a_cycle_is_caught() {
    let source =
        |path: &str, text: &str| Source { path: path.to_owned(), text: format!("//! Forged.\n{text}") };
    let wrong =
        violations(&[source("cli/a.rs", "use crate::clock::x;"), source("clock.rs", "use crate::cli::y;")]);
    assert!(wrong.iter().any(|line| line.contains("cli -> clock -> cli")), "{wrong:?}");
}

#[test]
fn what_is_allowed_is_left_alone() {
    let source =
        |path: &str, text: &str| Source { path: path.to_owned(), text: format!("//! Fine.\n{text}") };
    let wrong = violations(&[
        source(
            "store/sqlite.rs",
            "use crate::{clock, domain::Run};\nuse sqlx::Row;\n// use crate::github::X\n",
        ),
        source("cli/serve.rs", "use crate::{server, store};\nconst X: &str = \"std::env::var\";"),
        source("orchestrator/start.rs", "use crate::config::{RepoFile, RepoFileError};"),
        source("cli/mod.rs", "fn f() { std::env::args_os(); }"),
        source("simulator/git.rs", "use std::process::Command;\nfn f() { Command::new(\"git\"); }"),
        source("domain/x.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use super::*; use toml::Value; }"),
        source("agents/x.rs", "fn f() {}\n#[cfg(test)]\npub(super) mod tests { use super::super::job; }"),
        source("sandbox/x.rs", "fn f() -> &'static str { std::env::consts::ARCH }"),
    ]);
    assert!(wrong.is_empty(), "{wrong:?}");
}
