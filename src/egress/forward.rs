//! The listener of one attempt and what it does with a request.

use super::listener::Bounded;
use super::meter::{Meter, Totals, Usage};
use crate::clock;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Limited};
use secrecy::{ExposeSecret, SecretString};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The largest request that is passed on. Model servers refuse more than 32 MB themselves.
const MAX_REQUEST: usize = 64 << 20;
/// Silence of the model's server after which a call is given up; longer than agents themselves wait.
const READ_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections of one agent that are open at once; further ones wait.
const MAX_CONNECTIONS: usize = 64;

/// Headers that belong to one hop, plus those that carry somebody's credentials.
const NOT_PASSED_ON: &[&str] = &[
    "authorization",
    "connection",
    "cookie",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
];

/// Where the requests of an attempt go.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Base URL of the model's server.
    pub base_url: String,
    /// The real key; `None` for a server that wants none.
    pub key: Option<SecretString>,
    /// The header for the key.
    pub key_header: &'static str,
    /// What stands before the key in it, such as `Bearer `.
    pub key_prefix: &'static str,
}

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The configured base URL is none.
    #[error("the model's base URL `{0}` is not an http or https URL")]
    BaseUrl(String),
    /// The key holds characters that cannot stand in a header.
    #[error("the model's key cannot stand in an HTTP header")]
    Key,
    /// The HTTP client could not be made.
    #[error("the client for the model's server could not be made")]
    Client(#[source] reqwest::Error),
    /// No loopback port.
    #[error("no loopback port could be opened for the agent")]
    Listen(#[source] std::io::Error),
}

/// An attempt's open listener. Dropping it shuts it.
#[derive(Debug)]
pub struct Egress {
    base_url: String,
    dummy_key: String,
    totals: Totals,
    closed: CancellationToken,
}

impl Egress {
    /// Opens a listener on a free loopback port. Its address holds a secret of its own, so that no other attempt
    /// and no other user of the host can spend on this one's account.
    ///
    /// # Errors
    /// [`EgressError`] for a base URL or key that cannot be used, or when no port is free.
    pub async fn open(upstream: &Upstream) -> Result<Self, EgressError> {
        let base = reqwest::Url::parse(upstream.base_url.trim_end_matches('/'))
            .ok()
            .filter(|url| {
                matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
            })
            .ok_or_else(|| EgressError::BaseUrl(upstream.base_url.clone()))?;
        let key = upstream.key.as_ref().map(|key| header_value(upstream, key)).transpose()?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(EgressError::Client)?;
        let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .map_err(EgressError::Listen)?;
        let address = listener.local_addr().map_err(EgressError::Listen)?;
        let secret = clock::secret_hex(16);
        let egress = Self {
            base_url: format!("http://{address}/{secret}"),
            dummy_key: format!("divisi-{}", clock::secret_hex(8)),
            totals: Totals::default(),
            closed: CancellationToken::new(),
        };
        let door = Arc::new(Door {
            prefix: format!("/{secret}"),
            base,
            key_header: HeaderName::from_static(upstream.key_header),
            key,
            client,
            totals: egress.totals.clone(),
            closed: egress.closed.clone(),
        });
        let router = Router::new().fallback(pass).with_state(door);
        let closed = egress.closed.clone();
        let listener = Bounded::new(listener, MAX_CONNECTIONS);
        tokio::spawn(async move {
            let serve =
                axum::serve(listener, router).with_graceful_shutdown(closed.clone().cancelled_owned());
            if let Err(error) = serve.await {
                tracing::error!(%error, "An agent's way to its model broke down.");
                closed.cancel();
            }
        });
        Ok(egress)
    }

    /// What the agent is told as its model's address.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What the agent is told as its key.
    pub fn dummy_key(&self) -> &str {
        &self.dummy_key
    }

    /// What has been used so far. Tokens of an answer count when it has passed whole or was cut off.
    pub fn usage(&self) -> Usage {
        self.totals.usage()
    }

    /// Shuts the listener: answers that are under way break off, new requests are refused.
    pub fn close(&self) {
        self.closed.cancel();
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.close();
    }
}

fn header_value(upstream: &Upstream, key: &SecretString) -> Result<HeaderValue, EgressError> {
    let mut value = HeaderValue::from_str(&format!("{}{}", upstream.key_prefix, key.expose_secret()))
        .map_err(|_| EgressError::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

/// What the listener needs to answer.
struct Door {
    prefix: String,
    base: reqwest::Url,
    key_header: HeaderName,
    key: Option<HeaderValue>,
    client: reqwest::Client,
    totals: Totals,
    closed: CancellationToken,
}

impl Door {
    /// The URL for a request's path and query; `None` when it could lead out of the base URL, also on a server
    /// that decodes a path before it looks for `..`.
    fn target(&self, rest: &str) -> Option<reqwest::Url> {
        let path = rest.split('?').next().unwrap_or_default().to_ascii_lowercase();
        if ["..", "%2e", "%2f", "%5c", "\\"].iter().any(|part| path.contains(part)) {
            return None;
        }
        let url = reqwest::Url::parse(&format!("{}{rest}", self.base.as_str().trim_end_matches('/'))).ok()?;
        (url.origin() == self.base.origin()).then_some(url)
    }
}

async fn pass(State(door): State<Arc<Door>>, request: Request) -> Response {
    let rest = request.uri().path_and_query().map_or("", |p| p.as_str()).strip_prefix(&door.prefix);
    let Some(rest) = rest.filter(|r| r.is_empty() || r.starts_with(['/', '?'])) else {
        return refuse(StatusCode::NOT_FOUND, "no such address");
    };
    // Agents ask whether anybody is there before they begin.
    if request.method() == Method::HEAD && matches!(rest, "" | "/") {
        return StatusCode::OK.into_response();
    }
    let Some(url) = door.target(rest) else {
        return refuse(StatusCode::BAD_REQUEST, "the path leaves the model's base URL");
    };
    if door.closed.is_cancelled() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the attempt has ended");
    }
    door.totals.request();
    let (parts, body) = request.into_parts();
    let mut headers = passed_on(&parts.headers);
    // Answers are counted as they pass, so they must be readable.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(key) = &door.key {
        headers.insert(door.key_header.clone(), key.clone());
    }
    let mut call = door.client.request(parts.method, url).headers(headers);
    if !body.is_end_stream() {
        call = call.body(reqwest::Body::wrap_stream(Limited::new(body, MAX_REQUEST).into_data_stream()));
    }
    let send = call.send();
    let answer = tokio::select! {
        answer = send => answer,
        () = door.closed.cancelled() => return refuse(StatusCode::SERVICE_UNAVAILABLE, "the attempt has ended"),
    };
    match answer {
        Ok(answer) if answer.status().is_redirection() => refuse(
            StatusCode::BAD_GATEWAY,
            "the model's server answered with a redirect, which is not followed",
        ),
        Ok(answer) => pass_back(&door, answer),
        Err(error) => {
            let error = error.without_url();
            tracing::warn!(%error, "The model's server could not be reached.");
            let status =
                if error.is_timeout() { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
            refuse(status, "the model's server could not be reached")
        }
    }
}

/// Hands the answer to the agent as it comes, and breaks it off when the listener is shut.
fn pass_back(door: &Door, answer: reqwest::Response) -> Response {
    let status = answer.status();
    let headers = passed_on(answer.headers());
    let events = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let mut meter = Meter::new(door.totals.clone(), events);
    let chunks = answer.bytes_stream().map(move |chunk| match chunk {
        Ok(bytes) => {
            meter.feed(&bytes);
            Ok(bytes)
        }
        Err(error) => Err(std::io::Error::other(error.without_url())),
    });
    let closed = door.closed.clone();
    let cut: stream::Once<_> = stream::once(async move {
        closed.is_cancelled().then(|| Err::<Bytes, _>(std::io::Error::other("the attempt has ended")))
    });
    let body =
        chunks.take_until(door.closed.clone().cancelled_owned()).chain(cut.filter_map(std::future::ready));
    let mut response = Response::new(Body::from_stream(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The headers without those of one hop and without credentials.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    headers
        .iter()
        .filter(|(name, _)| {
            !NOT_PASSED_ON.contains(&name.as_str()) && !named.iter().any(|n| n == name.as_str())
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// An answer of our own, in the shape in which model servers report errors.
fn refuse(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({"type": "error", "error": {"type": "api_error", "message": format!("Divisi: {message}")}});
    (status, Json(body)).into_response()
}
