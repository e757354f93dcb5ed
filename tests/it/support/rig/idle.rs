//! Whether every other thread of this process sleeps: then nothing is under way, and virtual time may jump.
//!
//! Loopback hands bytes over within the sender's call, so what was sent has woken its reader already. Two looks with the
//! same count of turns on a processor exclude that somebody ran between them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// The threads that were seen, with their open files.
pub struct Idle {
    own: u32,
    threads: BTreeMap<u32, (File, File)>,
}

impl Idle {
    pub fn new() -> Self {
        let own = std::fs::read_link("/proc/thread-self").expect("this thread");
        let own = own.file_name().and_then(|n| n.to_str()?.parse().ok()).expect("a number");
        Self { own, threads: BTreeMap::new() }
    }

    /// Looks twice.
    pub fn now(&mut self) -> bool {
        let first = self.look();
        first.is_some() && first == self.look()
    }

    /// How often the threads ran in all, if all of them sleep.
    fn look(&mut self) -> Option<(usize, u64)> {
        // Who runs settles it without a look at the directory: on a busy machine that is the usual case.
        if self.threads.values().rev().any(|(stat, _)| state(stat) == Some(b'R')) {
            return None;
        }
        let mut there = Vec::new();
        for entry in std::fs::read_dir("/proc/self/task").ok()? {
            let tid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            if tid == self.own {
                continue;
            }
            there.push(tid);
            if let Entry::Vacant(new) = self.threads.entry(tid) {
                let open = |name: &str| File::open(format!("/proc/self/task/{tid}/{name}")).ok();
                new.insert((open("stat")?, open("schedstat")?));
            }
        }
        self.threads.retain(|tid, _| there.contains(tid));
        let (mut turns, mut buffer) = (0, [0; 512]);
        for (stat, schedule) in self.threads.values().rev() {
            if state(stat)? != b'S' {
                return None;
            }
            let n = schedule.read_at(&mut buffer, 0).ok()?;
            let text = std::str::from_utf8(&buffer[..n]).ok()?;
            turns += text.split_whitespace().nth(2)?.parse::<u64>().ok()?;
        }
        Some((self.threads.len(), turns))
    }
}

/// The state of a thread, such as `S` for asleep; `None` when it has ended.
fn state(stat: &File) -> Option<u8> {
    let mut buffer = [0; 512];
    let n = stat.read_at(&mut buffer, 0).ok()?;
    // The name before it is in brackets; no thread of ours has one in its own.
    let end = buffer[..n].iter().position(|b| *b == b')')?;
    buffer[end..n].get(2).copied()
}
