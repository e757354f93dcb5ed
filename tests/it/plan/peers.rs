//! What the parsers of other orchestrators read, and where they are wrong.

use divisi::plan::{self, Plan};

fn read(body: &str) -> Plan {
    plan::read("Epic: x", body, Some(1), Some(("o", "my.repo")))
}

fn issues(body: &str) -> Vec<u64> {
    read(body).tasks.iter().filter_map(|task| task.existing_issue).collect()
}

/// The references of one line, read as the list of an epic's children.
fn children(line: &str) -> Vec<u64> {
    issues(&format!("Sub-tasks: {line}\n"))
}

#[test]
fn references_are_read_in_every_spelling() {
    assert_eq!(children("#123, #456, #789"), [123, 456, 789]);
    assert_eq!(children("GH-123"), [123]);
    assert_eq!(children("#456 and GH-789"), [456, 789]);
    assert_eq!(children("https://github.com/o/my.repo/issues/999"), [999]);
    assert_eq!(
        children("GH-9, #5, https://github.com/o/my.repo/issues/7"),
        [9, 5, 7],
        "in the order of the text"
    );
    assert_eq!(children("#123, #456, #123, GH-456, #789"), [123, 456, 789], "each once");
    assert_eq!(issues("Sub-tasks:\n- #101\n- #102\n- #103\n"), [101, 102, 103]);
}

#[test]
fn five_ways_to_name_a_child() {
    let plan = read(
        "## Sub-Tasks\n- Sub-issue #101: Add a login\n* #102: Add a store\n- Related: #103 - Add a page\n- GH-104: Add docs\n- See https://github.com/o/my.repo/issues/105 for tests\n",
    );
    let found: Vec<_> = plan.tasks.iter().map(|task| task.existing_issue).collect();
    assert_eq!(found, [101, 102, 103, 104, 105].map(Some));
    assert_eq!(plan.tasks[0].title, "Sub-issue #101: Add a login");
}

#[test]
fn what_is_no_reference_is_none() {
    assert!(issues("No issues here\n").is_empty());
    assert!(issues("").is_empty());
    assert!(!plan::read("x", "Just a regular issue\n", Some(1), None).is_master);
    // What calls itself an epic and lists nothing has its children as native sub-issues (R3).
    let epic = read("Just a regular issue\n");
    assert!(epic.is_master && epic.tasks.is_empty());
    for line in [
        "#0",
        "#-1",
        "#99999999999999999999",
        "#007",
        "tissue 5",
        "https://x/page#42",
        "colour #112233",
        "#١٢",
    ] {
        assert!(issues(&format!("- [ ] {line}\n")).is_empty(), "{line}");
    }
    for body in [
        "```python\n- [ ] #123\n```\n",
        "~~~\n- [ ] #123\n~~~\n",
        "text\n\n```\n- [ ] #123\n",
        "text\n\n    - [ ] #123\n",
        "<!-- - [ ] #123 -->\n",
        "> - [ ] #123\n",
        "- [ ] say `#123`\n",
    ] {
        assert!(issues(body).is_empty(), "{body}");
    }
    assert_eq!(
        issues("| Task | Issue | Status |\n|---|---|---|\n| a | #789 | open |\n| b | #890 | open |\n"),
        [789, 890]
    );
}

#[test]
fn lists_without_references_are_tasks() {
    let titles = |body: &str| read(body).tasks.into_iter().map(|task| task.title).collect::<Vec<_>>();
    assert_eq!(titles("- [ ] Sub-task 1: Add auth\n"), ["Sub-task 1: Add auth"]);
    assert_eq!(titles("## Sub-Tasks\n1. Implement the user model\n"), ["Implement the user model"]);
    assert_eq!(titles("## Sub-Tasks\n### Auth module\nprose\n"), ["Auth module"]);
    assert_eq!(titles("- [ ] a\r\n- [ ] b\r\n"), ["a", "b"]);
}

#[test]
fn done_foreign_nested_and_ordered() {
    let plan = read("- [x] #1001\n- [ ] #1002\n- [ ] other/repo#22\n- [ ] https://github.com/a/b/pull/3\n");
    assert_eq!(plan.tasks.iter().map(|task| task.done).collect::<Vec<_>>(), [true, false, false, false]);
    assert_eq!(plan.open().count(), 3);
    assert_eq!(plan.tasks[2].existing_ref.as_deref(), Some("other/repo#22"), "named, and not taken for #22");
    assert_eq!(plan.tasks[2].existing_issue, None);
    assert_eq!(plan.tasks[3].existing_issue, None, "a pull request is no issue");

    let plan = read("- #41: x\n- #42: y (depends on #41)\n");
    assert_eq!(plan.tasks.len(), 2);
    assert_eq!((plan.dependencies[0].task, plan.dependencies[0].on), (1, 0));

    let plan = read("- [ ] Write the guide\n  - [ ] outline\n  - [ ] pictures\n");
    assert_eq!(plan.tasks[0].children, ["outline", "pictures"]);
    assert!(issues("- [ ] issues 12 and 13\n").is_empty(), "without a sign both are words");
}
