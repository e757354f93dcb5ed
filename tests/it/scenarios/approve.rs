//! A posted plan that is approved: exactly that one starts, once, whatever happens in between.

use crate::support::gate::{Gate, until_quiet};
use crate::support::world::{MAINTAINER, REPO, Setup, World, rockets, said, tasks};
use divisi::simulator::{Fault, FaultEffect};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use std::time::Duration;

/// Comments, and returns what Divisi answers to it as its `n`th comment.
async fn asked(world: &World, issue: u64, comment: &str, n: usize) -> String {
    world.say(issue, comment);
    world.until(comment, |w| said(w, issue).len() >= n).await;
    world.said(issue)[n - 1].body.clone()
}

fn edit(world: &World, issue: u64, title: Option<&str>, body: Option<&str>) {
    world.github.edit_issue(REPO, MAINTAINER, issue, title, body).expect("an edit");
}

fn sub_issues(world: &World, issue: u64) -> usize {
    world.github.read(|w| w.sub_issues(REPO, issue).len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_posted_starts_with_its_options_and_once() {
    let gate = Gate::new();
    let world = World::new(gate.setup("")).await;
    let master = world.open("Epic: the list", &tasks(3));
    let none = asked(&world, master, "/orchestrate --approve", 1).await;
    assert!(
        none.contains("No plan of this issue was posted") && none.contains("`/orchestrate --dry-run`"),
        "{none}"
    );
    let plan = asked(&world, master, "/orchestrate --dry-run --only 2,3 --max-workers 1", 2).await;
    assert!(
        plan.contains("To start exactly this plan, comment `/orchestrate --approve`; to have the issue read anew, comment `/orchestrate --only 2,3 --max-workers 1`."),
        "{plan}"
    );
    let with = asked(&world, master, "/orchestrate --approve --only 1", 3).await;
    assert!(with.contains("does not go together with `--approve`"), "{with}");
    assert_eq!(sub_issues(&world, master), 0);

    world.say(master, "/orchestrate --approve");
    gate.until_began(&world, 2, 1).await;
    world.until("progress", |w| said(w, master).len() == 4).await;
    let twice = asked(&world, master, "/orchestrate --approve", 5).await;
    assert!(twice.contains("is already under way"), "{twice}");
    assert_eq!(gate.began(3), 0, "one agent at once");
    gate.open();
    world.until_ended(1).await;
    assert_eq!((gate.began(1), gate.began(2), gate.began(3), sub_issues(&world, master)), (0, 1, 1, 2));

    // What was started is used up, and the run is the history of the next estimate.
    world.until("the summary", |w| said(w, master).len() == 6).await;
    let again = asked(&world, master, "/orchestrate --approve", 7).await;
    assert!(again.contains("has ended, and no plan was posted since it began"), "{again}");
    let next = asked(&world, master, "/orchestrate --dry-run", 8).await;
    assert!(
        plan.contains("**Estimate**: none yet. `test` has not finished a task on this server."),
        "{plan}"
    );
    assert!(next.contains("**Estimate** from 2 finished attempts of `test` in this repository: "), "{next}");
    assert!(next.contains("what it will cost is not known"), "{next}");
    until_quiet(&world, Duration::from_secs(1)).await;
    assert_eq!(world.github.read(rockets), 1);
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_issue_starts_nothing_until_the_new_plan_is_approved() {
    let world = World::new(Setup::default()).await;
    let linked = world.open("Make the header blue", "With #00f.");
    let body = |more: &str| format!("## Tasks\n\n- [ ] #{linked}\n- [ ] Make the footer green\n{more}");
    let master = world.open("Epic: looks", &body("- [ ] Sweep the yard\n"));
    asked(&world, master, "/orchestrate --dry-run", 1).await;

    edit(&world, master, Some("Epic: better looks"), Some(&body("- [ ] Order more flour\n")));
    let text = asked(&world, master, "/orchestrate --approve", 2).await;
    for words in [
        "### Nothing was started: something has changed since the plan was posted",
        "The issue's title was \"Epic: looks\" and is \"Epic: better looks\" now.",
        "- Task 3 is new: \"Order more flour\"",
        "- What was task 3 is not to be done any more: \"Sweep the yard\"",
        "comment `/orchestrate --approve` again",
        "### The plan: 3 tasks that can be worked on side by side",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }

    edit(&world, linked, None, Some("With #00e."));
    let text = asked(&world, master, "/orchestrate --approve", 3).await;
    assert!(text.contains(&format!("- #{linked} was edited\n")) && !text.contains("title"), "{text}");

    let rules = "agent = \"test\"\nmax_workers = 1\n";
    let files = [(".github/divisi.toml", Some(rules))];
    world.github.push_files(REPO, MAINTAINER, "main", "Fewer at once", &files).expect("a push");
    let text = asked(&world, master, "/orchestrate --approve", 4).await;
    assert!(text.contains("- The rules of the run: `max_workers` was `not set` and is `1` now\n"), "{text}");
    assert!(world.github.read(|w| w.sub_issues(REPO, master).is_empty()));

    world.say(master, "/orchestrate --approve");
    world.until_ended(1).await;
    assert_eq!(sub_issues(&world, master), 3);
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_outlives_the_process_and_a_copy_of_the_approval() {
    let mut world = World::new(Setup::default()).await;
    let master = world.open("Epic: the list", &tasks(2));
    asked(&world, master, "/orchestrate --dry-run", 1).await;
    world.divisi.as_mut().expect("running").kill();
    world.start();
    world.say(master, "/orchestrate --approve");
    world.until_ended(1).await;
    let deliveries: Vec<u64> = world.github.read(|w| w.deliveries().iter().map(|d| d.id).collect());
    for id in deliveries {
        world.github.redeliver(id).expect("asked for");
    }
    world.until("they came", |w| w.deliveries().iter().all(|d| !d.status.is_empty())).await;
    until_quiet(&world, Duration::from_secs(1)).await;
    assert_eq!((sub_issues(&world, master), world.github.read(|w| said(w, master).len())), (2, 3));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_at_any_boundary_of_dry_run_and_approval_starts_one_run() {
    // Those of the dry run (a settlement, and a comment with its intent and answer), and of the approval up to the first
    // sub-issues.
    let deaths: u32 =
        stream::iter(1..=12).map(approved_dying_at).buffer_unordered(4).fold(0, async |sum, n| sum + n).await;
    assert_eq!(deaths, 12, "each of them dies once");
}

/// How often the process died.
async fn approved_dying_at(n: u32) -> u32 {
    let env = vec![("DIVISI_PROOF__CRASH_AT", n.to_string())];
    let mut world = World::new(Setup { env, slots: 2, ..Setup::default() }).await;
    let master = world.open("Epic: the list", &tasks(2));
    world.say(master, "/orchestrate --dry-run");
    let mut deaths = revived_until(&mut world, |w| said(w, master).len() == 1).await;
    world.say(master, "/orchestrate --approve");
    deaths += revived_until(&mut world, |w| rockets(w) == 1).await;
    world.github.read(|w| {
        assert_eq!(w.sub_issues(REPO, master).len(), 2, "boundary {n}");
        let texts: Vec<String> = said(w, master).iter().map(|c| c.body.clone()).collect();
        assert_eq!(texts.len(), 3, "boundary {n}: the plan, the progress, the summary: {texts:#?}");
    });
    world.end();
    deaths
}

/// Waits until GitHub looks like this; a process that has ended itself is started again, without the order to do so. Returns how often.
async fn revived_until(world: &mut World, wanted: impl Fn(&divisi::simulator::World) -> bool) -> u32 {
    let mut deaths = 0;
    for _ in 0..600 {
        if world.github.read(&wanted) {
            return deaths;
        }
        if world.divisi.as_mut().is_some_and(|d| d.has_ended()) {
            deaths += 1;
            world.divisi.as_mut().expect("a process").kill();
            world.set_env("DIVISI_PROOF__CRASH_AT", None);
            world.start();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("waited in vain\n{}", world.picture());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_approves_what_nobody_could_see() {
    let world = World::new(Setup::default()).await;
    let master = world.open("Epic: the list", &tasks(2));
    let comments = format!("/repos/{REPO}/issues/{master}/comments");
    let body = json!({"message": "Validation Failed", "documentation_url": "https://docs.github.com/rest"});
    let refuse = FaultEffect::Answer { status: 422, headers: vec![], body };
    world.github.plan_fault(Fault::once("POST", comments.as_str(), refuse));
    world.say(master, "/orchestrate --dry-run");
    until_quiet(&world, Duration::from_secs(2)).await;
    assert!(world.said(master).is_empty(), "the plan's comment was refused");
    let text = asked(&world, master, "/orchestrate --approve", 1).await;
    assert!(text.starts_with("### The plan: 2 tasks"), "it is posted instead: {text}");
    assert_eq!(sub_issues(&world, master), 0);

    // One whose answer is lost is there, and counts as seen when it was found.
    let other = world.open("Epic: the other list", &tasks(2));
    let comments = format!("/repos/{REPO}/issues/{other}/comments");
    world.github.plan_fault(Fault::once("POST", comments.as_str(), FaultEffect::DropAfterApplying));
    world.say(other, "/orchestrate --dry-run");
    world.until("the plan", |w| said(w, other).len() == 1).await;
    world.say(other, "/orchestrate --approve");
    world.say(master, "/orchestrate --approve");
    world.until_ended(2).await;
    assert_eq!((sub_issues(&world, master), sub_issues(&world, other)), (2, 2));
    assert_eq!(world.github.read(|w| said(w, other).len()), 3, "no second plan");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_by_another_way_uses_the_plan_up() {
    let world = World::new(Setup::default()).await;
    let master = world.open("Epic: the list", &tasks(2));
    asked(&world, master, "/orchestrate --dry-run --only 1", 1).await;
    world.say(master, "/orchestrate");
    world.until_ended(1).await;
    let text = asked(&world, master, "/orchestrate --approve", 4).await;
    assert!(text.contains("no plan was posted since it began"), "{text}");
    assert_eq!(sub_issues(&world, master), 2);
    world.end();
}
