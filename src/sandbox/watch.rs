//! The shim's second thread: it freezes, thaws and ends the program, when told to and by its own clocks.
//!
//! Behind its fence nothing of the tree runs, not even to end in order: what is to be terminated there is killed. While the tree stands still its deadline
//! stands still too, so that an outage takes no time from the work.

use super::namespace::Confinement;
use super::tree;
use super::wire::{self, Fenced, Report};
use crate::clock;
use rustix::process::{Pid, Signal, kill_process_group, pidfd_send_signal};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long freezing may take before what still runs is taken to stop as soon as the kernel lets go of it (a process that waits for a disk).
const FREEZE_LIMIT: Duration = Duration::from_millis(500);
/// Between two looks whether all stand still.
const FREEZE_LOOK: Duration = Duration::from_millis(1);
/// The longest wait under a fence: the machine's clock goes on while the machine sleeps, the kernel's timers do not.
const LOOK: Duration = Duration::from_secs(1);
/// The longest wait at all.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What the launcher says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Terminate,
    /// SIGKILL; also when the launcher is gone.
    Kill,
    Freeze,
    Thaw,
    /// The fence stands here now.
    Fence(Duration),
    /// Nothing, for as long as was waited.
    Silence,
}

/// The next word, or silence after `wait`.
fn listen(control: &mut UnixStream, wait: Duration) -> Word {
    let mut word = [0u8];
    let wait = wait.clamp(Duration::from_millis(1), LONGEST);
    match control.set_read_timeout(Some(wait)).and_then(|()| control.read(&mut word)) {
        Ok(1) => match word[0] {
            wire::TERMINATE => Word::Terminate,
            wire::FREEZE => Word::Freeze,
            wire::THAW => Word::Thaw,
            wire::FENCE => {
                let mut at = [0u8; 8];
                match control.set_read_timeout(Some(LOOK)).and_then(|()| control.read_exact(&mut at)) {
                    Ok(()) => Word::Fence(Duration::from_millis(u64::from_be_bytes(at))),
                    Err(_) => Word::Kill,
                }
            }
            _ => Word::Kill,
        },
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
            ) =>
        {
            Word::Silence
        }
        _ => Word::Kill,
    }
}

/// Whether the tree must stand still: because the launcher wants it, or because its fence has passed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    asked: bool,
    fence: Option<(Duration, Duration)>,
}

impl Hold {
    pub(super) fn new(fence: Option<Fenced>) -> Self {
        let fence = fence.map(|f| (Duration::from_millis(f.at_ms), Duration::from_millis(f.patience_ms)));
        Self { asked: false, fence }
    }

    fn is_fenced(&self) -> bool {
        self.fence.is_some_and(|(at, _)| clock::machine() >= at)
    }

    /// Its patience is over.
    fn is_given_up(&self) -> bool {
        self.fence.is_some_and(|(at, patience)| clock::machine() >= at.saturating_add(patience))
    }

    fn moved(&mut self, to: Duration) {
        if let Some((at, _)) = &mut self.fence {
            *at = to.max(*at);
        }
    }

    /// Until something about the fence changes by itself.
    fn wait(&self) -> Duration {
        self.fence.map_or(LONGEST, |(at, patience)| {
            let now = clock::machine();
            let next = if now < at { at } else { at.saturating_add(patience) };
            next.saturating_sub(now).min(LOOK)
        })
    }

    /// Waits until a program may start; false when it must not any more.
    pub(super) fn until_open(&mut self, control: &mut UnixStream) -> bool {
        while self.asked || self.is_fenced() {
            if self.is_given_up() {
                return false;
            }
            match listen(control, self.wait()) {
                Word::Terminate | Word::Kill => return false,
                Word::Freeze => self.asked = true,
                Word::Thaw => self.asked = false,
                Word::Fence(at) => self.moved(at),
                Word::Silence => {}
            }
        }
        true
    }
}

/// Ends the program: when its time is up, when the launcher says so, when the launcher is gone, when its fence is not moved on.
pub(super) struct Watch {
    pub(super) control: UnixStream,
    pub(super) main: OwnedFd,
    /// When its time is up; with [`Self::terminating`], when its grace is.
    pub(super) end: Instant,
    pub(super) grace: Duration,
    pub(super) confinement: Confinement,
    pub(super) hold: Hold,
    pub(super) late: Arc<AtomicBool>,
    pub(super) frozen: Option<Instant>,
    pub(super) terminating: bool,
}

impl Watch {
    pub(super) fn run(mut self) {
        loop {
            let fenced = self.hold.is_fenced();
            if self.hold.is_given_up() || (fenced && self.terminating) {
                return self.kill();
            }
            let still = fenced || (self.hold.asked && !self.terminating);
            match self.frozen {
                None if still => self.freeze(),
                Some(since) if !still => self.thaw(since),
                _ => {}
            }
            let mut wait = self.hold.wait();
            if self.frozen.is_none() {
                let left = self.end.saturating_duration_since(clock::instant());
                if left.is_zero() {
                    if self.terminating {
                        return self.kill();
                    }
                    self.late.store(true, Ordering::Release);
                    self.terminate();
                    continue;
                }
                wait = wait.min(left);
            }
            match listen(&mut self.control, wait) {
                Word::Terminate if self.hold.is_fenced() => return self.kill(),
                Word::Terminate if !self.terminating => self.terminate(),
                Word::Kill => return self.kill(),
                Word::Freeze => self.hold.asked = true,
                Word::Thaw => self.hold.asked = false,
                Word::Fence(at) => self.hold.moved(at),
                Word::Terminate | Word::Silence => {}
            }
        }
    }

    /// Every process of the tree stands still afterwards.
    fn freeze(&mut self) {
        self.frozen = Some(clock::instant());
        let limit = clock::instant() + FREEZE_LIMIT;
        // A snapshot is not one moment: who is missing from one is in the next.
        let mut clean = 0;
        while clean < 2 && clock::instant() < limit {
            let running = match self.confinement {
                Confinement::Subreaper => {
                    let running = self.running();
                    running.iter().for_each(|entry| tree::signal(entry, Signal::STOP));
                    !running.is_empty()
                }
                _ => {
                    // One signal to all leaves no gap: a fork that is under way waits for it or takes it along.
                    let _ = kill_process_group(Pid::INIT, Signal::STOP);
                    sees_itself() && !self.running().is_empty()
                }
            };
            clean = if running { 0 } else { clean + 1 };
            if running {
                clock::sleep_blocking(FREEZE_LOOK);
            }
        }
        self.say(&Report::Frozen { at_ms: wire::millis(clock::machine()) });
    }

    fn thaw(&mut self, since: Instant) {
        self.frozen = None;
        self.end += clock::since(since);
        self.signal(Signal::CONT);
        self.say(&Report::Thawed { at_ms: wire::millis(clock::machine()) });
    }

    /// SIGTERM to every process of the tree, frozen or not, and its grace.
    fn terminate(&mut self) {
        self.terminating = true;
        self.end = clock::instant() + self.grace;
        self.signal(Signal::TERM);
        if self.frozen.take().is_some() {
            self.signal(Signal::CONT);
        }
    }

    /// Those of the tree that do not stand still.
    fn running(&self) -> Vec<tree::Entry> {
        let own = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
        let all = tree::snapshot();
        let tree = match self.confinement {
            Confinement::Subreaper => tree::descendants(&all, own),
            _ => all.into_iter().filter(|entry| entry.pid != own).collect(),
        };
        tree.into_iter().filter(|entry| !entry.zombie && !entry.stopped).collect()
    }

    /// A signal to every process of the tree.
    fn signal(&self, signal: Signal) {
        if self.confinement == Confinement::Subreaper {
            let own = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
            tree::descendants(&tree::snapshot(), own).iter().for_each(|entry| tree::signal(entry, signal));
        } else {
            // `kill(-1)`: every process of this PID namespace but its first, which `settle` has checked that this is.
            let _ = kill_process_group(Pid::INIT, signal);
        }
    }

    /// SIGKILL to the program, which a frozen one gets too; the rest follows when the main thread sees its end.
    fn kill(&self) {
        let _ = pidfd_send_signal(&self.main, Signal::KILL);
    }

    fn say(&self, report: &Report) {
        // A launcher that is gone reads no reports.
        let _ = super::shim::report(&self.control, report);
    }
}

/// Whether `/proc` is the one of this PID namespace: where none could be mounted it shows the numbers outside.
fn sees_itself() -> bool {
    std::fs::read_link("/proc/self").is_ok_and(|own| own.as_os_str() == "1")
}
