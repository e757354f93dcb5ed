//! Printing: results go to standard output, everything else to standard error.

use super::exit::Exit;
use crate::config::{ConfigError, host};
use std::io::{IsTerminal as _, Write as _};

/// An error that has its own exit code.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Ended {
    pub exit: Exit,
    pub text: String,
}

/// An error with this exit code.
pub(super) fn ended(exit: Exit, text: impl Into<String>) -> anyhow::Error {
    Ended { exit, text: text.into() }.into()
}

/// The exit code of an error.
pub(super) fn exit_of(error: &anyhow::Error) -> Exit {
    error.downcast_ref::<Ended>().map_or(Exit::Other, |e| e.exit)
}

/// One line of a result. A closed pipe is the reader's choice, not an error.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Text without a line end, shown at once.
pub(super) fn draw(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// One line beside the result.
pub(super) fn warn(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What went wrong, with its causes.
pub(super) fn error(error: &anyhow::Error) {
    let mut text = String::new();
    match error.downcast_ref::<ConfigError>() {
        Some(config) => text.push_str(&config.to_string()),
        None => {
            text.push_str(&format!("divisi: {error}"));
            for cause in error.chain().skip(1) {
                text.push_str(&format!("\n  because: {cause}"));
            }
        }
    }
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether lines may be drawn over.
pub(super) fn is_live() -> bool {
    std::io::stdout().is_terminal() && !host::no_color()
}
