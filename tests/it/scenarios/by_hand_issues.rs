//! What people do by hand to issues, pull requests, branches and comments: `docs/by-hand.md`.

use crate::support::divisi::Divisi;
use crate::support::gate::{Gate, until_no_agents, until_quiet, until_status};
use crate::support::world::{MAINTAINER, REPO, Setup, WORKS, World, reactions, said, tasks};
use divisi::simulator::{Fault, FaultEffect, IssueState, RepoContent};
use std::time::Duration;

/// A second repository of the same owner.
const OTHER: &str = "acme/other";

fn other(world: &World) {
    let content = RepoContent::files(&[("README.md", "# Other\n")]);
    world.github.create_repo(OTHER, "main", &content).expect("a repository");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sub_issue_that_is_closed_deleted_or_transferred_cancels_its_task_and_no_other() {
    let gate = Gate::new();
    let world = World::new(gate.setup("")).await;
    other(&world);
    let master = world.trigger("Epic: the list", &tasks(4));
    for task in 1..=4 {
        gate.until_began(&world, task, 1).await;
    }
    world.until("links", |w| w.sub_issues(REPO, master).len() == 4).await;
    let children: Vec<u64> =
        world.github.read(|w| w.sub_issues(REPO, master).iter().map(|c| c.number).collect());
    world.github.close_issue(REPO, MAINTAINER, children[0]).expect("closed");
    world.github.delete_issue(REPO, "olga", children[1]).expect("deleted");
    world.github.transfer_issue(REPO, "olga", children[2], OTHER).expect("transferred");
    let progress =
        |w: &divisi::simulator::World| said(w, master).first().map(|c| c.body.clone()).unwrap_or_default();
    world.until("three are cancelled", |w| progress(w).matches("⏹ cancelled").count() == 3).await;
    gate.go(4);
    world.until_ended(1).await;
    let summary = world.summary(master);
    assert!(summary.contains("**Total Sub-Tasks**: 4\n**Successful**: 1\n**Failed**: 0"), "{summary}");
    assert_eq!(summary.matches(": cancelled · ").count(), 3, "{summary}");
    // Reopening starts nothing and says how to.
    world.github.reopen_issue(REPO, MAINTAINER, children[0]).expect("opened");
    world.until("how to run it again", |w| said(w, children[0]).len() == 1).await;
    assert!(world.said(children[0])[0].body.contains("`/orchestrate --retry`"));
    gate.open();
    world.say(children[0], "/orchestrate --retry");
    world.until_ended(2).await;
    assert_eq!((gate.began(1), gate.began(2), gate.began(3)), (2, 1, 1));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_and_its_own_close_leave_the_task_completed() {
    let world = World::new(Setup { rules: "draft = false\n".into(), ..Setup::default() }).await;
    let master = world.trigger("Epic: the list", &tasks(2));
    world.until_ended(1).await;
    let pulls: Vec<u64> = world.github.read(|w| w.pulls(REPO).iter().map(|p| p.number).collect());
    world.github.merge_pr(REPO, "olga", pulls[0]).expect("merged");
    let closed = |w: &divisi::simulator::World| {
        w.sub_issues(REPO, master).iter().filter(|i| i.state == IssueState::Closed).count()
    };
    world.until("the merge closed its sub-issue", |w| closed(w) == 1).await;
    // Closed without a merge, and opened again: the task stays completed.
    world.github.close_pr(REPO, "olga", pulls[1]).expect("closed");
    let progress =
        |w: &divisi::simulator::World| said(w, master).first().map(|c| c.body.clone()).unwrap_or_default();
    world.until("it is told", |w| progress(w).contains("completed (pull request closed)")).await;
    let summary = world.summary(master);
    assert!(summary.contains("**Successful**: 2\n**Failed**: 0"), "{summary}");
    world.github.reopen_issue(REPO, "olga", pulls[1]).expect("opened");
    world.until("it is told again", |w| !progress(w).contains("pull request closed")).await;
    // The branch deleted: GitHub closes the pull request, and nothing is done about it.
    let branch = world.github.read(|w| {
        let pull = w.issue(REPO, pulls[1]).and_then(|p| p.pull.clone());
        pull.map(|p| p.head).expect("a head")
    });
    world.github.delete_branch(REPO, "olga", &branch).expect("deleted");
    world.until("the pull request is closed", |w| progress(w).contains("pull request closed")).await;
    until_quiet(&world, Duration::from_secs(1)).await;
    // The label taken off and our comments edited or deleted change nothing but the comments.
    world.github.unlabel_issue(REPO, MAINTAINER, master, "parallel-orchestration").expect("unlabeled");
    let comments: Vec<u64> = world.said(master).iter().map(|c| c.id).collect();
    world.github.delete_comment("olga", comments[1]).expect("deleted");
    world.github.edit_comment("olga", comments[0], "Nothing to see.").expect("edited");
    until_quiet(&world, Duration::from_secs(6)).await;
    assert_eq!(world.said(master).len(), 1, "what is over is not said again");
    assert_eq!(world.github.read(|w| (w.pulls(REPO).len(), reactions(w, "rocket"))), (2, 1));
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_progress_comment_that_is_deleted_or_edited_is_written_anew() {
    let gate = Gate::new();
    let (world, master) = gate.two_at_work().await;
    let first = world.said(master)[0].id;
    world.github.edit_comment("olga", first, "Nothing to see.").expect("edited");
    gate.go(1);
    world.until("the edit is edited", |w| said(w, master)[0].body.contains("### Divisi is working")).await;
    world.github.delete_comment("olga", first).expect("deleted");
    gate.go(2);
    world.until_ended(1).await;
    world.until("a new progress comment", |w| said(w, master).len() == 2).await;
    let told = world.said(master);
    assert!(told.iter().any(|c| c.id != first && c.body.contains("### Divisi has finished")), "{told:#?}");
    assert_eq!(told.len(), 2, "a new one, and the summary: {told:#?}");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_issue_that_is_closed_deleted_or_transferred_ends_its_run() {
    let gate = Gate::new();
    let world = World::new(gate.setup("")).await;
    other(&world);
    let masters: Vec<u64> =
        ["closed", "deleted", "transferred"].iter().map(|how| world.trigger(how, &tasks(1))).collect();
    gate.until_began(&world, 1, 3).await;
    world.until("progress", |w| masters.iter().all(|m| said(w, *m).len() == 1)).await;
    world.github.close_issue(REPO, MAINTAINER, masters[0]).expect("closed");
    world.github.delete_issue(REPO, "olga", masters[1]).expect("deleted");
    world.github.transfer_issue(REPO, "olga", masters[2], OTHER).expect("transferred");
    until_no_agents(&world).await;
    world.until("a summary", |w| said(w, masters[0]).len() == 2).await;
    let summary = world.summary(masters[0]);
    assert!(summary.contains("**Successful**: 0\n**Failed**: 0"), "{summary}");
    assert!(summary.contains("### Not run\n- [ ] Sub-task 1: cancelled"), "{summary}");
    for master in &masters[1..] {
        let runs = world.data().join("runs/acme/app");
        let named =
            |e: &std::fs::DirEntry| e.file_name().to_string_lossy().starts_with(&format!("orch-{master}-"));
        let run = std::fs::read_dir(runs).expect("runs").flatten().find(named).expect("a run").path();
        until_status(&world, &run, 1, "cancelled: The master issue was deleted or transferred.").await;
    }
    let calls = until_quiet(&world, Duration::from_secs(2)).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(world.github.read(|w| w.calls().len()), calls, "a sweep later nothing is tried again");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_permission_is_told_and_a_retry_after_it_is_granted_completes_even_without_its_branch() {
    let world = World::new(Setup { agent: WORKS.into(), ..Setup::default() }).await;
    world.github.set_permission("acme", "olga", "pull_requests", None).expect("taken away");
    let master = world.trigger("Epic: the list", &tasks(2));
    world.until_ended(1).await;
    let follow_up = world.github.read(|w| {
        let issues = w.issues(REPO);
        let follow_ups: Vec<_> =
            issues.iter().filter(|i| i.labels.iter().any(|l| l == "follow-up")).collect();
        assert_eq!(follow_ups.len(), 2, "told where it can be");
        let body = follow_ups[0].body.clone().unwrap_or_default();
        assert!(body.contains("Resource not accessible by integration"), "{body}");
        follow_ups[0].number
    });
    // While a token is younger than 5 s a refusal is doubted, for GitHub's replicas may not know it yet; then it is final.
    let tries = || {
        world.github.read(|w| {
            let pulls = |c: &&divisi::simulator::CallRecord| c.method == "POST" && c.path.ends_with("/pulls");
            w.calls().iter().filter(pulls).count()
        })
    };
    let asked = tries();
    assert!((2..=10).contains(&asked), "{asked} requests for two pull requests");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(tries(), asked, "final for the effect");
    // A person deletes the branches that were pushed, and grants the permission.
    for branch in
        world.remote_git(&["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/divisi"]).lines()
    {
        world.github.delete_branch(REPO, "olga", branch).expect("deleted");
    }
    world.github.set_permission("acme", "olga", "pull_requests", Some("write")).expect("granted");
    world.say(follow_up, "/orchestrate --retry");
    world.until_ended(2).await;
    world.say(master, "/orchestrate --retry");
    world.until_ended(3).await;
    let summary = world.summary(master);
    assert!(summary.contains("**Successful**: 2\n**Failed**: 0"), "{summary}");
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_closed_before_its_opening_is_recorded_counts_as_closed() {
    let gate = Gate::new();
    let world = World::new(gate.setup("")).await;
    // What was made without an answer is looked for a while later.
    // The first write answers the trigger with a reaction, the next opens a sub-issue.
    world.github.plan_fault(
        Fault::once("POST", format!("/repos/{REPO}/issues"), FaultEffect::DropAfterApplying).after(1),
    );
    world.github.plan_fault(Fault::once(
        "POST",
        format!("/repos/{REPO}/pulls"),
        FaultEffect::DropAfterApplying,
    ));
    let master = world.trigger("Epic: the list", &tasks(2));
    world.until("a sub-issue", |w| w.issues(REPO).len() == 2).await;
    let child = world.github.read(|w| w.issues(REPO)[1].number);
    world.github.close_issue(REPO, MAINTAINER, child).expect("closed");
    gate.go(2);
    world.until("a pull request", |w| w.pulls(REPO).len() == 1).await;
    let pull = world.github.read(|w| w.pulls(REPO)[0].number);
    world.github.close_pr(REPO, MAINTAINER, pull).expect("closed");
    world.until_ended(1).await;
    let progress =
        |w: &divisi::simulator::World| said(w, master).first().map(|c| c.body.clone()).unwrap_or_default();
    world.until("both are known", |w| progress(w).contains("⏹ cancelled")).await;
    world.until("both are known", |w| progress(w).contains("✅ completed (pull request closed)")).await;
    let log = world.divisi.as_ref().map(Divisi::log_text).unwrap_or_default();
    assert_eq!(world.github.read(|w| (w.issues(REPO).len(), w.pulls(REPO).len())), (3, 1), "nothing twice");
    assert!(log.contains("the sub-issue is being recorded"), "{log}");
    assert!(log.contains("the pull request is being recorded"), "{log}");
    world.end();
}
