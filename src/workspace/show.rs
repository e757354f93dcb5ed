//! Reading from the mirror.

use super::git::GitError;
use super::mirror::Mirror;
use crate::domain::Sha;

/// The first `cap` bytes of a regular file at a commit (an agent guide such as `CLAUDE.md`); `None` when there is no such regular file.
///
/// # Errors
/// When git itself fails.
pub async fn read_file(
    mirror: &Mirror,
    commit: &Sha,
    path: &str,
    cap: usize,
) -> Result<Option<Vec<u8>>, GitError> {
    let _ = (mirror, commit, path, cap);
    todo!()
}

/// A blob's content, for looking through what would be published; `None` when it is larger than `cap` bytes.
///
/// # Errors
/// When git itself fails or there is no such blob.
pub async fn read_blob(mirror: &Mirror, blob: &Sha, cap: usize) -> Result<Option<Vec<u8>>, GitError> {
    let _ = (mirror, blob, cap);
    todo!()
}

/// `git diff --stat` between two commits of the mirror, cut to `cap` bytes.
///
/// # Errors
/// When git itself fails.
pub async fn diff_stat(mirror: &Mirror, base: &Sha, head: &Sha, cap: usize) -> Result<String, GitError> {
    let _ = (mirror, base, head, cap);
    todo!()
}
