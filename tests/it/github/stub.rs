//! A GitHub of a few lines: mints tokens, says who the App is, and for the rest answers what a test wants.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use divisi::clock;
use divisi::domain::Repo;
use divisi::github::{App, AppConfig, CallCounter, Pace, RepoClient};
use http::{HeaderMap, Method, Uri, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

pub const DEADLINE: Duration = Duration::from_secs(1);
const KEY: &str = include_str!("../../fixtures/test-app-key.pem");
const PUBLIC_KEY: &str = include_str!("../../fixtures/test-app-key.pub.pem");

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Without the base path.
    pub path: String,
    pub query: String,
    pub bearer: String,
    pub version: String,
    pub agents: usize,
    pub body: Value,
    pub base: &'static str,
    /// How many of the test's own requests came before.
    pub nth: usize,
}

/// What to answer.
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    after: Duration,
    cut: bool,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, &body.to_string())
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.to_owned(), after: Duration::ZERO, cut: false }
    }

    /// The connection breaks instead of an answer.
    pub fn cut() -> Self {
        Self { cut: true, ..Self::text(200, "") }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

/// How the stub differs from a healthy GitHub.
#[derive(Default)]
pub struct Setup {
    /// A path below which the API lives.
    pub base: &'static str,
    /// Its clock is so many seconds ahead of ours.
    pub ahead: i64,
    /// Minting answers 502.
    pub mint_fails: bool,
    /// How fast the App may be.
    pub pace: Pace,
}

struct Behind {
    setup: Setup,
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
}

/// The stub and an App that talks to it.
pub struct Stub {
    pub app: App,
    behind: Arc<Behind>,
}

impl Stub {
    pub async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(Setup::default(), script).await
    }

    pub async fn with(setup: Setup, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}{}", listener.local_addr().unwrap(), setup.base);
        let config = AppConfig { pace: setup.pace, ..config(&address) };
        let behind = Arc::new(Behind { setup, script: Box::new(script), seen: Mutex::default() });
        let router = axum::Router::new().fallback(answer).with_state(behind.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { app: App::new(config).unwrap(), behind }
    }

    pub fn repo(&self, calls: &CallCounter) -> RepoClient {
        self.app.installation(1).repo(&widgets(), calls.clone())
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.behind.seen.lock().unwrap().clone()
    }

    pub fn count(&self, method: &str, path_end: &str) -> usize {
        self.seen().iter().filter(|s| s.method == method && s.path.ends_with(path_end)).count()
    }
}

pub fn config(api_url: &str) -> AppConfig {
    AppConfig {
        app_id: 7,
        private_key: KEY.into(),
        api_url: api_url.to_owned(),
        request_deadline: DEADLINE,
        pace: Pace::default(),
    }
}

pub fn widgets() -> Repo {
    Repo {
        id: 99,
        owner: "acme".into(),
        name: "widgets".into(),
        installation: 1,
        default_branch: "main".into(),
    }
}

pub fn issue(number: u64) -> Value {
    json!({ "number": number, "id": 7_000_000_000 + number, "title": "T", "body": "B", "state": "open",
        "labels": [{ "name": "l" }, "plain"], "created_at": "2026-11-20T12:00:00Z", "updated_at": "2026-11-24T12:00:00Z", "html_url": "u",
        "user": { "login": "divisi[bot]", "type": "Bot" } })
}

pub fn comment(id: u64) -> Value {
    json!({ "id": id, "body": "x", "html_url": "u", "user": { "login": "divisi[bot]", "type": "Bot" } })
}

pub fn pull(number: u64, head: &str) -> Value {
    json!({ "number": number, "id": number, "title": "T", "body": null, "state": "open", "merged_at": null,
        "html_url": "u", "head": { "ref": head, "sha": "a".repeat(40) },
        "base": { "ref": "main", "sha": "b".repeat(40) }, "user": { "login": "divisi[bot]", "type": "Bot" } })
}

async fn answer(
    State(stub): State<Arc<Behind>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let Some(path) = uri.path().strip_prefix(stub.setup.base) else {
        panic!("{uri} is not below {}", stub.setup.base)
    };
    let mut seen = Seen {
        method: method.to_string(),
        path: path.to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        bearer: header("authorization").trim_start_matches("Bearer ").to_owned(),
        version: header("x-github-api-version"),
        agents: headers.get_all("user-agent").iter().count(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        base: stub.setup.base,
        nth: 0,
    };
    let own = |seen: &Seen| !seen.path.starts_with("/app") || seen.path.starts_with("/app/hook");
    let minted = {
        let mut all = stub.seen.lock().unwrap();
        seen.nth = all.iter().filter(|s| own(s)).count();
        all.push(seen.clone());
        all.iter().filter(|s| s.path.ends_with("/access_tokens")).count()
    };
    let now = clock::now().as_second() + stub.setup.ahead;
    let mut reply = if own(&seen) {
        (stub.script)(&seen)
    } else if !accepts(&seen.bearer, now) {
        Reply::json(401, &json!({ "message": "'Expiration time' claim ('exp') must be a future time" }))
    } else if seen.path == "/app" {
        Reply::json(200, &json!({ "id": 7, "slug": "divisi" }))
    } else if stub.setup.mint_fails {
        Reply::json(502, &json!({})).after(Duration::from_millis(20))
    } else {
        let expires = jiff::Timestamp::from_second(now + 3600).unwrap().to_string();
        Reply::json(201, &json!({ "token": format!("ghs_{minted}"), "expires_at": expires }))
    };
    clock::sleep(reply.after).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers.drain(..) {
        response = response.header(name, value);
    }
    let date =
        jiff::fmt::strtime::format("%a, %d %b %Y %H:%M:%S GMT", jiff::Timestamp::from_second(now).unwrap());
    response = response.header(header::DATE, date.unwrap());
    if reply.cut {
        let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
        return response.header(header::CONTENT_LENGTH, "100").body(Body::from_stream(broken)).unwrap();
    }
    response.body(Body::from(reply.body)).unwrap()
}

/// Whether the App's JWT is signed by its key, is the App's, and is good at `now`, as GitHub checks it.
fn accepts(jwt: &str, now: i64) -> bool {
    #[derive(serde::Deserialize)]
    struct Claims {
        iat: i64,
        exp: i64,
        iss: String,
    }
    let mut rules = Validation::new(Algorithm::RS256);
    rules.validate_exp = false;
    let key = DecodingKey::from_rsa_pem(PUBLIC_KEY.as_bytes()).unwrap();
    jsonwebtoken::decode::<Claims>(jwt, &key, &rules).is_ok_and(|jwt| {
        let Claims { iat, exp, iss } = jwt.claims;
        iss == "7" && iat <= now && now < exp && exp <= now + 600
    })
}
