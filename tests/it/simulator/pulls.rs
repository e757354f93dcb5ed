//! Pull requests, merges and check runs.

use super::{Bench, DEMO, REPO};
use divisi::simulator::{IssueState, NewIssue};
use serde_json::{Value, json};

async fn open(bench: &Bench, token: &str, body: Value) -> super::Reply {
    bench.call(token, "POST", &format!("{DEMO}/pulls"), body).await
}

#[tokio::test]
async fn a_pull_request_is_opened_once_for_a_branch_with_commits() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.sim.open_issue(REPO, "alice", NewIssue::new("one", "")).unwrap();
    let head = bench.sim.push_files(REPO, "alice", "divisi/1/1-x", "One", &[("new", Some("1\n"))]).unwrap();
    let new =
        json!({"title": "Do it", "body": "Closes #1", "head": "divisi/1/1-x", "base": "main", "draft": true});
    let made = open(&bench, &token, new.clone()).await.expect(201);
    assert_eq!(
        (&made["number"], &made["draft"], &made["head"]["sha"]),
        (&json!(2), &json!(true), &json!(head))
    );
    assert_eq!(
        (&made["commits"], &made["changed_files"], &made["additions"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!((&made["mergeable"], &made["user"]["type"]), (&json!(true), &json!("Bot")));
    let again = open(&bench, &token, new).await.refused(422);
    assert!(again.contains("A pull request already exists for acme:divisi/1/1-x."), "{again}");
    let none = open(&bench, &token, json!({"title": "t", "head": "main", "base": "main"})).await.refused(422);
    assert!(none.contains("No commits between main and main"), "{none}");
    let missing =
        open(&bench, &token, json!({"title": "t", "head": "nope", "base": "main"})).await.refused(422);
    assert!(missing.contains("head") && missing.contains("invalid"), "{missing}");
    open(&bench, &token, json!({"title": "t", "head": "divisi/1/1-x", "base": "nope"})).await.refused(422);
    open(&bench, &token, json!({"title": "t".repeat(257), "head": "acme:divisi/1/1-x", "base": "main"}))
        .await
        .refused(422);

    // Issues and pull requests share numbers; lists of issues hold both.
    let all = bench.get(&token, &format!("{DEMO}/issues")).await.expect(200);
    let kinds: Vec<bool> = all.as_array().unwrap().iter().map(|i| i["pull_request"].is_object()).collect();
    assert_eq!(kinds, [true, false]);
    bench.get(&token, &format!("{DEMO}/pulls/1")).await.refused(404);
    let count = async |query: &str| {
        bench.get(&token, &format!("{DEMO}/pulls?{query}")).await.expect(200).as_array().unwrap().len()
    };
    assert_eq!(count("head=acme:divisi/1/1-x&state=all").await, 1);
    assert_eq!(count("head=acme:other&state=all").await, 0);
    assert_eq!(count("base=main").await, 1);
    assert_eq!(count("state=closed").await, 0);
    let files = bench.get(&token, &format!("{DEMO}/pulls/2/files")).await.expect(200);
    assert_eq!(files[0]["filename"], "new");
    let edited = bench
        .call(&token, "PATCH", &format!("{DEMO}/pulls/2"), json!({"title": "New", "state": "closed"}))
        .await;
    assert_eq!(edited.expect(200)["state"], "closed");
    let comment = bench
        .call(&token, "POST", &format!("{DEMO}/issues/2/comments"), json!({"body": "on a pull request"}))
        .await;
    comment.expect(201);
}

#[tokio::test]
async fn merging_really_merges_and_closes_what_it_closes() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.sim.open_issue(REPO, "alice", NewIssue::new("one", "")).unwrap();
    bench.sim.open_issue(REPO, "alice", NewIssue::new("two", "")).unwrap();
    bench.sim.push_files(REPO, "alice", "topic", "Work", &[("new", Some("1\n"))]).unwrap();
    bench.sim.push_files(REPO, "alice", "main", "Meanwhile", &[("other", Some("2\n"))]).unwrap();
    let new = json!({"title": "Do it", "body": "Closes #1, part of #2", "head": "topic", "base": "main", "draft": true});
    open(&bench, &token, new).await.expect(201);
    assert_eq!(bench.sim.merge_pr(REPO, "alice", 3).unwrap_err().status, 405);
    bench.sim.mark_ready(REPO, "alice", 3).unwrap();
    let commit = bench.sim.merge_pr(REPO, "alice", 3).unwrap();
    let pull = bench.get(&token, &format!("{DEMO}/pulls/3")).await.expect(200);
    assert_eq!((&pull["merged"], &pull["merge_commit_sha"]), (&json!(true), &json!(commit)));
    assert_eq!(pull["merged_by"]["login"], "alice");
    for file in ["new", "other"] {
        bench.get(&token, &format!("{DEMO}/contents/{file}")).await.expect(200);
    }
    bench.sim.read(|world| {
        assert_eq!(world.issue(REPO, 1).unwrap().state, IssueState::Closed);
        assert_eq!(world.issue(REPO, 2).unwrap().state, IssueState::Open);
        assert_eq!(world.repo(REPO).unwrap().refs()["refs/heads/main"], commit);
    });
    assert_eq!(bench.sim.merge_pr(REPO, "alice", 3).unwrap_err().status, 405);
    assert_eq!(bench.sim.reopen_issue(REPO, "alice", 3).unwrap_err().status, 422);
}

#[tokio::test]
async fn a_conflict_cannot_be_merged_and_a_deleted_branch_closes() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.sim.push_files(REPO, "alice", "topic", "Mine", &[("README.md", Some("mine\n"))]).unwrap();
    bench.sim.open_pr(REPO, "alice", "topic", "main", NewIssue::new("Mine", "")).unwrap();
    bench.sim.push_files(REPO, "alice", "main", "Theirs", &[("README.md", Some("theirs\n"))]).unwrap();
    let pull = bench.get(&token, &format!("{DEMO}/pulls/1")).await.expect(200);
    assert_eq!((&pull["mergeable"], &pull["mergeable_state"]), (&json!(false), &json!("dirty")));
    assert_eq!(bench.sim.merge_pr(REPO, "alice", 1).unwrap_err().status, 405);
    bench.sim.delete_branch(REPO, "alice", "topic").unwrap();
    let pull = bench.get(&token, &format!("{DEMO}/pulls/1")).await.expect(200);
    assert_eq!((&pull["state"], &pull["merged"]), (&json!("closed"), &json!(false)));
    assert_eq!(bench.sim.reopen_issue(REPO, "alice", 1).unwrap_err().status, 422);
}

#[tokio::test]
async fn a_stacked_pull_request_moves_to_the_base_of_the_merged_one() {
    let bench = Bench::start().await;
    bench.sim.push_files(REPO, "alice", "first", "First", &[("a", Some("1"))]).unwrap();
    bench.sim.open_pr(REPO, "alice", "first", "main", NewIssue::new("First", "")).unwrap();
    bench.sim.push_files(REPO, "alice", "second", "Second", &[("b", Some("1"))]).unwrap();
    bench.sim.open_pr(REPO, "alice", "second", "first", NewIssue::new("Second", "")).unwrap();
    bench.sim.merge_pr(REPO, "alice", 1).unwrap();
    bench.sim.delete_branch(REPO, "alice", "first").unwrap();
    bench.sim.read(|world| {
        let second = world.issue(REPO, 2).unwrap();
        assert_eq!((second.state, second.pull.as_ref().unwrap().base.as_str()), (IssueState::Open, "main"));
    });
}

#[tokio::test]
async fn check_runs_are_made_changed_and_listed() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let head = bench.sim.push_files(REPO, "alice", "topic", "Work", &[("new", Some("1\n"))]).unwrap();
    bench.sim.open_pr(REPO, "alice", "topic", "main", NewIssue::new("Work", "")).unwrap();
    let runs = format!("{DEMO}/check-runs");
    let new = json!({"name": "divisi", "head_sha": head, "status": "in_progress", "external_id": "run-1",
                     "output": {"title": "Running", "summary": "…"},
                     "actions": [{"label": "Retry", "description": "Run again", "identifier": "retry"}]});
    let made = bench.call(&token, "POST", &runs, new).await.expect(201);
    assert_eq!(made["pull_requests"][0]["number"], 1);
    let one = format!("{runs}/{}", made["id"]);
    assert!(
        bench
            .call(&token, "PATCH", &one, json!({"status": "completed"}))
            .await
            .refused(422)
            .contains("conclusion")
    );
    assert_eq!(bench.schema.take().len(), 1, "which the description says too");
    let done = bench.call(&token, "PATCH", &one, json!({"conclusion": "success"})).await.expect(200);
    assert_eq!((&done["status"], &done["external_id"]), (&json!("completed"), &json!("run-1")));
    let listed = bench.get(&token, &format!("{DEMO}/commits/{head}/check-runs")).await.expect(200);
    assert_eq!((&listed["total_count"], &listed["check_runs"][0]["id"]), (&json!(1), &made["id"]));
    bench.sim.press_check_button("alice", made["id"].as_u64().unwrap(), "retry").unwrap();
    let events: Vec<Option<String>> = bench.sim.read(|world| {
        world.deliveries().iter().filter(|d| d.event == "check_run").map(|d| d.action.clone()).collect()
    });
    assert_eq!(events.iter().flatten().collect::<Vec<_>>(), ["created", "completed", "requested_action"]);
    bench.call(&token, "POST", &runs, json!({"name": "x", "head_sha": "1".repeat(40)})).await.refused(422);
    let long = json!({"output": {"title": "t", "summary": "ü".repeat(40_000)}});
    assert!(bench.call(&token, "PATCH", &one, long).await.refused(422).contains("bytesize"));
}
