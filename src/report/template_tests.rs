use super::title;
use crate::domain::{
    IssueTemplate, IssueTitle, Repo, Run, RunId, RunLabels, RunPolicy, RunState, Sha, Stops, Target, Task,
    Usage,
};
use crate::report::{Text, sub_issue};
use jiff::Timestamp;

const MARKER: &str = "<!-- divisi:v1 run=x -->";

fn run(template: IssueTemplate) -> Run {
    let at = Timestamp::from_second(1_764_000_000).expect("a time");
    let repo = Repo {
        id: 7,
        owner: "octo".into(),
        name: "demo".into(),
        installation: 9,
        default_branch: "main".into(),
    };
    Run {
        id: RunId::new("ab12"),
        repo,
        master: IssueTitle { number: 12, id: 1_001, title: "Epic: @mia's list".into() },
        orchestration_id: "orch-12-20251124".into(),
        sequence: 1,
        requester: "mona".into(),
        context: "Why we do it, see @mia.".into(),
        base: "main".into(),
        base_sha: Sha::parse(&"a".repeat(40)).expect("a commit id"),
        policy: RunPolicy { issue_template: template, ..RunPolicy::default() },
        state: RunState::Active,
        created_at: at,
        active_since: at,
        ended_at: None,
        triggers: vec![Target::Issue(12)],
        round: 1,
        deliveries: vec![],
        usage: Usage::default(),
        sandbox_tier: String::new(),
        stops: Stops::default(),
        labels: RunLabels::default(),
        notes: vec![],
    }
}

fn task(title: &str) -> Task {
    Task {
        details: "In `src/a.rs`.\n\n- a child".into(),
        criteria: vec!["it works".into(), "ask @olga".into()],
        ..Task::planned(3, title.into(), "divisi/12/3-x".into(), "claude".into())
    }
}

fn with(title: &str, body: &str, labels: &[&str]) -> IssueTemplate {
    IssueTemplate {
        title: title.into(),
        body: body.into(),
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
    }
}

fn render(template: IssueTemplate, task: &Task) -> Text {
    sub_issue(&run(template), task, MARKER)
}

#[test]
fn without_a_template_a_sub_issue_is_what_it_always_was() {
    let text = render(IssueTemplate::default(), &task("Write the schema"));
    assert_eq!(text.title, "[Master #12] Write the schema");
    assert_eq!(text.labels, ["parallel-orchestration", "sub-issue"]);
    let j = '\u{2060}';
    assert_eq!(
        text.body,
        format!(
            "Part of #12: Epic: @{j}mia's list\n\n## Details\n\nIn `src/a.rs`.\n\n- a child\n\n\
             <details><summary>Context from the master issue</summary>\n\nWhy we do it, see @{j}mia.\n\n</details>\n\n\
             ## Acceptance Criteria\n\n- it works\n- ask @{j}olga\n\n{MARKER}"
        )
    );
    let bare = Task::planned(1, "Write".into(), "b".into(), "claude".into());
    let mut run = run(IssueTemplate::default());
    run.context.clear();
    assert_eq!(
        sub_issue(&run, &bare, MARKER).body,
        format!(
            "Part of #12: Epic: @{j}mia's list\n\n## Acceptance Criteria\n\n- the task above is done\n\n{MARKER}"
        )
    );
}

#[test]
fn a_template_of_the_repository_is_filled_in() {
    let body = "For #{master} ({{master}}), cc @octo/team\n\n# {task_title}\n\n{details}\n\n{context}\n\n{criteria}\n";
    let text = render(
        with("{task_title} (of #{master})", body, &["area/ui", "Sub-Issue", "area/UI"]),
        &task("Write"),
    );
    assert_eq!(text.title, "Write (of #12)");
    assert_eq!(text.labels, ["parallel-orchestration", "sub-issue", "area/ui"]);
    let j = '\u{2060}';
    assert_eq!(
        text.body,
        format!(
            "For #12 ({{master}}), cc @octo/team\n\n# Write\n\nIn `src/a.rs`.\n\n- a child\n\n\
             Why we do it, see @{j}mia.\n\n- it works\n- ask @{j}olga\n\n{MARKER}"
        )
    );
}

#[test]
fn what_is_put_in_is_not_read_again() {
    let template = with("{task_title}", "Part of #{master}. {task_title}\n{criteria}", &[]);
    let text = render(template, &task("{context} {{master}} {nonsense} }"));
    assert_eq!(text.title, "{context} {{master}} {nonsense} }");
    assert!(
        text.body.starts_with("Part of #12. {context} {{master}} {nonsense} }\n- it works"),
        "{}",
        text.body
    );
}

#[test]
fn foreign_text_does_not_act_together_with_the_words_around_it() {
    let j = '\u{2060}';
    for (template, title, shown) in [
        ("@{task_title}", "mia", format!("@{j}mia")),
        ("{task_title}mia", "a @", format!("a @{j}mia")),
        ("#{task_title}", "5", format!("#{j}5")),
        ("fixes {task_title}", "#5", format!("fixes {j}#5")),
        ("/{task_title}", "orchestrate", format!("/{j}orchestrate")),
        ("<{task_title}", "img src=x", format!("<{j}img src=x")),
        ("&{task_title}", "#64;", format!("&{j}#64;")),
        ("[{task_title}]", "plain", "[plain]".to_owned()),
    ] {
        let text = render(with(template, &format!("#{{master}} {template}"), &[]), &task(title));
        assert_eq!(text.title, shown);
        assert!(text.body.starts_with(&format!("#12 {shown}\n\n{MARKER}")), "{}", text.body);
    }
}

#[test]
fn the_way_back_and_the_marker_cannot_be_left_out() {
    for body in
        ["Do it.", "`#{master}`", "<!-- #{master} -->", "{master}", "```\nopen", "<!-- divisi:v1 run=y -->"]
    {
        let text = render(with("{task_title}", body, &[]), &task("Write"));
        assert!(text.body.starts_with("Part of #12: "), "{body}: {}", text.body);
        assert!(text.body.ends_with(&format!("\n\n{MARKER}")), "{body}");
        assert_eq!(text.body.matches("<!-- divisi:").count(), 1, "{body}");
    }
    assert!(render(with("{task_title}", "```\nopen", &[]), &task("Write")).body.contains("open\n```\n"));
}

#[test]
fn long_texts_are_shortened_with_a_way_to_the_whole() {
    let long = "word ".repeat(80);
    let template =
        with("Do: {task_title} [{task_title}] {criteria} {context} (#{master})", "{criteria}", &[]);
    let text = render(template.clone(), &task(&long));
    assert!(text.title.chars().count() <= 256 && text.title.ends_with("(#12)"), "{}", text.title);
    assert!(text.body.contains(&format!("**Task**: {}", long.trim())), "{}", text.body);
    assert!(!title(&run(IssueTemplate::default()), &task("short")).1);
    let mut huge = task("Write");
    huge.details = "ä".repeat(40_000);
    let text = render(with("{task_title}", "{details}\n{details}\n{details}\n#{master}", &[]), &huge);
    assert!(text.body.len() < 65_536 && text.body.ends_with(MARKER));
    assert!(
        text.body.contains("*Shortened: the full text is in #12 "),
        "{}",
        &text.body[text.body.len() - 200..]
    );
}

#[test]
fn a_run_that_was_stored_before_templates_has_the_usual_one() {
    let mut stored = serde_json::to_value(run(with("x {task_title}", "y", &["z"]))).expect("JSON");
    stored["policy"].as_object_mut().expect("an object").remove("issue_template");
    stored.as_object_mut().expect("an object").remove("labels");
    let read: Run = serde_json::from_value(stored).expect("a run");
    assert_eq!((read.policy.issue_template, read.labels), (IssueTemplate::default(), RunLabels::default()));
}
