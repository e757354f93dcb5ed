//! The runner's own directory: who it is, that it is alone there, and what an earlier life left behind.

use super::record::Journal;
use crate::clock;
use crate::sandbox;
use crate::workspace;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for an earlier process of this directory to be gone.
const WAIT_FOR_EARLIER: Duration = Duration::from_secs(10);

/// How long processes of an earlier life may take to be gone once they are killed.
const ORPHANS_LIMIT: Duration = Duration::from_secs(10);

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
    /// Processes of an earlier life cannot be killed.
    #[error("{0} processes of an earlier runner process do not end")]
    Orphans(usize),
    /// Another runner process works there.
    #[error("another runner uses `{0}`")]
    InUse(PathBuf),
}

/// A data directory that this process alone uses.
#[derive(Debug)]
pub(super) struct Home {
    data_dir: PathBuf,
    /// What is written down about attempts.
    pub(super) journal: Journal,
    /// Held locked for as long as the process lives.
    _lock: File,
}

impl Home {
    /// Makes the directories, takes the lock, and ends what earlier lives left running. Their directories stay: the control
    /// plane says which of them are needed.
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
        let records = data_dir.join("journal");
        let journal = Journal::open(&records).map_err(io(&records))?;
        let home = Self { data_dir: data_dir.to_owned(), journal, _lock: lock };
        home.end_orphans().await?;
        workspace::clear_mirrors(data_dir).await;
        Ok(home)
    }

    /// Ends every process of earlier lives that is still there.
    async fn end_orphans(&self) -> Result<(), HomeError> {
        let shims: Vec<_> = self.journal.all().into_iter().flat_map(|record| record.shims).collect();
        let attempts = self.attempts();
        let search = move || sandbox::end_orphans(&shims, &attempts, ORPHANS_LIMIT);
        let done = tokio::task::spawn_blocking(search).await.unwrap_or_default();
        if done.found > 0 {
            tracing::warn!(
                processes = done.found,
                left = done.left,
                "Ended what an earlier runner process left running."
            );
        }
        // Whoever registers says that nothing is left.
        if done.left > 0 { Err(HomeError::Orphans(done.left)) } else { Ok(()) }
    }

    /// Where the directories of attempts are.
    pub(super) fn attempts(&self) -> PathBuf {
        self.data_dir.join("attempts")
    }

    /// The data directory.
    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The directory of one attempt. What no record names there is a leftover, so a record comes first.
    pub(super) fn attempt(&self, name: &str) -> PathBuf {
        self.attempts().join(name)
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
}

fn is_host_id(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_host_keeps_its_id_and_loses_what_git_left_half_done() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).await.unwrap();
        let id = home.host_id().unwrap();
        drop(home);
        let mirrors = dir.path().join("mirrors");
        let half = [
            "7.git/refs/divisi/head.lock",
            "7.git/packed-refs.new",
            "7.git/objects/pack/tmp_pack_x",
            "7.git/objects/17/tmp_obj_x",
            ".7.ab/HEAD",
        ];
        // Branches may be called as git calls its temporary files.
        let whole = ["7.git/packed-refs", "7.lock", "7.git/refs/heads/tmp_x", "7.git/refs/heads/incoming-y"];
        for file in half.iter().chain(&whole) {
            fs::create_dir_all(mirrors.join(file).parent().unwrap()).unwrap();
            fs::write(mirrors.join(file), "").unwrap();
        }
        fs::create_dir_all(mirrors.join("7.divisi.run.1.head.incoming/objects")).unwrap();
        let home = Home::open(dir.path()).await.unwrap();
        assert_eq!(home.host_id().unwrap(), id);
        let mut left: Vec<_> = fs::read_dir(&mirrors).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["7.git", "7.lock"]);
        assert!(half.iter().all(|file| !mirrors.join(file).exists()));
        assert!(whole.iter().all(|file| mirrors.join(file).exists()));
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
