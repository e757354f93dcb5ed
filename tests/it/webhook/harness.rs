//! A receiver on a real socket, an inbox in memory, and a client that can be as rude as it likes.

use async_trait::async_trait;
use divisi::clock;
use divisi::domain::DeliveryId;
use divisi::server::{
    Access, AllowList, Inbox, Limits, Readiness, Ready, Stored, Unavailable, Verifier, Webhook, app, health,
    serve, webhook,
};
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

pub const SECRET: &str = "It's a Secret to Everybody";
pub const OLD_SECRET: &str = "the one before";

/// Deliveries in memory. Can be switched off, and can be made to wait.
#[derive(Default)]
pub struct MemoryInbox {
    pub stored: Mutex<HashMap<String, (String, Vec<u8>)>>,
    pub down: AtomicBool,
    pub held: AtomicBool,
    pub release: Notify,
}

#[async_trait]
impl Inbox for MemoryInbox {
    async fn store(&self, id: DeliveryId, event: String, body: Vec<u8>) -> Result<Stored, Unavailable> {
        if self.held.load(Ordering::SeqCst) {
            self.release.notified().await;
        }
        if self.down.load(Ordering::SeqCst) {
            return Err(Unavailable("disk full".to_owned()));
        }
        let known = self.stored.lock().unwrap().insert(id.to_string(), (event, body)).is_some();
        Ok(if known { Stored::Known } else { Stored::New })
    }
}

#[async_trait]
impl Ready for MemoryInbox {
    async fn readiness(&self) -> Readiness {
        Readiness { database: !self.down.load(Ordering::SeqCst), sandbox: Some("reduced".to_owned()) }
    }
}

pub struct Receiver {
    pub address: SocketAddr,
    pub inbox: Arc<MemoryInbox>,
    pub server: JoinHandle<()>,
    pub stop: Option<oneshot::Sender<()>>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::with(Limits::default(), AllowList::default()).await
    }

    pub async fn with(limits: Limits, allow: AllowList) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inbox = Arc::new(MemoryInbox::default());
        let secrets = [SecretString::from(SECRET), SecretString::from(OLD_SECRET)];
        let hook = Webhook { verifier: Verifier::new(&secrets).unwrap(), allow, inbox: inbox.clone() };
        let open = webhook(hook).merge(health(inbox.clone()));
        let access = Access::new(&[], address.ip()).unwrap();
        let app = app(open, axum::Router::new(), access);
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            serve(listener, app, limits, stopped).await;
        });
        Self { address, inbox, server, stop: Some(stop) }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of its own and reads until the end.
    pub async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // The answer may come, and the connection end, before everything is sent.
        let _ = stream.write_all(request).await;
        Answer::read(&mut stream).await
    }

    pub async fn send(&self, request: Hook<'_>) -> Answer {
        self.raw(&request.bytes()).await
    }

    pub fn stored(&self) -> usize {
        self.inbox.stored.lock().unwrap().len()
    }
}

/// A delivery to be sent; everything right unless said otherwise.
#[derive(Clone)]
pub struct Hook<'a> {
    pub event: &'a str,
    pub id: String,
    pub body: &'a [u8],
    pub content_type: &'a str,
    pub signatures: Vec<String>,
    pub more: &'a str,
}

impl<'a> Hook<'a> {
    pub fn new(event: &'a str, body: &'a [u8]) -> Self {
        let signatures = vec![sign(SECRET, body)];
        Self { event, id: clock::uuid(), body, content_type: "application/json", signatures, more: "" }
    }

    pub fn head(&self) -> String {
        let Self { event, id, content_type, more, .. } = self;
        let mut head = format!(
            "POST /webhooks/github HTTP/1.1\r\nHost: divisi.example\r\nUser-Agent: GitHub-Hookshot/1\r\n\
             Connection: close\r\nX-GitHub-Event: {event}\r\nX-GitHub-Delivery: {id}\r\n\
             Content-Type: {content_type}\r\n{more}"
        );
        for signature in &self.signatures {
            head.push_str(&format!("X-Hub-Signature-256: {signature}\r\n"));
        }
        head
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}Content-Length: {}\r\n\r\n", self.head(), self.body.len()).into_bytes();
        bytes.extend_from_slice(self.body);
        bytes
    }
}

pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

/// An answer; status 0 when the connection ended without one.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        let read = async {
            loop {
                match stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                }
            }
        };
        clock::within(Duration::from_secs(30), read).await.expect("the connection stayed open");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// All of it but the time.
    pub fn without_date(&self) -> String {
        let lines = self.head.lines().filter(|line| !line.to_lowercase().starts_with("date:"));
        format!("{}\n\n{}", lines.collect::<Vec<_>>().join("\n"), self.body)
    }
}

/// `issues.labeled` with the trigger label, as the App's own hook sends it.
pub fn labeled(body: &str) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!({
        "action": "labeled",
        "label": { "id": 1, "name": "parallel-orchestration" },
        "issue": { "id": 7_000_000_001_u64, "number": 12, "title": "Master", "body": body, "state": "open",
            "labels": [{ "name": "parallel-orchestration" }], "updated_at": "2026-11-24T12:00:00Z" },
        "repository": { "id": 99, "name": "widgets", "full_name": "acme/widgets", "default_branch": "main",
            "owner": { "login": "acme" } },
        "sender": { "login": "mona", "type": "User" },
        "installation": { "id": 4242 }
    }))
    .unwrap()
}
