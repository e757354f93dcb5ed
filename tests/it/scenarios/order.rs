//! Tasks that name the same file run one after the other.

use crate::support::world::{REPO, Setup, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_later_task_stands_on_the_earlier_ones_commit() {
    let agent = "cat > /dev/null\necho \"line of $AGENT_ID\" >> src/menu.txt\nmkdir -p src\n\
                 echo \"line of $AGENT_ID\" >> src/menu.txt\ngit add -A && git commit -qm \"Work of $AGENT_ID\"\n";
    let world = World::new(Setup { agent: agent.into(), ..Setup::default() }).await;
    let body = "## Tasks\n\n- [ ] Add the soup to `src/menu.txt`\n- [ ] Add the salad to `src/menu.txt`\n- [ ] Write `docs/hours.md`\n";
    let master = world.trigger("Epic: menu", body);
    world.until_ended(1).await;
    world.github.read(|w| {
        let children = w.sub_issues(REPO, master);
        assert_eq!(children[1].blocked_by, [children[0].id]);
        let pulls = w.pulls(REPO);
        assert_eq!(pulls.len(), 3);
        let of = |n: u64| {
            let pull = pulls.iter().find(|p| {
                p.body
                    .as_ref()
                    .is_some_and(|b| b.contains(&format!("Closes #{}", children[n as usize].number)))
            });
            pull.and_then(|p| p.pull.clone()).expect("a pull request")
        };
        assert_eq!(of(1).base, of(0).head, "the later pull request goes to the earlier branch");
        assert_eq!(of(2).base, "main");
    });
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_elsewhere_closes_the_sub_issue_too() {
    let content = divisi::simulator::RepoContent::files(&[("README.md", "# App\n")]);
    let world =
        World::new(Setup { content, rules: "base = \"next\"\ndraft = false\n".into(), ..Setup::default() })
            .await;
    world
        .github
        .push_files(REPO, "olga", "next", "Begin", &[("next.txt", Some("next\n"))])
        .expect("a branch");
    let master = world.trigger("Epic: the list", &crate::support::world::tasks(2));
    world.until_ended(1).await;
    let pull = world.github.read(|w| w.pulls(REPO)[0].number);
    world.github.merge_pr(REPO, "olga", pull).expect("merged");
    world
        .until("one sub-issue is closed", |w| {
            let closed = |i: &&&divisi::simulator::Issue| i.state == divisi::simulator::IssueState::Closed;
            w.sub_issues(REPO, master).iter().filter(closed).count() == 1
        })
        .await;
    world.end();
}
