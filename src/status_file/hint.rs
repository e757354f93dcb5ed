//! The attempt's private `STATUS_FILE`, read as untrusted input.
//!
//! An agent may put anything at that name: a link to `/etc/shadow`, a FIFO that would block its reader, a file
//! of a terabyte. The path is resolved by the kernel below the attempt's directory without following links,
//! opened without waiting, and read only if it is a small regular file.

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2};
use rustix::io::Errno;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

/// A larger file is not read.
pub const LARGEST: u64 = 64 * 1024;

/// Longest note that is kept, in characters.
const NOTE: usize = 300;

/// Longest stage that is kept, in characters.
const STAGE: usize = 40;

/// What an agent says about itself. Foreign text, one line each, without control characters; still to be
/// redacted and to be escaped where it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// At most 300 characters.
    pub note: Option<String>,
    /// Percent, 0 to 100.
    pub progress: Option<u8>,
    /// At most 40 characters.
    pub stage: Option<String>,
}

/// Why there is no hint. None of these ends an attempt.
#[derive(Debug, thiserror::Error)]
pub enum HintError {
    /// Cannot be opened: a link on the way, a way out of the directory, no permission.
    #[error("cannot open the agent's status file")]
    Open(#[source] io::Error),
    /// No regular file.
    #[error("the agent's status file is not a regular file")]
    NoFile,
    /// Larger than 64 KiB.
    #[error("the agent's status file is larger than 64 KiB")]
    TooLarge,
    /// Cannot be read.
    #[error("cannot read the agent's status file")]
    Read(#[source] io::Error),
    /// No JSON object; also while the agent is in the middle of writing it.
    #[error("the agent's status file is not a JSON object")]
    NoObject,
}

/// Reads `name` below `directory`; `Ok(None)` when there is no such file. Never blocks, never follows a link
/// below `directory`, never leaves it. Fields of a wrong type are left out.
pub fn read_hint(directory: &Path, name: &Path) -> Result<Option<Hint>, HintError> {
    let file = match open_below(directory, name) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(HintError::Open(error.into())),
    };
    let stat = fstat(&file).map_err(|error| HintError::Read(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(HintError::NoFile);
    }
    if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > LARGEST {
        return Err(HintError::TooLarge);
    }
    // It may grow while it is read.
    let mut bytes = Vec::new();
    File::from(file).take(LARGEST + 1).read_to_end(&mut bytes).map_err(HintError::Read)?;
    if bytes.len() as u64 > LARGEST {
        return Err(HintError::TooLarge);
    }
    parse(&bytes).map(Some)
}

fn open_below(directory: &Path, name: &Path) -> Result<OwnedFd, Errno> {
    let base = open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(&base, name, how, Mode::empty(), within) {
        // A kernel or a container without openat2: a single plain name cannot lead anywhere else, if it is no
        // link itself.
        Err(Errno::NOSYS | Errno::PERM) if is_plain(name) => {
            openat(&base, name, how | OFlags::NOFOLLOW, Mode::empty())
        }
        result => result,
    }
}

fn is_plain(name: &Path) -> bool {
    let mut parts = name.components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

fn parse(bytes: &[u8]) -> Result<Hint, HintError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| HintError::NoObject)?;
    let object = value.as_object().ok_or(HintError::NoObject)?;
    let line = |key: &str, longest: usize| {
        let text = object.get(key)?.as_str()?;
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(longest).collect();
        Some(line.trim().to_owned()).filter(|line| !line.is_empty())
    };
    let progress = object.get("progress").and_then(Value::as_f64).filter(|n| (0.0..=100.0).contains(n));
    Ok(Hint {
        note: line("note", NOTE),
        // In range by the filter above.
        progress: progress.map(|n| n.round() as u8),
        stage: line("stage", STAGE),
    })
}
