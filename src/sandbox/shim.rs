//! The shim (hidden subcommand `agent-shim`).

use std::ffi::OsString;

/// Runs the shim; `args` are the words after `agent-shim`. Must be called before any other thread exists (no async runtime yet). Returns the exit code.
pub fn shim_main(args: impl IntoIterator<Item = OsString>) -> i32 {
    let _ = args.into_iter().count();
    todo!()
}
