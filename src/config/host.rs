//! The few facts about this process that come from its environment and are not settings.

use secrecy::SecretString;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// The variable that holds a runner host's token.
pub const RUNNER_TOKEN: &str = "DIVISI_RUNNER_TOKEN";

/// The variable that names the file when `--config` does not.
pub const CONFIG: &str = "DIVISI_CONFIG";

/// The token with which a runner reports to its server; `None` when unset or empty.
pub fn runner_token() -> Option<SecretString> {
    let token = variable(RUNNER_TOKEN)?.into_string().ok()?;
    Some(SecretString::from(token.trim().to_owned()))
}

/// The log filter of `RUST_LOG`; `None` when unset or empty.
pub fn log_filter() -> Option<String> {
    variable("RUST_LOG")?.into_string().ok()
}

/// Where programs are looked for.
pub fn search_path() -> OsString {
    variable("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"))
}

/// The user's home, if the environment tells one.
pub fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from)
}

/// Whether the terminal asks for no colour (<https://no-color.org>).
pub fn no_color() -> bool {
    variable("NO_COLOR").is_some()
}

/// The directory for temporary files.
pub fn temp_dir() -> PathBuf {
    std::env::temp_dir()
}

/// The directory that relative paths start from.
pub fn working_dir() -> io::Result<PathBuf> {
    std::env::current_dir()
}

/// This program's own file, to start it again as the runner.
pub fn current_exe() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// One variable of the environment; `None` when it is unset or empty.
#[expect(clippy::disallowed_methods, reason = "this module is the one reader of the environment")]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Every variable whose name starts with `DIVISI_`. A value that is no Unicode is passed on damaged, so that
/// it is refused by its key and not overlooked.
#[expect(clippy::disallowed_methods, reason = "this module is the one reader of the environment")]
pub(super) fn own_variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(super::environment::PREFIX))
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect()
}
