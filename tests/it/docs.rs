//! The documentation against the program: keys, examples, commands, links.

use divisi::config::schema::{Key, REPOSITORY, SERVER};
use divisi::config::{RepoFile, check};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Markdown file of the project: at the top and under `docs/`.
pub fn pages() -> Vec<(PathBuf, String)> {
    let mut pages = Vec::new();
    for directory in [root().to_owned(), root().join("docs")] {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).unwrap();
                pages.push((path, text));
            }
        }
    }
    pages.sort();
    assert!(pages.len() >= 5, "the pages were not found");
    pages
}

/// The fenced blocks of a page: language and text.
pub fn blocks(page: &str) -> Vec<(&str, String)> {
    let (mut found, mut open) = (Vec::new(), None);
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language.trim(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// The rows of the tables below a heading: key to default.
fn rows(page: &str, heading: &str) -> BTreeMap<String, String> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let rows = section.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
        let key = cells.first()?.strip_prefix('`')?.strip_suffix('`')?;
        Some((key.to_owned(), cells.get(1)?.trim_matches('`').to_owned()))
    });
    rows.collect()
}

#[test]
fn every_key_is_documented_with_its_default_and_no_other_is() {
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let compare = |heading: &str, keys: &[Key]| {
        let documented = rows(&page, heading);
        let known: BTreeMap<String, String> =
            keys.iter().map(|key| (key.path.to_owned(), key.default.to_owned())).collect();
        assert_eq!(documented, known, "{heading}");
    };
    compare("Server", SERVER);
    compare("Repository", REPOSITORY);
}

#[test]
fn every_toml_example_is_accepted() {
    let mut examples = 0;
    for (path, page) in pages() {
        for (language, text) in blocks(&page) {
            if language != "toml" {
                continue;
            }
            examples += 1;
            let place = format!("{}: {text}", path.display());
            match text.lines().next().unwrap_or_default() {
                "# divisi.toml" => {
                    check("divisi.toml", &text).unwrap_or_else(|error| panic!("{place}{error}"))
                }
                "# .github/divisi.toml" => {
                    RepoFile::parse(&text).unwrap_or_else(|error| panic!("{place}{error}"));
                }
                _ => {
                    toml::from_str::<toml::Table>(&text).unwrap_or_else(|error| panic!("{place}{error}"));
                }
            }
        }
    }
    assert!(examples >= 3, "the examples were not found");
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    for (path, page) in pages() {
        for link in page.split("](").skip(1) {
            let target = link.split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let file = path.parent().unwrap().join(target);
            assert!(file.exists(), "{} links to {target}", path.display());
        }
    }
}

/// Every call of the program in a page: in shell blocks, and in inline code.
fn calls(page: &str) -> Vec<Vec<String>> {
    let mut texts: Vec<String> = Vec::new();
    for (language, text) in blocks(page) {
        if matches!(language, "sh" | "bash" | "console" | "shell" | "text" | "") {
            texts.extend(text.replace("\\\n", " ").lines().map(str::to_owned));
        }
    }
    let outside: Vec<&str> = page.split("```").step_by(2).collect();
    texts.extend(outside.join("").split('`').skip(1).step_by(2).map(str::to_owned));
    let calls = texts.iter().filter_map(|text| {
        let words = text.trim().trim_start_matches("$ ").split_whitespace();
        let mut words = words.skip_while(|word| word.contains('=')).map(str::to_owned).collect::<Vec<_>>();
        if words.first().is_some_and(|word| word == "cargo") {
            let program = words.iter().position(|word| word == "--")?;
            words.drain(..program).for_each(drop);
            words[0] = "divisi".to_owned();
        }
        (words.first()? == "divisi" && words.len() > 1).then_some(words)
    });
    calls.collect()
}

/// What is wrong with a call, if anything.
fn mistake(program: &clap::Command, call: &[String]) -> Option<String> {
    let mut command = program;
    for word in &call[1..] {
        let word = word.trim_matches(['[', ']', ',', '.', ';']);
        if let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) {
            let flag = flag.split('=').next().unwrap_or(flag);
            let known = command.get_arguments().any(|argument| argument.get_long() == Some(flag));
            if !known && !["help", "version"].contains(&flag) {
                return Some(format!("`{}` has no --{flag}", command.get_name()));
            }
        } else if let Some(verb) = command.find_subcommand(word) {
            command = verb;
        } else if command.has_subcommands() && word.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Some(format!("`{}` has no verb `{word}`", command.get_name()));
        }
        if ["|", "&&", ">", "#"].contains(&word) {
            break;
        }
    }
    None
}

#[test]
fn every_command_and_flag_exists() {
    let program = divisi::cli::command();
    let mut seen = 0;
    for (path, page) in pages() {
        for call in calls(&page) {
            seen += 1;
            if let Some(mistake) = mistake(&program, &call) {
                panic!("{}: {}: {mistake}", path.display(), call.join(" "));
            }
        }
    }
    assert!(seen >= 3, "the calls were not found");
}

#[test]
fn a_call_that_does_not_exist_is_caught() {
    let program = clap::Command::new("divisi")
        .subcommand(clap::Command::new("serve").arg(clap::Arg::new("config").long("config")));
    let wrong = |text: &str| calls(text).iter().find_map(|call| mistake(&program, call));
    assert_eq!(wrong("`divisi serve --config FILE`"), None);
    assert_eq!(wrong("```sh\ncargo run --release -- serve --config x\n```"), None);
    assert_eq!(wrong("see `divisi sevre`").as_deref(), Some("`divisi` has no verb `sevre`"));
    assert_eq!(wrong("```sh\nA=b divisi serve \\\n  --cfg x\n```").as_deref(), Some("`serve` has no --cfg"));
}

#[test]
fn the_page_of_commands_is_the_grammar() {
    let page = fs::read_to_string(root().join("docs/commands.md")).unwrap();
    let help = divisi::report::notice::help();
    let table: Vec<&str> = help.lines().filter(|line| line.starts_with('|')).collect();
    let shown: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(shown, table);
}

#[test]
fn every_row_of_what_people_do_by_hand_names_a_test_that_exists() {
    let page = fs::read_to_string(root().join("docs/by-hand.md")).unwrap();
    let scenarios: String = fs::read_dir(root().join("tests/it/scenarios"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let rows = page.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| What people do"));
    let mut seen = 0;
    for row in rows {
        seen += 1;
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
        let test = cells[3].trim_matches('`');
        assert!(scenarios.contains(&format!("async fn {test}()")), "there is no scenario `{test}`");
    }
    assert!(seen >= 20, "the rows were not found");
}
