//! The database's file on the disk.
//!
//! SQLite keeps writing happily into a file that somebody has deleted or replaced, and everything that was accepted is gone with the
//! process. So before each write transaction its name is looked at: one system call.

use crate::store::StoreError;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file as it was when the database was opened.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    path: Arc<Path>,
    /// Device and number of the inode.
    is: (u64, u64),
}

impl Opened {
    pub fn at(path: &Path) -> Result<Self, StoreError> {
        let unavailable = |e: std::io::Error| StoreError::Unavailable(format!("{}: {e}", path.display()));
        let path: PathBuf = std::path::absolute(path).map_err(unavailable)?;
        let meta = std::fs::metadata(&path).map_err(unavailable)?;
        Ok(Self { path: path.into(), is: (meta.dev(), meta.ino()) })
    }

    /// # Errors
    /// [`StoreError::Unavailable`] when the name leads to another file or to none: until it is put back, or for ever.
    pub fn still_there(&self) -> Result<(), StoreError> {
        match std::fs::metadata(&self.path) {
            Ok(meta) if (meta.dev(), meta.ino()) == self.is => Ok(()),
            Ok(_) => Err(StoreError::Unavailable(format!(
                "{} was replaced by another file; restart Divisi to use that one",
                self.path.display()
            ))),
            Err(error) => Err(StoreError::Unavailable(format!(
                "{} cannot be seen any more ({error}); put it back",
                self.path.display()
            ))),
        }
    }
}
