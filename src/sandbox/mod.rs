//! Everything that starts a process: the keeper thread, the launcher in which foreign programs run, host commands, and the remover of what they leave.
//!
//! A foreign program (an agent, a `setup` or `verify` command, git where an agent wrote) runs under a shim: our own binary again, which owns
//! the program's whole process tree, its limits and its deadline, so that a stop leaves no process and a dead runner leaves no agent.
//! Nobody outside this module spawns.

mod exec;
mod exit;
mod fence;
mod fenced;
mod host;
mod keeper;
mod launcher;
mod lines;
mod namespace;
mod orphans;
mod process;
mod raw;
mod remove;
mod sampler;
mod shim;
mod spec;
mod supervisor;
mod tail;
mod tree;
mod watch;
mod wire;

pub use exec::exec_main;
pub use fence::Fence;
pub use host::{HostError, HostOutput, HostSpec};
pub use keeper::{spawn, spawn_blocking};
pub use launcher::{Launcher, LauncherError};
pub use namespace::Confinement;
pub use orphans::{Identity, Orphans, end_orphans};
pub use process::{Handle, Process};
pub use remove::{RemoveError, remove_tree, remove_tree_blocking, remove_tree_of_the_dying};
pub use shim::shim_main;
pub use spec::{Ended, LaunchError, Limits, Mount, Output, Spec, Status, StopReason, Stream};
pub use tail::Tail;
