//! What GitHub itself knows of a master issue's sub-tasks: sub-issues, and `blocked by` links.

use crate::support::world::{MAINTAINER, REPO, Setup, World, said};
use divisi::simulator::{NewIssue, RepoContent, Role};

/// A world with a master issue of this text and the issues with these titles and texts as its sub-issues.
async fn world(rules: &str, body: &str, children: &[(&str, &str)]) -> (World, u64, Vec<u64>) {
    let world = World::new(Setup { rules: rules.to_owned(), ..Setup::default() }).await;
    let master = world.open("Epic: the house", body);
    let children: Vec<u64> = children.iter().map(|(title, body)| world.open(title, body)).collect();
    for child in &children {
        world.github.add_sub_issue(REPO, MAINTAINER, master, *child).expect("a sub-issue");
    }
    (world, master, children)
}

/// Says something on the master and returns the nth answer.
async fn answer(world: &World, master: u64, command: &str, nth: usize) -> String {
    world.say(master, command);
    world.until(command, |w| said(w, master).len() == nth).await;
    world.said(master)[nth - 1].body.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epic_of_sub_issues_alone_is_worked_on_and_known_again() {
    let children = [
        ("Paint the door", "In green, see `house/door.txt`."),
        ("Mend the roof", "Its `house/roof.txt`."),
        ("Hang the second door", "Also in `house/door.txt`."),
        ("Sweep the yard", ""),
    ];
    let (world, master, numbers) =
        world("draft = false\n", "All of it is in the sub-issues.", &children).await;
    world.github.close_issue(REPO, MAINTAINER, numbers[3]).expect("closed");
    world.label(master);
    world.until_ended(1).await;
    world.github.read(|w| {
        let subs: Vec<u64> = w.sub_issues(REPO, master).iter().map(|i| i.number).collect();
        assert_eq!(subs, numbers, "none is made, none is copied");
        assert_eq!(w.pulls(REPO).len(), 3, "the closed one is done");
        let ids: Vec<u64> = w.sub_issues(REPO, master).iter().map(|i| i.id).collect();
        assert_eq!(w.sub_issues(REPO, master)[2].blocked_by, [ids[0]], "both name one file");
    });
    // The link says which came after which, and is no dependency the next time.
    let before = said_count(&world, master);
    let text = answer(&world, master, "/orchestrate --dry-run", before + 1).await;
    assert!(text.contains("### The plan: 3 tasks, of which some wait for others"), "{text}");
    let text = answer(&world, master, "/orchestrate", before + 2).await;
    assert!(text.contains("Every sub-task has a pull request from an earlier run"), "{text}");
    assert_eq!(world.github.read(|w| (w.sub_issues(REPO, master).len(), w.pulls(REPO).len())), (4, 3));
    world.end();
}

fn said_count(world: &World, master: u64) -> usize {
    world.github.read(|w| said(w, master).len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_and_sub_issues_are_one_plan_and_links_are_dependencies() {
    let children = [("paint the Door!", ""), ("Mend the roof", ""), ("Sweep the yard", "")];
    let (world, master, numbers) = world("", "## Tasks\n\n- [ ] placeholder\n", &children).await;
    let outside = world.open("Buy a ladder", "");
    let done = world.open("Buy paint", "");
    let bare = world.open("Oil the gate", "");
    world
        .github
        .create_repo("acme/garden", "main", &RepoContent::files(&[("a", "b")]))
        .expect("a repository");
    world.github.add_user("acme/garden", MAINTAINER, Role::Write).expect("a person");
    let foreign =
        world.github.open_issue("acme/garden", MAINTAINER, NewIssue::new("Dig", "")).expect("an issue");
    let body = format!(
        "## Tasks\n\n- [ ] Paint the **door**\n- [ ] Mend it: #{}\n- [ ] acme/garden#{foreign}\n- [ ] Plant a tree\n- [ ] #{done}\n- [ ] #{bare}\n",
        numbers[1]
    );
    world.github.edit_issue(REPO, MAINTAINER, master, None, Some(&body)).expect("edited");
    world
        .github
        .add_sub_issue_from((REPO, master), ("acme/garden", foreign), MAINTAINER)
        .expect("a sub-issue from elsewhere");
    world.github.close_issue(REPO, MAINTAINER, done).expect("closed");
    for (blocked, by) in [(numbers[2], numbers[1]), (numbers[0], outside), (numbers[1], done)] {
        world.github.add_blocked_by(REPO, MAINTAINER, blocked, by).expect("a link");
    }
    let text = answer(&world, master, "/orchestrate --dry-run", 1).await;
    assert!(text.contains("### The plan: 5 tasks that depend on one another"), "{text}");
    assert!(
        text.contains(&format!("| 1 | Paint the **door** (#{}) |", numbers[0])),
        "one and the same: {text}"
    );
    assert!(text.contains("| 3 | Plant a tree |") && text.contains("| 5 | Sweep the yard"), "{text}");
    assert!(text.contains(&format!("| 4 | Oil the gate (#{bare}) |")), "a bare link has a name: {text}");
    let link = format!("(#{} is blocked by #{} on GitHub)", numbers[2], numbers[1]);
    assert!(text.contains(&link), "{text}");
    assert!(
        text.contains("**Order**: 1, 2, 3, 4 → 5") && text.contains("`/orchestrate --ordered`"),
        "{text}"
    );
    let outside = format!("Task 1 is blocked on GitHub by #{outside}, which is open");
    let foreign = format!("acme/garden#{foreign} is an issue of another repository");
    assert!(text.contains(&outside), "{text}");
    assert_eq!(text.matches(&foreign).count(), 1, "it is listed and a sub-issue, and told once: {text}");
    assert_eq!(world.github.read(|w| w.pulls(REPO).len()), 0);
    world.end();
}
