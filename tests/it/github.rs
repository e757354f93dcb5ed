//! The GitHub client against a server of our own that misbehaves on purpose.

mod circuit;
mod etags;
mod stub;
mod young;

use divisi::clock;
use divisi::domain::{Emoji, Target};
use divisi::github::{
    App, BranchHead, CallCounter, Error, IssueFilter, NewPull, Pace, Permission, TokenCalls,
};
use serde_json::json;
use std::time::Duration;
use stub::{Reply, Setup, Stub, comment, issue, pull};

#[tokio::test]
async fn ten_calls_on_a_cold_client_mint_one_token() {
    let stub = Stub::start(|_| Reply::json(200, &issue(1)).after(Duration::from_millis(50))).await;
    let calls = CallCounter::default();
    let client = stub.repo(&calls);
    stub.app.info().await.unwrap();
    let all = futures_util::future::join_all((1..=10).map(|n| client.issue(n))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(stub.app.token_calls(), TokenCalls { mint: 1, revoke: 0 });
    assert_eq!(calls.get(), 10);
    // Another handle of the same installation has the same token.
    stub.repo(&calls).issue(11).await.unwrap();
    assert_eq!(stub.app.token_calls().mint, 1);
    assert_eq!(stub.app.installation(2).id(), 2);
}

#[tokio::test]
async fn a_failed_mint_is_shared_by_those_who_waited_and_the_call_was_not_sent() {
    let setup = Setup { mint_fails: true, ..Setup::default() };
    let stub = Stub::with(setup, |_| Reply::json(201, &comment(1))).await;
    stub.app.info().await.unwrap();
    let calls = CallCounter::default();
    let client = stub.repo(&calls);
    let all = futures_util::future::join_all((0..10).map(|_| client.create_comment(1, "x"))).await;
    for outcome in all {
        assert!(matches!(outcome, Err(Error::NotSent { .. })), "{outcome:?}");
    }
    assert_eq!(calls.get(), 0);
    assert!(stub.app.token_calls().mint <= 4, "{:?}", stub.app.token_calls());
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_also_for_a_write() {
    let stub = Stub::start(|seen| match seen.bearer.as_str() {
        "ghs_1" => Reply::json(401, &json!({ "message": "Bad credentials" })),
        _ => Reply::json(201, &comment(5)),
    })
    .await;
    let calls = CallCounter::default();
    let client = stub.repo(&calls);
    assert_eq!(client.create_comment(1, "x").await.unwrap().id, 5);
    assert_eq!((calls.get(), stub.app.token_calls().mint), (2, 2));

    let stub = Stub::start(|_| Reply::json(401, &json!({ "message": "Bad credentials" }))).await;
    let calls = CallCounter::default();
    let refused = stub.repo(&calls).create_comment(1, "x").await;
    assert!(matches!(refused, Err(Error::Unauthorized { .. })), "{refused:?}");
    assert_eq!((calls.get(), stub.count("POST", "/comments")), (2, 2));
}

#[tokio::test]
async fn an_unclear_answer_to_a_write_is_unknown_and_sent_once() {
    for reply in [
        || Reply::json(502, &json!({ "message": "Server Error" })),
        || Reply::json(504, &json!({})),
        || Reply::text(201, "{\"id\": "),
        || Reply::cut(),
        || Reply::json(201, &issue(1)).after(Duration::from_secs(30)),
    ] {
        let stub = Stub::start(move |_| reply()).await;
        let calls = CallCounter::default();
        let outcome = stub.repo(&calls).create_issue("t", "b", &["l"]).await;
        assert!(matches!(outcome, Err(Error::Unknown { .. })), "{outcome:?}");
        assert_eq!((calls.get(), stub.count("POST", "/issues")), (1, 1), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_read_is_repeated_and_its_repetitions_are_counted() {
    let stub = Stub::start(|seen| match seen.nth {
        0 => Reply::json(502, &json!({})),
        1 => Reply::cut(),
        _ => Reply::json(200, &issue(7)),
    })
    .await;
    let calls = CallCounter::default();
    let read = stub.repo(&calls).issue(7).await.unwrap();
    assert_eq!((read.number, calls.get()), (7, 3));

    let stub = Stub::start(|_| Reply::json(503, &json!({}))).await;
    let calls = CallCounter::default();
    let outcome = stub.repo(&calls).issue(7).await;
    assert!(matches!(outcome, Err(Error::Unknown { .. })), "{outcome:?}");
    assert!((2..=4).contains(&calls.get()), "{}", calls.get());
}

#[tokio::test]
async fn a_hanging_server_costs_a_read_twice_the_deadline_at_most() {
    let stub = Stub::start(|_| Reply::json(200, &issue(1)).after(Duration::from_secs(60))).await;
    let start = clock::instant();
    let outcome = stub.repo(&CallCounter::default()).issue(1).await;
    assert!(matches!(outcome, Err(Error::Unknown { .. })), "{outcome:?}");
    let took = clock::instant().duration_since(start);
    assert!(took < stub::DEADLINE * 3, "{took:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_was_not_sent_anything() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let app = App::new(stub::config(&nowhere)).unwrap();
    let outcome =
        app.installation(1).repo(&stub::widgets(), CallCounter::default()).create_comment(1, "x").await;
    assert!(matches!(outcome, Err(Error::NotSent { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_redirect_of_a_write_or_a_read_is_moved_and_never_followed() {
    for status in [301, 302, 307, 308] {
        let stub = Stub::start(move |_| {
            Reply::json(status, &json!({ "message": "Moved" })).with("location", "/repositories/99/issues")
        })
        .await;
        let calls = CallCounter::default();
        let client = stub.repo(&calls);
        for outcome in [client.create_issue("t", "b", &[]).await, client.issue(1).await] {
            assert!(matches!(outcome, Err(Error::Moved { .. })), "{status}: {outcome:?}");
        }
        assert_eq!((calls.get(), stub.count("GET", "/repositories/99/issues")), (2, 0));
    }
    let stub = Stub::start(|seen| match seen.path.as_str() {
        "/repositories/99" => Reply::json(
            200,
            &json!({ "id": 99, "name": "new", "owner": { "login": "globex" },
            "default_branch": "trunk" }),
        ),
        _ => Reply::json(301, &json!({})),
    })
    .await;
    let repo = stub.app.installation(1).repository(99, &CallCounter::default()).await.unwrap();
    assert_eq!((repo.full_name().as_str(), repo.default_branch.as_str()), ("globex/new", "trunk"));
}

#[tokio::test]
async fn a_limit_closes_the_installation_and_a_missing_permission_does_not() {
    let time = clock::Virtual::starting_at(clock::now());
    let _entered = time.enter();
    let limited = || Reply::json(403, &json!({ "message": "Slow down" })).with("retry-after", "120");
    let stub = Stub::start(move |seen| match seen.path.as_str() {
        "/repos/acme/widgets/issues/1/comments" => limited(),
        _ => Reply::json(200, &issue(1)),
    })
    .await;
    let calls = CallCounter::default();
    let client = stub.repo(&calls);
    let Err(Error::RateLimited { retry_at, .. }) = client.create_comment(1, "x").await else { panic!() };
    let wait = retry_at.duration_since(clock::now()).as_secs();
    assert!((115..=120).contains(&wait), "{wait}");
    // Nothing goes out in the forbidden time, not even a read; another installation is not concerned.
    assert!(matches!(client.issue(1).await, Err(Error::RateLimited { .. })));
    assert_eq!(calls.get(), 1);
    let other = stub.app.installation(2).repo(&stub::widgets(), CallCounter::default());
    other.issue(1).await.unwrap();

    let stub = Stub::start(|seen| match seen.method.as_str() {
        "POST" => Reply::json(403, &json!({ "message": "Resource not accessible by integration" }))
            .with("x-ratelimit-remaining", "4000"),
        _ => Reply::json(200, &issue(1)),
    })
    .await;
    let client = stub.repo(&calls);
    client.issue(1).await.unwrap();
    time.skip(Duration::from_secs(5));
    assert!(matches!(client.create_comment(1, "x").await, Err(Error::Forbidden { .. })));
    client.issue(1).await.unwrap();
}

#[tokio::test]
async fn a_short_limit_is_waited_out_by_a_read() {
    let stub = Stub::start(|seen| match seen.nth {
        0 => Reply::json(429, &json!({})).with("retry-after", "1"),
        _ => Reply::json(200, &issue(1)),
    })
    .await;
    let start = clock::instant();
    stub.repo(&CallCounter::default()).issue(1).await.unwrap();
    assert!(clock::instant().duration_since(start) >= Duration::from_millis(900));
}

#[tokio::test]
async fn the_last_call_of_the_hour_closes_the_installation() {
    let reset = (clock::now().as_second() + 900).to_string();
    let stub = Stub::start(move |_| {
        let reply = Reply::json(200, &issue(1)).with("x-ratelimit-remaining", "0");
        reply.with("x-ratelimit-reset", &reset)
    })
    .await;
    let calls = CallCounter::default();
    let client = stub.repo(&calls);
    client.issue(1).await.unwrap();
    assert!(matches!(client.issue(1).await, Err(Error::RateLimited { .. })));
    assert_eq!(calls.get(), 1);
}

#[tokio::test]
async fn pages_are_followed_on_our_own_host_with_the_token_and_below_a_base_path() {
    for base in ["", "/api/v3"] {
        let stub = Stub::with(Setup { base, ..Setup::default() }, |seen| {
            let page = seen.query.split('&').rev().find_map(|p| p.strip_prefix("page=")).unwrap_or("1");
            let page: u64 = page.parse().unwrap();
            let (link, items) = match page {
                1 | 2 => {
                    (format!("{}&page={}", seen.query, page + 1), vec![issue(page * 2), issue(page * 2 + 1)])
                }
                _ => (String::new(), vec![issue(page * 2)]),
            };
            let reply = Reply::json(200, &json!(items));
            // The link names another host, as GitHub Enterprise behind a proxy may.
            let base = &seen.base;
            let next = format!("<http://192.0.2.1{base}/repositories/99/issues?{link}>; rel=\"next\"");
            if link.is_empty() { reply } else { reply.with("link", &next) }
        })
        .await;
        let calls = CallCounter::default();
        let filter =
            IssueFilter { labels: &["a", "b c"], creator: Some("divisi[bot]"), ..IssueFilter::default() };
        let issues = stub.repo(&calls).list_issues(&filter).await.unwrap();
        let numbers: Vec<u64> = issues.iter().map(|issue| issue.number).collect();
        assert_eq!((numbers, calls.get()), (vec![2, 3, 4, 5, 6], 3));
        let seen = stub.seen();
        let pages: Vec<_> = seen.iter().filter(|s| s.path.ends_with("/issues")).collect();
        assert!(pages.iter().all(|s| s.bearer == "ghs_1"), "{pages:?}");
        assert!(pages[0].query.contains("labels=a%2Cb%20c&creator=divisi%5Bbot%5D"), "{}", pages[0].query);
    }
}

#[tokio::test]
async fn an_endless_list_ends() {
    let stub = Stub::start(|_| {
        let next = "</repositories/99/issues?page=2>; rel=\"next\"";
        Reply::json(200, &json!([issue(1)])).with("link", next)
    })
    .await;
    let outcome = stub.repo(&CallCounter::default()).list_issues(&IssueFilter::default()).await;
    assert!(matches!(outcome, Err(Error::Protocol { .. })), "{outcome:?}");
}

#[tokio::test]
async fn the_requests_are_as_documented() {
    let stub = Stub::start(|seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("POST", path) if path.ends_with("/reactions") => Reply::json(200, &json!({ "id": 3 })),
        ("POST", path) if path.ends_with("/labels") => Reply::json(200, &json!([{ "name": "x" }])),
        ("POST", path) if path.ends_with("/pulls") => Reply::json(201, &pull(8, "divisi/1/2-x")),
        _ => Reply::json(201, &issue(1)),
    })
    .await;
    let client = stub.repo(&CallCounter::default());
    client.create_issue("T", "B", &["l"]).await.unwrap();
    client.add_sub_issue(12, 7_000_000_001).await.unwrap();
    client.add_blocked_by(13, 7_000_000_002).await.unwrap();
    client.react(Target::Issue(12), Emoji::Eyes).await.unwrap();
    client.react(Target::Comment(5), Emoji::Rocket).await.unwrap();
    client.add_labels(13, &["x"]).await.unwrap();
    let new = NewPull { head: "divisi/1/2-x", base: "main", title: "T", body: "B", draft: true };
    client.create_pull(new).await.unwrap();
    let sent: Vec<_> = stub.seen().into_iter().filter(|s| s.path.starts_with("/repos/")).collect();
    let expected = [
        ("/issues", json!({ "title": "T", "body": "B", "labels": ["l"] })),
        ("/issues/12/sub_issues", json!({ "sub_issue_id": 7_000_000_001_u64, "replace_parent": false })),
        ("/issues/13/dependencies/blocked_by", json!({ "issue_id": 7_000_000_002_u64 })),
        ("/issues/12/reactions", json!({ "content": "eyes" })),
        ("/issues/comments/5/reactions", json!({ "content": "rocket" })),
        ("/issues/13/labels", json!({ "labels": ["x"] })),
        (
            "/pulls",
            json!({ "head": "divisi/1/2-x", "base": "main", "title": "T", "body": "B", "draft": true }),
        ),
    ];
    assert_eq!(sent.len(), expected.len());
    for (seen, (path, body)) in sent.iter().zip(expected) {
        assert_eq!((seen.path.as_str(), &seen.body), (format!("/repos/acme/widgets{path}").as_str(), &body));
        assert_eq!(seen.version, "2022-11-28");
        assert_eq!(seen.agents, 1, "GitHub wants a user agent, and HTTP only one");
    }
}

#[tokio::test]
async fn a_draft_that_the_plan_does_not_have_becomes_a_pull_request() {
    let stub = Stub::start(|seen| match seen.body["draft"].as_bool() {
        Some(true) => Reply::json(
            422,
            &json!({ "message": "Validation Failed",
            "errors": ["Draft pull requests are not supported in this repository."] }),
        ),
        _ => Reply::json(201, &pull(8, "b")),
    })
    .await;
    let new = NewPull { head: "b", base: "main", title: "T", body: "B", draft: true };
    let opened = stub.repo(&CallCounter::default()).create_pull(new).await.unwrap();
    assert_eq!((opened.number, opened.draft), (8, false));

    let exists = json!({ "message": "Validation Failed", "errors": [{ "resource": "PullRequest", "code": "custom",
        "message": "A pull request already exists for acme:b." }] });
    let stub = Stub::start(move |_| Reply::json(422, &exists)).await;
    let outcome = stub.repo(&CallCounter::default()).create_pull(new).await;
    let Err(Error::Invalid { messages, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(messages[1], "A pull request already exists for acme:b.");
    assert_eq!(stub.count("POST", "/pulls"), 1);
}

#[tokio::test]
async fn what_the_repository_shows() {
    let sha = |c: &str| c.repeat(40);
    let (a, b) = (sha("a"), sha("b"));
    let stub = Stub::start(move |seen| match seen.path.trim_start_matches("/repos/acme/widgets") {
        "/collaborators/mona/permission" => Reply::json(200, &json!({ "permission": "write", "role_name": "maintain" })),
        "/collaborators/x%2Fy/permission" => Reply::json(200, &json!({ "permission": "owner-of-all" })),
        "/contents/.github/divisi.toml" => {
            Reply::json(200, &json!({ "type": "file", "encoding": "base64", "content": "ZHJhZnQg\nPSB0cnVlCg==\n" }))
        }
        "/contents/dir" => Reply::json(200, &json!([{ "type": "file" }])),
        "/contents/big" => Reply::json(200, &json!({ "type": "file", "encoding": "none", "content": "" })),
        "/contents/latin" => Reply::json(200, &json!({ "type": "file", "encoding": "base64", "content": "/w==" })),
        "/git/ref/heads/main" => Reply::json(200, &json!({ "object": { "sha": a, "type": "commit" } })),
        "/git/ref/heads/odd" => Reply::json(200, &json!({ "object": { "sha": "HEAD; rm", "type": "commit" } })),
        "/git/ref/heads/empty" => Reply::json(409, &json!({ "message": "Git Repository is empty." })),
        path if path.starts_with("/compare/") => {
            let page: usize = seen.query.rsplit('=').next().unwrap().parse().unwrap();
            let commit = |sha: &String| json!({ "sha": sha });
            let commits: Vec<_> = if page == 1 { vec![commit(&a); 100] } else { vec![commit(&a), commit(&b)] };
            Reply::json(200, &json!({ "ahead_by": 102, "total_commits": 102, "base_commit": commit(&a),
                "merge_base_commit": commit(&a), "commits": commits, "files": [
                    { "filename": "src/new.rs", "previous_filename": ".github/old.yml" }, { "filename": "b c" }] }))
        }
        _ => Reply::json(404, &json!({ "message": "Not Found" })),
    })
    .await;
    let client = stub.repo(&CallCounter::default());
    assert_eq!(client.permission("mona").await.unwrap(), Permission::Write);
    assert_eq!(client.permission("x/y").await.unwrap(), Permission::None);
    assert_eq!(client.permission("ghost").await.unwrap(), Permission::None);
    assert_eq!(client.file(".github/divisi.toml").await.unwrap().as_deref(), Some("draft = true\n"));
    assert_eq!(client.file("none").await.unwrap(), None);
    for path in ["dir", "big", "latin"] {
        assert!(matches!(client.file(path).await, Err(Error::Invalid { .. })), "{path}");
    }
    assert!(
        matches!(client.branch_head("main").await.unwrap(), BranchHead::At(sha) if sha.as_str() == "a".repeat(40))
    );
    assert_eq!(client.branch_head("gone").await.unwrap(), BranchHead::Missing);
    assert_eq!(client.branch_head("empty").await.unwrap(), BranchHead::EmptyRepository);
    assert!(matches!(client.branch_head("odd").await, Err(Error::Protocol { .. })));
    let compare = client.compare("main", "divisi/1/2-x").await.unwrap();
    assert_eq!((compare.ahead_by, compare.head_sha.as_str()), (102, "b".repeat(40).as_str()));
    assert_eq!(compare.files, [".github/old.yml", "src/new.rs", "b c"]);
    assert!(!compare.truncated);
}

#[tokio::test]
async fn ours_is_told_from_other_peoples() {
    let comments = json!([
        { "id": 1, "body": "a\r\nb", "html_url": "u", "user": { "login": "divisi[bot]", "type": "Bot" } },
        { "id": 2, "body": null, "html_url": "u", "user": { "login": "renamed[bot]", "type": "Bot" },
          "performed_via_github_app": { "id": 7 } },
        { "id": 3, "body": "x", "html_url": "u", "user": { "login": "mona", "type": "User" },
          "performed_via_github_app": { "id": 7 } },
        { "id": 4, "body": "x", "html_url": "u", "user": { "login": "divisi", "type": "User" } },
        { "id": 5, "body": "x", "html_url": "u", "user": null, "performed_via_github_app": null },
        { "id": 6, "body": "x", "html_url": "u", "user": { "login": "other[bot]", "type": "Bot" },
          "performed_via_github_app": { "id": 8 } },
    ]);
    let stub = Stub::start(move |_| Reply::json(200, &comments)).await;
    let listed = stub.repo(&CallCounter::default()).list_comments(1, Some(clock::now())).await.unwrap();
    let ours: Vec<u64> = listed.iter().filter(|c| c.by_app).map(|c| c.id).collect();
    assert_eq!(ours, [1, 2]);
    assert_eq!((listed[0].body.as_str(), listed[1].body.as_str()), ("a\nb", ""));
}

#[tokio::test]
async fn a_runners_token_is_for_one_repository_and_is_revoked() {
    let stub = Stub::start(|seen| match seen.method.as_str() {
        "DELETE" => Reply::json(if seen.nth == 0 { 204 } else { 401 }, &json!({})),
        _ => Reply::json(500, &json!({})),
    })
    .await;
    let token = stub.app.mint_scoped(1, 99, App::PUSH).await.unwrap();
    let minted = stub.seen().into_iter().find(|s| s.path.ends_with("/access_tokens")).unwrap();
    let permissions = json!({ "contents": "write", "metadata": "read" });
    assert_eq!(minted.body, json!({ "repository_ids": [99], "permissions": permissions }));
    stub.app.installation(1).revoke(&token.token).await.unwrap();
    stub.app.installation(1).revoke(&token.token).await.unwrap();
    assert_eq!(stub.app.token_calls(), TokenCalls { mint: 1, revoke: 2 });
    assert!(!format!("{token:?}").contains("ghs_"), "{token:?}");
}

#[tokio::test]
async fn a_clock_that_differs_from_githubs_is_corrected() {
    // GitHub's clock is 20 minutes ahead: our token would have expired before it was made.
    let stub =
        Stub::with(Setup { ahead: 20 * 60, ..Setup::default() }, |_| Reply::json(200, &issue(1))).await;
    assert_eq!(stub.app.info().await.unwrap().slug, "divisi");
    stub.repo(&CallCounter::default()).issue(1).await.unwrap();
    assert_eq!(stub.app.token_calls().mint, 1);
}

#[tokio::test]
async fn five_minutes_either_way_work_and_what_cannot_be_corrected_is_told_in_minutes() {
    for ahead in [-15 * 60, -5 * 60, 5 * 60, 15 * 60] {
        let stub = Stub::with(Setup { ahead, ..Setup::default() }, |_| Reply::json(200, &issue(1))).await;
        stub.repo(&CallCounter::default()).issue(1).await.unwrap();
    }
    for (ahead, words) in [(15 * 60 + 20, "15 minutes behind"), (-15 * 60 - 20, "15 minutes ahead of")] {
        let setup = Setup { ahead, never_satisfied: true, ..Setup::default() };
        let stub = Stub::with(setup, |_| Reply::json(200, &issue(1))).await;
        let told = stub.app.info().await.unwrap_err().to_string();
        assert!(told.ends_with(&format!("this machine's clock is {words} GitHub's)")), "{told}");
    }
}

#[tokio::test]
async fn deliveries_are_listed_back_to_a_time_and_read() {
    let stub = Stub::start(|seen| match (seen.path.as_str(), seen.query.as_str()) {
        ("/app/hook/deliveries/5", _) => Reply::json(200, &json!({ "guid": "g", "event": "issues",
            "request": { "headers": {}, "payload": { "action": "labeled" } } })),
        (_, query) => {
            let item = |id: u64, at: &str, status: &str| json!({ "id": id, "guid": format!("g{id}"), "status": status,
                "delivered_at": at, "event": "issues", "action": null, "installation_id": null, "status_code": 0 });
            let (first, second) = if query.contains("cursor") { (2, 1) } else { (4, 3) };
            let next = "<https://api.github.com/app/hook/deliveries?per_page=100&cursor=x>; rel=\"next\"";
            let at = |id: u64| format!("2026-11-24T0{id}:00:00.5Z");
            Reply::json(200, &json!([item(first, &at(first), "OK"), item(second, &at(second), "timed out")]))
                .with("link", next)
        }
    })
    .await;
    let since = "2026-11-24T02:00:00Z".parse().unwrap();
    let items = stub.app.deliveries(since).await.unwrap();
    let short: Vec<(u64, bool)> = items.iter().map(|item| (item.id, item.ok)).collect();
    assert_eq!(short, [(4, true), (3, false), (2, true)]);
    let content = stub.app.delivery(5).await.unwrap();
    assert_eq!(content.body, br#"{"action":"labeled"}"#);
}

#[tokio::test]
async fn writes_are_paced() {
    let pace = Pace { write_burst: 2, writes_per_second: 10.0, ..Pace::default() };
    let stub =
        Stub::with(Setup { pace, ..Setup::default() }, |_| Reply::json(201, &json!({ "id": 1 }))).await;
    let client = stub.repo(&CallCounter::default());
    let start = clock::instant();
    // One from the half-full bucket, four at ten a second.
    for _ in 0..5 {
        client.react(Target::Issue(1), Emoji::Eyes).await.unwrap();
    }
    let took = clock::instant().duration_since(start);
    assert!(took >= Duration::from_millis(380), "{took:?}");
}

#[tokio::test]
async fn a_key_or_an_address_that_cannot_work_is_refused_at_once() {
    let mut config = stub::config("http://127.0.0.1:1");
    config.private_key = "-----BEGIN RSA PRIVATE KEY-----\nno\n-----END RSA PRIVATE KEY-----\n".into();
    assert!(matches!(App::new(config), Err(Error::Protocol { .. })));
    assert!(matches!(App::new(stub::config("not an address")), Err(Error::Protocol { .. })));
}
