//! What an attempt has used, kept apart from its stages so that it survives their failure, and over its lives.

use crate::agents::Seen;
use crate::clock;
use crate::domain::Spent;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Counts from when it is made.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    used: Mutex<Used>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// By earlier lives, and by processes of this one that have ended.
    before: Spent,
    /// By the agent's process that runs, or ran last: it tells what it used itself, not what its session did.
    tokens: u64,
    cost_usd: f64,
    peak_bytes: u64,
}

impl Tally {
    /// Goes on from what earlier lives have used.
    pub(super) fn after(before: Spent) -> Self {
        Self { began: clock::instant(), used: Mutex::new(Used { before, ..Used::default() }) }
    }

    /// A process of the agent begins: what the one before used stays.
    pub(super) fn next_process(&self) {
        self.change(|used| {
            used.before.tokens += std::mem::take(&mut used.tokens);
            used.before.cost_usd += std::mem::take(&mut used.cost_usd);
        });
    }

    /// Tokens of this process as counted on the way; the agent's own count is taken when it is higher.
    pub(super) fn tokens(&self, tokens: u64) {
        self.change(|used| used.tokens = used.tokens.max(tokens));
    }

    /// What the agent says it used.
    pub(super) fn agent(&self, seen: &Seen) {
        self.tokens(seen.tokens);
        self.change(|used| used.cost_usd = seen.cost_usd);
    }

    /// A sample of the memory of the run's agents.
    pub(super) fn memory(&self, bytes: u64) {
        self.change(|used| used.peak_bytes = used.peak_bytes.max(bytes));
    }

    /// The sum over all lives and processes.
    pub(super) fn spent(&self) -> Spent {
        let used = self.used();
        let seconds = clock::since(self.began).as_secs_f64();
        let mut sum = used.before;
        sum += Spent { tokens: used.tokens, cost_usd: used.cost_usd, seconds };
        sum
    }

    /// The highest sample of this life, in MB.
    pub(super) fn peak_mb(&self) -> u64 {
        self.used().peak_bytes.div_ceil(1_000_000)
    }

    fn used(&self) -> Used {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Used)) {
        change(&mut self.used.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_and_lives_add_up() {
        let tally = Tally::after(Spent { tokens: 1_000, cost_usd: 0.5, seconds: 60.0 });
        for (counted, told, cost) in [(10, 100, 0.25), (300, 200, 0.125)] {
            tally.next_process();
            tally.tokens(counted);
            tally.agent(&Seen { tokens: told, cost_usd: cost, ..Seen::default() });
        }
        let spent = tally.spent();
        assert_eq!((spent.tokens, spent.cost_usd), (1_400, 0.875));
        assert!((60.0..61.0).contains(&spent.seconds), "{spent:?}");
    }
}
