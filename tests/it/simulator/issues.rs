//! Issues, labels, comments, reactions and pages of lists.

use super::{Bench, DEMO, REPO};
use divisi::simulator::{IssueState, NewIssue, Role};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn an_issue_is_created_read_changed_and_closed() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let issues = format!("{DEMO}/issues");
    let new = json!({"title": "[Master #1] Do it", "body": "<!-- hidden -->\r\ntext", "labels": ["sub-issue", "Sub-Issue"]});
    let made = bench.call(&token, "POST", &issues, new).await.expect(201);
    assert_eq!((&made["number"], &made["state"]), (&json!(1), &json!("open")));
    assert!(made["id"].as_u64().unwrap() > u64::from(u32::MAX >> 1), "ids have outgrown 31 bits");
    assert_eq!((&made["user"]["login"], &made["user"]["type"]), (&json!("divisi[bot]"), &json!("Bot")));
    assert_eq!(made["performed_via_github_app"]["slug"], "divisi");
    assert_eq!(made["body"], "<!-- hidden -->\r\ntext");
    assert_eq!(made["labels"].as_array().unwrap().len(), 1, "a label that differs in case only is the same");

    let one = format!("{issues}/1");
    let changed = bench.call(&token, "PATCH", &one, json!({"title": "New", "body": null})).await;
    assert_eq!(changed.expect(200)["title"], "New");
    bench.schema.take(); // the description does not say that a body may be null, GitHub takes it
    let closed = json!({"state": "closed", "state_reason": "not_planned"});
    let closed = bench.call(&token, "PATCH", &one, closed).await.expect(200);
    assert_eq!((&closed["state"], &closed["state_reason"]), (&json!("closed"), &json!("not_planned")));
    assert_eq!(closed["closed_by"]["login"], "divisi[bot]");
    let open = bench.call(&token, "PATCH", &one, json!({"state": "open"})).await.expect(200);
    assert_eq!((&open["state_reason"], &open["closed_at"]), (&json!("reopened"), &Value::Null));

    bench.get(&token, &format!("{issues}/7")).await.refused(404);
    bench.sim.delete_issue(REPO, "alice", 1).unwrap();
    assert!(bench.get(&token, &one).await.refused(410).contains("deleted"));
    bench.call(&token, "POST", &format!("{one}/comments"), json!({"body": "x"})).await.refused(410);
}

#[tokio::test]
async fn too_long_and_missing_texts_are_refused() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let issues = format!("{DEMO}/issues");
    let post = async |body: Value| bench.call(&token, "POST", &issues, body).await;
    post(json!({"title": "ü".repeat(256), "body": "ü".repeat(65_536)})).await.expect(201);
    assert!(
        post(json!({"title": "t".repeat(257)}))
            .await
            .refused(422)
            .contains("title is too long (maximum is 256")
    );
    let long = post(json!({"title": "t", "body": "b".repeat(65_537)})).await.refused(422);
    assert!(long.contains("body is too long (maximum is 65536 characters)"));
    let label = post(json!({"title": "t", "labels": ["l".repeat(51)]})).await.refused(422);
    assert!(label.contains("name is too long (maximum is 50"));
    assert!(post(json!({"title": " "})).await.refused(422).contains("missing_field"));
    post(json!({"title": "t", "labels": ["l".repeat(50)]})).await.expect(201);
    bench.sim.read(|world| assert_eq!(world.issues(REPO).len(), 2, "a refused request makes nothing"));

    let comments = format!("{issues}/1/comments");
    let long = bench.call(&token, "POST", &comments, json!({"body": "b".repeat(65_537)})).await.refused(422);
    assert!(long.contains("body is too long"));
    assert!(bench.call(&token, "POST", &comments, json!({"body": ""})).await.refused(422).contains("body"));
    assert!(bench.schema.take().is_empty());

    assert!(post(json!({"body": "no title"})).await.refused(422).contains("missing_field"));
    assert!(post(json!({"title": ["a"]})).await.refused(422).contains("Invalid request"));
    assert_eq!(bench.schema.take().len(), 2, "both are also against the description");
}

#[tokio::test]
async fn labels_are_made_put_on_taken_off_and_set() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.sim.open_issue(REPO, "alice", NewIssue::new("one", "")).unwrap();
    let labels = format!("{DEMO}/issues/1/labels");
    let names = |body: Value| -> Vec<String> {
        body.as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap().to_owned()).collect()
    };
    let put =
        bench.call(&token, "POST", &labels, json!({"labels": ["bug", "good first/one"]})).await.expect(200);
    assert_eq!(names(put), ["bug", "good first/one"]);
    bench.call(&token, "POST", &labels, json!({"labels": ["BUG"]})).await.expect(200);
    let gone = bench.call(&token, "DELETE", &format!("{labels}/good%20first%2Fone"), Value::Null).await;
    assert_eq!(names(gone.expect(200)), ["bug"]);
    let missing = bench.call(&token, "DELETE", &format!("{labels}/nope"), Value::Null).await.refused(404);
    assert!(missing.contains("Label does not exist"));
    let set = bench.call(&token, "PUT", &labels, json!({"labels": ["a", "b"]})).await.expect(200);
    assert_eq!(names(set), ["a", "b"]);

    let of_repo = format!("{DEMO}/labels");
    let new = json!({"name": "needs-investigation", "color": "D93F0B", "description": "Look"});
    let made = bench.call(&token, "POST", &of_repo, new.clone()).await.expect(201);
    assert_eq!(made["color"], "d93f0b");
    assert!(bench.call(&token, "POST", &of_repo, new).await.refused(422).contains("already_exists"));
    assert!(
        bench
            .call(&token, "POST", &of_repo, json!({"name": "l".repeat(51)}))
            .await
            .refused(422)
            .contains("too long")
    );
    assert_eq!(names(bench.get(&token, &of_repo).await.expect(200)).len(), 5);
    bench.get(&token, &format!("{of_repo}/Needs-Investigation")).await.expect(200);
    bench.get(&token, &format!("{of_repo}/nope")).await.refused(404);
}

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages_with_absolute_links() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    for n in 0..7 {
        let labels: &[&str] = if n % 2 == 0 { &["even"] } else { &[] };
        bench.sim.open_issue(REPO, "alice", NewIssue::new(format!("issue {n}"), "").labels(labels)).unwrap();
    }
    bench.call(&token, "POST", &format!("{DEMO}/issues"), json!({"title": "of the bot"})).await.expect(201);
    bench.sim.close_issue(REPO, "alice", 1).unwrap();
    let count = async |query: &str| {
        bench.get(&token, &format!("{DEMO}/issues?{query}")).await.expect(200).as_array().unwrap().len()
    };
    assert_eq!(count("").await, 7);
    assert_eq!(count("state=all").await, 8);
    assert_eq!(count("state=closed").await, 1);
    assert_eq!(count("state=all&labels=even").await, 4);
    assert_eq!(count("creator=divisi%5Bbot%5D").await, 1);
    assert_eq!(count("since=2999-01-01T00:00:00Z").await, 0);

    let mut seen = Vec::new();
    let mut next = Some(format!("{DEMO}/issues?state=all&per_page=3"));
    while let Some(target) = next {
        let page = bench.get(&token, &target).await;
        next = page.link("next");
        assert!(next.as_ref().is_none_or(|n| n.starts_with(&bench.sim.base_url())));
        seen.extend(page.body.as_array().unwrap().iter().map(|i| i["number"].as_u64().unwrap()));
    }
    assert_eq!(seen, [8, 7, 6, 5, 4, 3, 2, 1]);
    assert!(bench.get(&token, &format!("{DEMO}/issues?per_page=100")).await.link("next").is_none());
}

#[tokio::test]
async fn comments_are_written_edited_and_deleted() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.sim.open_issue(REPO, "alice", NewIssue::new("one", "")).unwrap();
    let comments = format!("{DEMO}/issues/1/comments");
    let made = bench.call(&token, "POST", &comments, json!({"body": "0/5"})).await.expect(201);
    assert_eq!(
        (&made["user"]["type"], &made["performed_via_github_app"]["id"]),
        (&json!("Bot"), &json!(1_234_567))
    );
    let one = format!("{DEMO}/issues/comments/{}", made["id"]);
    let edited = bench.call(&token, "PATCH", &one, json!({"body": "5/5"})).await.expect(200);
    assert_eq!(edited["body"], "5/5");
    bench.sim.comment(REPO, "alice", 1, "/orchestrate").unwrap();
    let listed = bench.get(&token, &comments).await.expect(200);
    let bodies: Vec<&str> = listed.as_array().unwrap().iter().filter_map(|c| c["body"].as_str()).collect();
    assert_eq!(bodies, ["5/5", "/orchestrate"]);
    assert_eq!(listed[1]["performed_via_github_app"], Value::Null);
    bench.sim.read(|world| assert_eq!(world.comments(REPO, 1)[0].edits, 1));
    bench.sim.delete_comment("alice", made["id"].as_u64().unwrap()).unwrap();
    bench.get(&token, &one).await.refused(404);
    let again = bench.call(&token, "PATCH", &one, json!({"body": "x"})).await;
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn a_reaction_is_new_once() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.sim.open_issue(REPO, "alice", NewIssue::new("one", "")).unwrap();
    let comment = bench.sim.comment(REPO, "alice", 1, "/orchestrate").unwrap();
    for to in [format!("{DEMO}/issues/1/reactions"), format!("{DEMO}/issues/comments/{comment}/reactions")] {
        let made = bench.call(&token, "POST", &to, json!({"content": "eyes"})).await.expect(201);
        let again = bench.call(&token, "POST", &to, json!({"content": "eyes"})).await.expect(200);
        assert_eq!(made["id"], again["id"]);
        bench.call(&token, "POST", &to, json!({"content": "rocket"})).await.expect(201);
        bench.call(&token, "DELETE", &format!("{to}/{}", made["id"]), Value::Null).await.expect(204);
        bench.call(&token, "DELETE", &format!("{to}/{}", made["id"]), Value::Null).await.refused(404);
    }
    let listed = bench.get(&token, &format!("{DEMO}/issues/1/reactions")).await.expect(200);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["content"]), (1, &json!("rocket")));
    let issue = bench.get(&token, &format!("{DEMO}/issues/1")).await.expect(200);
    assert_eq!((&issue["reactions"]["rocket"], &issue["reactions"]["eyes"]), (&json!(1), &json!(0)));
    let to = format!("{DEMO}/issues/1/reactions");
    bench.call(&token, "POST", &to, json!({"content": "sparkles"})).await.refused(422);
    assert_eq!(bench.schema.take().len(), 1);
}

#[tokio::test]
async fn people_need_a_role_and_waiting_sees_what_they_do() {
    let bench = Bench::start().await;
    bench.sim.add_user(REPO, "rob", Role::Read).unwrap();
    bench.sim.open_issue(REPO, "rob", NewIssue::new("mine", "")).unwrap();
    assert_eq!(bench.sim.label_issue(REPO, "rob", 1, "x").unwrap_err().status, 403);
    assert_eq!(bench.sim.label_issue(REPO, "stranger", 1, "x").unwrap_err().status, 403);
    let waiting = bench.sim.clone();
    let seen = tokio::spawn(async move {
        let closed =
            |w: &divisi::simulator::World| w.issue(REPO, 1).is_some_and(|i| i.state == IssueState::Closed);
        waiting.wait_until(closed, Duration::from_secs(10)).await
    });
    bench.sim.close_issue(REPO, "rob", 1).unwrap();
    assert!(seen.await.unwrap());
    assert!(!bench.sim.wait_until(|w| w.issues(REPO).len() > 1, Duration::from_millis(20)).await);
}
