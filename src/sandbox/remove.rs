//! Removes directory trees that a hostile program made.

use std::path::{Path, PathBuf};

/// Something in the tree could not be removed; everything else is gone.
#[derive(Debug, thiserror::Error)]
#[error("{count} entries below `{path}` could not be removed, the first: {first}")]
pub struct RemoveError {
    /// The tree.
    pub path: PathBuf,
    /// How many entries stayed.
    pub count: usize,
    /// What the system said about the first one.
    #[source]
    pub first: std::io::Error,
}

/// Removes `path` and everything below it; a path that does not exist is fine. Symbolic links are removed, never followed.
///
/// # Errors
/// When something stays, such as a mount point.
pub async fn remove_tree(path: impl Into<PathBuf>) -> Result<(), RemoveError> {
    let path = path.into();
    let _ = &path;
    todo!()
}

/// [`remove_tree`] on this thread.
///
/// # Errors
/// As [`remove_tree`].
pub fn remove_tree_blocking(path: &Path) -> Result<(), RemoveError> {
    let _ = path;
    todo!()
}
