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
