//! One request, one answer: `octocrab` as the carrier, with everything switched off that could send it twice.

use super::{Error, Result};
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
/// The longest wait that an answer can ask for.
const LONGEST_WAIT: u64 = 86_400;

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
    /// The `ETag` of what is known already: if it still holds, the answer is a 304.
    pub(super) known: Option<&'a str>,
}

/// How much GitHub wants to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// For so long.
    For(Duration),
    /// It does not say; its documentation: at least a minute, then longer each time.
    Unsaid,
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
        let Request { op, method, path, body, known } = request;
        let odd = |message: String| Error::Protocol { op, message };
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret()))
            .map_err(|_| odd("the token is no header value".to_owned()))?;
        authorization.set_sensitive(true);
        let mut builder =
            http::Request::builder().method(method).uri(path).header(header::AUTHORIZATION, authorization);
        if let Some(tag) = known {
            builder = builder.header(header::IF_NONE_MATCH, tag);
        }
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
    /// a POST with a GET). That an answer means "too much" is asked before: [`Self::limit`].
    pub(super) fn check(&self, op: &'static str) -> Result<()> {
        let status = self.status;
        if status.is_success() {
            return Ok(());
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

    /// For a 403 or 429 that means "too much" and not "you may not": how long to be quiet.
    ///
    /// Headers decide: `retry-after`, else an exhausted `x-ratelimit-remaining` with its reset. The words are
    /// asked only where GitHub sends neither (its secondary limit may).
    pub(super) fn limit(&self) -> Option<Limit> {
        if !matches!(self.status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
            return None;
        }
        if let Some(wait) = self.retry_after().or_else(|| self.exhausted()) {
            return Some(Limit::For(wait));
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            return Some(Limit::Unsaid);
        }
        let (message, documentation) = (self.words().0.to_lowercase(), self.documentation());
        let by_words = ["secondary rate limit", "rate limit exceeded", "abuse detection"]
            .iter()
            .any(|limit| message.contains(limit));
        (by_words || documentation.contains("rate-limit")).then_some(Limit::Unsaid)
    }

    /// How long until the reset, when this answer says that nothing is left of the hour's budget. The reset is a
    /// time of GitHub's clock, so it is measured against the answer's own date and not against our clock.
    pub(super) fn exhausted(&self) -> Option<Duration> {
        let number = |name| self.header(name).and_then(|text| text.trim().parse::<i64>().ok());
        if number("x-ratelimit-remaining") != Some(0) {
            return None;
        }
        Some(self.until(number("x-ratelimit-reset")?))
    }

    /// `retry-after`: seconds, or a date.
    fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        match text.parse::<u64>() {
            Ok(wait) => Some(Duration::from_secs(wait.min(LONGEST_WAIT))),
            Err(_) => Some(self.until(http_date(text)?.as_second())),
        }
    }

    /// How long from this answer to a time of GitHub's clock; of ours when it does not say what its own shows. One
    /// second on top, because both times are cut to seconds.
    fn until(&self, second: i64) -> Duration {
        let date = self.header("date").and_then(http_date).unwrap_or_else(clock::now).as_second();
        let left = u64::try_from(second.saturating_sub(date)).unwrap_or(0);
        Duration::from_secs(left.min(LONGEST_WAIT) + 1)
    }

    /// Where GitHub says its refusal is explained; empty when it does not.
    fn documentation(&self) -> String {
        let body: Option<Value> = serde_json::from_slice(&self.body).ok();
        body.and_then(|body| Some(body.get("documentation_url")?.as_str()?.to_lowercase()))
            .unwrap_or_default()
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

/// Reads `Tue, 24 Nov 2026 23:13:29 GMT`.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
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
    fn a_limit_is_told_from_a_missing_permission() {
        let kind = |headers: &[_], body| answer(403, headers, body).limit();
        let wait = |n: u64| Some(Limit::For(Duration::from_secs(n)));
        let no = r#"{"message":"Resource not accessible by integration",
            "documentation_url":"https://docs.github.com/rest/issues/issues#create-an-issue"}"#;
        assert_eq!(kind(&[], no), None);
        assert_eq!(kind(&[("x-ratelimit-remaining", "17")], no), None);
        assert!(matches!(answer(403, &[], no).check("x"), Err(Error::Forbidden { .. })));
        assert_eq!(kind(&[("retry-after", "7")], no), wait(7));
        let date = ("date", "Fri, 01 Jan 2100 00:00:00 GMT");
        let reset = ("x-ratelimit-reset", "4102445000");
        assert_eq!(kind(&[("x-ratelimit-remaining", "0"), reset, date], no), wait(201));
        assert_eq!(answer(429, &[("x-ratelimit-remaining", "0"), reset, date], "").limit(), wait(201));
        assert_eq!(
            answer(200, &[("x-ratelimit-remaining", "0"), reset, date], "").exhausted(),
            Some(Duration::from_secs(201))
        );
        assert_eq!(kind(&[("retry-after", "Fri, 01 Jan 2100 00:01:00 GMT"), date], no), wait(61));
        let words = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        assert_eq!(kind(&[], words), Some(Limit::Unsaid));
        let link = r#"{"message":"Wait","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"}"#;
        assert_eq!(kind(&[], link), Some(Limit::Unsaid));
        assert_eq!(answer(429, &[], "").limit(), Some(Limit::Unsaid));
        assert_eq!(answer(404, &[("retry-after", "7")], "").limit(), None);
    }

    #[test]
    fn the_date_header_is_read() {
        assert_eq!(http_date("Thu, 01 Jan 1970 00:01:00 GMT").map(|t| t.as_second()), Some(60));
        assert_eq!(http_date("yesterday"), None);
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
