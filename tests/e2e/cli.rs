//! Where the real agent CLI is.

use std::path::PathBuf;

/// The version that the adapter was measured with.
pub const VERSION: &str = "2.1.197";

/// The native program of Claude Code: `DIVISI_TEST_CLAUDE`, else where `scripts/test` installs it.
///
/// # Panics
/// When it is not there: a test of the real thing must not pass without it.
#[track_caller]
pub fn claude() -> String {
    #[expect(clippy::disallowed_methods, reason = "the test's own switch")]
    if let Some(path) = std::env::var_os("DIVISI_TEST_CLAUDE") {
        return path.into_string().expect("DIVISI_TEST_CLAUDE is UTF-8");
    }
    let packages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/node_modules/@anthropic-ai");
    let places =
        ["claude-code-linux-x64/claude", "claude-code-linux-arm64/claude", "claude-code/bin/claude.exe"];
    places
        .iter()
        .map(|place| packages.join(place))
        .find(|path| path.is_file())
        .map(|path| path.display().to_string())
        .unwrap_or_else(|| {
            panic!(
                "Claude Code {VERSION} is not installed below {}. Run scripts/test: it installs the npm package \
                 @anthropic-ai/claude-code@{VERSION} there. DIVISI_TEST_CLAUDE may name another place.",
                packages.display()
            )
        })
}
