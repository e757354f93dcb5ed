//! How fast deliveries come in: the shipped `divisi serve` beside two floors and a peer, in one run, as ratios.
//!
//!     cargo bench --bench ingest [-- --quick]
//!
//! Every server runs on one CPU and the load on another; rounds of all servers alternate, and a ratio is taken within a round. GitHub does
//! not answer meanwhile, so that the door is measured and not the work behind it. Nothing is asserted about times.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark starts processes, reads its environment and prints its table"
)]

mod floors;
mod load;
mod rows;
mod servers;

use load::Delivery;
use servers::Server;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

/// With this variable this program is a floor that listens there.
const FLOOR: &str = "DIVISI_BENCH_FLOOR";
const SERVER_CPU: usize = 0;
const LOAD_CPU: usize = 1;
/// Deliveries a second of the open loop.
const RATE: u32 = 200;

/// How much is measured.
struct Extent {
    rounds: usize,
    closed: Duration,
    open: Duration,
    rows: u32,
}

fn main() {
    if let Ok(address) = std::env::var(FLOOR) {
        let database = std::env::args_os().nth(1);
        floors::serve(&address, load::SECRET, database.as_deref().map(Path::new));
        return;
    }
    let quick = std::env::args().any(|word| word == "--quick");
    let extent = match quick {
        true => Extent {
            rounds: 5,
            closed: Duration::from_millis(700),
            open: Duration::from_secs(2),
            rows: 100_000,
        },
        false => Extent {
            rounds: 7,
            closed: Duration::from_secs(2),
            open: Duration::from_secs(5),
            rows: 1_000_000,
        },
    };
    pin(LOAD_CPU);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let github = silent_github();
    let routed = routed();
    say(&format!(
        "{} rounds; {} connections; a body of {} bytes; one CPU for the server, one for the load",
        extent.rounds,
        load::CONNECTIONS,
        routed.len()
    ));

    let divisi = Server::divisi(&made(dir.path(), "divisi"), github);
    let (a, b) = (Server::floor(None), Server::floor(Some(&made(dir.path(), "floor"))));
    let mut servers = vec![divisi, b, a];
    servers.extend(Server::probot());
    std::thread::sleep(Duration::from_secs(3));
    let idle: Vec<f64> = servers.iter().map(|s| s.memory("VmRSS")).collect();

    let durable = Delivery::new("issues", &routed);
    let series = rounds(&extent, &servers, &durable);
    title("durable ingest: issues.labeled, stored before it is answered");
    series.tell(&servers);

    title("an event nobody routes");
    rounds(&extent, &servers, &Delivery::new("check_run", &routed)).tell(&servers);
    title("issues.labeled with a label that is not ours: read, then dropped");
    rounds(&extent, &servers, &Delivery::new("issues", &other_label(&routed))).tell(&servers);

    title(&format!("latency at {RATE}/s, open loop, durable, ms"));
    latency(&extent, &servers, &durable);

    title("memory, MB");
    let loaded: Vec<f64> = servers.iter().map(|s| s.memory("VmHWM")).collect();
    for (i, server) in servers.iter().enumerate() {
        let of = |all: &[f64]| all.last().filter(|_| servers.len() == 4).map(|p| all[i] / p);
        let ratio = |r: Option<f64>| r.map_or(String::new(), |r| format!(" ({r:.2} of probot)"));
        say(&format!(
            "  {:8} idle {:6.1}{}  loaded, at most {:6.1}{}",
            server.name,
            idle[i],
            ratio(of(&idle)),
            loaded[i],
            ratio(of(&loaded))
        ));
    }
    drop(servers);

    title(&format!("with {} rows stored", extent.rows));
    let full = made(dir.path(), "full");
    Server::divisi(&full, github).stop();
    rows::fill(&full.join("divisi.db"), extent.rows);
    let mut pair = vec![Server::divisi(&full, github), Server::divisi(&made(dir.path(), "empty"), github)];
    (pair[0].name, pair[1].name) = ("filled", "empty");
    rounds(&extent, &pair, &durable).tell(&pair);
}

/// What one kind of load showed, server by server and round by round.
struct Series {
    /// Answers a second.
    rates: Vec<Vec<f64>>,
    /// Microseconds of CPU per delivery.
    cpu: Vec<Vec<f64>>,
}

fn rounds(extent: &Extent, servers: &[Server], delivery: &Delivery) -> Series {
    let none = || vec![Vec::new(); servers.len()];
    let mut series = Series { rates: none(), cpu: none() };
    for server in servers {
        load::closed(server.address, delivery, extent.closed / 4);
    }
    for round in 0..extent.rounds {
        for step in 0..servers.len() {
            // Every other round backwards: A B, then B A.
            let i = if round % 2 == 0 { step } else { servers.len() - 1 - step };
            let before = servers[i].cpu();
            let (count, rate) = load::closed(servers[i].address, delivery, extent.closed);
            series.rates[i].push(rate);
            series.cpu[i].push((servers[i].cpu() - before) / count as f64);
        }
    }
    series
}

impl Series {
    fn tell(&self, servers: &[Server]) {
        for (i, server) in servers.iter().enumerate() {
            let mut line = format!(
                "  {:8} {:8.0}/s  {:6.1} us CPU",
                server.name,
                median(self.rates[i].clone()),
                median(self.cpu[i].clone())
            );
            if i == 0 {
                for (j, other) in servers.iter().enumerate().skip(1) {
                    line += &format!(
                        "\n           of {:8} rate {}  CPU {}",
                        other.name,
                        ratios(&self.rates[0], &self.rates[j]),
                        ratios(&self.cpu[0], &self.cpu[j])
                    );
                }
            }
            say(&line);
        }
    }
}

fn latency(extent: &Extent, servers: &[Server], delivery: &Delivery) {
    // Floor A stores nothing and is no measure here.
    let servers: Vec<&Server> = servers.iter().filter(|s| s.name != "floor A").collect();
    let mut seen = vec![(Vec::new(), Vec::new()); servers.len()];
    for round in 0..extent.rounds {
        for step in 0..servers.len() {
            let i = if round % 2 == 0 { step } else { servers.len() - 1 - step };
            let mut took = load::open(servers[i].address, delivery, RATE, extent.open);
            took.sort_by(f64::total_cmp);
            seen[i].0.push(took[took.len() / 2]);
            seen[i].1.push(took[took.len() * 99 / 100]);
        }
    }
    for (i, server) in servers.iter().enumerate() {
        let (p50, p99) = &seen[i];
        let mut line =
            format!("  {:8} p50 {:6.2}  p99 {:6.2}", server.name, median(p50.clone()), median(p99.clone()));
        if i == 0 {
            for (j, other) in servers.iter().enumerate().skip(1) {
                line += &format!(
                    "\n           of {:8} p50 {}  p99 {}",
                    other.name,
                    ratios(p50, &seen[j].0),
                    ratios(p99, &seen[j].1)
                );
            }
        }
        say(&line);
    }
}

/// Median and range of the ratios within each round.
fn ratios(ours: &[f64], theirs: &[f64]) -> String {
    let mut all: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
    all.sort_by(f64::total_cmp);
    format!("{:.2} ({:.2}-{:.2})", median(all.clone()), all[0], all[all.len() - 1])
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// This thread, and what it starts, runs on one CPU from now on.
fn pin(cpu: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set).expect("two CPUs, of which this process may use both");
}

/// GitHub's documented example with an installation and our label.
fn routed() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/webhooks/issues/labeled.json");
    let text = std::fs::read_to_string(path).expect("the fixture");
    let text = text.replacen('{', "{\n  \"installation\": { \"id\": 1 },", 1);
    let (before, after) = text.rsplit_once("\"name\": \"bug\"").expect("the label");
    assert!(before.contains("\"label\": {"), "the last name is the label's");
    format!("{before}\"name\": \"parallel-orchestration\"{after}").into_bytes()
}

fn other_label(routed: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(routed).expect("text");
    text.replace("parallel-orchestration", "a-label-of-someone-else").into_bytes()
}

fn made(parent: &Path, name: &str) -> std::path::PathBuf {
    let dir = parent.join(name);
    std::fs::create_dir(&dir).expect("a directory");
    dir
}

/// An address that takes every request and answers none.
fn silent_github() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut stream, mut buffer) = (stream, [0; 4096]);
                while stream.read(&mut buffer).is_ok_and(|n| n > 0) {}
            });
        }
    });
    address
}

fn title(text: &str) {
    say(&format!("\n{text}"));
}

fn say(text: &str) {
    println!("{text}");
}
