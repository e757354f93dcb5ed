//! What this machine bears: the default number of slots.

use std::num::NonZero;

/// One agent is reckoned at 1 GB: a coding agent idles at 250-300 MB and builds beside it.
const BYTES_PER_SLOT: u64 = 1_000_000_000;

/// The smaller of the number of CPUs and free memory in GB, at least 1.
pub fn default_slots() -> u32 {
    let cpus = std::thread::available_parallelism().map_or(1, NonZero::get);
    let free = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_memory(&text));
    slots(cpus, free)
}

fn slots(cpus: usize, free: Option<u64>) -> u32 {
    let by_memory = free.map_or(u64::MAX, |bytes| bytes / BYTES_PER_SLOT);
    let slots = u64::try_from(cpus).unwrap_or(u64::MAX).min(by_memory).clamp(1, 1_000);
    u32::try_from(slots).unwrap_or(1)
}

/// `MemAvailable` in bytes.
fn available_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcer_of_the_two_decides() {
        assert_eq!(slots(8, Some(3_500_000_000)), 3);
        assert_eq!(slots(2, Some(64_000_000_000)), 2);
        assert_eq!(slots(4, Some(200_000_000)), 1);
        assert_eq!(slots(4, None), 4);
    }

    #[test]
    fn memory_is_read() {
        assert_eq!(available_memory("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2_097_152));
        assert_eq!(available_memory("MemTotal: 9 kB\n"), None);
        assert!(default_slots() >= 1);
    }
}
