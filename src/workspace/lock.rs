//! One writer of a mirror's branches at a time, across processes too.

use crate::clock;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Between two tries when another process holds the lock.
const RETRY: Duration = Duration::from_millis(50);

/// A held lock. The kernel gives it back when this is dropped, and when the process dies.
#[derive(Debug)]
pub(super) struct FileLock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Waits for the lock file at `path` to be ours.
///
/// # Errors
/// When it cannot be opened, or is still another's after `limit`.
pub(super) async fn acquire(path: &Path, limit: Duration) -> io::Result<FileLock> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let end = clock::instant() + limit;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(FileLock(file)),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if clock::instant() < end => {
                clock::sleep(RETRY).await
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_holders_wait_for_each_other() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x.lock");
        let first = acquire(&path, Duration::ZERO).await.expect("free");
        assert!(acquire(&path, Duration::from_millis(80)).await.is_err());
        drop(first);
        acquire(&path, Duration::ZERO).await.expect("free again");
    }
}
