//! Which paths a change may not touch. The runner asks before it pushes, the control plane again before it
//! opens the pull request.

use super::{Failure, FailureKind};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// The paths that one of the globs protects, in their order. Letter case is ignored, since a file system that
/// ignores it would make `.GitHub/` the same place. A glob that cannot be read protects everything.
pub fn refused<'a>(globs: &[String], paths: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let set = compile(globs);
    let hit = |path: &str| set.as_ref().is_none_or(|set| set.is_match(path));
    paths.into_iter().filter(|path| hit(path)).map(str::to_owned).collect()
}

/// Whether a glob can be read; the text says what is wrong.
///
/// # Errors
/// The glob library's words.
pub fn readable(glob: &str) -> Result<(), String> {
    GlobBuilder::new(glob).literal_separator(true).build().map(drop).map_err(|e| e.kind().to_string())
}

/// The failure of a change that touches protected paths, naming at most ten of them.
pub fn failure(paths: &[String]) -> Failure {
    let named: Vec<String> = paths.iter().take(10).map(|p| format!("`{p}`")).collect();
    let more = match paths.len().saturating_sub(10) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Failure::new(
        FailureKind::PolicyViolation,
        format!(
            "The change touches protected paths: {}{more}. Nothing was pushed to a pull request.",
            named.join(", ")
        ),
    )
}

fn compile(globs: &[String]) -> Option<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(GlobBuilder::new(glob).case_insensitive(true).literal_separator(true).build().ok()?);
    }
    set.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunPolicy;

    fn check(globs: &[&str], path: &str, expected: bool) {
        let globs: Vec<String> = globs.iter().map(|g| (*g).to_owned()).collect();
        assert_eq!(!refused(&globs, [path]).is_empty(), expected, "{path}");
    }

    #[test]
    fn default_globs_cover_ci_and_agent_configuration() {
        for path in
            [".github/workflows/a.yml", ".GitHub/x", ".claude/settings.json", "CODEOWNERS", ".mcp.json"]
        {
            check(RunPolicy::PROTECTED, path, true);
        }
        for path in ["src/lib.rs", "docs/.github.md", "github/x", "a/CODEOWNERS.md"] {
            check(RunPolicy::PROTECTED, path, false);
        }
    }

    #[test]
    fn an_unreadable_glob_protects_everything() {
        check(&["a{"], "src/lib.rs", true);
        assert!(readable("a{").is_err());
        assert!(readable("src/**").is_ok());
    }
}
