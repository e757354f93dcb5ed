//! Removes directory trees that a hostile program made.
//!
//! `std::fs::remove_dir_all` runs out of file descriptors in deep trees and stops at directories without permissions, `git worktree remove` forgets the
//! worktree before it fails. This walk holds three descriptors at most however deep the tree is, goes up by `..` and checks that it arrives where it came from,
//! takes permissions where they are missing, follows no link and leaves the file system of the tree alone only at mount points.

use crate::clock;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, IFlags, Mode, OFlags, fchmod, fstat, ioctl_getflags, ioctl_setflags, openat,
    statat, unlinkat,
};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often an open is tried again when the process or the machine is out of file descriptors, and the wait in between.
const OPEN_RETRIES: u32 = 100;
const OPEN_RETRY_WAIT: Duration = Duration::from_millis(50);
/// Waits between the tries of a removal beside dying processes, in milliseconds.
const PAUSES: [u64; 4] = [100, 200, 400, 800];

/// Something in the tree could not be removed; everything else is gone.
#[derive(Debug, thiserror::Error)]
#[error("{count} entries at or below `{path}` could not be removed")]
pub struct RemoveError {
    /// The tree.
    pub path: PathBuf,
    /// How many entries stayed, not counting the directories above them.
    pub count: usize,
    /// What the system said about the first one.
    #[source]
    pub first: io::Error,
}

/// Removes `path` and everything below it; a path that does not exist is fine. Symbolic links are removed, never followed.
///
/// # Errors
/// When something stays, such as a mount point.
pub async fn remove_tree(path: impl Into<PathBuf>) -> Result<(), RemoveError> {
    let path = path.into();
    let place = path.clone();
    tokio::task::spawn_blocking(move || remove_tree_blocking(&place))
        .await
        .unwrap_or_else(|error| Err(RemoveError { path, count: 1, first: io::Error::other(error) }))
}

/// [`remove_tree`], tried five times within 1.5 s: a process that dies right now may still put something there.
///
/// # Errors
/// As [`remove_tree`], of the last try.
pub async fn remove_tree_of_the_dying(path: &Path) -> Result<(), RemoveError> {
    for pause in PAUSES {
        match remove_tree(path).await {
            Ok(()) => return Ok(()),
            Err(_) => clock::sleep(Duration::from_millis(pause)).await,
        }
    }
    remove_tree(path).await
}

/// [`remove_tree`] on this thread.
///
/// # Errors
/// As [`remove_tree`].
pub fn remove_tree_blocking(path: &Path) -> Result<(), RemoveError> {
    let mut walk = Walk { device: 0, stuck: HashSet::new(), first: None };
    let name = CString::new(path.as_os_str().as_bytes());
    let done = name.map_err(|_| Errno::INVAL).and_then(|name| walk.remove(&name));
    match (walk.first, done) {
        (None, Ok(())) => Ok(()),
        (Some(first), _) | (None, Err(first)) => {
            Err(RemoveError { path: path.to_owned(), count: walk.stuck.len().max(1), first: first.into() })
        }
    }
}

/// A directory on the way down: its identity, and its name in its parent.
struct Level {
    inode: u64,
    name: CString,
}

struct Walk {
    /// The file system of the tree.
    device: u64,
    /// Entries (inode of their directory, name) that could not be removed and are not tried again.
    stuck: HashSet<(u64, CString)>,
    first: Option<Errno>,
}

impl Walk {
    /// Removes the tree at `path`.
    fn remove(&mut self, path: &CStr) -> Result<(), Errno> {
        match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => {
                return self.unlink(&open(CWD, c".", OFlags::DIRECTORY)?, path, AtFlags::empty());
            }
            Ok(stat) => self.device = stat.st_dev,
        }
        let mut here = enter(CWD, path)?;
        let mut stack = vec![Level { inode: fstat(&here)?.st_ino, name: path.to_owned() }];
        loop {
            let inode = stack.last().map_or(0, |level| level.inode);
            if let Some(name) = self.clear(&here, inode)? {
                let next = enter(&here, &name).and_then(|fd| Ok((fstat(&fd)?, fd)));
                match next {
                    Ok((stat, fd)) if stat.st_dev == self.device => {
                        stack.push(Level { inode: stat.st_ino, name });
                        here = fd;
                    }
                    Ok(_) => self.give_up(inode, name, Errno::XDEV),
                    Err(error) => self.give_up(inode, name, error),
                }
                continue;
            }
            let Some(done) = stack.pop() else { return Ok(()) };
            let Some(parent) = stack.last() else {
                drop(here);
                return if self.stuck.is_empty() { unlinkat(CWD, path, AtFlags::REMOVEDIR) } else { Ok(()) };
            };
            let up = open(&here, c"..", OFlags::DIRECTORY)?;
            let stat = fstat(&up)?;
            if (stat.st_ino, stat.st_dev) != (parent.inode, self.device) {
                // Somebody alive moves directories about: up is not where we came from, and nothing there is ours to remove.
                return Err(Errno::AGAIN);
            }
            let inode = parent.inode;
            if let Err(error) = self.unlink(&up, &done.name, AtFlags::REMOVEDIR) {
                self.give_up(inode, done.name, error);
            }
            here = up;
        }
    }

    /// Removes all entries of a directory that can be removed at once; returns the first subdirectory that is not empty, if any.
    fn clear(&mut self, dir: &OwnedFd, inode: u64) -> Result<Option<CString>, Errno> {
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || self.is_stuck(inode, name) {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not tell.
                FileType::Unknown => {
                    FileType::from_raw_mode(statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)
                }
                known => known,
            };
            let flags = if kind == FileType::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            match self.unlink(dir, name, flags) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST) if kind == FileType::Directory => {
                    return Ok(Some(name.to_owned()));
                }
                Err(error) => self.give_up(inode, name.to_owned(), error),
            }
        }
        Ok(None)
    }

    /// Removes one entry, taking away the flags that forbid it (`chattr +i`, `+a`) if we may.
    fn unlink(&self, dir: &impl std::os::fd::AsFd, name: &CStr, flags: AtFlags) -> Result<(), Errno> {
        match unlinkat(dir, name, flags) {
            Err(Errno::PERM) => {
                release(&open(dir, c".", OFlags::DIRECTORY)?);
                // A FIFO or a device would block or act when opened; they cannot carry the flags either.
                if let Ok(fd) = open(dir, name, OFlags::NONBLOCK) {
                    release(&fd);
                }
                unlinkat(dir, name, flags)
            }
            done => done,
        }
    }

    fn is_stuck(&self, inode: u64, name: &CStr) -> bool {
        !self.stuck.is_empty() && self.stuck.contains(&(inode, name.to_owned()))
    }

    fn give_up(&mut self, inode: u64, name: CString, error: Errno) {
        // A directory that is not empty because of something below it is not counted again.
        if !matches!(error, Errno::NOTEMPTY | Errno::EXIST) {
            self.first.get_or_insert(error);
        }
        self.stuck.insert((inode, name));
    }
}

/// Opens without following a link, waiting while file descriptors are short.
fn open(dir: impl std::os::fd::AsFd, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut tries = 0;
    loop {
        match openat(&dir, name, flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::MFILE | Errno::NFILE) if tries < OPEN_RETRIES => {
                tries += 1;
                crate::clock::sleep_blocking(OPEN_RETRY_WAIT);
            }
            other => return other,
        }
    }
}

/// Opens a directory to read and change it, whatever its mode.
fn enter(dir: impl std::os::fd::AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let fd = match open(&dir, name, OFlags::DIRECTORY) {
        Err(Errno::ACCESS) => {
            // An O_PATH descriptor needs no permission on the directory itself; through /proc it names that directory and no other.
            let handle = openat(
                &dir,
                name,
                OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            let number = std::os::fd::AsRawFd::as_raw_fd(&handle);
            rustix::fs::chmodat(CWD, format!("/proc/self/fd/{number}"), Mode::RWXU, AtFlags::empty())?;
            open(&dir, name, OFlags::DIRECTORY)?
        }
        other => other?,
    };
    let mode = Mode::from_raw_mode(fstat(&fd)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        // Refused for another user's directory; then its entries tell.
        let _ = fchmod(&fd, mode | Mode::RWXU);
    }
    Ok(fd)
}

fn release(fd: &OwnedFd) {
    if let Ok(flags) = ioctl_getflags(fd)
        && flags.intersects(IFlags::IMMUTABLE | IFlags::APPEND)
    {
        // Only the superuser may; for others the entry stays and is reported.
        let _ = ioctl_setflags(fd, flags - IFlags::IMMUTABLE - IFlags::APPEND);
    }
}

#[cfg(test)]
#[path = "remove_tests.rs"]
mod tests;
