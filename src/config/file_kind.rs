//! The two files: which one a path names, and the one reading that goes with each.

use super::schema::{Key, REPOSITORY, SERVER};
use std::path::Path;

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The operator's `divisi.toml`.
    Server,
    /// A repository's `.github/divisi.toml`.
    Repository,
}

impl FileKind {
    /// What a file at `path` is: a repository's when it lies right in a directory `.github`, else a server's.
    /// A relative path counts from the working directory, so that it is the same file from everywhere.
    pub fn of(path: &Path) -> Self {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let directory = whole.parent().and_then(Path::file_name);
        if directory.is_some_and(|name| name == ".github") { Self::Repository } else { Self::Server }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Repository => "repository",
        }
    }

    /// The keys that it may have.
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::Server => SERVER,
            Self::Repository => REPOSITORY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_tells() {
        for (path, kind) in [
            (".github/divisi.toml", FileKind::Repository),
            ("/srv/project/.github/other.toml", FileKind::Repository),
            ("divisi.toml", FileKind::Server),
            ("/etc/divisi/divisi.toml", FileKind::Server),
            (".github/deploy/divisi.toml", FileKind::Server),
        ] {
            assert_eq!(FileKind::of(Path::new(path)), kind, "{path}");
        }
    }
}
