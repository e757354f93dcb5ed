//! What is said about a plan, kept whole for each kind of plan: by `/orchestrate`, by `--dry-run` and by `divisi plan`.
//!
//! A change of the words shows here. With `DIVISI_TEST_WRITE_ANSWERS=1` the files are written anew; read them as the
//! maintainer who gets them.

use divisi::config::RepoFile;
use divisi::domain::explain::Places;
use divisi::domain::{RunPolicy, StartOptions};
use divisi::plan::{self, Verdict};
use divisi::report::{self, notice};
use std::path::{Path, PathBuf};
use std::process::Command;

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports/answers").join(format!("{name}.md"))
}

fn must_be(name: &str, said: &str) {
    let said = format!("{}\n", said.trim_end());
    if std::env::var_os("DIVISI_TEST_WRITE_ANSWERS").is_some() {
        std::fs::create_dir_all(kept(name).parent().expect("a folder")).expect("made");
        std::fs::write(kept(name), &said).expect("written");
    }
    let known = std::fs::read_to_string(kept(name)).unwrap_or_default();
    assert_eq!(said, known, "what is said about {name} has changed");
}

/// The three answers to one issue.
fn answers(title: &str, body: &str) -> String {
    let policy = RunPolicy::default();
    let plan = plan::read(title, body, Some(1), Some(("acme", "app")));
    let verdict = plan.verdict(policy.min_tasks as usize);
    let start = match verdict {
        Verdict::Parallel | Verdict::Ordered => "(a run starts)".to_owned(),
        refused => notice::plan_refused(&plan, refused, policy.min_tasks),
    };
    let dry = StartOptions { dry_run: true, ..StartOptions::default() };
    let dry = report::plan(&plan, &policy, &dry, &Places::default(), None);
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("ISSUE.md"), body).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_divisi"))
        .args(["plan", "ISSUE.md", "--title", title])
        .current_dir(dir.path())
        .output()
        .expect("divisi plan");
    let shell = String::from_utf8_lossy(&output.stdout);
    let code = output.status.code().unwrap_or(-1);
    let issue =
        if body.len() > 600 { format!("{} lines", body.lines().count()) } else { body.trim().to_owned() };
    format!(
        "# The issue: {title}\n\n~~~~markdown\n{issue}\n~~~~\n\n# /orchestrate\n\n{start}\n\n\
         # /orchestrate --dry-run\n\n{dry}\n\n# divisi plan ISSUE.md (exit code {code})\n\n~~~~text\n{}\n~~~~",
        shell.trim_end()
    )
}

#[test]
fn the_answers_to_each_kind_of_plan_are_kept() {
    let many: String = (1..=101).map(|n| format!("- [ ] Move the exporter {n}\n")).collect();
    for (name, title, body) in [
        (
            "cycle",
            "Epic: ring",
            "## Tasks\n\n- [ ] Write the schema (after task 3)\n- [ ] Write the importer (after task 1)\n- [ ] Write the page (after task 2)\n",
        ),
        (
            "in-order",
            "Epic: import",
            "## Tasks\n\n- [ ] Write the schema\n- [ ] Write the importer (depends on task 1)\n- [ ] Write the page\n",
        ),
        (
            "same-file",
            "Epic: menu",
            "## Tasks\n\n- [ ] Add the soup to `src/menu.txt`\n- [ ] Add the salad to `src/menu.txt`\n- [ ] Write the hours\n",
        ),
        ("too-many", "Epic: exporters", &many),
        ("all-done", "Epic: menu", "## Tasks\n\n- [x] Write the schema\n- [x] Write the importer\n"),
        ("only-links", "Epic: links", "## Tasks\n\n- [ ] #12\n- [ ] #13\n- [ ] acme/other#4\n"),
        ("sub-issues-only", "Epic: children", "This epic tracks the work. See the sub-issues below.\n"),
        ("two", "Epic: two", "## Tasks\n\n- [ ] Write the schema\n- [ ] Write the page\n"),
        ("too-few", "Epic: one", "## Tasks\n\n- [x] Write the schema\n- [ ] Write the page\n"),
        (
            "nothing",
            "The button crashes",
            "It crashes when I press it.\n\n- on Linux\n- on a Mac\n\n## Acceptance criteria\n\n- [ ] It does not crash\n",
        ),
    ] {
        must_be(name, &answers(title, body));
    }
}

#[test]
fn a_template_that_is_none_is_answered_with_its_line() {
    let file =
        "min_tasks = 2\n\n[issue_template]\nbody = \"\"\"\nPart of #{master}\n\n## {task_titel}\n\"\"\"\n";
    let error = RepoFile::parse(file).expect_err("a mistake");
    must_be("bad-template", &notice::bad_config(".github/divisi.toml", &error.to_string(), &error.snippet));
}
