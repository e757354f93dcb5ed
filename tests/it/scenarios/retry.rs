//! `--retry`, wherever it is said.

use crate::support::world::{REPO, Setup, WORKS, World, reactions, said, tasks};
use divisi::simulator::IssueState;

/// Tasks 2 and 3 fail until the prompt tells of an earlier attempt.
fn second_time_lucky() -> String {
    "prompt=$(cat)\n\
     case \"$AGENT_ID\" in agent-2|agent-3)\n\
     case \"$prompt\" in *'An earlier attempt failed'*) ;; *) echo 'not this time'; exit 1;; esac;; esac\n\
     echo \"work of $AGENT_ID\" > \"$AGENT_ID.txt\"\n\
     git add -A && git commit -qm \"Work of $AGENT_ID\"\n"
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_reopens_the_same_run_and_edits_what_was_said() {
    let world = World::new(Setup { agent: second_time_lucky(), ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(5));
    world.until_ended(1).await;
    assert!(world.summary(master).contains("**Failed**: 2"));
    let (child, follow_up) = world.github.read(|w| {
        let children = w.sub_issues(REPO, master);
        let follow = w
            .issues(REPO)
            .into_iter()
            .find(|i| i.title.contains("Task number 3") && i.labels.iter().any(|l| l == "follow-up"));
        (children[1].number, follow.map(|i| i.number).expect("a follow-up"))
    });
    world.say(child, "/orchestrate --retry");
    world.until_ended(2).await;
    assert!(world.summary(master).contains("**Failed**: 1"), "{}", world.summary(master));
    world.say(follow_up, "/orchestrate --retry");
    world.until_ended(3).await;
    let summary = world.summary(master);
    assert!(
        summary.contains("**Successful**: 5\n**Failed**: 0") && !summary.contains("### Failed"),
        "{summary}"
    );
    world
        .until("follow-ups are closed", |w| {
            w.issues(REPO)
                .iter()
                .filter(|i| i.labels.iter().any(|l| l == "follow-up"))
                .all(|i| i.state == IssueState::Closed)
        })
        .await;
    world.github.read(|w| {
        assert_eq!(w.issues(REPO).len(), 1 + 5 + 2);
        assert_eq!(w.pulls(REPO).len(), 5);
        assert_eq!(said(w, master).len(), 2, "edited, not posted anew");
        assert_eq!(reactions(w, "eyes"), 3);
        assert_eq!(reactions(w, "rocket"), 3);
    });
    // A completed task is not run again; the answer is its state. On its pull request and on the sub-issue.
    let pull = world.github.read(|w| w.pulls(REPO)[0].number);
    world.say(pull, "/orchestrate --retry");
    world.until("an answer on the pull request", |w| said(w, pull).len() == 1).await;
    world.say(master, "/orchestrate --retry 2,9");
    world.until("an answer on the master", |w| said(w, master).len() == 3).await;
    assert_eq!(world.github.read(|w| w.pulls(REPO).len()), 5);
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_on_the_master_runs_every_failed_task_and_nothing_else() {
    let world = World::new(Setup { agent: second_time_lucky(), ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(4));
    world.until_ended(1).await;
    world.say(master, "/orchestrate --retry");
    world.until_ended(2).await;
    assert!(world.summary(master).contains("**Successful**: 4\n**Failed**: 0"), "{}", world.summary(master));
    assert_eq!(world.github.read(|w| w.pulls(REPO).len()), 4);
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_retries_repeats_a_failed_attempt_without_being_asked() {
    let setup = Setup { agent: second_time_lucky(), rules: "max_retries = 1\n".into(), ..Setup::default() };
    let world = World::new(setup).await;
    let master = world.trigger("Epic: the list", &tasks(3));
    world.until_ended(1).await;
    assert!(world.summary(master).contains("**Successful**: 3\n**Failed**: 0"), "{}", world.summary(master));
    assert!(!world.github.read(|w| w.issues(REPO).iter().any(|i| i.labels.iter().any(|l| l == "follow-up"))));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_failure_edits_the_follow_up() {
    let world = World::new(Setup {
        agent: format!("[ $AGENT_ID = agent-1 ] && exit 1\n{WORKS}"),
        ..Setup::default()
    })
    .await;
    let master = world.trigger("Epic: the list", &tasks(2));
    world.until_ended(1).await;
    world.say(master, "/orchestrate --retry");
    world.until_ended(2).await;
    world.github.read(|w| {
        let follow_ups =
            w.issues(REPO).into_iter().filter(|i| i.labels.iter().any(|l| l == "follow-up")).count();
        assert_eq!(follow_ups, 1);
    });
    world.end();
}
