//! What owners do to the repository and the App, as the API then answers.

use super::{Bench, DEMO, REPO};
use divisi::simulator::NewIssue;
use serde_json::{Value, json};

#[tokio::test]
async fn a_renamed_or_transferred_repository_is_found_by_its_id_and_from_its_old_name() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let id = bench.get(&token, DEMO).await.expect(200)["id"].clone();
    bench.sim.rename_repo(REPO, "alice", "site").unwrap();
    // The client follows the redirect of a GET, as Divisi does not.
    assert_eq!(bench.get(&token, DEMO).await.expect(200)["full_name"], "acme/site");
    let by_id = format!("/repositories/{id}");
    assert_eq!(bench.get(&token, &by_id).await.expect(200)["full_name"], "acme/site");
    bench.sim.transfer_repo("acme/site", "alice", "elsewhere").unwrap();
    bench.get(&token, &by_id).await.refused(404);
    let calls = bench.sim.read(|w| w.calls().iter().filter(|c| c.status == 301).count());
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn archived_repositories_and_switched_off_issues_refuse_what_github_refuses() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let issues = format!("{DEMO}/issues");
    let create = async || bench.call(&token, "POST", &issues, json!({"title": "one"})).await;
    create().await.expect(201);
    bench.sim.archive_repo(REPO, true).unwrap();
    assert!(create().await.refused(403).contains("archived"));
    assert_eq!(bench.get(&token, DEMO).await.expect(200)["archived"], true);
    bench.get(&token, &issues).await.expect(200);
    bench.sim.archive_repo(REPO, false).unwrap();
    bench.sim.set_issues(REPO, false).unwrap();
    create().await.refused(410);
    bench.get(&token, &format!("{issues}/1")).await.refused(410);
    assert_eq!(bench.get(&token, DEMO).await.expect(200)["has_issues"], false);
    bench.sim.set_issues(REPO, true).unwrap();
    create().await.expect(201);
}

#[tokio::test]
async fn a_suspended_installation_refuses_everything_and_an_uninstalled_one_is_gone() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let standing = format!("/app/installations/{}", bench.installation);
    bench.sim.suspend_app("acme", "alice", true).unwrap();
    assert!(bench.get(&token, DEMO).await.refused(403).contains("suspended"));
    assert!(bench.mint(Value::Null).await.refused(403).contains("suspended"));
    assert!(bench.get(&bench.jwt(), &standing).await.expect(200)["suspended_at"].is_string());
    bench.sim.suspend_app("acme", "alice", false).unwrap();
    bench.get(&token, DEMO).await.expect(200);
    assert!(bench.get(&bench.jwt(), &standing).await.expect(200)["suspended_at"].is_null());
    bench.sim.set_permission("acme", "alice", "issues", None).unwrap();
    let issues = format!("{DEMO}/issues");
    bench.call(&token, "POST", &issues, json!({"title": "one"})).await.refused(403);
    bench.sim.set_permission("acme", "alice", "issues", Some("write")).unwrap();
    bench.call(&token, "POST", &issues, json!({"title": "one"})).await.expect(201);
    bench.sim.withdraw_repo(REPO, "alice").unwrap();
    bench.get(&token, DEMO).await.refused(404);
    bench.sim.uninstall_app("acme", "alice").unwrap();
    bench.get(&token, DEMO).await.refused(401);
    bench.get(&bench.jwt(), &standing).await.refused(404);
}

#[tokio::test]
async fn a_transferred_issue_answers_that_it_moved() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let there = divisi::simulator::RepoContent::files(&[("README.md", "# There\n")]);
    bench.sim.create_repo("acme/there", "main", &there).unwrap();
    let number = bench.sim.open_issue(REPO, "alice", NewIssue::new("one", "")).unwrap();
    let new = bench.sim.transfer_issue(REPO, "alice", number, "acme/there").unwrap();
    assert_eq!(bench.get(&token, &format!("{DEMO}/issues/{number}")).await.status, 301);
    bench.get(&token, &format!("/repos/acme/there/issues/{new}")).await.expect(200);
    assert_eq!(bench.get(&token, &format!("{DEMO}/issues")).await.expect(200), json!([]));
}
