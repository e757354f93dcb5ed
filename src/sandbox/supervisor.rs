//! The launcher's side of one program: a task that passes orders to the shim, keeps the clocks that the shim does not, and learns of the end.

use super::exit::Exit;
use super::fence::Fence;
use super::namespace::Confinement;
use super::process::{Order, Shared};
use super::spec::{Ended, Status, StopReason};
use super::tree;
use super::wire::{self, Report};
use crate::clock;
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

/// How much longer than agreed a shim may take before it is killed with everything under it.
pub(super) const SHIM_SLACK: Duration = Duration::from_secs(3);
/// How long the reports of a dead shim may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long to wait when no clock runs.
const IDLE: Duration = Duration::from_secs(3_600);

pub(super) struct Supervisor {
    pub(super) child: Child,
    pub(super) exit: Exit,
    pub(super) control: UnixStream,
    pub(super) orders: UnboundedReceiver<Order>,
    pub(super) shared: Arc<Shared>,
    pub(super) started: Instant,
    /// When a shim that keeps its word has surely ended the program; moved by what stands still.
    pub(super) kill_at: Instant,
    pub(super) grace: Duration,
    pub(super) confinement: Confinement,
    pub(super) fence: Option<Fence>,
    /// A caller wants the program to stand still.
    pub(super) held: bool,
    /// What the shim was told last: whether it is to stand still.
    pub(super) still: bool,
    /// Since when it does, on the machine's clock.
    pub(super) frozen: Option<Duration>,
    pub(super) ended: watch::Sender<Option<Ended>>,
}

/// What the shim said about the end.
#[derive(Default)]
struct Heard {
    /// Bytes of a line that is not whole.
    rest: Vec<u8>,
    last: Option<Report>,
}

impl Supervisor {
    pub(super) async fn run(mut self) {
        let mut heard = Heard::default();
        let reason = self.until_exit(&mut heard).await;
        // The kernel has told that it ended, so this does not wait.
        let status = self.child.try_wait();
        let _ = clock::within(LAST_WORDS, self.control.read_to_end(&mut heard.rest)).await;
        self.hear(&mut heard);
        let (status, late) = match &heard.last {
            Some(Report::Ended { code: Some(code), deadline, .. }) => (Status::Exit(*code), *deadline),
            Some(Report::Ended { signal, deadline, .. }) => (Status::Signal(signal.unwrap_or(9)), *deadline),
            Some(Report::NotStarted(why)) => (Status::NotStarted(why.clone()), false),
            Some(Report::Started | Report::Frozen { .. } | Report::Thawed { .. }) | None => {
                self.sweep_escaped().await;
                match status {
                    Ok(Some(status)) if status.signal().is_some() => {
                        (Status::Signal(status.signal().unwrap_or(9)), false)
                    }
                    _ if heard.last.is_none() => {
                        (Status::NotStarted("the launcher's shim failed before it".to_owned()), false)
                    }
                    _ => (Status::Signal(9), false),
                }
            }
        };
        // A shim that lost patience killed by itself.
        let given_up = self.fence.as_ref().is_some_and(|f| f.passed_for() >= f.patience());
        let ended = Ended {
            status,
            reason: reason
                .or(late.then_some(StopReason::Deadline))
                .or(given_up.then_some(StopReason::Stopped)),
            duration: clock::since(self.started),
            peak_rss_bytes: self.shared.usage.peak(),
        };
        // Nobody may be left to hear it.
        let _ = self.ended.send(Some(ended));
    }

    /// Serves orders and clocks until the shim has ended. Returns why we stopped the program.
    async fn until_exit(&mut self, heard: &mut Heard) -> Option<StopReason> {
        let mut reason: Option<StopReason> = None;
        let mut listening = true;
        let mut moves = self.fence.as_ref().map(Fence::follow);
        loop {
            self.settle();
            let now = clock::instant();
            let stall = self.shared.stall_left().filter(|_| reason.is_none() && self.frozen.is_none());
            let counts = self.frozen.is_none() || reason.is_some();
            let left = counts.then(|| self.kill_at.saturating_duration_since(now));
            let fence = self.fence.as_ref().map(|f| f.at().saturating_sub(clock::machine()));
            let wait = [left, stall, fence.filter(|f| !f.is_zero())].into_iter().flatten().min();
            // In this order: after a pause of this process, what the shim did meanwhile comes before what our clocks make of it.
            let order = tokio::select! {
                biased;
                () = self.exit.wait() => return reason,
                read = self.control.read_buf(&mut heard.rest), if listening => {
                    listening = read.is_ok_and(|n| n > 0);
                    self.hear(heard);
                    super::sampler::nudge();
                    continue;
                }
                order = self.orders.recv() => order.unwrap_or(Order::Kill),
                () = moved(&mut moves) => {
                    if let Some(fence) = &self.fence {
                        self.say(&wire::fence_word(fence.at()));
                    }
                    continue;
                }
                () = clock::sleep(wait.unwrap_or(IDLE)) => {
                    if counts && clock::instant() >= self.kill_at {
                        // The shim is stuck. With a PID namespace its death is the death of all.
                        let _ = self.child.kill();
                        self.kill_at += SHIM_SLACK;
                        continue;
                    }
                    if stall.is_none() || self.shared.stall_left().is_none_or(|s| !s.is_zero()) {
                        continue;
                    }
                    Order::Stop(StopReason::Stalled)
                }
            };
            match order {
                Order::Recheck => {}
                Order::Freeze => self.held = true,
                Order::Thaw => self.held = false,
                Order::Stop(_) if reason.is_some() => {}
                Order::Stop(why) => {
                    reason = Some(why);
                    self.kill_at = self.latest(self.grace);
                    self.say(&[wire::TERMINATE]);
                }
                Order::Kill => {
                    reason.get_or_insert(StopReason::Stopped);
                    self.kill_at = self.latest(Duration::ZERO);
                    self.say(&[wire::KILL]);
                }
            }
        }
    }

    /// When the shim must have carried out what it is told now. Of a program that stands still the old time says nothing.
    fn latest(&self, grace: Duration) -> Instant {
        let at = clock::instant() + grace + SHIM_SLACK;
        if self.frozen.is_some() { at } else { self.kill_at.min(at) }
    }

    /// Tells the shim to freeze or to thaw when that has changed. The shim sees its fence pass by itself too: either alone is enough.
    fn settle(&mut self) {
        let still = self.held || self.fence.as_ref().is_some_and(Fence::has_passed);
        if still != self.still {
            self.still = still;
            self.say(&[if still { wire::FREEZE } else { wire::THAW }]);
        }
    }

    /// Takes in what the shim has said so far.
    fn hear(&mut self, heard: &mut Heard) {
        let Some(end) = heard.rest.iter().rposition(|b| *b == b'\n') else { return };
        let lines: Vec<u8> = heard.rest.drain(..=end).collect();
        for line in lines.split(|b| *b == b'\n') {
            match serde_json::from_slice(line) {
                Ok(Report::Frozen { at_ms }) => self.frozen = Some(Duration::from_millis(at_ms)),
                Ok(Report::Thawed { at_ms }) => {
                    if let Some(since) = self.frozen.take() {
                        let still = Duration::from_millis(at_ms).saturating_sub(since);
                        self.kill_at += still;
                        self.shared.stood_still(still);
                    }
                }
                Ok(report) => heard.last = Some(report),
                Err(_) => {}
            }
        }
    }

    /// A few bytes always fit in the socket's buffer; a shim that is gone needs no word.
    fn say(&self, word: &[u8]) {
        let _ = self.control.try_write(word);
    }

    /// A subreaper that was killed from outside could not sweep: what the last sample saw of its tree is killed from here.
    async fn sweep_escaped(&self) {
        if self.confinement != Confinement::Subreaper {
            return;
        }
        let seen = self.shared.usage.seen();
        let swept = tokio::task::spawn_blocking(move || {
            for entry in &seen {
                tree::signal(entry, Signal::STOP);
                tree::kill_descendants(entry.pid, Duration::from_millis(500), || ());
                tree::signal(entry, Signal::KILL);
            }
        });
        let _ = swept.await;
    }
}

/// Returns when the fence is moved; never without one.
async fn moved(moves: &mut Option<watch::Receiver<Duration>>) {
    let moved = match moves {
        Some(moves) => moves.changed().await.is_ok(),
        None => false,
    };
    if !moved {
        std::future::pending::<()>().await;
    }
}
