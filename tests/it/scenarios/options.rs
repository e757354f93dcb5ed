//! What a start may be told: options lower limits, choose tasks, and are refused with a reason.

use crate::support::gate::{Gate, until_quiet};
use crate::support::world::{REPO, Setup, World, said, tasks};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_named_tasks_run_under_the_numbers_that_they_have() {
    let gate = Gate::new();
    let rules = "max_workers = 2\ndraft = false\n".to_owned();
    let world = World::new(Setup { slots: 4, rules, ..gate.setup("") }).await;
    let body = "## Tasks\n\n- [x] Done before\n- [ ] The first\n- [ ] The second (depends on task 2)\n- [ ] The third\n- [ ] The fourth\n";
    let master = world.open("Epic: the list", body);
    world.say(master, "/orchestrate --only 1,3-4 --max-workers=1 --timeout \"10m\"");
    gate.until_began(&world, 1, 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((gate.began(2), gate.began(3), gate.began(4)), (0, 0, 0), "one agent at once");
    gate.open();
    world.until_ended(1).await;
    assert_eq!([1, 2, 3, 4].map(|n| gate.began(n)), [1, 0, 1, 1]);
    let titles: Vec<String> =
        world.github.read(|w| w.sub_issues(REPO, master).iter().map(|i| i.title.clone()).collect());
    assert_eq!(titles, ["The first", "The third", "The fourth"].map(|t| format!("[Master #{master}] {t}")));
    assert!(
        world.summary(master).contains("**Total Sub-Tasks**: 3\n**Successful**: 3"),
        "{}",
        world.summary(master)
    );
    // What is in review is worked on again when it is named, and a single task is enough.
    world.say(master, "/orchestrate --only 3");
    world.until_ended(2).await;
    assert_eq!([1, 2, 3, 4].map(|n| gate.began(n)), [1, 0, 2, 1]);
    assert_eq!(world.github.read(|w| (w.sub_issues(REPO, master).len(), w.pulls(REPO).len())), (3, 4));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_one_thing_and_makes_nothing() {
    let world = World::new(Setup::default()).await;
    let master = world.open("Epic: the list", &tasks(3));
    world.say(master, "/orchestrate --dry-run --only 2,3 --model fast");
    world.until("the plan", |w| said(w, master).len() == 1).await;
    until_quiet(&world, Duration::from_secs(2)).await;
    let text = world.said(master)[0].body.clone();
    assert!(text.contains("### The plan: 2 tasks that can be worked on side by side"), "{text}");
    assert!(text.contains("comment `/orchestrate --only 2,3 --model fast`"), "{text}");
    assert_eq!(world.github.read(|w| (w.issues(REPO).len(), said(w, master).len())), (1, 1));
    world.say(master, "/orchestrate --only 2,3 --model fast");
    world.until_ended(1).await;
    assert_eq!(world.github.read(|w| w.sub_issues(REPO, master).len()), 2);
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_that_cannot_be_met_start_nothing_and_say_why() {
    let rules = "max_workers = 2\nagent_timeout = \"20m\"\n".to_owned();
    let world = World::new(Setup { rules, ..Setup::default() }).await;
    let cases = [
        (
            "--max-workers 3",
            "`--max-workers 3` is more than this repository allows: `.github/divisi.toml` says `max_workers = 2`",
        ),
        ("--timeout 45m", "`.github/divisi.toml` says `agent_timeout = \"20m\"`"),
        ("--only 2,7", "There is no task 7: I found 3 open sub-tasks"),
        ("--agent nobody", "nobody"),
        ("--only", "`--only` needs a value: `1,3-5`. Did you mean `/orchestrate --only 1,3-5`?"),
        ("--only 1 --cancel", "`--cancel` does not belong after `--only`"),
    ];
    let master = world.open("Epic: the list", &tasks(3));
    for (at, (options, words)) in cases.into_iter().enumerate() {
        world.say(master, &format!("/orchestrate {options}"));
        world.until(options, |w| said(w, master).len() == at + 1).await;
        let text = world.said(master)[at].body.clone();
        assert!(text.contains(words), "{options}: {text}");
    }
    until_quiet(&world, Duration::from_secs(2)).await;
    assert!(world.github.read(|w| w.sub_issues(REPO, master).is_empty()));
    world.end();
}
