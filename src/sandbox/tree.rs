//! Processes as `/proc` shows them: who descends from whom, how much memory they hold, and how to end them all.

use crate::clock;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: i32,
    pub(super) parent: i32,
    /// When it started, in clock ticks since boot: tells a process from a later one with the same number.
    pub(super) started: u64,
    /// Dead, and waiting to be reaped.
    pub(super) zombie: bool,
    /// Standing still: stopped by a signal, or held by its tracer.
    pub(super) stopped: bool,
}

/// Every process that `/proc` shows. One that ends meanwhile is left out.
pub(super) fn snapshot() -> Vec<Entry> {
    let Ok(dir) = fs::read_dir("/proc") else { return Vec::new() };
    dir.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter_map(read).collect()
}

/// One process; `None` when it is gone.
pub(super) fn read(pid: i32) -> Option<Entry> {
    parse_stat(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in a `stat` line is foreign text in brackets: fields are counted from the last bracket.
fn parse_stat(pid: i32, stat: &[u8]) -> Option<Entry> {
    let end = stat.iter().rposition(|b| *b == b')')?;
    let mut fields = std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // proc(5): state is field 3, the parent 4, the start time 22.
    let started = fields.nth(17)?.parse().ok()?;
    Some(Entry {
        pid,
        parent,
        started,
        zombie: matches!(state, "Z" | "X"),
        stopped: matches!(state, "T" | "t"),
    })
}

/// All descendants of `root` in a snapshot, without `root`.
pub(super) fn descendants(all: &[Entry], root: i32) -> Vec<Entry> {
    let mut children: HashMap<i32, Vec<Entry>> = HashMap::new();
    for entry in all {
        children.entry(entry.parent).or_default().push(*entry);
    }
    let mut found = children.remove(&root).unwrap_or_default();
    let mut next = 0;
    while let Some(entry) = found.get(next) {
        // Removing each list once keeps a snapshot that changed while it was read from making a loop.
        found.extend(children.remove(&entry.pid).unwrap_or_default());
        next += 1;
    }
    found
}

/// Resident memory of a process in bytes; 0 when it is gone.
pub(super) fn resident_bytes(pid: i32) -> u64 {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return 0 };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Sends a signal to one process, if that number still belongs to it.
pub(super) fn signal(entry: &Entry, signal: Signal) {
    if let Some(pid) = Pid::from_raw(entry.pid)
        && read(entry.pid).is_some_and(|now| now.started == entry.started)
    {
        // It may end between the look and the signal; there is nothing to do then.
        let _ = kill_process(pid, signal);
    }
}

/// Kills every descendant of `root` (not `root` itself) and returns whether none is left alive within `limit`.
///
/// Each round stops the processes before it kills them, so that a program that forks faster than we read runs out of forkers. `reap` is called each
/// round: the caller collects its dead there if it is their parent.
pub(super) fn kill_descendants(root: i32, limit: Duration, mut reap: impl FnMut()) -> bool {
    let end = clock::instant() + limit;
    loop {
        let alive: Vec<Entry> = descendants(&snapshot(), root).into_iter().filter(|e| !e.zombie).collect();
        if alive.is_empty() {
            reap();
            return true;
        }
        alive.iter().for_each(|entry| signal(entry, Signal::STOP));
        let stopped = descendants(&snapshot(), root);
        stopped.iter().filter(|e| !e.zombie).for_each(|entry| signal(entry, Signal::KILL));
        reap();
        if clock::instant() >= end {
            return false;
        }
        clock::sleep_blocking(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_brackets_and_spaces() {
        let stat = b"42 (a) b (c)) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1 2 3";
        assert_eq!(
            parse_stat(42, stat),
            Some(Entry { pid: 42, parent: 7, started: 123_456, zombie: false, stopped: false })
        );
        assert_eq!(parse_stat(42, b"42 (x"), None);
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_loops_end() {
        let entry = |pid, parent| Entry { pid, parent, started: 0, zombie: false, stopped: false };
        let all = [entry(2, 1), entry(3, 2), entry(4, 3), entry(5, 1), entry(6, 6), entry(1, 4)];
        let pids: Vec<i32> = descendants(&all, 2).iter().map(|e| e.pid).collect();
        assert_eq!(pids[..2], [3, 4]);
        assert!(descendants(&all, 9).is_empty());
    }

    #[test]
    fn this_process_is_seen_with_its_memory() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert!(read(own).is_some_and(|e| !e.zombie));
        assert!(snapshot().iter().any(|e| e.pid == own));
        assert!(resident_bytes(own) > 1 << 20);
    }
}
