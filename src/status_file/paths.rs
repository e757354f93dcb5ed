//! Where the files of one run are.

use crate::domain::{Run, TaskNumber};
use std::path::{Path, PathBuf};

/// A name that cannot be one part of a path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be the name of a directory")]
pub struct UnsafeName(String);

/// The paths of one run: `{data_dir}/runs/{owner}/{repo}/{orchestration_id}/.claude/runtime/…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPaths {
    root: PathBuf,
    session: String,
    master: u64,
}

impl RunPaths {
    /// Owner, repository and orchestration id must each be plain names: letters, digits, `.`, `_`, `-`, and not
    /// dots alone. GitHub's are; anything else is refused rather than repaired.
    pub fn new(
        data_dir: &Path,
        owner: &str,
        repo: &str,
        orchestration_id: &str,
        master: u64,
    ) -> Result<Self, UnsafeName> {
        for name in [owner, repo, orchestration_id] {
            let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            if !plain || name.len() > 255 || name.bytes().all(|b| b == b'.') {
                return Err(UnsafeName(name.chars().take(100).collect()));
            }
        }
        let root = data_dir.join("runs").join(owner).join(repo).join(orchestration_id);
        Ok(Self { root, session: orchestration_id.to_owned(), master })
    }

    /// The paths of `run`.
    pub fn of(data_dir: &Path, run: &Run) -> Result<Self, UnsafeName> {
        Self::new(data_dir, &run.repo.owner, &run.repo.name, &run.orchestration_id, run.master.number)
    }

    /// The directory that all of them are in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `agent-{n}.status.json`; `n` is the task's number in the plan, from 1.
    pub fn status(&self, task: TaskNumber) -> PathBuf {
        self.parallel().join(format!("agent-{task}.status.json"))
    }

    /// `summary.md`.
    pub fn summary(&self) -> PathBuf {
        self.parallel().join("summary.md")
    }

    /// `metrics.json`.
    pub fn metrics(&self) -> PathBuf {
        self.parallel().join("metrics.json")
    }

    /// The run's own log.
    pub fn session_log(&self) -> PathBuf {
        self.logs().join("session.log")
    }

    /// The log of a task's agents; a retry appends to it.
    pub fn agent_log(&self, task: TaskNumber) -> PathBuf {
        self.logs().join(format!("agent-{task}.log"))
    }

    fn parallel(&self) -> PathBuf {
        self.root.join(".claude/runtime/parallel").join(self.master.to_string())
    }

    fn logs(&self) -> PathBuf {
        self.root.join(".claude/runtime/logs").join(&self.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_the_contract() {
        let paths = RunPaths::new(Path::new("/d"), "octo", ".github", "orch-12-20251201", 12).unwrap();
        let root = "/d/runs/octo/.github/orch-12-20251201";
        assert_eq!(paths.root(), Path::new(root));
        for (path, expected) in [
            (paths.status(3), "parallel/12/agent-3.status.json"),
            (paths.summary(), "parallel/12/summary.md"),
            (paths.metrics(), "parallel/12/metrics.json"),
            (paths.session_log(), "logs/orch-12-20251201/session.log"),
            (paths.agent_log(3), "logs/orch-12-20251201/agent-3.log"),
        ] {
            assert_eq!(path, PathBuf::from(format!("{root}/.claude/runtime/{expected}")));
        }
    }

    #[test]
    fn a_name_never_leaves_its_place() {
        for name in ["", ".", "..", "a/b", "a\\b", "a\0", "ä", "a b", &"x".repeat(256)] {
            assert!(RunPaths::new(Path::new("/d"), name, "r", "o", 1).is_err(), "{name}");
            assert!(RunPaths::new(Path::new("/d"), "o", "r", name, 1).is_err(), "{name}");
        }
    }
}
