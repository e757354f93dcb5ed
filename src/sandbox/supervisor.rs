//! The launcher's side of one program: a task that passes orders to the shim, keeps the clocks that the shim does not, and learns of the end.

use super::exit::Exit;
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
const SHIM_SLACK: Duration = Duration::from_secs(3);
/// How long the reports of a dead shim may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(super) struct Supervisor {
    pub(super) child: Child,
    pub(super) exit: Exit,
    pub(super) control: UnixStream,
    pub(super) orders: UnboundedReceiver<Order>,
    pub(super) shared: Arc<Shared>,
    pub(super) started: Instant,
    pub(super) deadline: Duration,
    pub(super) grace: Duration,
    pub(super) confinement: Confinement,
    pub(super) ended: watch::Sender<Option<Ended>>,
}

impl Supervisor {
    pub(super) async fn run(mut self) {
        let (reason, mut said) = self.until_exit().await;
        // The kernel has told that it ended, so this does not wait.
        let status = self.child.try_wait();
        let _ = clock::within(LAST_WORDS, self.control.read_to_end(&mut said)).await;
        let reports: Vec<Report> =
            said.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let (status, late) = match reports.last() {
            Some(Report::Ended { code: Some(code), deadline, .. }) => (Status::Exit(*code), *deadline),
            Some(Report::Ended { signal, deadline, .. }) => (Status::Signal(signal.unwrap_or(9)), *deadline),
            Some(Report::NotStarted(why)) => (Status::NotStarted(why.clone()), false),
            Some(Report::Started) | None => {
                self.sweep_escaped().await;
                match status {
                    Ok(Some(status)) if status.signal().is_some() => {
                        (Status::Signal(status.signal().unwrap_or(9)), false)
                    }
                    _ if reports.is_empty() => {
                        (Status::NotStarted("the launcher's shim failed before it".to_owned()), false)
                    }
                    _ => (Status::Signal(9), false),
                }
            }
        };
        let ended = Ended {
            status,
            reason: reason.or(late.then_some(StopReason::Deadline)),
            duration: clock::since(self.started),
            peak_rss_bytes: self.shared.usage.peak(),
        };
        // Nobody may be left to hear it.
        let _ = self.ended.send(Some(ended));
    }

    /// Serves orders and clocks until the shim has ended. Returns why we stopped the program and what the shim said.
    async fn until_exit(&mut self) -> (Option<StopReason>, Vec<u8>) {
        let mut reason: Option<StopReason> = None;
        let mut said = Vec::new();
        let mut listening = true;
        let mut kill_at = self.started + self.deadline + self.grace + SHIM_SLACK;
        loop {
            let stall = self.shared.stall_left().filter(|_| reason.is_none());
            let left = kill_at.saturating_duration_since(clock::instant());
            let order = tokio::select! {
                () = self.exit.wait() => return (reason, said),
                read = self.control.read_buf(&mut said), if listening => {
                    listening = read.is_ok_and(|n| n > 0);
                    super::sampler::nudge();
                    continue;
                }
                order = self.orders.recv() => order.unwrap_or(Order::Kill),
                () = clock::sleep(stall.map_or(left, |s| s.min(left))) => {
                    if clock::instant() >= kill_at {
                        // The shim is stuck. With a PID namespace its death is the death of all.
                        let _ = self.child.kill();
                        kill_at += SHIM_SLACK;
                        continue;
                    }
                    if self.shared.stall_left().is_none_or(|s| !s.is_zero()) {
                        continue;
                    }
                    Order::Stop(StopReason::Stalled)
                }
            };
            match order {
                Order::Recheck => {}
                Order::Stop(_) if reason.is_some() => {}
                Order::Stop(why) => {
                    reason = Some(why);
                    kill_at = kill_at.min(clock::instant() + self.grace + SHIM_SLACK);
                    self.say(wire::TERMINATE);
                }
                Order::Kill => {
                    reason.get_or_insert(StopReason::Stopped);
                    kill_at = kill_at.min(clock::instant() + SHIM_SLACK);
                    self.say(wire::KILL);
                }
            }
        }
    }

    /// One byte always fits in the socket's buffer; a shim that is gone needs no word.
    fn say(&self, word: u8) {
        let _ = self.control.try_write(&[word]);
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
