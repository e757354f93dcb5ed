//! What an earlier life of this host left running.
//!
//! A PID namespace dies with its runner, and a subreaper that sees its launcher go ends its tree. But a shim can be killed or stopped like any other
//! process, and then nobody ends what it held together. So a new life looks for it: by the numbers and start times that the old one wrote down, and by the
//! private home directory that every program of ours is started with.

use super::process::Handle;
use super::tree::{self, Entry};
use crate::clock;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// A process of this machine that no other one can be taken for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The kernel's id of this boot.
    boot: String,
    /// Its number.
    pid: i32,
    /// Its start, in clock ticks since boot.
    started: u64,
}

impl Handle {
    /// The process that holds the program's tree together; `None` when it has ended.
    pub fn identity(&self) -> Option<Identity> {
        let entry = tree::read(self.0.usage.root())?;
        Some(Identity { boot: boot()?, pid: entry.pid, started: entry.started })
    }
}

/// What a search came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orphans {
    /// Processes that were found, and killed.
    pub found: usize,
    /// Those that were alive when the time was up.
    pub left: usize,
}

/// Kills everything that is left of these trees, and every process whose environment names a path below `homes` (every program of the launcher's has its
/// `HOME` there). Blocks until all of it is gone, at most for `limit`.
pub fn end_orphans(recorded: &[Identity], homes: &Path, limit: Duration) -> Orphans {
    let boot = boot();
    let recorded: Vec<&Identity> =
        recorded.iter().filter(|known| boot.as_deref() == Some(&known.boot)).collect();
    let mut mark = vec![b'='];
    mark.extend_from_slice(homes.as_os_str().as_bytes());
    mark.push(b'/');
    let end = clock::instant() + limit;
    let mut seen = HashSet::new();
    loop {
        let alive = alive(&recorded, &mark);
        seen.extend(alive.iter().map(|entry| (entry.pid, entry.started)));
        if alive.is_empty() || clock::instant() >= end {
            return Orphans { found: seen.len(), left: alive.len() };
        }
        // Stopped first, so that what forks faster than we read runs out of forkers.
        alive.iter().for_each(|entry| tree::signal(entry, Signal::STOP));
        self::alive(&recorded, &mark).iter().for_each(|entry| tree::signal(entry, Signal::KILL));
        clock::sleep_blocking(LOOK);
    }
}

/// The recorded processes and the marked ones, each with all its descendants.
fn alive(recorded: &[&Identity], mark: &[u8]) -> Vec<Entry> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let all = tree::snapshot();
    let is_root = |entry: &&Entry| {
        recorded.iter().any(|known| known.pid == entry.pid && known.started == entry.started)
            || has_mark(entry.pid, mark)
    };
    let mut found: Vec<Entry> = Vec::new();
    for root in all.iter().filter(is_root) {
        found.push(*root);
        found.extend(tree::descendants(&all, root.pid));
    }
    found.retain(|entry| !entry.zombie && entry.pid != own);
    found.sort_unstable_by_key(|entry| entry.pid);
    found.dedup_by_key(|entry| entry.pid);
    found
}

/// Whether a process was started with a variable whose value begins with the mark. One that cannot be looked at is another user's.
fn has_mark(pid: i32, mark: &[u8]) -> bool {
    let Ok(environ) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    environ.windows(mark.len()).any(|part| part == mark)
}

fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::spawn_blocking;
    use std::process::{Child, Command};

    fn sleeper(home: &Path) -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 100 & setsid sleep 100 & wait"]).env("HOME", home.join("a/home"));
        spawn_blocking(command).expect("a shell starts")
    }

    #[test]
    fn what_has_its_home_below_is_found_and_nothing_else() {
        let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut orphan, mut stranger) = (sleeper(ours.path()), sleeper(other.path()));
        clock::sleep_blocking(Duration::from_millis(200));
        let done = end_orphans(&[], ours.path(), Duration::from_secs(5));
        assert_eq!((done.found, done.left), (3, 0));
        assert!(orphan.wait().unwrap().code().is_none(), "killed");
        assert!(stranger.try_wait().unwrap().is_none(), "alive");
        let pid = i32::try_from(stranger.id()).unwrap();
        let known = Identity { boot: boot().unwrap(), pid, started: tree::read(pid).unwrap().started };
        let later = Identity { started: known.started + 1, ..known.clone() };
        let rebooted = Identity { boot: "another boot".to_owned(), ..known.clone() };
        let none = end_orphans(&[later, rebooted], ours.path(), Duration::from_secs(5));
        assert_eq!(none, Orphans::default(), "a number that another process has now says nothing");
        assert_eq!(end_orphans(&[known], ours.path(), Duration::from_secs(5)).left, 0);
        assert!(stranger.wait().unwrap().code().is_none());
    }
}
