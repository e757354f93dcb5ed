//! A running program: its output line by line, its end, and the ways to stop it.

use super::lines::{Lines, Piece};
use super::sampler::Usage;
use super::spec::{Ended, Output, StopReason};
use crate::clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

/// How long output may still be read after the tree's end: only a process that escaped a subreaper can hold a stream open then.
const AFTER_END: Duration = Duration::from_secs(1);
/// Stands for "no limit" in an atomic number of milliseconds.
const NO_STALL: u64 = u64::MAX;

/// What the supervisor is asked.
#[derive(Debug)]
pub(super) enum Order {
    /// SIGTERM, grace, SIGKILL.
    Stop(StopReason),
    /// SIGKILL.
    Kill,
    /// The stall limit has changed.
    Recheck,
    /// SIGSTOP for the whole tree.
    Freeze,
    /// The opposite.
    Thaw,
}

/// A program under the launcher. Dropping it stops the program (SIGKILL for its whole tree).
#[derive(Debug)]
pub struct Process {
    pub(super) stdout: Lines,
    pub(super) stderr: Lines,
    pub(super) max_output: u64,
    pub(super) discard: bool,
    pub(super) ended: watch::Receiver<Option<Ended>>,
    pub(super) read_until: Option<Instant>,
    pub(super) handle: Handle,
}

/// A way to stop and look at a program from another task.
#[derive(Clone, Debug)]
pub struct Handle(pub(super) Arc<Shared>);

/// What the process, its handles and its supervisor share.
#[derive(Debug)]
pub(super) struct Shared {
    started: Instant,
    orders: UnboundedSender<Order>,
    stall_ms: AtomicU64,
    last_output_ms: AtomicU64,
    pub(super) usage: Arc<Usage>,
}

impl Shared {
    pub(super) fn new(
        started: Instant,
        orders: UnboundedSender<Order>,
        stall: Option<Duration>,
        usage: Arc<Usage>,
    ) -> Self {
        Self {
            started,
            orders,
            stall_ms: AtomicU64::new(stall.map_or(NO_STALL, millis)),
            last_output_ms: AtomicU64::new(0),
            usage,
        }
    }

    fn ask(&self, order: Order) {
        // The supervisor of a program that has ended is gone, and nothing is left to ask.
        let _ = self.orders.send(order);
    }

    fn heard(&self) {
        self.last_output_ms.store(millis(clock::since(self.started)), Ordering::Relaxed);
    }

    /// A time in which it stood still counts as no silence.
    pub(super) fn stood_still(&self, for_time: Duration) {
        self.last_output_ms.fetch_add(millis(for_time), Ordering::Relaxed);
    }

    /// How much longer it may be silent; `None` without a limit.
    pub(super) fn stall_left(&self) -> Option<Duration> {
        let limit = self.stall_ms.load(Ordering::Relaxed);
        let silent =
            millis(clock::since(self.started)).saturating_sub(self.last_output_ms.load(Ordering::Relaxed));
        (limit != NO_STALL).then(|| Duration::from_millis(limit.saturating_sub(silent)))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX - 1)
}

impl Process {
    /// The next line of either stream, in the order read; `None` when both streams have ended. Safe to cancel (in a `select!`).
    ///
    /// The program waits while nobody reads, and its stall clock counts output read here: call it until `None`.
    pub async fn next_output(&mut self) -> Option<Output> {
        while self.stdout.is_open() || self.stderr.is_open() {
            let piece = self.next_piece().await?;
            if !matches!(piece, Piece::End) {
                self.handle.0.heard();
            }
            if !self.discard && self.stdout.read() + self.stderr.read() > self.max_output {
                self.discard = true;
                self.stop(StopReason::OutputLimit);
            }
            if let Piece::Line(output) = piece
                && !self.discard
            {
                return Some(output);
            }
        }
        None
    }

    /// The next piece of either stream; `None` when the program has ended and a stream is still held open.
    async fn next_piece(&mut self) -> Option<Piece> {
        let Self { stdout, stderr, ended, read_until, .. } = self;
        let either = async {
            tokio::select! {
                piece = stdout.next(), if stdout.is_open() => piece,
                piece = stderr.next(), if stderr.is_open() => piece,
                else => Piece::End,
            }
        };
        let over = async {
            let _ = ended.wait_for(Option::is_some).await;
            let until = *read_until.get_or_insert_with(|| clock::instant() + AFTER_END);
            clock::sleep(until.saturating_duration_since(clock::instant())).await;
        };
        // What is there to read goes first, however late the caller comes for it.
        let piece = tokio::select! {
            biased;
            piece = either => Some(piece),
            () = over => None,
        };
        if piece.is_none() {
            self.stdout.close();
            self.stderr.close();
        }
        piece
    }

    /// Stops the program: SIGTERM to its whole tree, then SIGKILL after its grace. The first reason given is the one reported.
    pub fn stop(&self, reason: StopReason) {
        self.handle.stop(reason);
    }

    /// As [`Handle::freeze`].
    pub fn freeze(&self) {
        self.handle.freeze();
    }

    /// As [`Handle::thaw`].
    pub fn thaw(&self) {
        self.handle.thaw();
    }

    /// Waits for the end, dropping output that was not read. Afterwards no process of the tree is left.
    pub async fn wait(&mut self) -> Ended {
        while self.next_output().await.is_some() {}
        match self.ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
            Ok(Some(ended)) => ended,
            // The supervisor ends without a word only when the runtime is shut down around it; the shim then kills.
            _ => Ended {
                status: super::spec::Status::Signal(9),
                reason: Some(StopReason::Stopped),
                duration: clock::since(self.handle.0.started),
                peak_rss_bytes: self.handle.0.usage.peak(),
            },
        }
    }

    /// A handle for other tasks.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Resident memory of its tree in bytes at the last sample.
    pub fn memory_bytes(&self) -> u64 {
        self.handle.memory_bytes()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.handle.0.ask(Order::Kill);
    }
}

impl Handle {
    /// As [`Process::stop`].
    pub fn stop(&self, reason: StopReason) {
        self.0.ask(Order::Stop(reason));
    }

    /// SIGKILL for its whole tree at once, for a program that must not see another moment. Reported as [`StopReason::Stopped`].
    pub fn kill(&self) {
        self.0.ask(Order::Kill);
    }

    /// Makes its whole tree stand still (SIGSTOP). Its deadline and its stall clock stand still with it; a stop or a kill ends it all the same.
    pub fn freeze(&self) {
        self.0.ask(Order::Freeze);
    }

    /// Lets it go on, if it is not behind its [`Fence`](super::Fence).
    pub fn thaw(&self) {
        self.0.ask(Order::Thaw);
    }

    /// Sets another limit on silence, for phases in which silence is normal; `None` for no limit. Silence counts from the last output.
    pub fn set_stall(&self, limit: Option<Duration>) {
        self.0.stall_ms.store(limit.map_or(NO_STALL, millis), Ordering::Relaxed);
        self.0.ask(Order::Recheck);
    }

    /// As [`Process::memory_bytes`].
    pub fn memory_bytes(&self) -> u64 {
        self.0.usage.current()
    }
}
