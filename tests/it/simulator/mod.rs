//! The simulated GitHub, driven over real HTTP and with real git, every exchange held against GitHub's description.

mod auth;
mod code;
mod faults;
mod git;
mod issues;
mod limits;
mod links;
mod outage;
mod owners;
mod pulls;
mod webhooks;

use crate::support::schema::SchemaGuard;
use divisi::clock;
use divisi::simulator::{AppKey, Options, RepoContent, Role, Simulator};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The repository that every bench has: three files on `main`, alice is admin, the App is installed.
pub const REPO: &str = "acme/demo";
/// API path of it.
pub const DEMO: &str = "/repos/acme/demo";

/// A running simulator and what talks to it.
pub struct Bench {
    pub sim: Simulator,
    pub schema: SchemaGuard,
    pub installation: u64,
    pub key: AppKey,
    pub dir: TempDir,
    http: reqwest::Client,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The body, when the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The words of an expected refusal: the message and the errors' codes and messages.
    #[track_caller]
    pub fn refused(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        format!("{} {}", self.body["message"].as_str().unwrap_or_default(), self.body["errors"])
    }

    /// Where the `Link` header's relation points.
    pub fn link(&self, relation: &str) -> Option<String> {
        let wanted = format!("rel=\"{relation}\"");
        let link = self.header("link").split(", ").find(|l| l.ends_with(&wanted))?;
        Some(link.split_once('>')?.0.trim_start_matches('<').to_owned())
    }
}

impl Bench {
    pub async fn start() -> Bench {
        Bench::with(|_| {}).await
    }

    /// With other options.
    pub async fn with(change: impl FnOnce(&mut Options)) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let key = AppKey::generate().unwrap();
        let schema = SchemaGuard::new();
        let mut options = Options::new(key.public_pem(), dir.path().join("git"));
        options.observer = Some(schema.observer());
        change(&mut options);
        let sim = Simulator::start(options).await.unwrap();
        let files = [
            ("README.md", "# Demo\n"),
            ("src/lib.rs", "//! Demo.\n"),
            (".github/divisi.toml", "min_tasks = 2\n"),
        ];
        sim.create_repo(REPO, "main", &RepoContent::files(&files)).unwrap();
        sim.add_user(REPO, "alice", Role::Admin).unwrap();
        let installation = sim.install_app("acme").unwrap();
        let http = reqwest::Client::builder().no_proxy().user_agent("bench").build().unwrap();
        Bench { sim, schema, installation, key, dir, http }
    }

    /// A JWT with these claims.
    pub fn jwt_of(&self, claims: &Value) -> String {
        let key = EncodingKey::from_rsa_pem(self.key.private_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
    }

    /// A good JWT.
    pub fn jwt(&self) -> String {
        let now = clock::now().as_second();
        self.jwt_of(&json!({"iat": now - 60, "exp": now + 540, "iss": "1234567"}))
    }

    /// Asks for a token.
    pub async fn mint(&self, body: Value) -> Reply {
        let path = format!("/app/installations/{}/access_tokens", self.installation);
        self.call(&self.jwt(), "POST", &path, body).await
    }

    /// A token for all repositories with all permissions.
    pub async fn token(&self) -> String {
        self.mint(Value::Null).await.expect(201)["token"].as_str().unwrap().to_owned()
    }

    /// One API call; a `null` body is none. `target` is a path, or a whole URL of the simulator.
    pub async fn call(&self, token: &str, method: &str, target: &str, body: Value) -> Reply {
        let url = match target.strip_prefix('/') {
            Some(_) => format!("{}{target}", self.sim.base_url()),
            None => target.to_owned(),
        };
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Reply { status, headers, body }
    }

    pub async fn get(&self, token: &str, target: &str) -> Reply {
        self.call(token, "GET", target, Value::Null).await
    }
}
