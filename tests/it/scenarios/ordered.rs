//! `--ordered` with real agents and real git, and the forms of `on_overlap`.

use crate::support::world::{MAINTAINER, REPO, Setup, WORKS, World, said};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_starts_from_what_was_merged_before_it() {
    // The second task can only be done where the first one's work is.
    let agent = format!("case \"$AGENT_ID\" in agent-2) test -f agent-1.txt || exit 7;; esac\n{WORKS}");
    let rules = "draft = false\nstatus_interval = \"1s\"\n".to_owned();
    let mut world = World::new(Setup { agent, rules, ..Setup::default() }).await;
    let body = "## Tasks\n\n- [ ] Write the schema\n- [ ] Write the importer (depends on task 1)\n- [ ] Write the page\n";
    let master = world.open("Epic: in order", body);
    world.say(master, "/orchestrate");
    world.until("a refusal", |w| said(w, master).len() == 1).await;
    assert!(world.said(master)[0].body.contains("comment `/orchestrate --ordered`"));
    world.say(master, "/orchestrate --ordered");
    world
        .until("what the second waits for", |w| {
            said(w, master).iter().any(|c| c.body.contains("to be merged"))
        })
        .await;
    world.until("two pull requests", |w| w.pulls(REPO).len() == 2).await;
    let first = world.github.read(|w| {
        let of = |i: &&&divisi::simulator::Issue| i.pull.as_ref().is_some_and(|p| p.head.contains("/1-"));
        w.pulls(REPO).iter().find(of).map(|i| i.number).expect("the first one's")
    });
    let waits = format!("waits for #{first} to be merged");
    world.until("its number", |w| said(w, master).iter().any(|c| c.body.contains(&waits))).await;
    let before = world.github.read(|w| said(w, master).len());
    world.say(master, "/orchestrate --explain");
    world.until("why", |w| said(w, master).len() == before + 1).await;
    let why = world.said(master)[before].body.clone();
    assert!(why.contains(&format!("it starts when #{first} is merged")), "{why}");
    // It waits over a restart.
    world.divisi.take().expect("it runs").kill();
    world.start();
    let merged = world.github.merge_pr(REPO, MAINTAINER, first).expect("merged");
    world.until_ended(1).await;
    assert_eq!(world.github.read(|w| w.pulls(REPO).len()), 3, "{}", world.summary(master));
    let branch = format!("refs/heads/divisi/{master}/2-write-the-importer-depends-on-task-1");
    let refs =
        world.remote_git(&["for-each-ref", "--contains", &merged, "--format=%(refname)", "refs/heads/"]);
    assert!(refs.lines().any(|r| r.starts_with(&branch[..branch.len() - 12])), "{refs}");
    world.github.read(|w| {
        let subs = w.sub_issues(REPO, master);
        assert_eq!(subs[1].blocked_by, [subs[0].id]);
    });
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlaps_are_told_or_refused_as_the_repository_says() {
    let body = "## Tasks\n\n- [ ] Add the soup to `src/menu.txt`\n- [ ] Add the salad to `src/menu.txt`\n";
    let world = World::new(Setup { rules: "on_overlap = \"stop\"\n".into(), ..Setup::default() }).await;
    let master = world.trigger("Epic: menu", body);
    world.until("a refusal", |w| said(w, master).len() == 1).await;
    let text = world.said(master)[0].body.clone();
    assert!(text.contains("on_overlap = \"stop\"") && text.contains("src/menu.txt"), "{text}");
    assert!(world.github.read(|w| w.sub_issues(REPO, master).is_empty()));
    world.end();

    let world = World::new(Setup { rules: "on_overlap = \"warn\"\n".into(), ..Setup::default() }).await;
    let master = world.trigger("Epic: menu", body);
    world.until_ended(1).await;
    world.github.read(|w| {
        assert!(w.sub_issues(REPO, master).iter().all(|i| i.blocked_by.is_empty()), "nothing waits");
        assert!(w.pulls(REPO).iter().all(|p| p.pull.as_ref().is_some_and(|p| p.base == "main")));
    });
    let told: Vec<String> = world.said(master).into_iter().map(|c| c.body).collect();
    assert!(
        told[0].contains("Tasks 1 and 2 run side by side") && told[0].contains("hardly worth"),
        "{}",
        told[0]
    );
    assert!(world.summary(master).contains("Tasks 1 and 2 ran side by side"), "{}", world.summary(master));
    world.end();
}
