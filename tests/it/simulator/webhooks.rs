//! Webhooks: what is sent for what, how it is signed, and the record of deliveries.

use super::{Bench, DEMO, REPO};
use divisi::clock;
use divisi::simulator::{NewIssue, Role};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SECRET: &str = "It's a Secret to Everybody";

/// A received delivery: its headers (names in lower case) and its bytes.
#[derive(Clone)]
struct Received {
    head: String,
    body: Vec<u8>,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find(|l| l.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|l| l.split_once(':')).map_or("", |(_, value)| value.trim())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn name(&self) -> String {
        match self.json()["action"].as_str() {
            Some(action) => format!("{}.{action}", self.header("x-github-event")),
            None => self.header("x-github-event").to_owned(),
        }
    }
}

/// Listens, keeps what arrives and answers with a status.
async fn receiver(status: u16) -> (String, Arc<Mutex<Vec<Received>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/github", listener.local_addr().unwrap());
    let all = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&all);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let mut buffer = [0; 16384];
            let received = loop {
                let count = stream.read(&mut buffer).await.unwrap_or(0);
                bytes.extend_from_slice(&buffer[..count]);
                let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
                let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
                let mut received = Received { head, body: Vec::new() };
                let length: usize = received.header("content-length").parse().unwrap();
                if bytes.len() == at + 4 + length {
                    received.body = bytes[at + 4..].to_vec();
                    break received;
                }
            };
            kept.lock().unwrap().push(received);
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, all)
}

async fn delivered(bench: &Bench) {
    assert!(bench.sim.wait_until(|w| w.all_delivered(), Duration::from_secs(20)).await);
}

#[tokio::test]
async fn changes_are_told_in_order_signed_and_with_the_installation() {
    let (url, received) = receiver(202).await;
    let bench = Bench::with(|o| {
        o.webhook_target = Some(url.clone());
        o.webhook_secret = Some(SECRET.to_owned());
    })
    .await;
    let token = bench.token().await;
    bench.sim.add_user(REPO, "wes", Role::Write).unwrap();
    bench
        .sim
        .open_issue(REPO, "alice", NewIssue::new("one", "text").labels(&["a", "parallel-orchestration"]))
        .unwrap();
    bench.sim.unlabel_issue(REPO, "alice", 1, "a").unwrap();
    bench.sim.edit_issue(REPO, "alice", 1, None, Some("new")).unwrap();
    let comment = bench.sim.comment(REPO, "wes", 1, "/orchestrate").unwrap();
    bench.sim.edit_comment("wes", comment, "/orchestrate --help").unwrap();
    bench.sim.delete_comment("alice", comment).unwrap();
    let made = bench
        .call(&token, "POST", &format!("{DEMO}/issues"), json!({"title": "sub", "labels": ["sub-issue"]}))
        .await
        .expect(201);
    bench
        .call(&token, "POST", &format!("{DEMO}/issues/1/sub_issues"), json!({"sub_issue_id": made["id"]}))
        .await
        .expect(201);
    bench.sim.add_blocked_by(REPO, "alice", 2, 1).unwrap();
    bench.sim.close_issue(REPO, "alice", 2).unwrap();
    bench.sim.reopen_issue(REPO, "alice", 2).unwrap();
    delivered(&bench).await;
    let received = received.lock().unwrap().clone();
    let names: Vec<String> = received.iter().map(Received::name).collect();
    assert_eq!(
        names,
        [
            "installation.created",
            "issues.opened",
            "issues.labeled",
            "issues.labeled",
            "issues.unlabeled",
            "issues.edited",
            "issue_comment.created",
            "issue_comment.edited",
            "issue_comment.deleted",
            "issues.opened",
            "issues.labeled",
            "sub_issues.sub_issue_added",
            "sub_issues.parent_issue_added",
            "issue_dependencies.blocked_by_added",
            "issue_dependencies.blocking_added",
            "issues.closed",
            "issues.reopened",
        ]
    );
    for delivery in &received {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(&delivery.body);
        let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(delivery.header("x-hub-signature-256"), format!("sha256={hex}"));
        assert_eq!(delivery.header("x-github-hook-installation-target-type"), "integration");
        assert_eq!(delivery.json()["installation"]["id"], bench.installation);
    }
    let labels: Vec<Value> = received[2..4].iter().map(|d| d.json()["label"]["name"].clone()).collect();
    assert_eq!(labels, ["a", "parallel-orchestration"]);
    assert_eq!(received[5].json()["changes"]["body"]["from"], "text");
    assert_eq!(
        (&received[6].json()["sender"]["login"], &received[6].json()["sender"]["type"]),
        (&json!("wes"), &json!("User"))
    );
    // What the App does comes back to it.
    assert_eq!(
        (&received[9].json()["sender"]["login"], &received[9].json()["sender"]["type"]),
        (&json!("divisi[bot]"), &json!("Bot"))
    );
    let mut guids: Vec<&str> = received.iter().map(|d| d.header("x-github-delivery")).collect();
    guids.sort_unstable();
    guids.dedup();
    assert_eq!(guids.len(), received.len());
}

#[tokio::test]
async fn a_failed_delivery_is_recorded_and_sent_again_with_its_guid() {
    let (broken, _) = receiver(500).await;
    let (good, received) = receiver(202).await;
    let bench = Bench::with(|o| o.webhook_target = Some(broken)).await;
    bench.sim.open_issue(REPO, "alice", NewIssue::new("one", "")).unwrap();
    delivered(&bench).await;
    let jwt = bench.jwt();
    let listed = bench.get(&jwt, "/app/hook/deliveries").await.expect(200);
    let item = &listed[0];
    assert_eq!(
        (&item["event"], &item["action"], &item["status_code"]),
        (&json!("issues"), &json!("opened"), &json!(500))
    );
    assert_eq!((&item["redelivery"], &item["installation_id"]), (&json!(false), &json!(bench.installation)));
    bench.sim.set_webhook_target(Some(&good));
    let one = format!("/app/hook/deliveries/{}", item["id"]);
    bench.call(&jwt, "POST", &format!("{one}/attempts"), Value::Null).await.expect(202);
    delivered(&bench).await;
    let sent = received.lock().unwrap().clone();
    assert_eq!((sent.len(), sent[0].header("x-github-delivery")), (1, item["guid"].as_str().unwrap()));
    let listed = bench.get(&jwt, "/app/hook/deliveries").await.expect(200);
    assert_eq!(
        (&listed[0]["guid"], &listed[0]["status"], &listed[0]["redelivery"]),
        (&item["guid"], &json!("OK"), &json!(true))
    );
    let full = bench.get(&jwt, &one).await.expect(200);
    assert_eq!(full["request"]["payload"], sent[0].json());
    assert_eq!(full["response"]["payload"], "ok");
    bench.get(&jwt, "/app/hook/deliveries/1").await.refused(404);
    bench.get(&bench.token().await, "/app/hook/deliveries").await.refused(401);
}

#[tokio::test]
async fn deliveries_are_listed_by_cursor_also_when_nothing_could_be_sent() {
    let bench = Bench::start().await;
    for n in 0..5 {
        bench.sim.open_issue(REPO, "alice", NewIssue::new(format!("{n}"), "")).unwrap();
    }
    delivered(&bench).await;
    let jwt = bench.jwt();
    let (mut pages, mut titles) = (0, Vec::new());
    let mut next = Some("/app/hook/deliveries?per_page=2".to_owned());
    while let Some(target) = next {
        let page = bench.get(&jwt, &target).await;
        next = page.link("next");
        pages += 1;
        for item in page.expect(200).as_array().unwrap() {
            assert_eq!(
                (&item["status"], &item["status_code"]),
                (&json!("failed to connect to host"), &json!(0))
            );
            let full = bench.get(&jwt, &format!("/app/hook/deliveries/{}", item["id"])).await.expect(200);
            titles.push(
                full["request"]["payload"]["issue"]["title"].as_str().unwrap_or("installation").to_owned(),
            );
        }
    }
    assert_eq!((pages, titles), (3, ["4", "3", "2", "1", "0", "installation"].map(str::to_owned).to_vec()));
    // Neither filter shows what got no answer.
    for status in ["success", "failure"] {
        let found = bench.get(&jwt, &format!("/app/hook/deliveries?status={status}")).await.expect(200);
        assert_eq!(found, json!([]));
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_times_out_and_holds_nobody_up() {
    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bench = Bench::with(|o| {
        o.webhook_target = Some(format!("http://{}/", hanging.local_addr().unwrap()));
        o.webhook_timeout = Duration::from_millis(1500);
    })
    .await;
    let started = clock::instant();
    bench.sim.open_issue(REPO, "alice", NewIssue::new("one", "")).unwrap();
    delivered(&bench).await;
    assert!(started.elapsed() < Duration::from_secs(8));
    bench.sim.read(|w| assert!(w.deliveries().iter().all(|d| d.status == "timed out" && d.status_code == 0)));
}

#[tokio::test]
async fn events_of_other_installations_and_unwanted_events_are_not_sent() {
    let bench = Bench::with(|o| o.events.retain(|e| e != "issues")).await;
    let files = divisi::simulator::RepoContent::files(&[("a", "b")]);
    bench.sim.create_repo("elsewhere/repo", "main", &files).unwrap();
    bench.sim.open_issue("elsewhere/repo", "alice", NewIssue::new("x", "")).unwrap();
    bench.sim.comment("elsewhere/repo", "alice", 1, "hello").unwrap();
    bench.sim.open_issue(REPO, "alice", NewIssue::new("x", "")).unwrap();
    let events: Vec<String> = bench.sim.read(|w| w.deliveries().iter().map(|d| d.event.clone()).collect());
    assert_eq!(events, ["installation"]);
}

#[tokio::test]
async fn the_derived_examples_fit_the_description_and_so_is_it_read_right() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/webhooks");
    let (mut files, mut derived) = (0, 0);
    for event in std::fs::read_dir(&root).unwrap().flatten().filter(|e| e.path().is_dir()) {
        for file in std::fs::read_dir(event.path()).unwrap().flatten() {
            let payload: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
            files += 1;
            if file.file_name().to_string_lossy().ends_with(".derived.json") {
                derived += 1;
                let found =
                    crate::support::schema::check_webhook(&event.file_name().to_string_lossy(), &payload);
                assert!(found.is_empty(), "{:?}: {found:?}", file.path());
            }
        }
    }
    assert_eq!((files, derived), (153, 15));
}
