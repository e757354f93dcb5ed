//! A running program: its output line by line, its end, and the ways to stop it.

use super::spec::{Ended, Output, StopReason};
use std::time::Duration;

/// A program under the launcher. Dropping it stops the program (SIGKILL for its whole tree).
#[derive(Debug)]
pub struct Process {
    handle: Handle,
}

/// A way to stop and look at a program from another task.
#[derive(Clone, Debug)]
pub struct Handle {}

impl Process {
    /// The next line of either stream, in the order read; `None` when both streams have ended. Safe to cancel (in a `select!`).
    ///
    /// The program waits while nobody reads, and its stall clock counts lines read here: call it until `None`.
    pub async fn next_output(&mut self) -> Option<Output> {
        todo!()
    }

    /// Stops the program: SIGTERM to its whole tree, then SIGKILL after its grace. The first reason given is the one reported.
    pub fn stop(&self, reason: StopReason) {
        self.handle.stop(reason);
    }

    /// Waits for the end, dropping output that was not read. Afterwards no process of the tree is left.
    pub async fn wait(&mut self) -> Ended {
        todo!()
    }

    /// A handle for other tasks.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Resident memory of its tree in bytes at the last sample.
    pub fn memory_bytes(&self) -> u64 {
        self.handle.memory_bytes()
    }
}

impl Handle {
    /// As [`Process::stop`].
    pub fn stop(&self, reason: StopReason) {
        let _ = reason;
        todo!()
    }

    /// Sets another limit on silence (from now on), for phases in which silence is normal; `None` for no limit.
    pub fn set_stall(&self, limit: Option<Duration>) {
        let _ = limit;
        todo!()
    }

    /// As [`Process::memory_bytes`].
    pub fn memory_bytes(&self) -> u64 {
        todo!()
    }
}
