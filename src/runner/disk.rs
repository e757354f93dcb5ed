//! Room on the disk: no agent is started where its work would not fit.

use std::path::Path;

/// Below this much free space no attempt is claimed; on a small disk a twentieth of it.
const LOW: u64 = 512 << 20;

/// Whether attempts may be claimed: the disk of the data directory is above its low mark. One that cannot be asked counts as having room:
/// what needs it fails with a better reason.
pub(super) fn has_room(data_dir: &Path) -> bool {
    rustix::fs::statvfs(data_dir).map_or(true, |disk| {
        let unit = disk.f_frsize;
        enough(disk.f_bavail.saturating_mul(unit), disk.f_blocks.saturating_mul(unit))
    })
}

fn enough(free: u64, size: u64) -> bool {
    free >= LOW.min(size / 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_may_be_used_too() {
        assert!(enough(600 << 20, 100 << 30));
        assert!(!enough(500 << 20, 100 << 30));
        assert!(enough(1 << 20, 8 << 20));
        assert!(!enough(100 << 10, 8 << 20));
    }
}
