//! Who may use what listens: a token of the `[api]` section, or the machine's own user.
//!
//! With tokens configured, every request needs one. With none, only a listener on a loopback address answers,
//! and only to a loopback `Host`: a browser that was led here by a foreign name (DNS rebinding) sends that
//! name, and a page of another site shows itself by `Origin` or `Sec-Fetch-Site`.

use crate::clock;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use std::net::IpAddr;
use std::sync::Arc;

/// Shorter tokens can be guessed.
const MIN_TOKEN: usize = 16;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Read,
    /// Look and act.
    Operate,
}

/// A token of the `[api]` section.
#[derive(Clone, Debug)]
pub struct ApiToken {
    /// What it is good for.
    pub role: Role,
    /// The token itself.
    pub token: SecretString,
}

/// Who asks; in the extensions of every request that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What they may do.
    pub role: Role,
}

/// A token that would protect nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an [api] token needs at least {MIN_TOKEN} characters")]
pub struct BadToken;

/// The access rule of one listener.
#[derive(Clone)]
pub struct Access {
    rule: Arc<Rule>,
}

struct Rule {
    /// Keyed with a random key of this process, so that comparing tells nothing about the tokens.
    key: Hmac<Sha256>,
    tokens: Vec<(Vec<u8>, Role)>,
    loopback: bool,
}

/// Why a request is turned away.
#[derive(Clone, Copy)]
enum Denied {
    NoToken,
    Role,
    NotLocal,
}

impl Access {
    /// The rule for a listener at `address` with these tokens (none: local use only).
    pub fn new(tokens: &[ApiToken], address: IpAddr) -> Result<Self, BadToken> {
        let key = Hmac::new_from_slice(clock::secret_hex(32).as_bytes()).map_err(|_| BadToken)?;
        let mut known = Vec::with_capacity(tokens.len());
        for ApiToken { role, token } in tokens {
            let token = token.expose_secret();
            if token.len() < MIN_TOKEN {
                return Err(BadToken);
            }
            known.push((digest(&key, token).finalize().into_bytes().to_vec(), *role));
        }
        Ok(Self {
            rule: Arc::new(Rule { key, tokens: known, loopback: address.to_canonical().is_loopback() }),
        })
    }

    /// `router` behind this rule. Paths that it does not know are 404, after the rule.
    pub fn guard(self, router: Router) -> Router {
        router.fallback(|| async { StatusCode::NOT_FOUND }).layer(middleware::from_fn_with_state(self, check))
    }
}

async fn check(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    match access.rule.caller(request.method(), request.uri(), request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(denied) => denied.answer(),
    }
}

fn digest(key: &Hmac<Sha256>, token: &str) -> Hmac<Sha256> {
    let mut mac = key.clone();
    mac.update(token.as_bytes());
    mac
}

impl Rule {
    fn caller(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Denied> {
        let acts = !matches!(*method, Method::GET | Method::HEAD);
        if self.tokens.is_empty() {
            let local = self.loopback && local_host(uri, headers) && (!acts || same_site(headers));
            return if local { Ok(Caller { role: Role::Operate }) } else { Err(Denied::NotLocal) };
        }
        let role = bearer(headers).and_then(|token| self.role(token)).ok_or(Denied::NoToken)?;
        if acts && role < Role::Operate { Err(Denied::Role) } else { Ok(Caller { role }) }
    }

    /// The role of a token; every known token is compared, each in constant time.
    fn role(&self, token: &str) -> Option<Role> {
        let mut found = None;
        for (known, role) in &self.tokens {
            if digest(&self.key, token).verify_slice(known).is_ok() {
                found = found.max(Some(*role));
            }
        }
        found
    }
}

impl Denied {
    fn answer(self) -> Response {
        match self {
            Self::NoToken => {
                let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
                (StatusCode::UNAUTHORIZED, challenge, "An API token is needed.\n").into_response()
            }
            Self::Role => (StatusCode::FORBIDDEN, "This token may only read.\n").into_response(),
            Self::NotLocal => {
                (StatusCode::FORBIDDEN, "No API token is configured: local use only.\n").into_response()
            }
        }
    }
}

/// The only value of a header, as text.
fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    value.to_str().ok()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = only(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the request names this machine as its host, in the header and (if it is there) in the target.
fn local_host(uri: &Uri, headers: &HeaderMap) -> bool {
    let target = uri.authority().is_none_or(|authority| is_local(authority.as_str()));
    target && only(headers, &header::HOST).is_some_and(is_local)
}

/// `localhost`, `127.…` or `[::1]`, with a port or without.
fn is_local(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) if port.is_empty() || port.starts_with(':') => host,
            _ => return false,
        },
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a browser sent this from a page of ours, or no browser sent it.
fn same_site(headers: &HeaderMap) -> bool {
    let fetched = match headers.get("sec-fetch-site") {
        None => true,
        Some(site) => matches!(site.as_bytes(), b"same-origin" | b"none"),
    };
    let origin = match headers.get(header::ORIGIN) {
        None => true,
        Some(_) => only(headers, &header::ORIGIN)
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, authority)| is_local(authority)),
    };
    fetched && origin
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn status(access: &Access, method: Method, pairs: &[(&'static str, &'static str)]) -> u16 {
        let asked = access.rule.caller(&method, &Uri::from_static("/x"), &headers(pairs));
        asked.map_or_else(|denied| denied.answer().status().as_u16(), |_| 200)
    }

    fn token(role: Role, token: &str) -> ApiToken {
        ApiToken { role, token: SecretString::from(token.to_owned()) }
    }

    #[test]
    fn without_tokens_only_this_machine_by_its_own_name() {
        let local = Access::new(&[], "127.0.0.1".parse().unwrap()).unwrap();
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.1.2.3", "[::1]:8080", "[::1]"] {
            assert_eq!(status(&local, Method::GET, &[("host", host)]), 200, "{host}");
        }
        for host in
            ["example.org", "localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "[::2]", "", "[::1"]
        {
            assert_eq!(status(&local, Method::GET, &[("host", host)]), 403, "{host}");
        }
        assert_eq!(status(&local, Method::GET, &[]), 403);
        assert_eq!(status(&local, Method::GET, &[("host", "localhost"), ("host", "localhost")]), 403);
        let absolute = Uri::from_static("http://example.org/x");
        assert!(local.rule.caller(&Method::GET, &absolute, &headers(&[("host", "localhost")])).is_err());
        let open = Access::new(&[], "0.0.0.0".parse().unwrap()).unwrap();
        assert_eq!(status(&open, Method::GET, &[("host", "localhost")]), 403);
    }

    #[test]
    fn a_page_of_another_site_cannot_act() {
        let local = Access::new(&[], "::1".parse().unwrap()).unwrap();
        let post = |pairs: &[(&'static str, &'static str)]| {
            let mut all = vec![("host", "localhost:8080")];
            all.extend_from_slice(pairs);
            status(&local, Method::POST, &all)
        };
        assert_eq!(post(&[]), 200);
        assert_eq!(post(&[("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")]), 200);
        assert_eq!(post(&[("origin", "https://evil.example")]), 403);
        assert_eq!(post(&[("origin", "null")]), 403);
        assert_eq!(post(&[("sec-fetch-site", "cross-site")]), 403);
    }

    #[test]
    fn with_tokens_everybody_needs_one_and_readers_cannot_act() {
        let tokens = [token(Role::Read, "reader-0123456789"), token(Role::Operate, "worker-0123456789")];
        let access = Access::new(&tokens, "127.0.0.1".parse().unwrap()).unwrap();
        let reader = ("authorization", "Bearer reader-0123456789");
        let worker = ("authorization", "bearer worker-0123456789");
        assert_eq!(status(&access, Method::GET, &[("host", "localhost")]), 401);
        assert_eq!(status(&access, Method::GET, &[("authorization", "Bearer worker-012345678")]), 401);
        assert_eq!(status(&access, Method::GET, &[("authorization", "Basic worker-0123456789")]), 401);
        assert_eq!(status(&access, Method::GET, &[reader, reader]), 401);
        assert_eq!(status(&access, Method::GET, &[reader]), 200);
        assert_eq!(status(&access, Method::POST, &[reader]), 403);
        assert_eq!(status(&access, Method::POST, &[worker]), 200);
        assert_eq!(status(&access, Method::DELETE, &[reader]), 403);
        assert!(Access::new(&[token(Role::Read, "")], "127.0.0.1".parse().unwrap()).is_err());
    }
}
