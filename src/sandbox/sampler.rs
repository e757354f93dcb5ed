//! One thread that samples memory and process counts of all trees, once a second (ten times a second while one is young).

use super::process::Order;
use super::spec::{Limits, StopReason};
use super::tree::{self, Entry};
use crate::clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(1);
/// The same while a tree is younger than [`INTERVAL`]: a short program shall be seen too.
const YOUNG_INTERVAL: Duration = Duration::from_millis(100);

/// What one tree uses.
#[derive(Debug)]
pub(super) struct Usage {
    root: i32,
    since: Instant,
    limits: Limits,
    orders: UnboundedSender<Order>,
    current: AtomicU64,
    peak: AtomicU64,
    seen: Mutex<Vec<Entry>>,
}

impl Usage {
    /// The process whose tree it is.
    pub(super) fn root(&self) -> i32 {
        self.root
    }

    /// Resident bytes at the last sample.
    pub(super) fn current(&self) -> u64 {
        self.current.load(Ordering::Relaxed)
    }

    /// The highest sample.
    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// The processes of the last sample.
    pub(super) fn seen(&self) -> Vec<Entry> {
        lock(&self.seen).clone()
    }

    fn sample(&self, all: &[Entry]) {
        let mut tree = tree::descendants(all, self.root);
        tree.retain(|entry| !entry.zombie);
        // Of a root that died meanwhile the snapshot knows no tree any more, and what was seen before is all that its supervisor has.
        if tree::read(self.root).is_none_or(|root| root.zombie) {
            return;
        }
        let bytes = tree.iter().map(|entry| tree::resident_bytes(entry.pid)).sum();
        self.current.store(bytes, Ordering::Relaxed);
        self.peak.fetch_max(bytes, Ordering::Relaxed);
        // The supervisor reports the first reason and ignores the rest, and one that is gone needs none.
        if self.limits.max_memory.is_some_and(|limit| bytes > limit) {
            let _ = self.orders.send(Order::Stop(StopReason::MemoryLimit));
        }
        if tree.len() > self.limits.max_processes as usize {
            let _ = self.orders.send(Order::Stop(StopReason::ProcessLimit));
        }
        *lock(&self.seen) = tree;
    }
}

#[derive(Debug, Default)]
struct Sampler {
    trees: Mutex<Vec<Weak<Usage>>>,
    wake: Condvar,
}

static SAMPLER: OnceLock<Option<Sampler>> = OnceLock::new();

fn sampler() -> Option<&'static Sampler> {
    SAMPLER
        .get_or_init(|| {
            let thread = std::thread::Builder::new().name("sampler".to_owned());
            // It waits for the value that this very call makes.
            thread
                .spawn(|| {
                    if let Some(sampler) = SAMPLER.wait() {
                        sampler.run()
                    }
                })
                .ok()?;
            Some(Sampler::default())
        })
        .as_ref()
}

/// Samples the descendants of `root` as long as the returned value lives. Without a sampler thread (the machine is out of threads) nothing is sampled.
pub(super) fn watch(root: i32, limits: Limits, orders: UnboundedSender<Order>) -> Arc<Usage> {
    let usage = Arc::new(Usage {
        root,
        since: clock::instant(),
        limits,
        orders,
        current: AtomicU64::new(0),
        peak: AtomicU64::new(0),
        seen: Mutex::default(),
    });
    if let Some(sampler) = sampler() {
        lock(&sampler.trees).push(Arc::downgrade(&usage));
        sampler.wake.notify_one();
    }
    usage
}

/// Takes a sample now: a program has just started.
pub(super) fn nudge() {
    if let Some(sampler) = sampler() {
        sampler.wake.notify_one();
    }
}

/// The sum over all trees alive.
pub(super) fn total() -> u64 {
    sampler()
        .map_or(0, |s| lock(&s.trees).iter().filter_map(Weak::upgrade).map(|usage| usage.current()).sum())
}

impl Sampler {
    fn run(&self) {
        loop {
            let mut trees = lock(&self.trees);
            trees.retain(|tree| tree.strong_count() > 0);
            let alive: Vec<Arc<Usage>> = trees.iter().filter_map(Weak::upgrade).collect();
            if alive.is_empty() {
                drop(self.wake.wait(trees));
                continue;
            }
            drop(trees);
            let all = tree::snapshot();
            alive.iter().for_each(|usage| usage.sample(&all));
            let young = alive.iter().any(|usage| clock::since(usage.since) < INTERVAL);
            drop(alive);
            drop(self.wake.wait_timeout(lock(&self.trees), if young { YOUNG_INTERVAL } else { INTERVAL }));
        }
    }
}

/// A panic while one of these is held leaves nothing half-done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
