//! `POST /webhooks/github` over real sockets: each test is a line of the security checklist.

mod harness;
mod slow;

use divisi::clock;
use divisi::domain::DeliveryId;
use divisi::github::AppInfo;
use divisi::github::event::{Event, Kind, Malformed, Routed, route};
use divisi::server::{AllowList, Limits};
use harness::{Answer, Hook, OLD_SECRET, Receiver, SECRET, labeled, sign};
use serde_json::Value;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// All example payloads as (event, file name, bytes).
fn examples() -> Vec<(String, String, Vec<u8>)> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/webhooks"));
    let mut all = Vec::new();
    for event in std::fs::read_dir(root).unwrap().map(Result::unwrap).filter(|e| e.path().is_dir()) {
        for file in std::fs::read_dir(event.path()).unwrap().map(Result::unwrap) {
            let name = |entry: &std::fs::DirEntry| entry.file_name().into_string().unwrap();
            all.push((name(&event), name(&file), std::fs::read(file.path()).unwrap()));
        }
    }
    all.sort();
    all
}

fn example(event: &str, name: &str) -> Vec<u8> {
    examples().into_iter().find(|(e, n, _)| e == event && n == name).unwrap().2
}

#[tokio::test]
async fn every_example_payload_is_answered_with_success_with_an_installation_and_without() {
    let receiver = Receiver::start().await;
    let all = examples();
    assert_eq!(all.len(), 153);
    for (event, name, bytes) in &all {
        let answer = receiver.send(Hook::new(event, bytes)).await;
        assert!((200..300).contains(&answer.status), "{event}/{name}: {answer:?}");
        let mut value: Value = serde_json::from_slice(bytes).unwrap();
        value["installation"] = serde_json::json!({ "id": 1 });
        let with = serde_json::to_vec(&value).unwrap();
        let answer = receiver.send(Hook::new(event, &with)).await;
        assert!((200..300).contains(&answer.status), "{event}/{name}: {answer:?}");
    }
    // What was stored can be read later, and nothing else was stored.
    let me = AppInfo { id: 1, slug: "divisi".to_owned() };
    let stored = receiver.inbox.stored.lock().unwrap();
    assert!(stored.len() > 20, "{}", stored.len());
    for (id, (event, body)) in stored.iter() {
        Event::read(DeliveryId::new(id), event, body, &me).unwrap();
    }
}

#[tokio::test]
async fn the_published_label_event_is_ignored_as_it_is_and_starts_work_with_an_installation() {
    let receiver = Receiver::start().await;
    let bytes = example("issues", "labeled.json");
    let answer = receiver.send(Hook::new("issues", &bytes)).await;
    assert_eq!((answer.status, receiver.stored()), (202, 0), "{answer:?}");

    let mut value: Value = serde_json::from_slice(&bytes).unwrap();
    value["installation"] = serde_json::json!({ "id": 77 });
    value["label"]["name"] = "parallel-orchestration".into();
    let bytes = serde_json::to_vec(&value).unwrap();
    let hook = Hook::new("issues", &bytes);
    let answer = receiver.send(hook.clone()).await;
    assert_eq!((answer.status, receiver.stored()), (202, 1), "{answer:?}");
    let stored = receiver.inbox.stored.lock().unwrap();
    assert_eq!(stored[&hook.id], ("issues".to_owned(), bytes.clone()), "byte for byte");
    let me = AppInfo { id: 1, slug: "divisi".to_owned() };
    let event = Event::read(DeliveryId::new(&hook.id), "issues", &bytes, &me).unwrap();
    assert_eq!(event.repo.installation, 77);
    assert!(matches!(event.kind, Kind::Labeled { .. }));
}

#[tokio::test]
async fn only_post_on_the_exact_path() {
    let receiver = Receiver::start().await;
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request =
            format!("{method} /webhooks/github HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = receiver.raw(request.as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (405, ""), "{method}");
    }
    for path in
        ["/webhooks/github/", "/webhooks", "/webhooks/github/x", "/Webhooks/github", "/", "/api/v1/runs"]
    {
        for (host, expected) in [("localhost", 404), ("divisi.example", 403)] {
            let request = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            assert_eq!(receiver.raw(request.as_bytes()).await.status, expected, "{path} {host}");
        }
    }
}

#[tokio::test]
async fn the_signature_table() {
    let receiver = Receiver::start().await;
    let body = b"Hello, World!";
    // GitHub's own vector (docs.github.com, "Validating webhook deliveries").
    let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(sign(SECRET, body), good);
    let with = |signatures: &[&str]| {
        let signatures = signatures.iter().map(|s| (*s).to_owned()).collect();
        Hook { signatures, ..Hook::new("push", body) }
    };
    assert_eq!(receiver.send(with(&[good])).await.status, 202);
    assert_eq!(receiver.send(with(&[&sign(OLD_SECRET, body)])).await.status, 202);

    let sha1 = "X-Hub-Signature: sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59\r\n";
    let mut refused = vec![
        with(&[]),
        Hook { more: sha1, ..with(&[]) },
        with(&[""]),
        with(&[&good[..good.len() - 1]]),
        with(&[&good[..good.len() - 2]]),
        with(&[&format!("{good}0")]),
        with(&[&good.replace('e', "E")]),
        with(&[&good.replace("sha256=", "SHA256=")]),
        with(&[&good.replace("sha256=", "sha1=")]),
        with(&[&good.replace("sha256=", "")]),
        with(&[good, good]),
        with(&[&sign(OLD_SECRET, body), good]),
        with(&[&sign("wrong", body)]),
        with(&[&sign("", body)]),
        with(&[&format!("sha256={}", "0".repeat(64))]),
        with(&[&format!("sha256={}", "é".repeat(32))]),
    ];
    refused.push(Hook { body: b"Hello, World?", ..with(&[good]) });
    let mut answers = HashSet::new();
    for hook in refused {
        let answer = receiver.send(hook.clone()).await;
        assert_eq!(answer.status, 401, "{:?}", hook.signatures);
        answers.insert(answer.without_date());
    }
    assert_eq!(answers.len(), 1, "a wrong signature can be told from another: {answers:?}");
    assert_eq!(receiver.stored(), 0);
}

#[tokio::test]
async fn a_wrong_signature_is_refused_before_anything_is_parsed_or_stored() {
    let receiver = Receiver::start().await;
    let body = labeled("");
    let hook = Hook { signatures: vec![sign("wrong", &body)], ..Hook::new("issues", &body) };
    assert_eq!(receiver.send(hook).await.status, 401);
    let hook = Hook { signatures: vec![sign("wrong", b"{")], ..Hook::new("issues", b"{") };
    assert_eq!(receiver.send(hook).await.status, 401);
    assert_eq!(receiver.stored(), 0);
}

#[tokio::test]
async fn headers_that_github_always_sends() {
    let receiver = Receiver::start().await;
    let body = labeled("");
    let hook = || Hook::new("issues", &body);
    for (kind, expected) in [
        ("application/json", 202),
        ("application/json; charset=utf-8", 202),
        ("APPLICATION/JSON", 202),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("text/plain", 415),
        ("", 415),
    ] {
        assert_eq!(receiver.send(Hook { content_type: kind, ..hook() }).await.status, expected, "{kind}");
    }
    for id in
        ["", "1", "not-a-uuid", "{0b989ba4-242f-11e5-81e1-c7b6966d2516}", "0b989ba4242f11e581e1c7b6966d2516"]
    {
        assert_eq!(receiver.send(Hook { id: id.to_owned(), ..hook() }).await.status, 400, "{id}");
    }
    assert_eq!(receiver.send(Hook { event: "", ..hook() }).await.status, 400);
    let twice = format!("X-GitHub-Delivery: {}\r\n", clock::uuid());
    assert_eq!(receiver.send(Hook { more: &twice, ..hook() }).await.status, 400);
}

#[tokio::test]
async fn a_repeated_delivery_is_200_and_stored_once() {
    let receiver = Receiver::start().await;
    let body = labeled("- [ ] one\r\n- [ ] two");
    let hook = Hook::new("issues", &body);
    assert_eq!(receiver.send(hook.clone()).await.status, 202);
    assert_eq!(receiver.send(hook.clone()).await.status, 200);
    let shouted = Hook { id: hook.id.to_uppercase(), ..hook.clone() };
    assert_eq!(receiver.send(shouted).await.status, 200);
    assert_eq!(receiver.stored(), 1);
    // The same act under another GUID is stored, and stopped by its trigger name.
    assert_eq!(receiver.send(Hook::new("issues", &body)).await.status, 202);
    let me = AppInfo { id: 1, slug: "divisi".to_owned() };
    let triggers: HashSet<_> = {
        let stored = receiver.inbox.stored.lock().unwrap();
        stored
            .iter()
            .map(|(id, (e, b))| Event::read(DeliveryId::new(id), e, b, &me).unwrap().trigger())
            .collect()
    };
    assert_eq!((receiver.stored(), triggers.len()), (2, 1), "{triggers:?}");
}

#[tokio::test]
async fn unknown_events_and_actions_are_accepted_and_not_stored_and_ping_is_answered() {
    let receiver = Receiver::start().await;
    assert_eq!(receiver.send(Hook::new("ping", br#"{"zen":"x"}"#)).await.status, 200);
    for (event, body) in [
        ("wishes", &b"{\"action\":\"made\"}"[..]),
        ("push", b"not even JSON"),
        ("issues", br#"{"action":"typed","installation":{"id":1}}"#),
        ("issues", br#"{"installation":{"id":1}}"#),
        ("issue_comment", br#"{"action":"edited","installation":{"id":1}}"#),
    ] {
        assert_eq!(receiver.send(Hook::new(event, body)).await.status, 202, "{event}");
    }
    assert_eq!(receiver.stored(), 0);
    // A routed event that we cannot read is kept: GitHub would not send it again.
    for body in [&b"{"[..], b"", b"\xff\xfe", br#"{"action":"closed","installation":{"id":"x"}}"#, b"[[[["] {
        assert_eq!(receiver.send(Hook::new("issues", body)).await.status, 202, "{body:?}");
    }
    assert_eq!(receiver.stored(), 5);
}

#[tokio::test]
async fn nothing_is_answered_2xx_that_is_not_stored() {
    let receiver = Receiver::start().await;
    receiver.inbox.down.store(true, Ordering::SeqCst);
    let body = labeled("");
    assert_eq!(receiver.send(Hook::new("issues", &body)).await.status, 503);
    assert_eq!(receiver.send(Hook::new("push", b"{}")).await.status, 202, "needs no inbox");
    receiver.inbox.down.store(false, Ordering::SeqCst);
    receiver.inbox.held.store(true, Ordering::SeqCst);
    let mut stream = receiver.connect().await;
    stream.write_all(&Hook::new("issues", &body).bytes()).await.unwrap();
    let early = clock::within(Duration::from_millis(300), stream.readable()).await;
    assert!(early.is_none(), "answered before the inbox had it");
    receiver.inbox.release.notify_one();
    assert_eq!(Answer::read(&mut stream).await.status, 202);
    assert_eq!(receiver.stored(), 1);
}

#[tokio::test]
async fn what_bots_and_other_hooks_send_is_not_stored() {
    let stored = |event: &str, change: fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&labeled("")).unwrap();
        change(&mut value);
        matches!(route(event, &serde_json::to_vec(&value).unwrap()), Routed::Handled(_))
    };
    assert!(stored("issues", |_| {}));
    assert!(!stored("issues", |v| v["sender"]["type"] = "Bot".into()));
    assert!(!stored("issues", |v| v["label"]["name"] = "bug".into()));
    assert!(!stored("issues", |v| v["installation"] = Value::Null));
    let comment = |v: &mut Value, body: &str| {
        v["action"] = "created".into();
        v["comment"] = serde_json::json!({ "id": 5, "body": body });
    };
    let cases = [
        ("/orchestrate", true),
        ("\r\n\r\n/orchestrate --retry 1,3-5\r\nplease", true),
        ("/orchestrate --wat", true),
        ("please /orchestrate", false),
        ("> /orchestrate", false),
        ("/orchestrated", false),
        ("", false),
    ];
    for (body, expected) in cases {
        let mut value: Value = serde_json::from_slice(&labeled("")).unwrap();
        comment(&mut value, body);
        let routed = route("issue_comment", &serde_json::to_vec(&value).unwrap());
        assert_eq!(matches!(routed, Routed::Handled(_)), expected, "{body:?}");
    }
    assert!(!stored("issue_comment", |v| {
        v["action"] = "created".into();
        v["comment"] = serde_json::json!({ "id": 5, "body": "/orchestrate" });
        v["sender"]["type"] = "Bot".into();
    }));
    let own = example("issue_comment", "created.by-own-bot.derived.json");
    assert!(matches!(route("issue_comment", &own), Routed::Ignored(_)));
}

#[test]
fn what_happens_to_the_installation_or_the_repository_is_stored_and_read() {
    let me = AppInfo { id: 7, slug: "divisi".to_owned() };
    let cases = [
        ("installation", "suspend.json", true),
        ("installation", "unsuspend.json", true),
        ("installation", "deleted.json", true),
        ("installation", "new_permissions_accepted.json", true),
        ("installation_repositories", "removed.json", true),
        ("installation_repositories", "added.json", true),
        ("repository", "renamed.json", false),
        ("repository", "transferred.json", false),
    ];
    for (event, file, whole) in cases {
        let mut value: Value = serde_json::from_slice(&example(event, file)).unwrap();
        if !whole {
            value["installation"] = serde_json::json!({ "id": 5 });
        }
        let body = value.to_string().into_bytes();
        let Routed::Handled(headline) = route(event, &body) else { panic!("{event} {file} is not stored") };
        assert!(!headline.malformed, "{event} {file}");
        let read = Event::read(DeliveryId::new("d"), event, &body, &me).unwrap();
        assert_eq!((read.kind, read.repo.id == 0), (Kind::StandingChanged, whole), "{event} {file}");
        assert_eq!(read.repo.installation, value["installation"]["id"].as_u64().unwrap());
    }
    let created = example("installation", "created.json");
    assert!(matches!(route("installation", &created), Routed::Ignored(_)), "nothing runs there yet");
}

#[test]
fn stored_payloads_become_events_of_our_own() {
    let me = AppInfo { id: 7, slug: "divisi".to_owned() };
    let read = |event: &str, value: &Value| {
        Event::read(DeliveryId::new("d"), event, &serde_json::to_vec(value).unwrap(), &me)
    };
    let mut value: Value = serde_json::from_slice(&labeled("- [ ] one\r\n- [ ] two")).unwrap();
    value["issue"]["pull_request"] = serde_json::json!({ "url": "x" });
    let event = read("issues", &value).unwrap();
    assert_eq!(
        (event.repo.full_name().as_str(), event.repo.default_branch.as_str()),
        ("acme/widgets", "main")
    );
    assert_eq!(
        (event.sender.login.as_str(), event.sender.is_bot, event.sender.is_own_app),
        ("mona", false, false)
    );
    let Kind::Labeled { issue, .. } = event.kind else { panic!() };
    assert_eq!((issue.number, issue.id, issue.open, issue.is_pull_request), (12, 7_000_000_001, true, true));
    assert_eq!(issue.body, "- [ ] one\n- [ ] two");

    // A person who comments through the App is still not the one whose comments count.
    value["action"] = "created".into();
    value["comment"] = serde_json::json!({ "id": 5, "body": "/orchestrate --retry\r\n",
        "performed_via_github_app": { "id": 7 } });
    let event = read("issue_comment", &value).unwrap();
    assert!(event.sender.is_own_app && !event.sender.is_bot);
    assert_eq!(event.trigger().as_deref(), Some("comment:5"));
    assert!(
        matches!(event.kind, Kind::CommentCreated { comment_id: 5, body, .. } if body == "/orchestrate --retry\n")
    );

    value["action"] = "closed".into();
    value["sender"]["login"] = "divisi[bot]".into();
    let event = read("issues", &value).unwrap();
    assert!(event.sender.is_own_app && event.trigger().is_none());
    assert!(matches!(event.kind, Kind::IssueClosed(_)));

    let merged: Value = serde_json::from_slice(&example("pull_request", "closed.json")).unwrap();
    let Kind::PullClosed(pull) = read("pull_request", &merged).unwrap().kind else { panic!() };
    assert_eq!(pull.merged, merged["pull_request"]["merged"].as_bool().unwrap());

    value["issue"]["updated_at"] = 12.into();
    assert!(matches!(read("issues", &value), Err(Malformed::Payload { .. })));
    assert!(matches!(read("wishes", &value), Err(Malformed::NotRouted { .. })));
}

#[tokio::test]
async fn the_allow_list_narrows_by_installation_and_repository() {
    let body = labeled("");
    let mut other: Value = serde_json::from_slice(&body).unwrap();
    other["repository"]["full_name"] = "acme/gadgets".into();
    let other = serde_json::to_vec(&other).unwrap();
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    let by_name = AllowList { repositories: names(&["acme/widgets"]), ..AllowList::default() };
    let by_number = AllowList { installations: HashSet::from([1]), ..AllowList::default() };
    let receiver = Receiver::with(Limits::default(), by_name).await;
    assert_eq!(receiver.send(Hook::new("issues", &body)).await.status, 202);
    assert_eq!(receiver.send(Hook::new("issues", &other)).await.status, 202);
    assert_eq!(receiver.stored(), 1);
    let receiver = Receiver::with(Limits::default(), by_number).await;
    assert_eq!(receiver.send(Hook::new("issues", &body)).await.status, 202);
    assert_eq!(receiver.stored(), 0);
}

#[tokio::test]
async fn health_tells_the_tier_and_no_version_and_needs_no_access() {
    let receiver = Receiver::start().await;
    let get =
        |path: &str| format!("GET {path} HTTP/1.1\r\nHost: divisi.example\r\nConnection: close\r\n\r\n");
    let healthy = receiver.raw(get("/healthz").as_bytes()).await;
    assert_eq!((healthy.status, healthy.body.as_str()), (200, "ok\n"));
    let ready = receiver.raw(get("/readyz").as_bytes()).await;
    assert_eq!((ready.status, ready.body.as_str()), (200, r#"{"database":true,"sandbox":"reduced"}"#));
    receiver.inbox.down.store(true, Ordering::SeqCst);
    assert_eq!(receiver.raw(get("/readyz").as_bytes()).await.status, 503);
    assert_eq!(receiver.raw(get("/healthz").as_bytes()).await.status, 200);
    for answer in [healthy, ready] {
        assert!(!answer.head.contains(env!("CARGO_PKG_VERSION")) && !answer.head.contains("server:"));
    }
}
