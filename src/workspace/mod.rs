//! Git: the host's mirror of each repository, each attempt's private repository and worktree, and the way of its commits back and out.
//!
//! Git is always the command line. The host runs it hermetically and only in the mirror, which no agent can write; where an agent wrote, git runs
//! through the launcher. So an attempt's commits come in by a fetch whose far end is confined, are checked in the mirror, and are pushed from there.

mod attempt;
mod cleanup;
mod gather;
mod git;
mod guard;
mod import;
mod incoming;
mod lock;
mod mirror;
mod push;
mod pushed;
mod raw_diff;
mod remote;
mod show;
mod survey;

pub use attempt::{AttemptPaths, Identity, PrepareError, Workspace, prepare};
pub use cleanup::{clear_mirrors, mirrors, prune_refs, remove_attempt, sweep_refs};
pub use gather::{CommitText, GatherError, Gathered, gather, restore, unlock};
pub use git::{GitError, GitSettings, HostGit};
pub use import::{ChangedPath, ImportError, Imported, import, inspect};
pub use mirror::{Mirror, UpdateError};
pub use push::{PushError, Pushed, push};
pub use pushed::{Before, forget_pushes, note_push, pushed_before};
pub use remote::{Remote, RemoteError};
pub use show::{diff_stat, read_blob, read_file};
pub use survey::{evidence, locate, survey};
