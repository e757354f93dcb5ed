//! The runner's own directory: who it is, that it is alone there, and what an earlier life left behind.

use crate::clock;
use crate::sandbox;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for an earlier process of this directory to be gone.
const WAIT_FOR_EARLIER: Duration = Duration::from_secs(10);

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The file system refuses.
    #[error("`{path}` cannot be used by the runner")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another runner process works there.
    #[error("another runner uses `{0}`")]
    InUse(PathBuf),
}

/// A data directory that this process alone uses.
#[derive(Debug)]
pub(super) struct Home {
    data_dir: PathBuf,
    /// Held locked for as long as the process lives.
    _lock: File,
}

impl Home {
    /// Makes the directories, takes the lock, and removes the attempts of an earlier life: no process of it is
    /// left, since they die with their runner, and no result of it can be accepted any more.
    pub(super) async fn open(data_dir: &Path) -> Result<Self, HomeError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| HomeError::Io { path, source }
        };
        let attempts = data_dir.join("attempts");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&attempts).map_err(io(&attempts))?;
        let path = data_dir.join("runner.lock");
        let lock = File::options().create(true).append(true).open(&path).map_err(io(&path))?;
        let locked = clock::within(WAIT_FOR_EARLIER, async {
            while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
                clock::sleep(Duration::from_millis(50)).await;
            }
        });
        locked.await.ok_or_else(|| HomeError::InUse(data_dir.to_owned()))?;
        let home = Self { data_dir: data_dir.to_owned(), _lock: lock };
        home.sweep(&attempts).await.map_err(io(&attempts))?;
        Ok(home)
    }

    /// The directory of one attempt. Everything below `attempts` counts as left over when a process starts, so
    /// the place of an attempt is on record before anything is in it.
    pub(super) fn attempt(&self, name: &str) -> PathBuf {
        self.data_dir.join("attempts").join(name)
    }

    /// An id made once per host and kept on its disk.
    pub(super) fn host_id(&self) -> Result<String, HomeError> {
        let path = self.data_dir.join("host_id");
        let io = |source| HomeError::Io { path: path.clone(), source };
        match fs::read_to_string(&path) {
            Ok(id) if is_host_id(id.trim()) => return Ok(id.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
        }
        let id = clock::uuid();
        let fresh = self.data_dir.join("host_id.new");
        fs::write(&fresh, &id).and_then(|()| fs::rename(&fresh, &path)).map_err(io)?;
        Ok(id)
    }

    async fn sweep(&self, attempts: &Path) -> io::Result<()> {
        for entry in fs::read_dir(attempts)? {
            let path = entry?.path();
            tracing::info!(path = %path.display(), "Removing what an earlier runner process left.");
            if let Err(error) = sandbox::remove_tree(&path).await {
                tracing::warn!(%error, path = %path.display(), "A leftover could not be removed.");
            }
        }
        Ok(())
    }
}

fn is_host_id(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_host_keeps_its_id_and_loses_its_leftovers() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).await.unwrap();
        let id = home.host_id().unwrap();
        let left = home.attempt("run.1.1-1");
        fs::create_dir_all(left.join("work/deep")).unwrap();
        drop(home);
        let home = Home::open(dir.path()).await.unwrap();
        assert_eq!(home.host_id().unwrap(), id);
        assert!(!left.exists());
        fs::write(dir.path().join("host_id"), "../../x").unwrap();
        assert_ne!(home.host_id().unwrap(), "../../x");
    }

    #[tokio::test]
    async fn two_runners_never_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = Home::open(dir.path()).await.unwrap();
        let late = async {
            clock::sleep(Duration::from_millis(200)).await;
            drop(first);
        };
        // The second waits until the first is gone.
        let (second, ()) = tokio::join!(Home::open(dir.path()), late);
        assert!(second.is_ok());
        let lock = File::open(dir.path().join("runner.lock")).unwrap();
        assert!(flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err());
    }
}
