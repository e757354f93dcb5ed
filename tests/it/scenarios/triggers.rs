//! Who may start what, and what is said to whom.

use crate::support::world::{MAINTAINER, REPO, Setup, World, reactions, said, tasks};
use divisi::simulator::Role;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_people_with_write_access_start_work() {
    let world = World::new(Setup::default()).await;
    world.github.add_bot(REPO, "other[bot]", Role::Write).expect("a bot");
    let master = world.open("Epic: the list", &tasks(2));
    for login in ["tom", "rita", "other[bot]"] {
        world.github.comment(REPO, login, master, "/orchestrate").expect("a comment");
    }
    world.github.label_issue(REPO, "tom", master, "parallel-orchestration").expect("a label");
    // 😕 for the two people's comments and the label; nothing for the bot.
    world.until("three confused reactions", |w| reactions(w, "confused") == 3).await;
    world.until("everything is delivered", |w| w.all_delivered()).await;
    assert!(world.said(master).is_empty());
    assert_eq!(world.github.read(|w| w.issues(REPO).len()), 1);
    for (n, login) in ["olga", "mark", MAINTAINER].into_iter().enumerate() {
        let issue = world.open("Epic: the list", &tasks(2));
        world.github.comment(REPO, login, issue, "/orchestrate").expect("a comment");
        world.until_ended(n + 1).await;
    }
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_and_unknown_words_are_answered_once() {
    let world = World::new(Setup::default()).await;
    let issue = world.open("A question", "text");
    world.say(issue, "/orchestrate --help");
    world.until("help", |w| said(w, issue).len() == 1).await;
    let help = world.said(issue)[0].body.clone();
    assert!(help.contains("--retry") && help.contains("--help"), "{help}");
    world.say(issue, "/orchestrate --rety");
    world.until("an answer", |w| said(w, issue).len() == 2).await;
    let answer = world.said(issue)[1].body.clone();
    assert!(answer.contains("--rety") && answer.contains("/orchestrate --retry"), "{answer}");
    for text in ["> /orchestrate", "please /orchestrate", "```\n/orchestrate\n```", "/orchestrated"] {
        world.say(issue, text);
    }
    world.say(issue, "/orchestrate --retry");
    world.until("the last is answered", |w| said(w, issue).len() == 3).await;
    assert_eq!(world.github.read(|w| w.issues(REPO).len()), 1, "nothing was started");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_trigger_on_a_live_run_starts_nothing() {
    let agent = format!("sleep 3\n{}", crate::support::world::WORKS);
    let world = World::new(Setup { agent, ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(2));
    world.until("agents", |w| w.sub_issues(REPO, master).len() == 2).await;
    world.say(master, "/orchestrate");
    world.until("an answer", |w| said(w, master).len() >= 2).await;
    let child = world.github.read(|w| w.sub_issues(REPO, master)[0].number);
    world.say(child, "/orchestrate");
    world.until("an answer on the sub-issue", |w| said(w, child).len() == 1).await;
    world.until_ended(1).await;
    assert_eq!(world.github.read(|w| w.pulls(REPO).len()), 2);
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_lists_what_is_in_review_and_reuses_sub_issues() {
    let agent = format!(
        "if [ \"$AGENT_ID\" = agent-2 ] && [ ! -e \"$HOME/../../again\" ] && [ \"${{BRANCH_NAME#divisi/*.2/}}\" = \"$BRANCH_NAME\" ]; then exit 1; fi\n{}",
        crate::support::world::WORKS
    );
    let world = World::new(Setup { agent, rules: "min_tasks = 1\n".into(), ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(3));
    world.until_ended(1).await;
    assert_eq!(world.github.read(|w| w.pulls(REPO).len()), 2);
    world.say(master, "/orchestrate");
    world.until_ended(2).await;
    world.github.read(|w| {
        assert_eq!(w.sub_issues(REPO, master).len(), 3, "no second sub-issue for the same task");
        assert_eq!(w.pulls(REPO).len(), 3);
        let last = w
            .pulls(REPO)
            .into_iter()
            .max_by_key(|p| p.number)
            .and_then(|p| p.pull.clone())
            .expect("a pull request");
        assert!(last.head.starts_with(&format!("divisi/{master}.2/")), "{}", last.head);
    });
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_does_again_what_was_rejected() {
    let world = World::new(Setup { rules: "min_tasks = 1\n".into(), ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(2));
    world.until_ended(1).await;
    let rejected = world.github.read(|w| w.pulls(REPO)[0].number);
    world.github.close_pr(REPO, "olga", rejected).expect("closed");
    world.say(master, "/orchestrate");
    world.until_ended(2).await;
    world.github.read(|w| {
        assert_eq!(w.pulls(REPO).len(), 3, "the rejected one again, the other is in review");
        assert_eq!(w.sub_issues(REPO, master).len(), 2, "its sub-issue is open and reused");
    });
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_orchestrated_is_told_so() {
    let world = World::new(Setup::default()).await;
    world.github.push_files(REPO, "olga", "topic", "Topic", &[("t.txt", Some("t\n"))]).expect("a branch");
    let draft = divisi::simulator::NewIssue::new("A change", "- [ ] a\n- [ ] b\n");
    let pull = world.github.open_pr(REPO, "olga", "topic", "main", draft).expect("a pull request");
    world.say(pull, "/orchestrate");
    world.until("an answer on the pull request", |w| said(w, pull).len() == 1).await;
    assert!(world.said(pull)[0].body.contains("this is a pull request"));
    world.label(pull);
    world.until("another answer on the pull request", |w| said(w, pull).len() == 2).await;

    let closed = world.open("Epic: over", &tasks(2));
    world.github.close_issue(REPO, MAINTAINER, closed).expect("closed");
    world.say(closed, "/orchestrate");
    world.until("an answer on the closed issue", |w| said(w, closed).len() == 1).await;
    assert!(world.said(closed)[0].body.contains("closed"));
    world.end();

    let world = World::new(Setup { rules: String::new(), ..Setup::default() }).await;
    world
        .github
        .push_files(REPO, "olga", "main", "Rules", &[(".github/divisi.toml", Some("agent = \"nobody\"\n"))])
        .expect("rules");
    let issue = world.trigger("Epic: the list\nwith a second line", &tasks(2));
    world.until("an answer", |w| said(w, issue).len() == 1).await;
    assert!(world.said(issue)[0].body.contains("`nobody`"), "{}", world.said(issue)[0].body);
    world.end();
}

/// GitHub's own example of a label event, byte for byte, and the same with an installation: the world's repository, person
/// and trigger stand where the example's were, and the body is longer than GitHub sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_published_label_event_starts_a_run_once_it_has_an_installation() {
    let world = World::new(Setup::default()).await;
    let example = include_bytes!("../../fixtures/webhooks/issues/labeled.json");
    assert_eq!(world.deliver("issues", example).await, 202);
    let issue = world.open("Epic: the list", &tasks(2));
    let (repo, id, installation) = world.github.read(|w| {
        let installation = w.installations().next().map(|i| i.id).unwrap_or_default();
        (
            w.repo(REPO).map(|r| r.id).unwrap_or_default(),
            w.issue(REPO, issue).map(|i| i.id).unwrap_or_default(),
            installation,
        )
    });
    let mut event: serde_json::Value = serde_json::from_slice(example).expect("JSON");
    event["installation"] = serde_json::json!({ "id": installation });
    event["label"]["name"] = "parallel-orchestration".into();
    event["sender"]["login"] = MAINTAINER.into();
    event["issue"]["number"] = issue.into();
    event["issue"]["id"] = id.into();
    event["issue"]["body"] = format!("{}\n{}", tasks(2), "Long. ".repeat(12_000)).into();
    event["repository"]["id"] = repo.into();
    event["repository"]["name"] = "app".into();
    event["repository"]["full_name"] = REPO.into();
    event["repository"]["owner"]["login"] = "acme".into();
    event["repository"]["default_branch"] = "main".into();
    assert_eq!(world.deliver("issues", event.to_string().as_bytes()).await, 202);
    world.until_ended(1).await;
    assert_eq!(world.github.read(|w| w.pulls(REPO).len()), 2);
    world.end();
}
