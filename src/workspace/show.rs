//! Reading from the mirror.

use super::git::{GitError, failed};
use super::mirror::Mirror;
use crate::domain::Sha;
use crate::sandbox::HostError;

/// A file larger than this is not looked into, in bytes.
const MAX_FILE: usize = 16 << 20;

/// The first `cap` bytes of a regular file at a commit (an agent guide such as `CLAUDE.md`); `None` when there is no such regular file, or one above 16 MiB.
///
/// # Errors
/// When git itself fails.
pub async fn read_file(
    mirror: &Mirror,
    commit: &Sha,
    path: &str,
    cap: usize,
) -> Result<Option<Vec<u8>>, GitError> {
    let what = "look for a file";
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Ok(None);
    }
    let listed = mirror.git().ok(mirror.call(what, ["ls-tree", "-z", commit.as_str(), "--", path])).await?;
    // `100644 blob <id>\t<path>\0`; a link (120000) or a directory is no regular file.
    let Some(head) = listed.split(|b| *b == b'\t').next().filter(|head| head.starts_with(b"100")) else {
        return Ok(None);
    };
    let id = std::str::from_utf8(head).ok().and_then(|head| Sha::parse(head.split(' ').nth(2)?));
    let blob = id.ok_or_else(|| GitError::answer(what, &listed))?;
    let mut content = read_blob(mirror, &blob, MAX_FILE).await?;
    if let Some(content) = &mut content {
        content.truncate(cap);
    }
    Ok(content)
}

/// A blob's content, for looking through what would be published; `None` when it is larger than `cap` bytes.
///
/// # Errors
/// When git itself fails or there is no such blob.
pub async fn read_blob(mirror: &Mirror, blob: &Sha, cap: usize) -> Result<Option<Vec<u8>>, GitError> {
    let call = mirror.call("read a file", ["cat-file", "blob", blob.as_str()]).max_output(cap);
    match mirror.git().ok(call).await {
        Ok(content) => Ok(Some(content)),
        Err(GitError::Host { source: HostError::TooMuchOutput { .. }, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `git diff --stat` between two commits of the mirror, cut to `cap` bytes at the end of a line.
///
/// # Errors
/// When git itself fails.
pub async fn diff_stat(mirror: &Mirror, base: &Sha, head: &Sha, cap: usize) -> Result<String, GitError> {
    let what = "summarize a change";
    let args = [
        "diff-tree",
        "-r",
        "--no-renames",
        "--no-textconv",
        "--no-ext-diff",
        "--stat=100",
        base.as_str(),
        head.as_str(),
    ];
    let output = mirror.git().run(mirror.call(what, args)).await?;
    if output.code != 0 {
        return Err(failed(what, &output));
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.len() > cap {
        let mut end = cap;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(text[..end].rfind('\n').map_or(end, |at| at + 1));
    }
    Ok(text)
}
