//! The servers under load, each a process pinned to one CPU.

use crate::load::SECRET;
use crate::{FLOOR, SERVER_CPU};
use divisi::clock;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Version of the peer.
const PROBOT: &str = "14.3.2";

/// What the peer runs: one handler that does nothing.
const PEER: &str =
    "import { run } from \"probot\";\nrun((app) => { app.on(\"issues.labeled\", async () => {}); });\n";

/// A server that listens. Dropping it ends the process.
pub struct Server {
    /// Its name in the table.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(name: &'static str, mut command: Command, address: SocketAddr) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A thread's children inherit where it may run.
        let started = std::thread::spawn(move || {
            crate::pin(SERVER_CPU);
            command.spawn()
        });
        let child = started.join().expect("a thread").expect("the server starts");
        let mut this = Self { name, address, child };
        for _ in 0..1500 {
            if TcpStream::connect(address).is_ok() {
                return this;
            }
            let ended = this.child.try_wait().expect("a status");
            assert!(ended.is_none(), "{name} ended: {ended:?}");
            clock::sleep_blocking(Duration::from_millis(20));
        }
        panic!("{name} does not listen");
    }

    /// The shipped program with its data in `dir`, and no agents.
    pub fn divisi(dir: &Path, github: SocketAddr) -> Self {
        let address = free();
        let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/test-app-key.pem");
        let key = std::fs::read_to_string(key).expect("the key");
        let mut command = Command::new(env!("CARGO_BIN_EXE_divisi"));
        command.arg("serve").env_clear().current_dir(dir).envs([
            ("DIVISI_LISTEN", address.to_string()),
            ("DIVISI_METRICS__LISTEN", "127.0.0.1:0".to_owned()),
            ("DIVISI_DATA_DIR", dir.display().to_string()),
            ("DIVISI_GITHUB__APP_ID", "1".to_owned()),
            ("DIVISI_GITHUB__PRIVATE_KEY", key),
            ("DIVISI_GITHUB__WEBHOOK_SECRET", SECRET.to_owned()),
            ("DIVISI_GITHUB__API_URL", format!("http://{github}")),
            ("DIVISI_RUNNER__EMBEDDED", "false".to_owned()),
        ]);
        Self::start("divisi", command, address)
    }

    /// Floor A, or with a directory floor B.
    pub fn floor(dir: Option<&Path>) -> Self {
        let address = free();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env_clear().env(FLOOR, address.to_string());
        let name = match dir {
            Some(dir) => {
                command.arg(dir.join("floor.db"));
                "floor B"
            }
            None => "floor A",
        };
        Self::start(name, command, address)
    }

    /// The peer, installed if that is allowed; else `None`, and it is said what is missing.
    pub fn probot() -> Option<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/probot");
        if let Err(why) = installed(&dir) {
            crate::say(&format!("without the peer: {why}"));
            return None;
        }
        let script = dir.join("peer.mjs");
        std::fs::write(&script, PEER).expect("the peer's program");
        let address = free();
        let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/test-app-key.pem");
        let mut command = Command::new("node");
        command.arg(&script).env_clear().current_dir(&dir).envs([
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("NODE_ENV", "production".to_owned()),
            ("APP_ID", "1".to_owned()),
            ("PRIVATE_KEY", std::fs::read_to_string(key).expect("the key")),
            ("WEBHOOK_SECRET", SECRET.to_owned()),
            ("WEBHOOK_PATH", "/webhooks/github".to_owned()),
            ("HOST", "127.0.0.1".to_owned()),
            ("PORT", address.port().to_string()),
        ]);
        Some(Self::start("probot", command, address))
    }

    /// CPU time so far, of all its threads, user and system, in microseconds.
    pub fn cpu(&self) -> f64 {
        let stat = self.proc("stat");
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().map(|i| fields[*i].parse::<f64>().expect("ticks")).sum();
        // The unit of this file is 1/100 s on every Linux.
        ticks * 1e4
    }

    /// `VmRSS` or `VmHWM`, in megabytes.
    pub fn memory(&self, what: &str) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with(what)).expect("the line");
        let kib = line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).expect("a number");
        kib / 1024.0
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the process lives")
    }

    /// SIGTERM, and waits for the end: the database is whole then.
    pub fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal");
        self.child.wait().expect("it ends");
    }
}

/// A port that nobody used a moment ago.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

fn installed(dir: &Path) -> Result<(), String> {
    let manifest: PathBuf = dir.join("node_modules/probot/package.json");
    let there = std::fs::read_to_string(&manifest)
        .is_ok_and(|text| text.contains(&format!("\"version\": \"{PROBOT}\"")));
    if there {
        return Ok(());
    }
    let install = format!(
        "npm install --prefix {} --no-save --no-package-lock --no-fund --no-audit --loglevel=error probot@{PROBOT}",
        dir.display()
    );
    let may = match std::env::var("DIVISI_INSTALL").as_deref() {
        Ok("yes") => true,
        Ok("no") => false,
        _ => rustix::process::geteuid().is_root() || std::env::var("CI").as_deref() == Ok("true"),
    };
    if !may {
        return Err(format!("node 20 or newer is needed, and `{install}`"));
    }
    std::fs::create_dir_all(dir).map_err(|e| e.to_string())?;
    let words: Vec<&str> = install.split(' ').collect();
    match Command::new(words[0]).args(&words[1..]).stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{install}` ended with {status}")),
        Err(error) => Err(format!("`{install}`: {error}")),
    }
}
