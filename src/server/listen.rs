//! Our own accept loop: a slow or silent client costs seconds and one place, never the door.
//!
//! `axum::serve` has no time-out of any kind and no limit of connections. Here headers must arrive within
//! [`Limits::headers_within`], and when all places are taken, whoever has been silent or sending for longest
//! makes room, so that a flood of slow clients ends itself and a real one gets through.

use super::table::{Line, Phase, Place, Table};
use crate::clock;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::serve::Listener;
use http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tower::ServiceExt;

/// What a listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// From the first byte that could have come to the end of the headers.
    pub headers_within: Duration,
    /// Header lines of a request.
    pub headers: usize,
    /// Bytes of all header lines together.
    pub header_bytes: usize,
    /// After the stop, how long requests under way may go on.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            headers_within: Duration::from_secs(5),
            headers: 64,
            header_bytes: 16 << 10,
            drain: Duration::from_secs(10),
        }
    }
}

/// Who is at the other end; in the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A network address.
    Tcp(SocketAddr),
    /// A process on this machine, with its user if the kernel told it.
    Unix {
        /// The user it runs as.
        uid: Option<u32>,
    },
}

/// A listener that [`serve`] can use.
pub trait Door: Listener {
    /// Prepares an accepted connection and says who it is.
    fn greet(io: &Self::Io, address: &Self::Addr) -> Peer;
}

impl Door for TcpListener {
    fn greet(io: &TcpStream, address: &SocketAddr) -> Peer {
        // Answers are small and complete; waiting for more to send only delays them. Without it all works too.
        let _ = io.set_nodelay(true);
        Peer::Tcp(*address)
    }
}

impl Door for UnixListener {
    fn greet(io: &UnixStream, _: &tokio::net::unix::SocketAddr) -> Peer {
        Peer::Unix { uid: io.peer_cred().ok().map(|peer| peer.uid()) }
    }
}

/// Serves `app` on `listener` until `stop` resolves; then takes no more connections, lets requests under way
/// go on for [`Limits::drain`], and ends what is left.
pub async fn serve<L: Door>(mut listener: L, app: Router, limits: Limits, stop: impl Future<Output = ()>) {
    let table = Table::new();
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.headers_within)
        .max_headers(limits.headers)
        .max_header_size(limits.header_bytes);

    let mut stop = pin!(stop);
    loop {
        let (io, address) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let room = async {
            while table.len() >= limits.connections.max(1) {
                if !table.evict() {
                    // All are being worked on. A phase may change without a connection ending: look again.
                    clock::within(Duration::from_millis(50), table.freed()).await;
                }
            }
        };
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = room => {}
        }
        let place = table.place();
        let id = place.id();
        let peer = L::greet(&io, &address);
        let line = place.line.clone();
        let app = app.clone();
        let service = service_fn(move |request| answer(app.clone(), request, peer, line.clone()));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(io), service));
        let task = tokio::spawn(async move {
            let _place: Place = place;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
        table.started(id, task.abort_handle());
    }
    drop(listener);
    if clock::within(limits.drain, graceful.shutdown()).await.is_none() {
        tracing::warn!(connections = table.len(), "ending connections that did not finish in time");
        table.end_all();
    }
}

async fn answer(
    app: Router,
    request: Request<Incoming>,
    peer: Peer,
    line: Arc<Line>,
) -> Result<Response<Body>, Infallible> {
    line.enter(if request.body().is_end_stream() { Phase::Working } else { Phase::Receiving });
    let mut request = request.map(|body| Body::new(Watched::new(body, line.clone(), Watch::Request)));
    request.extensions_mut().insert(peer);
    let response = app.oneshot(request).await?;
    // The answer begins whatever is left of the request.
    line.enter(Phase::Working);
    Ok(response.map(|body| Body::new(Watched::new(body, line, Watch::Response))))
}

/// Which body is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watch {
    /// At its end the connection is being worked on.
    Request,
    /// When it is gone the connection is idle.
    Response,
}

/// A body that keeps its connection's phase up to date.
struct Watched<B> {
    body: B,
    line: Arc<Line>,
    watch: Watch,
}

impl<B> Watched<B> {
    fn new(body: B, line: Arc<Line>, watch: Watch) -> Self {
        Self { body, line, watch }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if self.watch == Watch::Request && (matches!(polled, Poll::Ready(None)) || self.body.is_end_stream())
        {
            self.line.enter(Phase::Working);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        if self.watch == Watch::Response {
            self.line.enter(Phase::Idle);
        }
    }
}
