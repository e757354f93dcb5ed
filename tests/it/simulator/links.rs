//! Sub-issues and dependencies.

use super::{Bench, DEMO, REPO};
use divisi::simulator::NewIssue;
use serde_json::{Value, json};

/// Opens so many issues; gives their database ids, in the order of their numbers.
fn open(bench: &Bench, count: usize) -> Vec<u64> {
    for n in 0..count {
        bench.sim.open_issue(REPO, "alice", NewIssue::new(format!("issue {n}"), "")).unwrap();
    }
    bench.sim.read(|world| world.issues(REPO).iter().map(|i| i.id).collect())
}

#[tokio::test]
async fn a_sub_issue_is_linked_by_its_database_id() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let ids = open(&bench, 3);
    let children = format!("{DEMO}/issues/1/sub_issues");
    let add = async |of: &str, body: Value| bench.call(&token, "POST", of, body).await;
    bench.get(&token, &format!("{DEMO}/issues/2/parent")).await.refused(404);
    let parent = add(&children, json!({"sub_issue_id": ids[1]})).await.expect(201);
    assert_eq!((&parent["number"], &parent["sub_issues_summary"]["total"]), (&json!(1), &json!(1)));
    add(&children, json!({"sub_issue_id": 2})).await.refused(404);
    assert!(add(&children, json!({"sub_issue_id": ids[1]})).await.refused(422).contains("duplicate"));
    assert!(add(&children, json!({"sub_issue_id": ids[0]})).await.refused(422).contains("ancestor"));
    let of_two = format!("{DEMO}/issues/2/sub_issues");
    assert!(add(&of_two, json!({"sub_issue_id": ids[0]})).await.refused(422).contains("ancestor"));
    let of_three = format!("{DEMO}/issues/3/sub_issues");
    let taken = add(&of_three, json!({"sub_issue_id": ids[1], "replace_parent": false})).await.refused(422);
    assert!(taken.contains("Sub issue may only have one parent"));

    let found = bench.get(&token, &format!("{DEMO}/issues/2/parent")).await.expect(200);
    assert_eq!(found["id"], ids[0]);
    bench.sim.close_issue(REPO, "alice", 2).unwrap();
    let master = bench.get(&token, &format!("{DEMO}/issues/1")).await.expect(200);
    assert_eq!(master["sub_issues_summary"], json!({"total": 1, "completed": 1, "percent_completed": 100}));
    let child = bench.get(&token, &format!("{DEMO}/issues/2")).await.expect(200);
    assert!(child["parent_issue_url"].as_str().unwrap().ends_with("/issues/1"));

    add(&of_three, json!({"sub_issue_id": ids[1], "replace_parent": true})).await.expect(201);
    assert_eq!(bench.get(&token, &children).await.expect(200), json!([]));
    let one = format!("{DEMO}/issues/3/sub_issue");
    bench.call(&token, "DELETE", &one, json!({"sub_issue_id": ids[1]})).await.expect(200);
    bench.call(&token, "DELETE", &one, json!({"sub_issue_id": ids[1]})).await.refused(404);
}

#[tokio::test]
async fn a_parent_takes_a_hundred_sub_issues_and_eight_levels() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let ids = open(&bench, 102);
    for child in 2..=101 {
        bench.sim.add_sub_issue(REPO, "alice", 1, child).unwrap();
    }
    let children = format!("{DEMO}/issues/1/sub_issues");
    let refused = bench.call(&token, "POST", &children, json!({"sub_issue_id": ids[101]})).await.refused(422);
    assert!(refused.contains("more than 100"), "{refused}");
    let first = bench.get(&token, &format!("{children}?per_page=100")).await;
    assert_eq!((first.link("next"), first.body.as_array().unwrap().len()), (None, 100));
    assert_eq!(bench.get(&token, &children).await.body.as_array().unwrap().len(), 30);

    let bench = Bench::start().await;
    open(&bench, 9);
    for parent in 1..=7 {
        bench.sim.add_sub_issue(REPO, "alice", parent, parent + 1).unwrap();
    }
    assert_eq!(bench.sim.add_sub_issue(REPO, "alice", 8, 9).unwrap_err().status, 422);
}

#[tokio::test]
async fn dependencies_are_added_listed_and_removed() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let ids = open(&bench, 3);
    let of_two = format!("{DEMO}/issues/2/dependencies/blocked_by");
    let added = bench.call(&token, "POST", &of_two, json!({"issue_id": ids[0]})).await.expect(201);
    assert_eq!(added["id"], ids[0]);
    bench.call(&token, "POST", &of_two, json!({"issue_id": ids[0]})).await.refused(422);
    bench.call(&token, "POST", &of_two, json!({"issue_id": 1})).await.refused(404);
    let of_one = format!("{DEMO}/issues/1/dependencies/blocked_by");
    assert!(
        bench
            .call(&token, "POST", &of_one, json!({"issue_id": ids[1]}))
            .await
            .refused(422)
            .contains("circular")
    );
    bench.sim.add_blocked_by(REPO, "alice", 2, 3).unwrap();
    assert_eq!(bench.get(&token, &of_two).await.expect(200).as_array().unwrap().len(), 2);
    let waiting = bench.get(&token, &format!("{DEMO}/issues/1/dependencies/blocking")).await.expect(200);
    assert_eq!(waiting[0]["number"], 2);
    bench.sim.close_issue(REPO, "alice", 3).unwrap();
    let issue = bench.get(&token, &format!("{DEMO}/issues/2")).await.expect(200);
    assert_eq!(
        issue["issue_dependencies_summary"],
        json!({"blocked_by": 1, "blocking": 0, "total_blocked_by": 2, "total_blocking": 0})
    );
    let link = format!("{of_two}/{}", ids[0]);
    bench.call(&token, "DELETE", &link, Value::Null).await.expect(200);
    bench.call(&token, "DELETE", &link, Value::Null).await.refused(404);
}
