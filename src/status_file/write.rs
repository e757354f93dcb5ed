//! Writing: a reader sees the old file or the new one, never half of one, also after a power cut.

use serde::Serialize;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A public file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Replaces the file at `path` by `value` as one line of JSON with a line end.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), WriteError> {
    let mut bytes = serde_json::to_vec(value)
        .map_err(|error| WriteError { path: path.to_owned(), source: error.into() })?;
    bytes.push(b'\n');
    replace(path, &bytes)
}

/// Replaces the file at `path` by `text`, such as the summary.
pub fn write_text(path: &Path, text: &str) -> Result<(), WriteError> {
    replace(path, text.as_bytes())
}

/// Appends to a log, which is made if it does not exist. Not atomic and not synced: a log is for reading along.
pub fn append_log(path: &Path, text: &str) -> Result<(), WriteError> {
    let wrong = |source| WriteError { path: path.to_owned(), source };
    make_parent(path).map_err(wrong)?;
    let mut file = OpenOptions::new().append(true).create(true).mode(0o644).open(path).map_err(wrong)?;
    file.write_all(text.as_bytes()).map_err(wrong)
}

/// A new file beside the old one, synced, mode 0644 whatever the umask is, renamed over it, and the directory
/// synced so that the name survives as well.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let wrong = |source| WriteError { path: path.to_owned(), source };
    let directory = make_parent(path).map_err(wrong)?;
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory).map_err(wrong)?;
    file.write_all(bytes).map_err(wrong)?;
    file.as_file().set_permissions(Permissions::from_mode(0o644)).map_err(wrong)?;
    file.as_file().sync_all().map_err(wrong)?;
    file.persist(path).map_err(|error| wrong(error.error))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(wrong)
}

fn make_parent(path: &Path) -> io::Result<&Path> {
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(parent)?;
    Ok(parent)
}
