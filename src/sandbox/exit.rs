//! The end of a child as something to wait for on the async runtime.

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use tokio::io::unix::AsyncFd;

/// A child's end, through its pidfd: no signal handler, and no mistaking a later process of the same number for it.
#[derive(Debug)]
pub(super) struct Exit(AsyncFd<OwnedFd>);

impl Exit {
    /// Of a child that was not waited for yet.
    pub(super) fn of(child: &Child) -> io::Result<Self> {
        let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
        #[expect(
            deprecated,
            reason = "deprecated for types that may not own their descriptor; an OwnedFd does"
        )]
        AsyncFd::new(pidfd).map(Self)
    }

    /// Returns when the child has ended and can be reaped without waiting. Safe to cancel and to call again.
    pub(super) async fn wait(&self) {
        if let Ok(mut ready) = self.0.readable().await {
            ready.retain_ready();
        }
    }
}
