//! Git over smart HTTP, with the real client.

use super::{Bench, REPO};
use base64::Engine as _;
use divisi::simulator::{RepoContent, TokenKind};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

/// Runs git with a cleared environment; the token goes in a header, as Divisi sends it.
#[expect(clippy::disallowed_methods, reason = "the tests run git as a client would")]
async fn git(dir: &Path, token: Option<&str>, args: &[&str]) -> Output {
    let mut command = tokio::process::Command::new("git");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir(dir).args(args);
    command.env("HOME", dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Agent")
            .env(format!("GIT_{role}_EMAIL"), "agent@example.org");
    }
    if let Some(token) = token {
        let login = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
        command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "http.extraHeader");
        command.env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {login}"));
    }
    command.output().await.unwrap()
}

#[track_caller]
fn ok(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[track_caller]
fn refused(output: Output, code: &str) {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains(code), "{words}");
}

#[tokio::test]
async fn a_branch_is_cloned_and_pushed_with_a_token() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let url = format!("{}/{REPO}.git", bench.sim.web_url());
    let dir = bench.dir.path();
    ok(git(dir, Some(&token), &["clone", "-q", &url, "work"]).await);
    let work = dir.join("work");
    ok(git(&work, None, &["checkout", "-q", "-b", "divisi/1/1-x"]).await);
    // Larger than git's post buffer (1 MiB), so that the push comes in chunks.
    let bytes: String = (0..60_000).map(|_| divisi::clock::secret_hex(16)).collect();
    std::fs::write(work.join("big"), bytes).unwrap();
    ok(git(&work, None, &["add", "."]).await);
    ok(git(&work, None, &["commit", "-q", "-m", "Work"]).await);
    let head = ok(git(&work, None, &["rev-parse", "HEAD"]).await);
    ok(git(&work, Some(&token), &["push", "-q", "origin", "divisi/1/1-x"]).await);
    bench.sim.read(|world| {
        assert_eq!(world.repo(REPO).unwrap().refs()["refs/heads/divisi/1/1-x"], head);
        let push = world.deliveries().iter().rfind(|d| d.event == "push").unwrap();
        let payload: Value = serde_json::from_slice(&push.payload).unwrap();
        assert_eq!(payload["ref"], "refs/heads/divisi/1/1-x");
        assert_eq!((&payload["after"], &payload["created"]), (&json!(head), &json!(true)));
        assert_eq!(
            (payload["commits"].as_array().unwrap().len(), &payload["sender"]["type"]),
            (1, &json!("Bot"))
        );
        assert!(world.calls().iter().any(|c| c.route == Some("git") && c.token == TokenKind::Installation));
        assert_eq!(world.installation_calls(), 0, "git is not counted as API");
    });
    ok(git(
        dir,
        Some(&token),
        &["clone", "-q", "--branch", "divisi/1/1-x", "--filter=blob:none", &url, "second"],
    )
    .await);
    // What everybody may read on disk is what the API answers.
    let bare = bench.sim.git_dir(REPO).unwrap();
    assert_eq!(ok(git(&bare, None, &["rev-parse", "divisi/1/1-x"]).await), head);
}

#[tokio::test]
async fn a_push_moves_the_open_pull_request() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.sim.push_files(REPO, "alice", "topic", "One", &[("a", Some("1"))]).unwrap();
    let new = json!({"title": "Work", "head": "topic", "base": "main"});
    bench.call(&token, "POST", "/repos/acme/demo/pulls", new).await.expect(201);
    let url = format!("{}/{REPO}.git", bench.sim.web_url());
    let dir = bench.dir.path();
    ok(git(dir, Some(&token), &["clone", "-q", "--branch", "topic", &url, "work"]).await);
    let work = dir.join("work");
    ok(git(&work, None, &["commit", "-q", "--allow-empty", "-m", "Two"]).await);
    let head = ok(git(&work, None, &["rev-parse", "HEAD"]).await);
    ok(git(&work, Some(&token), &["push", "-q"]).await);
    let pull = bench.get(&token, "/repos/acme/demo/pulls/1").await.expect(200);
    assert_eq!(pull["head"]["sha"], head.as_str());
    bench.sim.read(|world| {
        let moved = world.deliveries().iter().rfind(|d| d.action.as_deref() == Some("synchronize")).unwrap();
        let payload: Value = serde_json::from_slice(&moved.payload).unwrap();
        assert_eq!(payload["after"], head.as_str());
    });
}

#[tokio::test]
async fn git_is_refused_without_a_fitting_token() {
    let bench = Bench::start().await;
    let other = bench.sim.create_repo("acme/other", "main", &RepoContent::Empty).unwrap();
    let token =
        async |asked: Value| bench.mint(asked).await.expect(201)["token"].as_str().unwrap().to_owned();
    let url = format!("{}/{REPO}.git", bench.sim.web_url());
    let dir = bench.dir.path();
    let list = async |token: Option<&str>| git(dir, token, &["ls-remote", &url]).await;
    refused(list(None).await, "could not read Username");
    refused(list(Some("ghs_wrong")).await, "could not read Username");
    let elsewhere = token(json!({"repository_ids": [other]})).await;
    refused(list(Some(&elsewhere)).await, "403");
    let issues = token(json!({"permissions": {"issues": "write"}})).await;
    refused(list(Some(&issues)).await, "403");

    let reader = token(json!({"permissions": {"contents": "read"}})).await;
    ok(git(dir, Some(&reader), &["clone", "-q", &url, "work"]).await);
    let work = dir.join("work");
    ok(git(&work, None, &["commit", "-q", "--allow-empty", "-m", "x"]).await);
    refused(git(&work, Some(&reader), &["push", "origin", "HEAD:refs/heads/x"]).await, "403");
    let writer = token(json!({"permissions": {"contents": "write"}})).await;
    ok(git(&work, Some(&writer), &["push", "-q", "origin", "HEAD:refs/heads/x"]).await);
    bench.sim.expire_tokens();
    refused(
        git(&work, Some(&writer), &["push", "origin", "HEAD:refs/heads/y"]).await,
        "could not read Username",
    );
    bench.sim.read(|world| assert!(!world.repo(REPO).unwrap().refs().contains_key("refs/heads/y")));
}
