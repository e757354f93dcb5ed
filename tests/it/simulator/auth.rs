//! JWTs, tokens, scopes, permissions and limits.

use super::{Bench, DEMO, REPO};
use divisi::clock;
use divisi::simulator::{RepoContent, Role, TokenKind};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn an_app_jwt_is_verified_by_githubs_rules() {
    let bench = Bench::start().await;
    let now = clock::now().as_second();
    let app = bench.get(&bench.jwt(), "/app").await.expect(200);
    assert_eq!(app["slug"], "divisi");
    let numeric = bench.jwt_of(&json!({"iat": now - 60, "exp": now + 540, "iss": 1_234_567}));
    bench.get(&numeric, "/app").await.expect(200);
    let cases = [
        (json!({"iat": now - 60, "exp": now + 3600, "iss": "1234567"}), 401, "too far in the future"),
        (json!({"iat": now - 900, "exp": now - 300, "iss": "1234567"}), 401, "'exp'"),
        (json!({"exp": now + 60, "iss": "1234567"}), 401, "'iat'"),
        (json!({"iat": now + 120, "exp": now + 300, "iss": "1234567"}), 401, "'iat'"),
        (json!({"iat": now - 60, "exp": now + 60, "iss": "99"}), 404, "Integration not found"),
    ];
    for (claims, status, words) in cases {
        let refused = bench.get(&bench.jwt_of(&claims), "/app").await.refused(status);
        assert!(refused.contains(words), "{claims}: {refused}");
    }
    let other = Bench::start().await;
    bench.get(&other.jwt(), "/app").await.refused(401);
    bench.get("nonsense", "/app").await.refused(401);
    // An installation token does not open what needs the JWT, and the other way round.
    bench.get(&bench.token().await, "/app").await.refused(401);
    bench.get(&bench.jwt(), DEMO).await.refused(401);
}

#[tokio::test]
async fn the_installation_is_found_from_the_repository() {
    let bench = Bench::start().await;
    let found = bench.get(&bench.jwt(), &format!("{DEMO}/installation")).await.expect(200);
    assert_eq!(found["id"], bench.installation);
    assert_eq!(bench.get(&bench.jwt(), "/app/installations").await.expect(200)[0]["id"], bench.installation);
    bench.get(&bench.jwt(), "/repos/acme/unknown/installation").await.refused(404);
    bench.get(&bench.jwt(), "/app/installations/17").await.refused(404);
}

#[tokio::test]
async fn a_token_is_scoped_to_repositories_and_permissions() {
    let bench = Bench::start().await;
    let other = bench.sim.create_repo("acme/other", "main", &RepoContent::Empty).unwrap();
    bench.sim.add_user(REPO, "walt", Role::Maintain).unwrap();
    let asked = json!({"repository_ids": [other], "permissions": {"contents": "write"}});
    let minted = bench.mint(asked.clone()).await.expect(201);
    assert_eq!(minted["repository_selection"], "selected");
    assert_eq!(minted["repositories"][0]["full_name"], "acme/other");
    assert_eq!(minted["permissions"], json!({"contents": "write", "metadata": "read"}));
    let token = minted["token"].as_str().unwrap();
    assert!(
        token.starts_with("ghs_1234567_") && token.len() > 255 && token.contains('.') && token.contains('-')
    );
    bench.get(token, "/repos/acme/other").await.expect(200);
    bench.get(token, DEMO).await.refused(404);
    let refused = bench.get(token, "/repos/acme/other/issues").await;
    assert!(refused.header("x-accepted-github-permissions").contains("issues=read"));
    assert!(refused.refused(403).contains("Resource not accessible by integration"));
    let listed = bench.get(token, "/installation/repositories").await.expect(200);
    assert_eq!((&listed["total_count"], &listed["repositories"][0]["id"]), (&json!(1), &json!(other)));
    bench.sim.read(|world| assert_eq!(world.tokens()[0].asked, asked));

    let by_name =
        bench.mint(json!({"repositories": ["demo"], "permissions": {"issues": "read"}})).await.expect(201);
    let token = by_name["token"].as_str().unwrap();
    bench.get(token, &format!("{DEMO}/issues")).await.expect(200);
    bench.call(token, "POST", &format!("{DEMO}/issues"), json!({"title": "x"})).await.refused(403);

    bench.mint(json!({"permissions": {"administration": "write"}})).await.refused(422);
    bench.mint(json!({"permissions": {"actions": "write"}})).await.refused(422);
    bench.mint(json!({"repository_ids": [999]})).await.refused(422);
    bench.schema.take();
}

#[tokio::test]
async fn a_token_ends_when_it_expires_or_is_revoked() {
    let bench = Bench::with(|o| o.token_lifetime = Duration::from_millis(300)).await;
    let token = bench.token().await;
    bench.get(&token, DEMO).await.expect(200);
    clock::sleep(Duration::from_millis(320)).await;
    assert_eq!(bench.get(&token, DEMO).await.refused(401), "Bad credentials null");

    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.call(&token, "DELETE", "/installation/token", Value::Null).await.expect(204);
    bench.get(&token, DEMO).await.refused(401);
    bench.sim.read(|world| assert!(world.tokens().iter().all(|t| t.revoked_at.is_some())));
    let token = bench.token().await;
    bench.sim.expire_tokens();
    bench.get(&token, DEMO).await.refused(401);
}

#[tokio::test]
async fn requests_are_counted_and_limited() {
    let bench = Bench::with(|o| o.rate_limit = 3).await;
    let token = bench.token().await;
    let first = bench.get(&token, DEMO).await;
    assert_eq!((first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")), ("3", "2"));
    // Having it already costs nothing.
    let tag = first.header("etag").to_owned();
    let client = reqwest::Client::builder().no_proxy().user_agent("bench").build().unwrap();
    let again = client.get(format!("{}{DEMO}", bench.sim.base_url())).bearer_auth(&token);
    assert_eq!(again.header("if-none-match", tag).send().await.unwrap().status(), 304);
    let limits = bench.get(&token, "/rate_limit").await.expect(200);
    assert_eq!(limits["resources"]["core"]["remaining"], 2);
    bench.get(&token, DEMO).await.expect(200);
    bench.get(&token, DEMO).await.expect(200);
    let refused = bench.get(&token, DEMO).await;
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
    let reset: i64 = refused.header("x-ratelimit-reset").parse().unwrap();
    assert!(reset > clock::now().as_second());
    assert!(refused.refused(403).contains("API rate limit exceeded"));
    // The App's own calls are another matter.
    bench.get(&bench.jwt(), "/app").await.expect(200);
    bench.sim.read(|world| {
        assert_eq!(world.installation_calls(), 6);
        let minted = ("POST".to_owned(), "/app/installations/{installation_id}/access_tokens");
        assert_eq!(world.call_counts()[&minted], 1);
        assert!(world.calls().iter().any(|c| c.token == TokenKind::App));
    });
}

#[tokio::test]
async fn requests_need_an_agent_and_credentials() {
    let bench = Bench::start().await;
    let url = format!("{}{DEMO}", bench.sim.base_url());
    let bare = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(bare.get(&url).send().await.unwrap().status(), 403);
    let named = reqwest::Client::builder().no_proxy().user_agent("x").build().unwrap();
    assert_eq!(named.get(&url).send().await.unwrap().status(), 401);
    assert_eq!(named.get(&url).bearer_auth("ghs_wrong").send().await.unwrap().status(), 401);
    assert_eq!(bench.get("x", "/nothing").await.status, 404);
    assert_eq!(bench.schema.take().len(), 1, "the unknown path, and nothing else");
}

#[tokio::test]
async fn the_permission_endpoint_shows_roles_as_github_does() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let roles = [
        ("amy", Role::Admin, "admin", "admin"),
        ("moe", Role::Maintain, "write", "maintain"),
        ("wes", Role::Write, "write", "write"),
        ("tia", Role::Triage, "read", "triage"),
        ("rob", Role::Read, "read", "read"),
        ("nia", Role::None, "none", "none"),
    ];
    for (login, role, permission, role_name) in roles {
        bench.sim.add_user(REPO, login, role).unwrap();
        let path = format!("{DEMO}/collaborators/{login}/permission");
        let body = bench.get(&token, &path).await.expect(200);
        assert_eq!((&body["permission"], &body["role_name"]), (&json!(permission), &json!(role_name)));
        assert_eq!(body["user"]["login"], login);
    }
    for stranger in ["nobody", "divisi%5Bbot%5D"] {
        bench.get(&token, &format!("{DEMO}/collaborators/{stranger}/permission")).await.refused(404);
    }
}
