//! A git server on loopback: `git http-backend` behind a token check, one thread a request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The credential that it accepts: base64 of `x-access-token:t0p-s3cret`.
pub const TOKEN: &str = "t0p-s3cret";
const BASIC: &str = "Basic eC1hY2Nlc3MtdG9rZW46dDBwLXMzY3JldA==";

/// What a test may change while the server runs.
#[derive(Default)]
pub struct Knobs {
    /// Answer everything with this status.
    pub status: AtomicU16,
    /// Wait this many milliseconds before each answer.
    pub delay_ms: AtomicU32,
    /// Requests seen.
    pub requests: AtomicU32,
    /// `method path` of each.
    pub log: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// A running server; repositories are directories below `root`.
pub struct GitServer {
    pub root: PathBuf,
    pub port: u16,
    pub knobs: Arc<Knobs>,
}

impl GitServer {
    pub fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let knobs = Arc::new(Knobs::default());
        let (place, shared) = (root.to_owned(), Arc::clone(&knobs));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stop.load(Ordering::Relaxed) {
                    return;
                }
                let (place, shared) = (place.clone(), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, &place, &shared));
            }
        });
        Self { root: root.to_owned(), port, knobs }
    }

    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.knobs.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// A failure here closes the connection, which the client reports.
fn serve(mut stream: TcpStream, root: &Path, knobs: &Knobs) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    if header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let body = match header("content-length") {
        Some(length) => {
            let mut body = vec![0; length.parse().ok()?];
            reader.read_exact(&mut body).ok()?;
            body
        }
        None if header("transfer-encoding").is_some() => read_chunks(&mut reader)?,
        None => Vec::new(),
    };
    knobs.requests.fetch_add(1, Ordering::Relaxed);
    knobs.log.lock().ok()?.push(format!("{method} {target}"));
    divisi::clock::sleep_blocking(Duration::from_millis(u64::from(knobs.delay_ms.load(Ordering::Relaxed))));
    let status = match knobs.status.load(Ordering::Relaxed) {
        0 if header("authorization") != Some(BASIC) => 401,
        status => status,
    };
    if status != 0 {
        let head = format!(
            "HTTP/1.1 {status} No\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        return stream.write_all(head.as_bytes()).ok();
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut command = Command::new("git");
    command.arg("http-backend").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "app")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("PATH_INFO", path).env("QUERY_STRING", query).env("REQUEST_METHOD", &method);
    command
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("CONTENT_TYPE", header("content-type").unwrap_or_default());
    command.env("HTTP_CONTENT_ENCODING", header("content-encoding").unwrap_or_default());
    command.env("GIT_PROTOCOL", header("git-protocol").unwrap_or_default());
    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    let mut child = command.spawn().ok()?;
    let mut input = child.stdin.take()?;
    let feeder = std::thread::spawn(move || input.write_all(&body));
    let mut answer = Vec::new();
    child.stdout.take()?.read_to_end(&mut answer).ok()?;
    let _ = feeder.join();
    child.wait().ok()?;
    let split = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..split]).into_owned();
    let status = head.lines().find_map(|l| l.strip_prefix("Status: ")).unwrap_or("200 OK");
    let body = &answer[split + 4..];
    let head =
        format!("HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()
}

fn read_chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}
