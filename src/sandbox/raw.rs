//! The project's unsafe code: two system calls that the shim needs and for which no safe form exists. Everything else denies `unsafe`.

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::thread::UnshareFlags;
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;

/// Leaves the given namespaces, never the table of file descriptors.
///
/// # Errors
/// When the kernel refuses, when this process has several threads (a user namespace needs one), or when `flags` holds `FILES`.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    if flags.contains(UnshareFlags::FILES) || fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("a namespace is entered by a process of one thread"));
    }
    // SAFETY: `unshare` is unsafe because threads might stop sharing their file descriptors: FILES is not given, and there is one thread, as just counted.
    #[expect(unsafe_code, reason = "no safe form exists")]
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    Ok(())
}

/// Keeps every descriptor that this process was started with, but for its three streams, from the programs that it starts.
///
/// # Errors
/// When the descriptors cannot be listed.
pub(super) fn keep_descriptors_from_children() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")?.flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()).filter(|n| *n > 2)
        else {
            continue;
        };
        // SAFETY: the descriptor is used here and now only, by a call that changes a flag and fails on a number that is not open (any more).
        #[expect(unsafe_code, reason = "no safe form exists: the descriptor has no owner in this program")]
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if let Ok(flags) = fcntl_getfd(fd) {
            fcntl_setfd(fd, flags | FdFlags::CLOEXEC)?;
        }
    }
    Ok(())
}
