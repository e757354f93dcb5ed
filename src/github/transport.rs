//! One request, one answer: `octocrab` as the carrier, with everything switched off that could send it twice.

use super::{Error, Result, limiter::after};
use crate::clock;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// The metric's name; what it means is told where it is collected.
const REQUESTS: &str = "divisi_github_requests_total";
/// Larger answers are refused: the largest that we ask for (300 changed files with patches) stays far below.
const MAX_ANSWER: usize = 32 << 20;
/// What to wait when GitHub limits without saying how long (its documentation: at least a minute).
const UNSAID_LIMIT: Duration = Duration::from_secs(60);

/// The connection pool and the base address.
pub(super) struct Transport {
    crab: Octocrab,
    deadline: Duration,
}

/// What to send. `path` is relative to the base address and already percent-encoded.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) op: &'static str,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) body: Option<&'a Value>,
}

/// What came back, whatever its status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Transport {
    /// Needs a running Tokio runtime (octocrab keeps a task for its buffer).
    pub(super) fn new(api_url: &str, deadline: Duration) -> Result<Self> {
        let wrong = |message: String| Error::Protocol { op: "set up the connection to GitHub", message };
        // The user agent stays octocrab's: one of ours would be a second header beside it.
        let crab = Octocrab::builder()
            .base_uri(api_url.trim_end_matches('/'))
            .map_err(|_| wrong(format!("`{api_url}` is not an address")))?
            .add_header(header::ACCEPT, "application/vnd.github+json".to_owned())
            .add_retry_config(RetryConfig::None)
            .set_connect_timeout(Some(deadline))
            .set_read_timeout(Some(deadline))
            .set_write_timeout(Some(deadline))
            .build()
            .map_err(|e| wrong(e.to_string()))?;
        Ok(Self { crab, deadline })
    }

    /// Sends once. `Err` is [`Error::NotSent`] when GitHub surely never saw it, else [`Error::Unknown`].
    pub(super) async fn send(&self, request: Request<'_>, bearer: &SecretString) -> Result<Answer> {
        let Request { op, method, path, body } = request;
        let odd = |message: String| Error::Protocol { op, message };
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret()))
            .map_err(|_| odd("the token is no header value".to_owned()))?;
        authorization.set_sensitive(true);
        let builder =
            http::Request::builder().method(method).uri(path).header(header::AUTHORIZATION, authorization);
        let request = self.crab.build_request(builder, body).map_err(|e| odd(e.to_string()))?;
        let exchange = async {
            let response = self.crab.execute(request).await.map_err(|e| lost(op, &e))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|e| Error::Unknown { op, why: format!("the answer broke off: {e}") })?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        let late = || Err(Error::Unknown { op, why: format!("no answer within {:?}", self.deadline) });
        let outcome = clock::within(self.deadline, exchange).await.unwrap_or_else(late);
        let status = outcome.as_ref().map_or("none".to_owned(), |answer| answer.status.as_str().to_owned());
        metrics::counter!(REQUESTS, "status" => status).increment(1);
        outcome
    }
}

/// Sorts a transport failure: only a failed connect is known to have sent nothing.
fn lost(op: &'static str, error: &(dyn std::error::Error + 'static)) -> Error {
    let mut why = Vec::new();
    let mut connect = false;
    let mut cause = Some(error);
    while let Some(error) = cause {
        connect |= error
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect);
        // octocrab's own words end in a backtrace; the first line is the message.
        why.push(error.to_string().lines().next().unwrap_or_default().to_owned());
        cause = error.source();
    }
    why.dedup();
    let why = why.last().cloned().unwrap_or_default();
    if connect { Error::NotSent { op, why } } else { Error::Unknown { op, why } }
}

impl Answer {
    /// The header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as `T`, or the error that the status stands for.
    pub(super) fn read<T: DeserializeOwned>(&self, op: &'static str) -> Result<T> {
        self.check(op)?;
        serde_json::from_slice(&self.body)
            .map_err(|e| Error::Protocol { op, message: format!("the answer is not as documented: {e}") })
    }

    /// The error that the status stands for; only 2xx is success (a redirect is none: octocrab would follow
    /// a POST with a GET).
    pub(super) fn check(&self, op: &'static str) -> Result<()> {
        let status = self.status;
        if status.is_success() {
            return Ok(());
        }
        if let Some(retry_at) = self.limited_until() {
            return Err(Error::RateLimited { op, retry_at });
        }
        let (message, details) = self.words();
        Err(match status.as_u16() {
            300..=399 => Error::Moved { op },
            401 => Error::Unauthorized { op, message },
            403 => Error::Forbidden { op, message },
            404 => Error::NotFound { op },
            409 | 405 => Error::Conflict { op, message },
            410 => Error::Gone { op },
            400 | 413 | 422 => Error::Invalid { op, messages: details },
            408 | 500..=599 => Error::Unknown { op, why: format!("{status}: {message}") },
            _ => Error::Protocol { op, message: format!("{status}: {message}") },
        })
    }

    /// For a 403 or 429 that means "too much" and not "you may not": when to come back.
    ///
    /// Headers decide: `retry-after`, else an exhausted `x-ratelimit-remaining` with its reset. The words are
    /// asked only where GitHub sends neither (its secondary limit may).
    pub(super) fn limited_until(&self) -> Option<Timestamp> {
        if !matches!(self.status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
            return None;
        }
        let now = clock::now();
        let seconds = |name| self.header(name).and_then(|text| text.trim().parse::<u64>().ok());
        if let Some(wait) = seconds("retry-after") {
            return Some(after(now, Duration::from_secs(wait.min(86_400))));
        }
        if let Some(reset) = self.exhausted_until() {
            return Some(reset);
        }
        let unsaid = after(now, UNSAID_LIMIT);
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            return Some(unsaid);
        }
        let message = self.words().0.to_lowercase();
        ["secondary rate limit", "rate limit exceeded", "abuse detection"]
            .iter()
            .any(|limit| message.contains(limit))
            .then_some(unsaid)
    }

    /// The reset time when this answer says that nothing is left of the hour's budget.
    pub(super) fn exhausted_until(&self) -> Option<Timestamp> {
        let number = |name| self.header(name).and_then(|text| text.trim().parse::<i64>().ok());
        if number("x-ratelimit-remaining") != Some(0) {
            return None;
        }
        Timestamp::from_second(number("x-ratelimit-reset")?).ok()
    }

    /// GitHub's message, and the message with its details as one list.
    fn words(&self) -> (String, Vec<String>) {
        #[derive(serde::Deserialize)]
        struct Words {
            message: Option<String>,
            #[serde(default)]
            errors: Option<Value>,
        }
        let Ok(words) = serde_json::from_slice::<Words>(&self.body) else {
            // A proxy's page, perhaps; its text says nothing to a reader of our messages.
            let reason = self.status.canonical_reason().unwrap_or("no reason given").to_owned();
            return (reason.clone(), vec![reason]);
        };
        let message = words.message.unwrap_or_else(|| self.status.to_string());
        let mut details = vec![message.clone()];
        if let Some(Value::Array(errors)) = words.errors {
            details.extend(errors.iter().map(detail));
        }
        (message, details)
    }
}

/// One entry of `errors`: a text, or an object with `message` or with `resource`, `field` and `code`.
fn detail(error: &Value) -> String {
    if let Some(text) = error.as_str().or_else(|| error.get("message").and_then(Value::as_str)) {
        return text.to_owned();
    }
    let part = |name| error.get(name).and_then(Value::as_str).unwrap_or_default();
    [part("resource"), part("field"), part("code")].join(" ").trim().to_owned()
}

/// A path segment or query value with everything but unreserved characters escaped.
pub(super) fn escape(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A path or ref of several segments, each escaped, the slashes kept.
pub(super) fn escape_path(text: &str) -> String {
    text.split('/').map(escape).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn a_limit_is_told_from_a_missing_permission_by_its_headers() {
        let kind = |headers: &[_], body| answer(403, headers, body).check("x").unwrap_err();
        let no = r#"{"message":"Resource not accessible by integration"}"#;
        assert!(matches!(kind(&[], no), Error::Forbidden { .. }));
        assert!(matches!(kind(&[("x-ratelimit-remaining", "17")], no), Error::Forbidden { .. }));
        assert!(matches!(kind(&[("retry-after", "7")], no), Error::RateLimited { .. }));
        let reset = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4102444800")];
        let Error::RateLimited { retry_at, .. } = kind(&reset, no) else { panic!("not limited") };
        assert_eq!(retry_at.as_second(), 4_102_444_800);
        let words = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        assert!(matches!(kind(&[], words), Error::RateLimited { .. }));
        assert!(matches!(answer(429, &[], "").check("x"), Err(Error::RateLimited { .. })));
    }

    #[test]
    fn every_status_becomes_what_the_caller_must_do() {
        let kind = |status| answer(status, &[], "<html>").check("x").unwrap_err();
        for status in [301, 302, 307, 308] {
            assert!(matches!(kind(status), Error::Moved { .. }));
        }
        for status in [408, 500, 502, 503, 504] {
            assert!(matches!(kind(status), Error::Unknown { .. }));
        }
        assert!(matches!(kind(401), Error::Unauthorized { .. }));
        assert!(matches!(kind(404), Error::NotFound { .. }));
        assert!(matches!(kind(409), Error::Conflict { .. }));
        assert!(matches!(kind(410), Error::Gone { .. }));
        assert!(matches!(kind(418), Error::Protocol { .. }));
        let body = r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom",
            "message":"A pull request already exists"},"plain",{"resource":"Issue","field":"title","code":"missing"}]}"#;
        let Err(Error::Invalid { messages, .. }) = answer(422, &[], body).check("x") else { panic!() };
        let expected = ["Validation Failed", "A pull request already exists", "plain", "Issue title missing"];
        assert_eq!(messages, expected);
    }

    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(escape("../a b?#%é"), "..%2Fa%20b%3F%23%25%C3%A9");
        assert_eq!(escape_path("divisi/12/1-x y"), "divisi/12/1-x%20y");
    }
}
