//! Money: no agent begins beyond the budget, and what to do then is told.

use crate::support::gate::until_quiet;
use crate::support::world::{REPO, Setup, World, said, tasks};
use std::time::Duration;

/// An agent that speaks as Claude Code does, works, and says that it cost 60 cents. It keeps the flags that it was given.
const PAID: &str = r#"cat > /dev/null
echo "$*" > "$AGENT_ID.txt"
git add -A && git commit -qm "Work of $AGENT_ID"
echo '{"type":"system","subtype":"init","session_id":"s","model":"m"}'
echo '{"type":"result","subtype":"success","is_error":false,"result":"Done.","total_cost_usd":0.6,"usage":{"input_tokens":10,"output_tokens":5}}'"#;

/// `first` are shell lines that come before the work, `last` those behind its last word.
fn setup(first: &str, last: &str) -> Setup {
    let script = format!("{first}\n{PAID}\n{last}");
    let command = toml::Value::Array(["sh", "-c", &script, "paid"].map(|t| t.to_owned().into()).into());
    Setup {
        env: vec![
            ("DIVISI_AGENTS__PAID__KIND", "claude".to_owned()),
            ("DIVISI_AGENTS__PAID__COMMAND", command.to_string()),
            ("DIVISI_LIMITS__COST_PER_RUN_USD", "10".to_owned()),
        ],
        rules: "[budget]\nrun_usd = 5\n".to_owned(),
        ..Setup::default()
    }
}

/// The flag that agent `n` was started with in its pull request's branch.
fn flag(world: &World, n: u32) -> String {
    let heads =
        world.remote_git(&["for-each-ref", "--format=%(refname)", &format!("refs/heads/divisi/*/{n}-*")]);
    let branch = heads.lines().next().unwrap_or_else(|| panic!("no branch of task {n}: {heads}")).to_owned();
    let args = world.remote_git(&["show", &format!("{branch}:agent-{n}.txt")]);
    args.split_whitespace().find(|a| a.starts_with("--max-budget-usd")).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_agent_begins_beyond_the_budget_and_a_new_run_goes_on() {
    let world = World::new(setup("", "")).await;
    let master = world.open("Epic: the list", &tasks(4));
    for (at, (budget, words)) in [
        ("6", "`--budget 6` is more than this repository allows: `.github/divisi.toml` says `budget.run_usd = 5`"),
        ("$11", "`--budget 11` is more than this repository allows"),
        ("lots", "`lots` is not an amount of US dollars"),
    ]
    .into_iter()
    .enumerate()
    {
        world.say(master, &format!("/orchestrate --budget {budget}"));
        world.until(budget, |w| said(w, master).len() == at + 1).await;
        let text = world.said(master)[at].body.clone();
        assert!(text.contains(words), "{text}");
    }
    world.say(master, "/orchestrate --budget=$1.00 --agent paid --max-workers 1");
    world.until_ended(1).await;
    let summary = world.summary(master);
    for words in [
        "**Total Sub-Tasks**: 4\n**Successful**: 2\n**Failed**: 0\n",
        "### Not run\n- [ ] Sub-task 3: not begun, the budget is used up",
        "The budget of this run, $1.00, is used up: $1.20 was spent.",
        &format!("comment `/orchestrate --budget 2` on #{master}"),
        "Cost: $1.20 of $1.00",
    ] {
        assert!(summary.contains(words), "{words}: {summary}");
    }
    let progress = world.said(master)[3].body.clone();
    assert!(
        progress.contains("Divisi has finished: failed")
            && progress.contains("- budget: $1.20 of $1.00 spent"),
        "{progress}"
    );
    assert_eq!(
        (flag(&world, 1), flag(&world, 2)),
        ("--max-budget-usd=1.00".into(), "--max-budget-usd=0.40".into())
    );
    let status = std::fs::read_to_string(
        world.run_dir().join(format!(".claude/runtime/parallel/{master}/agent-4.status.json")),
    )
    .expect("a status file");
    assert!(
        status.contains("\"error\":\"budget_exceeded: The budget of this run, $1.00, is used up.\"")
            || status.contains("\"error\": \"budget_exceeded: The budget of this run, $1.00, is used up.\""),
        "{status}"
    );

    let before = world.said(master).len();
    world.say(master, "/orchestrate --retry");
    world.until("the answer", |w| said(w, master).len() > before).await;
    let text = world.said(master)[before].body.clone();
    assert!(text.starts_with("Nothing was run again. The budget of this run, $1.00, is used up"), "{text}");

    world.say(master, "/orchestrate --budget 2 --agent paid --max-workers 1");
    world.until_ended(2).await;
    until_quiet(&world, Duration::from_secs(1)).await;
    assert_eq!(world.github.read(|w| (w.sub_issues(REPO, master).len(), w.pulls(REPO).len())), (4, 4));
    let summary = world.said(master).last().expect("a summary").body.clone();
    assert!(summary.contains("Cost: $1.20 of $2.00") && !summary.contains("used up"), "{summary}");

    // What was paid is the history of the next estimate.
    let more = world.open("Epic: another list", &tasks(2));
    world.say(more, "/orchestrate --dry-run --agent paid --budget 3");
    world.until("the plan", |w| said(w, more).len() == 1).await;
    let plan = world.said(more)[0].body.clone();
    assert!(plan.contains("from 4 finished attempts of `paid` in this repository"), "{plan}");
    assert!(plan.contains("; $1.20. Each task:") && plan.contains(", for at most $3.00."), "{plan}");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_at_work_are_stopped_when_the_money_is_gone() {
    // Those that have told what they cost take their time to end, and are not stopped for it: their work is done.
    let world = World::new(setup("[ $AGENT_ID = agent-2 ] && sleep 600", "sleep 2")).await;
    let master = world.open("Epic: the list", &tasks(3));
    // One at work all the time; the two others cost what there is.
    world.say(master, "/orchestrate --budget 1.20 --agent paid --max-workers 2");
    world.until_ended(1).await;
    let summary = world.summary(master);
    for words in [
        "**Total Sub-Tasks**: 3\n**Successful**: 2\n**Failed**: 1\n",
        "- [ ] Sub-task 2: The budget is used up (Issue #",
        "- Sub-task 2 (`budget_exceeded`): The budget of this run, $1.20, is used up.",
        "comment `/orchestrate --budget 2.40`",
    ] {
        assert!(summary.contains(words), "{words}: {summary}");
    }
    assert_eq!(world.github.read(|w| w.pulls(REPO).len()), 2);
    assert!(!summary.contains("--retry"), "it would start nothing: {summary}");
    world.end();
}
