//! Issues that do not become runs, and why: the reason is where the person is looking.

use crate::support::world::{REPO, Setup, World, said, tasks};
use divisi::simulator::RepoContent;

/// Labels an issue with this body and returns the one answer.
async fn answer(world: &World, title: &str, body: &str) -> String {
    let issue = world.trigger(title, body);
    world.until("an answer", |w| said(w, issue).len() == 1).await;
    let text = world.said(issue)[0].body.clone();
    assert!(world.github.read(|w| w.sub_issues(REPO, issue).is_empty()));
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_that_cannot_run_are_explained() {
    let world = World::new(Setup::default()).await;
    let text = answer(&world, "A bug", "It crashes when I press the button.").await;
    assert!(text.contains("sub-task"), "{text}");
    let text = answer(&world, "Epic: one", "## Tasks\n\n- [ ] Only one thing\n").await;
    assert!(text.contains('1') && text.contains('2'), "{text}");
    let text = answer(&world, "Epic: many", &tasks(101)).await;
    assert!(text.contains("101") && text.contains("100"), "{text}");
    let body = "## Tasks\n\n- [ ] Write the schema\n- [ ] Write the importer (depends on task 1)\n- [ ] Write the page\n";
    let text = answer(&world, "Epic: in order", body).await;
    assert!(text.contains("depends on"), "{text}");
    let long = format!("{}\n\n{}", tasks(3), "A very long story. ".repeat(3400));
    assert!(long.len() < 65_536);
    let master = world.trigger("Epic: long", &long);
    world.until_ended(1).await;
    assert_eq!(world.github.read(|w| w.sub_issues(REPO, master).len()), 3);
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_configuration_is_shown_with_its_line() {
    let setup = Setup { rules: "max_worker = 3\n".into(), ..Setup::default() };
    let world = World::new(setup).await;
    let text = answer(&world, "Epic: the list", &tasks(2)).await;
    assert!(text.contains("max_worker") && text.contains("max_workers"), "{text}");
    assert!(text.contains(".github/divisi.toml"), "{text}");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_repository_and_a_missing_base_are_explained() {
    let world = World::new(Setup { content: RepoContent::Empty, ..Setup::default() }).await;
    let text = answer(&world, "Epic: the list", &tasks(2)).await;
    // Without a rules file the default agent is asked for; the empty repository comes first for the person.
    assert!(text.contains("empty") || text.contains("no commit"), "{text}");
    world.end();

    let world = World::new(Setup { rules: "base = \"develop\"\n".into(), ..Setup::default() }).await;
    let text = answer(&world, "Epic: the list", &tasks(2)).await;
    assert!(text.contains("develop"), "{text}");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn linked_issues_are_taken_over() {
    let world = World::new(Setup::default()).await;
    let linked = world.open("Make the header blue", "With #00f.");
    let master = world.trigger(
        "Epic: looks",
        &format!("## Tasks\n\n- [ ] #{linked}\n- [ ] Make the footer green\n- [x] Done already\n"),
    );
    world.until_ended(1).await;
    world.github.read(|w| {
        let children: Vec<u64> = w.sub_issues(REPO, master).iter().map(|i| i.number).collect();
        assert_eq!(children.len(), 2, "{children:?}");
        assert!(children.contains(&linked));
        assert_eq!(w.pulls(REPO).len(), 2);
    });
    world.end();
}
