//! The binary `divisi`: everything is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    divisi::cli::main()
}
