//! How much memory the agents of each run use together.

use crate::clock;
use crate::domain::RunId;
use crate::sandbox::Handle;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two samples (the contract's figure is defined by it).
const EVERY: Duration = Duration::from_secs(1);

/// All live agents of this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<Live>>);

#[derive(Debug, Default)]
struct Live {
    next: u64,
    agents: HashMap<u64, Watched>,
}

#[derive(Debug)]
struct Watched {
    run: RunId,
    process: Handle,
    peak: Arc<AtomicU64>,
}

/// One agent that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    memory: Memory,
    number: u64,
    peak: Arc<AtomicU64>,
}

impl Memory {
    /// Counts an agent of `run` from now on.
    pub(super) fn watch(&self, run: &RunId, process: Handle) -> Watch {
        let peak = Arc::new(AtomicU64::new(0));
        let mut live = self.lock();
        live.next += 1;
        let number = live.next;
        live.agents.insert(number, Watched { run: run.clone(), process, peak: peak.clone() });
        drop(live);
        Watch { memory: self.clone(), number, peak }
    }

    /// Takes samples until it is dropped.
    pub(super) async fn sample(&self) {
        loop {
            clock::sleep(EVERY).await;
            let live = self.lock();
            let now = live.agents.values().map(|w| (&w.run, &*w.peak, w.process.memory_bytes()));
            add_up(&now.collect::<Vec<_>>());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives every agent the sum of its run, if that is the highest that it has seen.
fn add_up(now: &[(&RunId, &AtomicU64, u64)]) {
    let mut sums: HashMap<&RunId, u64> = HashMap::new();
    for (run, _, bytes) in now {
        *sums.entry(run).or_default() += bytes;
    }
    for (run, peak, _) in now {
        peak.fetch_max(sums[run], Ordering::Relaxed);
    }
}

impl Watch {
    /// The highest sum of its run's agents while it lived, in bytes.
    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.memory.lock().agents.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_has_its_own_sum_and_the_highest_stays() {
        let (a, b) = (RunId::new("a"), RunId::new("b"));
        let peaks: [AtomicU64; 3] = Default::default();
        add_up(&[(&a, &peaks[0], 10), (&a, &peaks[1], 20), (&b, &peaks[2], 5)]);
        add_up(&[(&a, &peaks[0], 12), (&b, &peaks[2], 50)]);
        let peaks: Vec<u64> = peaks.iter().map(|p| p.load(Ordering::Relaxed)).collect();
        assert_eq!(peaks, [30, 30, 50]);
    }
}
