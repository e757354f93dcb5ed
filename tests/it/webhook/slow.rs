//! Sizes, slow clients, full listeners and the stop.

use super::harness::{Answer, Hook, Receiver, labeled};
use divisi::clock;
use divisi::server::{AllowList, Limits, Peer, serve};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const MIB: usize = 1 << 20;

/// How long a connection stays open while `drip` is sent every quarter second, and what it is told.
async fn drip(mut stream: TcpStream, first: Vec<u8>, drip: &'static [u8]) -> (Duration, u16) {
    let start = clock::instant();
    stream.write_all(&first).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let sender = tokio::spawn(async move {
        while !drip.is_empty() && write.write_all(drip).await.is_ok() {
            clock::sleep(Duration::from_millis(250)).await;
        }
        // Kept, so that it is the other side that ends the connection.
        clock::sleep(Duration::from_secs(30)).await;
        drop(write);
    });
    let mut bytes = Vec::new();
    let end =
        clock::within(Duration::from_secs(20), tokio::io::AsyncReadExt::read_to_end(&mut read, &mut bytes));
    assert!(end.await.is_some(), "still open after 20 s");
    sender.abort();
    let status = String::from_utf8_lossy(&bytes).split(' ').nth(1).and_then(|s| s.parse().ok());
    (since(start), status.unwrap_or(0))
}

fn since(start: Instant) -> Duration {
    clock::instant().duration_since(start)
}

#[tokio::test]
async fn slow_clients_are_cut_and_a_slow_inbox_is_503_in_time() {
    let receiver = Receiver::start().await;
    let stuck = Receiver::start().await;
    stuck.inbox.held.store(true, Ordering::SeqCst);
    let body = labeled("");
    let hook = Hook::new("issues", &body);
    let head = format!("{}Content-Length: {}\r\n\r\n", hook.head(), body.len()).into_bytes();
    let chunked = format!("{}Transfer-Encoding: chunked\r\n\r\n", hook.head()).into_bytes();
    let waiting = async {
        let start = clock::instant();
        let answer = stuck.send(Hook::new("issues", &body)).await;
        (since(start), answer.status)
    };
    let (idle, partial, header, length, chunks, waited) = tokio::join!(
        drip(receiver.connect().await, Vec::new(), b""),
        drip(receiver.connect().await, b"POST /webhooks/github HTTP/1.1\r\nHost: x".to_vec(), b""),
        drip(receiver.connect().await, b"POST /webhooks/github HTTP/1.1\r\nX: ".to_vec(), b"a"),
        drip(receiver.connect().await, head, b"{"),
        drip(receiver.connect().await, chunked, b"1\r\n{\r\n"),
        waiting,
    );
    for (name, (after, _)) in [("idle", idle), ("partial", partial), ("header", header)] {
        assert!((4.5..7.0).contains(&after.as_secs_f64()), "{name}: cut after {after:?}");
    }
    for (name, (after, status)) in [("body", length), ("chunks", chunks), ("inbox", waited)] {
        assert!((7.5..10.0).contains(&after.as_secs_f64()), "{name}: answered after {after:?}");
        assert_eq!(status, if name == "inbox" { 503 } else { 408 }, "{name}");
    }
    assert_eq!(stuck.stored(), 0);
    assert_eq!(receiver.send(Hook::new("issues", &body)).await.status, 202);
}

#[tokio::test]
async fn bodies_up_to_githubs_cap_and_not_beyond() {
    let receiver = Receiver::start().await;
    let large = labeled(&"x".repeat(25 * MIB - 2000));
    assert_eq!(receiver.send(Hook::new("issues", &large)).await.status, 202);
    assert_eq!(receiver.stored(), 1);
    let larger = vec![b' '; 27 * MIB];
    assert_eq!(receiver.send(Hook { signatures: vec![], ..Hook::new("issues", &larger) }).await.status, 413);

    // Without a declared length the limit holds while it streams.
    // The first body brings the program's own pages into memory; what counts is the second one.
    let first = vec![b' '; MIB];
    receiver.send(Hook { signatures: vec![], ..Hook::new("issues", &first) }).await;
    let hook = Hook { signatures: vec![], ..Hook::new("issues", b"") };
    let (mut read, mut write) = receiver.connect().await.into_split();
    let head = format!("{}Transfer-Encoding: chunked\r\n\r\n", hook.head());
    write.write_all(head.as_bytes()).await.unwrap();
    let sender = tokio::spawn(async move {
        let chunk = [b"100000\r\n", vec![b' '; MIB].as_slice(), b"\r\n"].concat();
        for _ in 0..27 {
            if write.write_all(&chunk).await.is_err() {
                return;
            }
        }
        clock::sleep(Duration::from_secs(20)).await;
    });
    let mut bytes = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut read, &mut bytes).await.unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 413");
    sender.abort();
}

#[tokio::test]
async fn all_bodies_together_have_a_limit() {
    let receiver = Receiver::start().await;
    let body = labeled("");
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut stream = receiver.connect().await;
        let head = format!("{}Content-Length: {}\r\n\r\n{{", Hook::new("issues", b"").head(), 26 * MIB);
        stream.write_all(head.as_bytes()).await.unwrap();
        open.push(stream);
    }
    let status = |expected: u16| {
        let (receiver, body) = (&receiver, &body);
        async move {
            for _ in 0..100 {
                if receiver.send(Hook::new("issues", body)).await.status == expected {
                    return;
                }
                clock::sleep(Duration::from_millis(20)).await;
            }
            panic!("never {expected}");
        }
    };
    status(503).await;
    drop(open);
    status(202).await;
}

#[tokio::test]
async fn headers_have_a_limit_in_number_and_size() {
    let receiver = Receiver::start().await;
    let body = labeled("");
    let many = |n: usize| (0..n).map(|i| format!("X-{i}: y\r\n")).collect::<String>();
    let base = Hook::new("issues", &body).bytes();
    let already = String::from_utf8_lossy(&base).split("\r\n\r\n").next().unwrap().lines().count() - 1;
    for (more, expected) in [
        (many(64 - already), 202),
        (many(65 - already), 431),
        (format!("X: {}\r\n", "y".repeat(12 << 10)), 202),
        (format!("X: {}\r\n", "y".repeat(16 << 10)), 431),
    ] {
        let answer = receiver.send(Hook { more: &more, ..Hook::new("issues", &body) }).await;
        assert_eq!(answer.status, expected, "{} bytes", more.len());
    }
}

#[tokio::test]
async fn a_flood_of_slow_clients_does_not_keep_a_real_one_out() {
    let limits = Limits { connections: 64, ..Limits::default() };
    let receiver = Receiver::with(limits, AllowList::default()).await;
    let body = labeled("");
    let mut slow = Vec::new();
    for i in 0..200 {
        let mut stream = receiver.connect().await;
        let head = match i % 3 {
            0 => String::new(),
            1 => "POST /webhooks/github HTTP/1.1\r\nX: ".to_owned(),
            _ => format!("{}Content-Length: 100\r\n\r\n{{", Hook::new("issues", b"").head()),
        };
        let _ = stream.write_all(head.as_bytes()).await;
        slow.push(stream);
    }
    for _ in 0..20 {
        let start = clock::instant();
        assert_eq!(receiver.send(Hook::new("issues", &body)).await.status, 202);
        assert!(since(start) < Duration::from_secs(1), "{:?}", since(start));
    }
}

#[tokio::test]
async fn work_under_way_is_not_evicted_and_the_next_one_waits_for_a_place() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let receiver = Receiver::with(limits, AllowList::default()).await;
    receiver.inbox.held.store(true, Ordering::SeqCst);
    let body = labeled("");
    let first = receiver.send(Hook::new("issues", &body));
    let second = receiver.send(Hook::new("issues", &body));
    let third = async {
        clock::sleep(Duration::from_millis(300)).await;
        receiver.send(Hook::new("push", b"{}")).await
    };
    let release = async {
        clock::sleep(Duration::from_millis(800)).await;
        assert_eq!(receiver.stored(), 0);
        receiver.inbox.held.store(false, Ordering::SeqCst);
        receiver.inbox.release.notify_waiters();
    };
    let (first, second, third, ()) = tokio::join!(first, second, third, release);
    assert_eq!([first.status, second.status, third.status], [202; 3]);
}

#[tokio::test]
async fn old_and_polite_clients_are_understood() {
    let receiver = Receiver::start().await;
    let body = labeled("");
    let hook = Hook::new("issues", &body);
    let old = String::from_utf8(hook.bytes()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(receiver.raw(old.as_bytes()).await.status, 202);

    let mut stream = receiver.connect().await;
    let polite = Hook { more: "Expect: 100-continue\r\n", ..Hook::new("issues", &body) };
    let head = format!("{}Content-Length: {}\r\n\r\n", polite.head(), body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 202);

    for broken in [
        "\r\n\r\n\r\n",
        "POST",
        "GET / HTTP/9.9\r\n\r\n",
        "\0\0\0\0",
        "POST /webhooks/github HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        let mut stream = receiver.connect().await;
        stream.write_all(broken.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = Answer::read(&mut stream).await;
    }
    assert_eq!(receiver.send(Hook::new("push", b"{}")).await.status, 202);
}

#[tokio::test]
async fn the_stop_lets_work_finish_and_ends_the_rest() {
    let limits = Limits { drain: Duration::from_secs(1), ..Limits::default() };
    let mut receiver = Receiver::with(limits, AllowList::default()).await;
    receiver.inbox.held.store(true, Ordering::SeqCst);
    let body = labeled("");
    let mut finishing = receiver.connect().await;
    finishing.write_all(&Hook::new("issues", &body).bytes()).await.unwrap();
    let mut stuck = receiver.connect().await;
    let head = format!("{}Content-Length: 100\r\n\r\n{{", Hook::new("issues", b"").head());
    stuck.write_all(head.as_bytes()).await.unwrap();
    clock::sleep(Duration::from_millis(200)).await;

    let start = clock::instant();
    drop(receiver.stop.take());
    clock::sleep(Duration::from_millis(200)).await;
    assert!(TcpStream::connect(receiver.address).await.is_err(), "still listening");
    receiver.inbox.release.notify_waiters();
    assert_eq!(Answer::read(&mut finishing).await.status, 202);
    receiver.server.await.unwrap();
    assert!((0.9..3.0).contains(&since(start).as_secs_f64()), "{:?}", since(start));
    assert_eq!(Answer::read(&mut stuck).await.status, 0);
}

/// The most memory that this process ever had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn a_body_without_a_length_takes_no_more_memory_than_the_limit() {
    // Measures the process: meaningful where each test has one of its own, as under nextest.
    let receiver = Receiver::start().await;
    // The first body brings the program's own pages into memory; what counts is the second one.
    let first = vec![b' '; MIB];
    receiver.send(Hook { signatures: vec![], ..Hook::new("issues", &first) }).await;
    let hook = Hook { signatures: vec![], ..Hook::new("issues", b"") };
    let (mut read, mut write) = receiver.connect().await.into_split();
    let head = format!("{}Transfer-Encoding: chunked\r\n\r\n", hook.head());
    write.write_all(head.as_bytes()).await.unwrap();
    let before = peak();
    let sender = tokio::spawn(async move {
        let chunk = [b"10000\r\n", vec![b' '; MIB / 16].as_slice(), b"\r\n"].concat();
        while write.write_all(&chunk).await.is_ok() {}
    });
    let mut bytes = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut read, &mut bytes).await.unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 413");
    assert!(peak() - before < 30 * MIB, "{} MiB", (peak() - before) / MIB);
    sender.abort();
}

#[tokio::test]
async fn a_unix_socket_serves_the_same_and_knows_the_peer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let who = |peer: axum::Extension<Peer>| async move { format!("{:?}", peer.0) };
    let app = axum::Router::new().route("/who", axum::routing::get(who));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        serve(listener, app, Limits::default(), stopped).await;
    });
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    let uid = rustix::process::geteuid().as_raw();
    assert!(answer.ends_with(&format!("Unix {{ uid: Some({uid}) }}")), "{answer}");
    drop(stop);
    server.await.unwrap();
}
