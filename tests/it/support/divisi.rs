//! The shipped binary as a process: `divisi serve` with its own data directory and settings.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running `divisi serve`.
pub struct Divisi {
    child: Option<Child>,
    /// Where webhooks go.
    pub address: String,
    /// Its log.
    pub log: PathBuf,
}

impl Divisi {
    /// Starts it with these variables and nothing else, through other programs each of which becomes the next, and waits
    /// until it listens.
    pub fn start(dir: &Path, env: &BTreeMap<String, String>, wrapper: &[String]) -> Self {
        let log = dir.join(format!("serve-{}.log", std::fs::read_dir(dir).map_or(0, Iterator::count)));
        let file = File::create(&log).expect("a log file");
        let words = wrapper.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_divisi"), "serve"]);
        let words: Vec<&str> = words.collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().envs(env).current_dir(dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().expect("divisi starts");
        let mut this = Self { child: Some(child), address: String::new(), log };
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let log = this.log_text();
            if let Some(line) = log.lines().find(|l| l.contains("Divisi listens")) {
                let at = line.split("address=").nth(1).unwrap_or_default();
                this.address = at.split_whitespace().next().unwrap_or_default().to_owned();
                return this;
            }
            let ended = this.child.as_mut().and_then(|c| c.try_wait().ok().flatten());
            assert!(
                ended.is_none() && Instant::now() < end,
                "divisi serve does not listen ({ended:?}):\n{log}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it logged so far.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// The runner that it started, if one is there.
    pub fn runner_pid(&self) -> Option<u32> {
        children(self.pid()).into_iter().find(|pid| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.split(|b| *b == 0).nth(1) == Some(b"runner")
        })
    }

    /// SIGTERM, and its exit code; must end within 30 s.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        signal(child.id(), rustix::process::Signal::TERM);
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = child.try_wait().expect("a status") {
                return status.code();
            }
            if Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                panic!("divisi serve did not stop within 30 s:\n{}", self.log_text());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|status| status.is_some()))
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.kill_with(|| ());
    }

    /// SIGKILL, after something else was done to what it started.
    pub fn kill_with(&mut self, before: impl FnOnce()) {
        if let Some(mut child) = self.child.take() {
            before();
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Divisi {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of divisi serve ---\n{}", self.log_text());
            self.kill();
        } else {
            self.stop();
        }
    }
}

/// The children of a process.
pub fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or_default();
        after.split_whitespace().nth(1) == Some(&parent.to_string())
    })
    .collect()
}

/// Sends a signal to a process that this test started.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap_or(0)) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}
