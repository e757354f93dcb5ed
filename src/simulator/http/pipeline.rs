//! What every API request goes through: planned faults, authentication, limits, the handler, headers, the record.

use super::call::{Answer, Call};
use super::git_http;
use super::routes::{self, Need, Route};
use crate::clock;
use crate::simulator::fault::{self, FaultEffect};
use crate::simulator::options::{Exchange, TokenKind};
use crate::simulator::outage::{Arrival, Outage, OutageKind};
use crate::simulator::refusal::Refusal;
use crate::simulator::service::Shared;
use crate::simulator::watch::CallRecord;
use crate::simulator::world::World;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Body of an answer; an error in it cuts the connection.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How long a connection stays open in an outage that gives no answer.
const SILENCE: Duration = Duration::from_secs(300);

/// Largest body of an API request, in bytes.
const BODY_LIMIT: usize = 25 * 1024 * 1024;

/// A request, read completely.
struct Asked {
    method: String,
    path: String,
    query: String,
    headers: hyper::HeaderMap,
    body: Bytes,
}

/// What is answered, and what the record says of it.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    route: Option<&'static str>,
    token: TokenKind,
}

/// Answers one request. An error closes the connection without an answer.
pub(in crate::simulator) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    if let Some(target) = git_http::target(request.uri().path()) {
        return git_http::answer(shared, target, request).await;
    }
    let (parts, body) = request.into_parts();
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: Limited::new(body, BODY_LIMIT).collect().await.map_err(io::Error::other)?.to_bytes(),
    };
    let now = clock::now();
    let (latency, effect, outage, installation) = {
        let mut world = shared.world();
        let installation = installation_of(&world, &asked);
        let (at, method, path) = (now, asked.method.clone(), asked.path.clone());
        world.outages.arrivals.push(Arrival { at, installation, method, path });
        let by_token = installation.filter(|_| !asked.path.starts_with("/app"));
        if let Some(installation) = by_token {
            world.arrived(installation, &asked.method, &asked.path, now);
        }
        let planned = fault::take(&mut world.faults, &asked.method, &asked.path);
        let weather = world.options.weather.as_ref();
        let effect = planned.or_else(|| weather?.strikes(&asked.method, &asked.path));
        (world.options.latency, effect, world.outages.outage(now), by_token)
    };
    let _in_flight = InFlight { shared: Arc::clone(&shared), installation };
    if let Some(outage) = outage {
        return cut_off(&shared, &asked, installation, outage).await;
    }
    if !latency.is_zero() {
        clock::sleep(latency).await;
    }
    match effect {
        Some(FaultEffect::Drop) => return Err(io::Error::other("planned: dropped")),
        Some(FaultEffect::Answer { status, headers, body }) => {
            let reply = Reply {
                status,
                headers: Vec::new(),
                body: body.to_string().into_bytes(),
                route: routes::find(&asked.method, &asked.path).map(|(route, _)| route.path),
                token: TokenKind::Anonymous,
            };
            if let Some(installation) = installation {
                let told = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                shared.world().told(installation, status, told, clock::now());
            }
            let mut response = finish(&shared, &asked, installation, reply, true);
            for (name, value) in headers {
                if let (Ok(name), Ok(value)) = (name.parse::<hyper::header::HeaderName>(), value.parse()) {
                    response.headers_mut().insert(name, value);
                }
            }
            return Ok(response);
        }
        _ => {}
    }
    let wait = match effect {
        Some(FaultEffect::Delay(time) | FaultEffect::DelayThenDrop(time)) => time,
        _ => Duration::ZERO,
    };
    // On a task of its own: what has arrived is done, also when the client has gone meanwhile.
    let shared_there = Arc::clone(&shared);
    let work = shared.tasks.spawn(async move {
        if !wait.is_zero() {
            clock::sleep(wait).await;
        }
        carry_out(shared_there, asked).await
    });
    let (asked, mut reply) = work.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
    match effect {
        Some(FaultEffect::DropAfterApplying | FaultEffect::DelayThenDrop(_)) => {
            // Whatever it said, nobody heard it.
            finish(&shared, &asked, None, reply, true);
            Err(io::Error::other("planned: dropped after applying"))
        }
        Some(FaultEffect::AnswerAfterApplying { status }) => {
            reply.status = status;
            reply.body = b"{\"message\":\"Server Error\"}".to_vec();
            Ok(finish(&shared, &asked, installation, reply, true))
        }
        _ => Ok(finish(&shared, &asked, installation, reply, false)),
    }
}

/// Counts an installation's request as long as it lasts.
struct InFlight {
    shared: Arc<Shared>,
    installation: Option<u64>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(installation) = self.installation {
            self.shared.world().left(installation);
        }
    }
}

/// The installation whose token a request carries, or asks for.
fn installation_of(world: &World, asked: &Asked) -> Option<u64> {
    if let Some(rest) = asked.path.strip_prefix("/app/installations/") {
        return rest.strip_suffix("/access_tokens")?.parse().ok();
    }
    let text = bearer(asked).ok()??;
    world.tokens.iter().rev().find(|token| token.token == text).map(|token| token.installation)
}

/// What an outage makes of a request.
async fn cut_off(
    shared: &Shared,
    asked: &Asked,
    installation: Option<u64>,
    outage: Outage,
) -> Result<Response<Body>, io::Error> {
    match outage.kind {
        OutageKind::BadGateway => {
            let route = routes::find(&asked.method, &asked.path).map(|(route, _)| route.path);
            let headers = vec![("content-type", "text/html".to_owned())];
            let body = b"<html><body>Unicorn!</body></html>".to_vec();
            let reply = Reply { status: 502, headers, body, route, token: TokenKind::Anonymous };
            Ok(finish(shared, asked, installation, reply, true))
        }
        OutageKind::Silent => {
            // Whoever asked will have gone long before.
            clock::sleep(SILENCE).await;
            Err(io::Error::other("planned: no answer"))
        }
        OutageKind::Reset | OutageKind::Refused => Err(io::Error::other("planned: cut off")),
    }
}

/// Handlers run git and hold the state's lock: off the runtime's threads. Without git they are quick.
async fn carry_out(shared: Arc<Shared>, asked: Asked) -> Result<(Asked, Reply), tokio::task::JoinError> {
    let quick = shared.world().options.git_in_memory;
    let work = move || {
        let reply = handle(&mut shared.world(), &asked);
        shared.changed();
        (asked, reply)
    };
    if quick { Ok(work()) } else { tokio::task::spawn_blocking(work).await }
}

/// Records the exchange, tells the observer and makes the response.
fn finish(
    shared: &Shared,
    asked: &Asked,
    installation: Option<u64>,
    reply: Reply,
    injected: bool,
) -> Response<Body> {
    let observer = {
        let mut world = shared.world();
        if let Some(installation) = installation {
            let told = reply.headers.iter().map(|(name, value)| (*name, value.as_str()));
            world.told(installation, reply.status, told, clock::now());
        }
        world.calls.push(CallRecord {
            token: reply.token,
            method: asked.method.clone(),
            path: asked.path.clone(),
            route: reply.route,
            status: reply.status,
        });
        world.options.observer.clone()
    };
    shared.changed();
    if let Some(observer) = observer {
        let sent = asked.headers.iter().filter(|(name, _)| *name != hyper::header::AUTHORIZATION);
        observer.exchange(&Exchange {
            at: clock::now(),
            method: asked.method.clone(),
            path: asked.path.clone(),
            route: reply.route,
            query: asked.query.clone(),
            request_headers: sent
                .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
                .collect(),
            request_body: asked.body.to_vec(),
            status: reply.status,
            response_headers: reply.headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
            response_body: reply.body.clone(),
            token: reply.token,
            injected,
        });
    }
    let mut response = Response::new(full(reply.body));
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
    for (name, value) in reply.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A body that is all there.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn handle(world: &mut World, asked: &Asked) -> Reply {
    let mut reply = Reply {
        status: 404,
        headers: Vec::new(),
        body: Vec::new(),
        route: None,
        token: TokenKind::Anonymous,
    };
    let outcome = routed(world, asked, &mut reply);
    let (status, body) = match outcome {
        Ok(answer) => {
            reply.headers.extend(answer.headers);
            (answer.status, answer.body)
        }
        Err(refusal) => (refusal.status, Some(refusal.body())),
    };
    reply.status = status;
    if let Some(body) = body {
        reply.body = body.to_string().into_bytes();
        reply.headers.push(("content-type", "application/json; charset=utf-8".to_owned()));
    }
    reply.headers.push(("x-github-api-version-selected", "2022-11-28".to_owned()));
    reply.headers.push(("x-github-request-id", clock::secret_hex(8).to_uppercase()));
    reply.headers.push(("date", http_date()));
    if asked.method == "GET" && status == 200 {
        unchanged(world, asked, &mut reply);
    }
    reply
}

fn http_date() -> String {
    clock::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Turns the answer into a 304 when the client has it; such a request costs nothing of the limit.
fn unchanged(world: &mut World, asked: &Asked, reply: &mut Reply) {
    let digest = Sha256::digest(&reply.body);
    let tag = digest.iter().fold("W/\"".to_owned(), |text, byte| text + &format!("{byte:02x}")) + "\"";
    let known = asked.headers.get(hyper::header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    if known == Some(&tag) {
        reply.status = 304;
        reply.body.clear();
        reply.headers.retain(|(name, _)| *name != "content-type");
        if reply.token == TokenKind::Installation
            && let Ok(Some(token)) = bearer(asked).map(|t| t.and_then(|t| world.live_token(t).ok().cloned()))
            && let Some(installation) = world.installations.get_mut(&token.installation)
        {
            installation.used = installation.used.saturating_sub(1);
        }
    }
    reply.headers.push(("etag", tag));
}

fn routed(world: &mut World, asked: &Asked, reply: &mut Reply) -> Result<Answer, Refusal> {
    if !asked.headers.contains_key(hyper::header::USER_AGENT) {
        let message = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
        return Err(Refusal::new(403, message));
    }
    let (route, params) = routes::find(&asked.method, &asked.path).ok_or_else(Refusal::not_found)?;
    reply.route = Some(route.path);
    let token = authenticate(world, asked, route, reply)?;
    let param = |name: &str| params.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v.as_str());
    let mut repo = 0;
    if route.path.starts_with("/repos/") {
        let full_name = format!("{}/{}", param("owner"), param("repo"));
        repo = match (world.repo_id(&full_name), world.moved_repo(&full_name)) {
            (Some(repo), _) => repo,
            (None, Some(moved)) => return Ok(redirect(world, asked, moved)),
            (None, None) => return Err(Refusal::not_found()),
        };
    } else if route.path.starts_with("/repositories/") {
        repo = param("repository_id").parse().map_err(|_| Refusal::not_found())?;
        world.repo_ref(repo)?;
    }
    if let Some(token) = &token {
        permit(world, token, route, repo, reply)?;
    }
    if repo != 0 {
        writable(world, asked, route, repo, param("issue_number"))?;
    }
    let body = match asked.body.is_empty() {
        true => Value::Null,
        false => {
            serde_json::from_slice(&asked.body).map_err(|_| Refusal::new(400, "Problems parsing JSON"))?
        }
    };
    let actor = world.app_actor();
    let target = match asked.query.as_str() {
        "" => asked.path.clone(),
        query => format!("{}?{query}", asked.path),
    };
    let short_token =
        asked.headers.get("x-github-stateless-s2s-token").is_some_and(|v| v.as_bytes() == b"disabled");
    let query = routes::query_pairs(&asked.query);
    let mut call = Call { world, params, query, body, repo, token, actor, target, short_token };
    (route.run)(&mut call)
}

/// The answer under a repository's old name: where it is now. GitHub keeps the method of what is no GET.
fn redirect(world: &World, asked: &Asked, repo: u64) -> Answer {
    let rest = asked.path.splitn(5, '/').nth(4).map(|rest| format!("/{rest}")).unwrap_or_default();
    let url = format!("{}/repositories/{repo}{rest}", world.base);
    let status = if asked.method == "GET" { 301 } else { 307 };
    let body = json!({"message": "Moved Permanently", "url": url,
        "documentation_url": "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects"});
    Answer { status, body: Some(body), headers: vec![("location", url)] }
}

/// Nothing is written to an archived repository, and where issues are switched off there are none.
fn writable(world: &World, asked: &Asked, route: &Route, repo: u64, number: &str) -> Result<(), Refusal> {
    let here = world.repo_ref(repo)?;
    if here.archived && asked.method != "GET" {
        return Err(Refusal::new(403, "Repository was archived so is read-only."));
    }
    let is_pull = || {
        let id = number.parse().ok().and_then(|n| world.numbered(repo, n).ok());
        id.is_some_and(|id| world.issue_of(id).is_ok_and(|i| i.pull.is_some()))
    };
    if !here.has_issues && route.path.starts_with("/repos/{owner}/{repo}/issues") && !is_pull() {
        return Err(Refusal::new(410, "Issues are disabled for this repo"));
    }
    Ok(())
}

fn bearer(asked: &Asked) -> Result<Option<&str>, Refusal> {
    let Some(header) = asked.headers.get(hyper::header::AUTHORIZATION) else { return Ok(None) };
    let text = header.to_str().map_err(|_| Refusal::new(401, "Bad credentials"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or(("", ""));
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    if known { Ok(Some(token.trim())) } else { Err(Refusal::new(401, "Bad credentials")) }
}

/// Checks who asks, and counts the request. Gives back the installation token in use.
fn authenticate(
    world: &mut World,
    asked: &Asked,
    route: &Route,
    reply: &mut Reply,
) -> Result<Option<String>, Refusal> {
    let text = bearer(asked)?.ok_or_else(|| Refusal::new(401, "Requires authentication"))?;
    let is_jwt = text.split('.').count() == 3 && !text.starts_with("ghs_");
    let wants_jwt = matches!(route.need, Need::Jwt);
    if wants_jwt || (is_jwt && matches!(route.need, Need::Either)) {
        world.app.verify_jwt(text, clock::now())?;
        reply.token = TokenKind::App;
        reply.headers.extend(limit_headers(world.options.rate_limit, 0, clock::now().as_second() + 3600));
        return Ok(None);
    }
    let token = world.live_token(text)?.clone();
    reply.token = TokenKind::Installation;
    let limit = world.options.rate_limit;
    let now = clock::now();
    let installation = world
        .installations
        .get_mut(&token.installation)
        .ok_or_else(|| Refusal::new(401, "Bad credentials"))?;
    if installation.suspended.is_some() {
        return Err(Refusal::suspended());
    }
    if now.as_second() >= installation.window.as_second() + 3600 {
        (installation.window, installation.used) = (now, 0);
    }
    let reset = installation.window.as_second() + 3600;
    if !matches!(route.need, Need::Either)
        && let Err((refusal, wait)) = world.within_limits(token.installation, &asked.method, &asked.path, now)
    {
        match wait {
            Some(wait) => reply.headers.push(("retry-after", wait.to_string())),
            None => world.told_unsaid(token.installation, now),
        }
        return Err(refusal);
    }
    let installation = world
        .installations
        .get_mut(&token.installation)
        .ok_or_else(|| Refusal::new(401, "Bad credentials"))?;
    if installation.used >= limit && !matches!(route.need, Need::Either) {
        reply.headers.extend(limit_headers(limit, limit, reset));
        let message = format!("API rate limit exceeded for installation ID {}.", token.installation);
        return Err(Refusal::new(403, message));
    }
    if !matches!(route.need, Need::Either) {
        installation.used += 1;
    }
    reply.headers.extend(limit_headers(limit, installation.used, reset));
    Ok(Some(token.token))
}

fn limit_headers(limit: u64, used: u64, reset: i64) -> [(&'static str, String); 5] {
    [
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", limit.saturating_sub(used).to_string()),
        ("x-ratelimit-used", used.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
        ("x-ratelimit-resource", "core".to_owned()),
    ]
}

/// Checks that a token sees the repository (else 404) and has one of the permissions (else 403).
fn permit(world: &World, token: &str, route: &Route, repo: u64, reply: &mut Reply) -> Result<(), Refusal> {
    let token = world.live_token(token)?;
    if repo != 0 && !world.in_scope(token, repo) {
        return Err(Refusal::not_found());
    }
    let Need::Any(permissions) = route.need else { return Ok(()) };
    let accepted: Vec<String> = permissions.iter().map(|(name, level)| format!("{name}={level}")).collect();
    reply.headers.push(("x-accepted-github-permissions", accepted.join("; ")));
    if permissions.iter().any(|(name, level)| token.allows(name, level) && world.grants(token, name)) {
        return Ok(());
    }
    Err(Refusal::new(403, "Resource not accessible by integration"))
}
