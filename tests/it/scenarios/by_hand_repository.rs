//! What owners do to the repository and to the App's installation: `docs/by-hand.md`.

use crate::support::gate::{Gate, agents_alive, until_no_agents, until_quiet, until_status};
use crate::support::world::{MAINTAINER, REPO, World, said, tasks};
use divisi::simulator::{NewIssue, RepoContent, Role, World as GitHub};
use std::time::Duration;

/// Nothing may happen for longer than a sweep, and then nothing more.
async fn nothing_more(world: &World) {
    let calls = until_quiet(world, Duration::from_millis(1500)).await;
    tokio::time::sleep(Duration::from_millis(5500)).await;
    let after = world.github.read(|w| w.calls().iter().skip(calls).cloned().collect::<Vec<_>>());
    assert!(after.is_empty(), "something is tried again and again: {after:#?}");
}

/// Another repository with the same rules.
fn elsewhere(world: &World, repo: &str) {
    let rules = "agent = \"test\"\nmin_tasks = 1\nstatus_interval = \"1s\"\n";
    let content = RepoContent::files(&[("README.md", "# Other\n"), (".github/divisi.toml", rules)]);
    world.github.create_repo(repo, "main", &content).expect("a repository");
    world.github.add_user(repo, MAINTAINER, Role::Admin).expect("a person");
}

fn trigger(world: &World, repo: &str, title: &str, body: &str) -> u64 {
    let master = world.github.open_issue(repo, MAINTAINER, NewIssue::new(title, body)).expect("an issue");
    world.github.label_issue(repo, MAINTAINER, master, "parallel-orchestration").expect("labeled");
    master
}

/// Where the public files of a repository's only run are.
fn run_of(world: &World, repo: &str) -> std::path::PathBuf {
    let runs = world.data().join("runs/acme").join(repo);
    std::fs::read_dir(runs).expect("a run").flatten().next().expect("a run").path()
}

fn pulls_of(w: &GitHub, repo: &str) -> usize {
    w.pulls(repo).len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_repository_is_followed_whether_or_not_anyone_tells() {
    let gate = Gate::new();
    let world = World::new(gate.setup("")).await;
    let mut name = REPO.to_owned();
    for (n, next) in ["web", "site"].into_iter().enumerate() {
        let master = trigger(&world, &name, &format!("Epic {n}"), &tasks(2));
        gate.until_began(&world, 1, n + 1).await;
        gate.until_began(&world, 2, n + 1).await;
        let at = name.clone();
        world.until("links", |w| w.sub_issues(&at, master).len() == 2).await;
        // The second time the webhook gets lost: the next write finds out.
        let told = n == 0;
        let address = world.divisi.as_ref().map(|d| d.address.clone()).unwrap_or_default();
        if !told {
            world.github.set_webhook_target(None);
        }
        world.github.rename_repo(&name, "olga", next).expect("renamed");
        name = format!("acme/{next}");
        if !told {
            world.github.set_webhook_target(Some(&format!("http://{address}/webhooks/github")));
            let comment = world.github.comment(&name, MAINTAINER, master, "/orchestrate --pause");
            let comment = comment.expect("a comment");
            world
                .until("the pause is seen under the new name", |w| {
                    let seen = |c: &&&divisi::simulator::Comment| c.id == comment;
                    let progress = w.comments(&name, master);
                    let eyes = progress.iter().find(seen).is_some_and(|c| !c.reactions.is_empty());
                    eyes && progress.iter().any(|c| c.body.contains("### Divisi is paused"))
                })
                .await;
        }
        gate.go(1);
        gate.go(2);
        world
            .until("both pull requests under the new name, and the end", |w| {
                let over = w.comments(&name, master);
                pulls_of(w, &name) == 2 * (n + 1)
                    && over.iter().any(|c| c.body.contains("**Successful**: 2\n**Failed**: 0"))
            })
            .await;
    }
    nothing_more(&world).await;
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archived_repository_or_one_without_issues_ends_the_run_and_a_retry_goes_on_later() {
    let gate = Gate::new();
    let world = World::new(gate.setup("")).await;
    elsewhere(&world, "acme/other");
    let masters = [REPO, "acme/other"].map(|repo| (repo, trigger(&world, repo, "Epic: the list", &tasks(2))));
    gate.until_began(&world, 1, 2).await;
    gate.until_began(&world, 2, 2).await;
    world.until("progress", |w| masters.iter().all(|(r, m)| !w.comments(r, *m).is_empty())).await;
    // Nobody tells. The next thing that is to be written finds out.
    world.github.archive_repo(REPO, true).expect("archived");
    world.github.set_issues("acme/other", false).expect("switched off");
    gate.go_times(1, 2).await;
    until_no_agents(&world).await;
    until_status(&world, &run_of(&world, "app"), 2, "cancelled: The repository was archived.").await;
    until_status(&world, &run_of(&world, "other"), 2, "cancelled: Issues were switched off").await;
    nothing_more(&world).await;
    world.github.archive_repo(REPO, false).expect("taken out");
    world.github.set_issues("acme/other", true).expect("switched on");
    for (repo, master) in masters {
        world.github.comment(repo, MAINTAINER, master, "/orchestrate --retry").expect("a comment");
    }
    gate.until_began(&world, 2, 4).await;
    gate.open();
    world
        .until("both runs end", |w| {
            let done = |c: &&divisi::simulator::Comment| c.body.contains("**Successful**: 2\n**Failed**: 0");
            masters.iter().all(|(repo, master)| w.comments(repo, *master).into_iter().any(|c| done(&c)))
        })
        .await;
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_app_stops_its_agents_and_goes_on_afterwards_and_an_uninstalled_one_ends() {
    let gate = Gate::new();
    let (world, master) = gate.two_at_work().await;
    world.github.suspend_app("acme", "olga", true).expect("suspended");
    until_no_agents(&world).await;
    nothing_more(&world).await;
    assert_eq!((gate.began(1), gate.began(2)), (1, 1), "nothing starts");
    world.github.suspend_app("acme", "olga", false).expect("not suspended any more");
    gate.until_began(&world, 1, 2).await;
    gate.until_began(&world, 2, 2).await;
    gate.go(1);
    gate.go(2);
    world.until_ended(1).await;
    let summary = world.summary(master);
    assert!(summary.contains("**Successful**: 2\n**Failed**: 0"), "{summary}");

    let master = world.trigger("Epic: more", &tasks(2));
    gate.until_began(&world, 1, 3).await;
    gate.until_began(&world, 2, 3).await;
    world.until("progress", |w| said(w, master).len() == 1).await;
    let run = world.run_dir();
    world.github.uninstall_app("acme", "olga").expect("uninstalled");
    until_no_agents(&world).await;
    until_status(&world, &run, 1, "cancelled: ").await;
    until_status(&world, &run, 2, "cancelled: ").await;
    nothing_more(&world).await;
    assert!(agents_alive(&world).is_empty());
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_leaves_the_installation_ends_its_run_and_no_other() {
    let gate = Gate::new();
    let world = World::new(gate.setup("")).await;
    for (repo, n) in [("acme/withdrawn", 1), ("acme/transferred", 2)] {
        elsewhere(&world, repo);
        trigger(&world, repo, "Epic: elsewhere", &tasks(n));
    }
    let here = world.trigger("Epic: the list", &tasks(1));
    gate.until_began(&world, 1, 3).await;
    gate.until_began(&world, 2, 1).await;
    world.github.withdraw_repo("acme/withdrawn", "olga").expect("withdrawn");
    until_status(&world, &run_of(&world, "withdrawn"), 1, "cancelled: The App has no access").await;
    // Nobody is told of a transfer to where the App is not; the next thing that is to be written finds out.
    world.github.transfer_repo("acme/transferred", "olga", "elsewhere").expect("transferred");
    gate.fail(2);
    until_status(&world, &run_of(&world, "transferred"), 1, "cancelled: The App has no access").await;
    gate.go(1);
    world.until_ended(1).await;
    assert!(world.summary(here).contains("**Successful**: 1\n**Failed**: 0"));
    until_no_agents(&world).await;
    nothing_more(&world).await;
    assert_eq!(
        world.github.read(|w| pulls_of(w, "acme/withdrawn") + pulls_of(w, "elsewhere/transferred")),
        0
    );
    world.end();
}
