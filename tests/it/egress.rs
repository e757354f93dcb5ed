//! The agents' way to their models: the real key is added on the way, and nothing passes once it is shut.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use divisi::clock;
use divisi::egress::{Egress, EgressError, Upstream, Usage};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KEY: &str = "sk-real-key-of-the-host";

/// One request as the model's server saw it.
#[derive(Clone, Debug)]
struct Got {
    method: Method,
    path: String,
    headers: axum::http::HeaderMap,
    body: String,
}

type Log = Arc<Mutex<Vec<Got>>>;

/// A model server that writes down what it gets and answers by the path.
async fn server(State(log): State<Log>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let got = Got {
        method: parts.method,
        path: path.clone(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    log.lock().unwrap().push(got);
    let events = "data: {\"message\":{\"usage\":{\"input_tokens\":100,\"output_tokens\":1}}}\n\n\
                  data: {\"usage\":{\"output_tokens\":20}}\n\n";
    let kind = [("content-type", "text/event-stream")];
    if path.ends_with("/stream") {
        // The second half comes later: it must not be waited for.
        let (first, second) = events.split_at(70);
        let later = stream::once(async move {
            clock::sleep(Duration::from_millis(300)).await;
            second
        });
        let chunks = stream::iter([first]).chain(later).map(Ok::<_, std::io::Error>);
        (kind, Body::from_stream(chunks)).into_response()
    } else if path.ends_with("/endless") {
        let ticks = stream::repeat(()).then(|()| async {
            clock::sleep(Duration::from_millis(20)).await;
            Ok::<_, std::io::Error>("data: {}\n\n")
        });
        (kind, Body::from_stream(ticks)).into_response()
    } else if path.ends_with("/redirect") {
        (StatusCode::TEMPORARY_REDIRECT, [("location", "http://127.0.0.1:1/away")]).into_response()
    } else if path.ends_with("/refuse") {
        (StatusCode::UNAUTHORIZED, "no").into_response()
    } else {
        ([("content-type", "application/json")], r#"{"usage":{"input_tokens":3,"output_tokens":4}}"#)
            .into_response()
    }
}

struct Fixture {
    log: Log,
    egress: Egress,
    client: reqwest::Client,
}

async fn fixture(key_header: &'static str, key_prefix: &'static str) -> Fixture {
    let log = Log::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/base", listener.local_addr().unwrap());
    let router = Router::new().fallback(server).with_state(log.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let upstream = Upstream { base_url, key: Some(KEY.to_owned().into()), key_header, key_prefix };
    let egress = Egress::open(&upstream).await.unwrap();
    Fixture { log, egress, client: reqwest::Client::builder().no_proxy().build().unwrap() }
}

impl Fixture {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.egress.base_url())
    }

    fn last(&self) -> Got {
        self.log.lock().unwrap().last().cloned().unwrap()
    }
}

#[tokio::test]
async fn the_real_key_replaces_whatever_the_agent_sends() {
    for (header, prefix) in [("x-api-key", ""), ("authorization", "Bearer ")] {
        let f = fixture(header, prefix).await;
        let answer = f
            .client
            .post(f.url("/v1/messages?beta=true"))
            .header("x-api-key", f.egress.dummy_key())
            .header("authorization", "Bearer dummy")
            .header("cookie", "a=b")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("anthropic-version", "2023-06-01")
            .body("hello")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let got = f.last();
        assert_eq!(got.method, Method::POST);
        assert_eq!((got.path.as_str(), got.body.as_str()), ("/base/v1/messages?beta=true", "hello"));
        assert_eq!(got.headers[header], format!("{prefix}{KEY}").as_str());
        assert_eq!(got.headers["anthropic-version"], "2023-06-01");
        let other = if header == "x-api-key" { "authorization" } else { "x-api-key" };
        for name in [other, "cookie", "x-hop"] {
            assert!(!got.headers.contains_key(name), "{name} was passed on");
        }
        assert_eq!(
            f.egress.usage(),
            Usage { requests: 1, input_tokens: 3, output_tokens: 4 },
            "{:?}",
            answer.text().await
        );
    }
}

#[tokio::test]
async fn answers_come_as_they_are_made_and_are_counted() {
    let f = fixture("x-api-key", "").await;
    let began = clock::instant();
    let mut answer = f.client.post(f.url("/stream")).send().await.unwrap();
    let first = answer.chunk().await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_millis(250), "the first part waited for the second");
    let mut text = first.to_vec();
    while let Some(more) = answer.chunk().await.unwrap() {
        text.extend_from_slice(&more);
    }
    assert!(text.ends_with(b"{\"output_tokens\":20}}\n\n"));
    assert_eq!(f.egress.usage(), Usage { requests: 1, input_tokens: 100, output_tokens: 20 });
}

#[tokio::test]
async fn errors_pass_and_redirects_do_not() {
    let f = fixture("x-api-key", "").await;
    let refused = f.client.post(f.url("/refuse")).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.text().await.unwrap().as_str()), (401, "no"));
    let redirect = f.client.post(f.url("/redirect")).send().await.unwrap();
    assert_eq!(redirect.status(), 502);
    assert!(!redirect.headers().contains_key("location"));
}

#[tokio::test]
async fn a_head_request_is_answered_and_not_passed_on() {
    let f = fixture("x-api-key", "").await;
    for path in ["", "/"] {
        assert_eq!(f.client.head(f.url(path)).send().await.unwrap().status(), 200);
    }
    assert!(f.log.lock().unwrap().is_empty());
    assert_eq!(f.egress.usage().requests, 0);
}

#[tokio::test]
async fn without_the_attempts_secret_nothing_passes() {
    let f = fixture("x-api-key", "").await;
    let base = f.egress.base_url();
    let (root, _) = base.rsplit_once('/').unwrap();
    for url in [
        format!("{root}/v1/messages"),
        format!("{root}/{}/v1", "0".repeat(32)),
        format!("{base}x/v1"),
        root.to_owned(),
    ] {
        assert_eq!(f.client.post(&url).send().await.unwrap().status(), 404, "{url}");
    }
    assert!(f.log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_path_cannot_leave_the_base_url() {
    let f = fixture("x-api-key", "").await;
    let address = f.egress.base_url().trim_start_matches("http://").to_owned();
    let (host, secret) = address.split_once('/').unwrap();
    for path in ["/../admin", "/%2e%2e/admin", "/v1/../../admin", "/..%2Fadmin", "/v1/..%5cadmin"] {
        // By hand: a client of ours would tidy the path before it is sent.
        let answer = raw(
            host,
            &format!(
                "POST /{secret}{path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            ),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
    assert!(f.log.lock().unwrap().is_empty());
}

async fn raw(host: &str, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn closing_breaks_off_what_is_under_way_and_refuses_the_rest() {
    let f = fixture("x-api-key", "").await;
    let mut answer = f.client.post(f.url("/endless")).send().await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some());
    f.egress.close();
    let end = clock::within(Duration::from_secs(2), async {
        loop {
            match answer.chunk().await {
                Ok(Some(_)) => {}
                end => return end,
            }
        }
    });
    // Not a clean end: the agent must not take half an answer for a whole one.
    assert!(end.await.expect("the answer goes on after the close").is_err());
    let count = f.log.lock().unwrap().len();
    let again = f.client.post(f.url("/v1/messages")).send().await;
    assert!(again.is_err() || again.unwrap().status() == 503);
    assert_eq!(f.log.lock().unwrap().len(), count);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_its_address() {
    let upstream = Upstream {
        base_url: "http://127.0.0.1:1/secret-path".to_owned(),
        key: Some(KEY.to_owned().into()),
        key_header: "x-api-key",
        key_prefix: "",
    };
    let egress = Egress::open(&upstream).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(format!("{}/v1/messages", egress.base_url())).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let text = answer.text().await.unwrap();
    assert!(text.contains("could not be reached") && !text.contains("secret-path"), "{text}");
    assert!(!format!("{upstream:?} {egress:?}").contains(KEY));
}

#[tokio::test]
async fn unusable_settings_are_refused() {
    let upstream = |base: &str, key: &str| Upstream {
        base_url: base.to_owned(),
        key: Some(key.to_owned().into()),
        key_header: "x-api-key",
        key_prefix: "",
    };
    for base in ["", "api.example.com", "ftp://example.com", "http://a/?q", "unix:/x"] {
        assert!(matches!(Egress::open(&upstream(base, KEY)).await, Err(EgressError::BaseUrl(_))), "{base}");
    }
    assert!(matches!(Egress::open(&upstream("http://a", "a\nb")).await, Err(EgressError::Key)));
}
