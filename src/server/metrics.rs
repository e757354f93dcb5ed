//! The metrics listener: `GET /metrics` in Prometheus text form, on an address of its own.

use axum::Router;
use axum::routing::get;
use http::header;
use std::net::SocketAddr;

/// The metrics listener would be open to others, and nobody said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "metrics on {0} could be read by others: use a loopback address, or set allow_unauthenticated = true"
)]
pub struct Exposed(pub SocketAddr);

/// The listener's only route; `render` gives the page in Prometheus' text form.
pub fn metrics(render: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Router::new().route("/metrics", get(move || async move { (text, render()) }))
}

/// Accepts a loopback address, and any other only if it was allowed in so many words.
pub fn metrics_address(address: SocketAddr, allow_unauthenticated: bool) -> Result<SocketAddr, Exposed> {
    if address.ip().to_canonical().is_loopback() || allow_unauthenticated {
        Ok(address)
    } else {
        Err(Exposed(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_unless_allowed() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        for address in ["127.0.0.1:9091", "[::1]:9091", "[::ffff:127.0.0.1]:9091"] {
            assert!(metrics_address(at(address), false).is_ok());
        }
        for address in ["0.0.0.0:9091", "10.0.0.7:9091", "[::]:9091", "[fdaa::3]:9091"] {
            assert_eq!(metrics_address(at(address), false), Err(Exposed(at(address))));
            assert!(metrics_address(at(address), true).is_ok());
        }
    }
}
