//! What a simulated GitHub is started with, and what an observer sees of it.

use super::limits::Limits;
use super::weather::Weather;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How the simulated GitHub and its one App are set up.
///
/// [`Options::new`] gives what a Divisi App would have; change single fields after it.
#[derive(Clone)]
pub struct Options {
    /// The App's numeric id (`iss` of its JWTs).
    pub app_id: u64,
    /// The App's slug; its bot account is `<slug>[bot]`.
    pub app_slug: String,
    /// The RSA public key (PEM) that the App's JWTs are verified with.
    pub app_public_key: String,
    /// Permissions that an installation grants, such as `issues` -> `write`.
    pub permissions: BTreeMap<String, String>,
    /// Webhook events that the App is subscribed to; `installation` is always sent.
    pub events: Vec<String>,
    /// Signs the deliveries; `None` sends them without a signature, as GitHub does.
    pub webhook_secret: Option<String>,
    /// Where deliveries go. `None`: they are recorded as failed to connect, nothing is sent.
    pub webhook_target: Option<String>,
    /// How long a receiver may take to answer (GitHub: 10 s).
    pub webhook_timeout: Duration,
    /// Directory that holds the bare repositories, `<owner>/<name>.git` each.
    pub git_root: PathBuf,
    /// Repositories live in memory: no git process runs, and nothing can be fetched or pushed.
    pub git_in_memory: bool,
    /// Decides for each request what goes wrong, and how long lists lag.
    pub weather: Option<Arc<dyn Weather>>,
    /// Added to every API call before it is answered (not to git).
    pub latency: Duration,
    /// Life of an installation token (GitHub: one hour).
    pub token_lifetime: Duration,
    /// Primary limit: requests an hour for each installation (GitHub: 5,000).
    pub rate_limit: u64,
    /// GitHub's other limits, enforced; `None` for none.
    pub limits: Option<Limits>,
    /// Told of every exchange and every emitted webhook.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Options {
    /// An App like Divisi's: its permissions and events, a 1 h token, 5,000 requests an hour, no latency, no target.
    pub fn new(app_public_key: impl Into<String>, git_root: impl Into<PathBuf>) -> Options {
        let permissions = [
            ("metadata", "read"),
            ("issues", "write"),
            ("pull_requests", "write"),
            ("contents", "write"),
            ("checks", "write"),
            ("actions", "read"),
        ];
        let events = [
            "issues",
            "issue_comment",
            "sub_issues",
            "issue_dependencies",
            "pull_request",
            "pull_request_review",
            "check_run",
            "check_suite",
            "workflow_run",
            "push",
            "repository",
        ];
        Options {
            app_id: 1_234_567,
            app_slug: "divisi".to_owned(),
            app_public_key: app_public_key.into(),
            permissions: permissions.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            events: events.map(str::to_owned).into(),
            webhook_secret: None,
            webhook_target: None,
            webhook_timeout: Duration::from_secs(10),
            git_root: git_root.into(),
            git_in_memory: false,
            weather: None,
            latency: Duration::ZERO,
            token_lifetime: Duration::from_secs(3600),
            rate_limit: 5_000,
            limits: None,
            observer: None,
        }
    }
}

/// Sees what passes through the simulator; called on its worker threads, so it must be quick.
pub trait Observer: Send + Sync {
    /// An API request was answered (git's smart HTTP is not reported).
    fn exchange(&self, exchange: &Exchange);
    /// A webhook was emitted (before it is sent, and also when there is nowhere to send it).
    fn webhook(&self, event: &str, payload: &Value);
}

/// One API request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When it was answered.
    pub at: Timestamp,
    /// Upper-case HTTP method.
    pub method: String,
    /// Path as sent, without the query.
    pub path: String,
    /// The route it matched, such as `/repos/{owner}/{repo}/issues`; `None` for an unknown path.
    pub route: Option<&'static str>,
    /// Query as sent, without the question mark.
    pub query: String,
    /// Names and values of the request's headers, `authorization` left out.
    pub request_headers: Vec<(String, String)>,
    /// Bytes of the request's body.
    pub request_body: Vec<u8>,
    /// HTTP status of the answer.
    pub status: u16,
    /// Names and values of the answer's headers.
    pub response_headers: Vec<(String, String)>,
    /// Bytes of the answer's body.
    pub response_body: Vec<u8>,
    /// Who was asking.
    pub token: TokenKind,
    /// True when a [`super::Fault`] changed the answer.
    pub injected: bool,
}

/// What a request was authenticated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenKind {
    /// Nothing, or something that was refused.
    Anonymous,
    /// The App's own JWT.
    App,
    /// An installation token.
    Installation,
}
