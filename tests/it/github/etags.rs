//! What is read again costs nothing while nothing changed, and is never taken from memory without GitHub's word.

use super::stub::{Reply, Stub, comment, issue};
use divisi::github::{CallCounter, IssueFilter};
use serde_json::json;

#[tokio::test]
async fn what_has_not_changed_is_asked_for_and_not_sent_again() {
    let stub = Stub::start(|seen| match (seen.nth, seen.if_none_match.as_str()) {
        (0, "") => Reply::json(200, &issue(7)).with("etag", "W/\"one\""),
        (1, "W/\"one\"") => Reply::text(304, "").with("etag", "W/\"one\""),
        (2, "W/\"one\"") => Reply::json(502, &json!({})),
        (3, "W/\"one\"") => Reply::json(200, &issue(8)).with("etag", "W/\"two\""),
        (4, "W/\"two\"") => Reply::text(304, ""),
        (nth, tag) => panic!("request {nth} with {tag}"),
    })
    .await;
    let calls = CallCounter::default();
    let client = stub.repo(&calls);
    let mut numbers = Vec::new();
    for _ in 0..4 {
        numbers.push(client.issue(7).await.unwrap().number);
    }
    assert_eq!((numbers, calls.get()), (vec![7, 7, 8, 8], 5));
}

#[tokio::test]
async fn every_page_of_a_list_and_every_installation_has_its_own_memory() {
    let stub = Stub::start(|seen| {
        let (page, tag) = if seen.query.contains("page=2") { (2, "\"p2\"") } else { (1, "\"p1\"") };
        if seen.if_none_match == tag {
            return Reply::text(304, "");
        }
        assert_eq!(seen.if_none_match, "");
        let reply = Reply::json(200, &json!([issue(page)])).with("etag", tag);
        let next = format!("<https://api.github.com{}?{}&page=2>; rel=\"next\"", seen.path, seen.query);
        if page == 1 { reply.with("link", &next) } else { reply }
    })
    .await;
    let calls = CallCounter::default();
    for _ in 0..3 {
        let issues = stub.repo(&calls).list_issues(&IssueFilter::default()).await.unwrap();
        assert_eq!(issues.iter().map(|i| i.number).collect::<Vec<_>>(), [1, 2]);
    }
    assert_eq!(calls.get(), 6);
    let other = stub.app.installation(2).repo(&super::stub::widgets(), CallCounter::default());
    other.list_issues(&IssueFilter::default()).await.unwrap();
}

#[tokio::test]
async fn what_must_be_new_each_time_and_what_changes_things_is_never_conditional() {
    let stub = Stub::start(|seen| {
        assert_eq!(seen.if_none_match, "", "{}", seen.path);
        match seen.method.as_str() {
            "GET" => Reply::json(200, &json!({ "permission": "write" })).with("etag", "\"t\""),
            _ => Reply::json(201, &comment(1)).with("etag", "\"t\""),
        }
    })
    .await;
    let client = stub.repo(&CallCounter::default());
    for _ in 0..2 {
        client.permission("mona").await.unwrap();
        client.create_comment(1, "x").await.unwrap();
    }
}
