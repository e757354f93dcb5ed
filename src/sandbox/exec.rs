//! Confinement for a program that somebody else starts (hidden subcommand `sandbox-exec`).

use std::ffi::OsString;

/// Runs the program; `args` are the words after `sandbox-exec`. Must be called before any other thread exists. Returns only on failure or with the program's exit code.
pub fn exec_main(args: impl IntoIterator<Item = OsString>) -> i32 {
    let _ = args.into_iter().count();
    todo!()
}
