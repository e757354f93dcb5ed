//! The load: signed deliveries over keep-alive connections, as fast as they are answered or at a fixed rate.

use divisi::clock;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Every server's webhook secret.
pub const SECRET: &str = "a secret of the benchmark";
/// Connections of a load.
pub const CONNECTIONS: usize = 32;
/// An answer that takes longer ends the benchmark: something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

const GUID: &str = "00000000-0000-4000-8000-000000000000";

/// A delivery without its GUID, ready to be sent.
#[derive(Clone)]
pub struct Delivery {
    bytes: Vec<u8>,
    guid_at: usize,
}

impl Delivery {
    /// A delivery of `event` with this body, signed.
    pub fn new(event: &str, body: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
        mac.update(body);
        let signature: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let mut bytes = format!(
            "POST /webhooks/github HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\nuser-agent: GitHub-Hookshot/0000000\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nx-github-event: {event}\r\n\
             x-github-hook-id: 1\r\nx-github-hook-installation-target-id: 1\r\n\
             x-github-hook-installation-target-type: integration\r\nx-hub-signature-256: sha256={signature}\r\n\
             x-github-delivery: ",
            body.len()
        )
        .into_bytes();
        let guid_at = bytes.len();
        bytes.extend_from_slice(GUID.as_bytes());
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(body);
        Self { bytes, guid_at }
    }
}

struct Connection {
    stream: TcpStream,
    delivery: Delivery,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr, delivery: &Delivery) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, delivery: delivery.clone(), answer: Vec::with_capacity(4096) }
    }

    /// One delivery with a GUID of its own; the answer must be 2xx.
    async fn deliver(&mut self) {
        let at = self.delivery.guid_at;
        self.delivery.bytes[at..at + GUID.len()].copy_from_slice(clock::uuid().as_bytes());
        self.stream.write_all(&self.delivery.bytes).await.expect("sent");
        self.answer.clear();
        while !complete(&self.answer) {
            let read = self.stream.read_buf(&mut self.answer).await.expect("an answer");
            assert!(read > 0, "the server hung up: {}", String::from_utf8_lossy(&self.answer));
        }
        assert!(self.answer.get(9) == Some(&b'2'), "{}", String::from_utf8_lossy(&self.answer));
    }
}

/// Whether these bytes are a whole answer, by its length or its last chunk.
fn complete(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    match head.split("content-length:").nth(1).and_then(|rest| rest.lines().next()) {
        Some(length) => answer.len() >= end + 4 + length.trim().parse::<usize>().expect("a length"),
        None if head.contains("transfer-encoding: chunked") => answer.ends_with(b"0\r\n\r\n"),
        None => true,
    }
}

fn run<F>(connections: impl Iterator<Item = F>)
where
    F: Future<Output = ()> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let tasks: Vec<_> = connections.map(tokio::task::spawn_local).collect();
        for task in tasks {
            clock::within(PATIENCE, task).await.expect("it ends in time").expect("a connection's task");
        }
    });
}

/// Closed loop for `time`; returns how many were answered, per second.
pub fn closed(address: SocketAddr, delivery: &Delivery, time: Duration) -> (u64, f64) {
    let answered = std::rc::Rc::new(std::cell::Cell::new(0_u64));
    let begun = clock::instant();
    run((0..CONNECTIONS).map(|_| {
        let (delivery, answered) = (delivery.clone(), answered.clone());
        async move {
            let mut connection = Connection::open(address, &delivery).await;
            while clock::since(begun) < time {
                connection.deliver().await;
                answered.set(answered.get() + 1);
            }
        }
    }));
    let count = answered.get();
    (count, count as f64 / clock::since(begun).as_secs_f64())
}

/// Open loop: `rate` deliveries a second for `time`, each sent at its moment whatever became of the others. Returns how long each took,
/// from the moment at which it was to be sent, in milliseconds.
pub fn open(address: SocketAddr, delivery: &Delivery, rate: u32, time: Duration) -> Vec<f64> {
    let apart = Duration::from_secs(1) / rate;
    let count = (time.as_secs_f64() * f64::from(rate)) as u32;
    // Threads, because the runtime's timers know whole milliseconds only.
    let lanes = 16;
    let begin = clock::instant() + Duration::from_millis(100);
    let threads: Vec<_> = (0..lanes)
        .map(|lane| {
            let delivery = delivery.clone();
            std::thread::spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let mut connection = runtime.block_on(Connection::open(address, &delivery));
                let mut took = Vec::new();
                for n in (lane..count).step_by(lanes as usize) {
                    let due = begin + apart * n;
                    wait_until(due);
                    runtime.block_on(connection.deliver());
                    took.push(clock::since(due).as_secs_f64() * 1e3);
                }
                took
            })
        })
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().expect("a lane")).collect()
}

fn wait_until(due: Instant) {
    let left = due.saturating_duration_since(clock::instant());
    if !left.is_zero() {
        clock::sleep_blocking(left);
    }
}
