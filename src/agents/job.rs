//! What an agent is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How the agent reaches its model: through the runner's own listener, which holds the real key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelAccess {
    /// Base URL on this host, good for this attempt only.
    pub base_url: String,
    /// Stands where the agent wants a key; worth nothing anywhere else.
    pub dummy_key: String,
}

/// One agent to be started on one task.
#[derive(Clone, Debug)]
pub struct Job {
    /// The session id, made before the start: a hyphenated UUID.
    pub session: String,
    /// Whether the agent goes on with that session, which an interrupted process left.
    pub resume: bool,
    /// The model asked for; empty means the agent's own default.
    pub model: String,
    /// What the agent is told.
    pub prompt: String,
    /// The git worktree: the agent's working directory.
    pub worktree: PathBuf,
    /// The agent's private home.
    pub home: PathBuf,
    /// The agent's private directory for temporary files.
    pub tmp: PathBuf,
    /// Where the agent may write `note`, `progress` and `stage`.
    pub status_file: PathBuf,
    /// How it reaches its model; `None` for an agent that needs none (or brings its own).
    pub model_access: Option<ModelAccess>,
    /// Hard deadline, enforced by the launcher.
    pub timeout: Duration,
    /// US dollars that the agent may use, for agents that can hold to it; `None` means no limit.
    pub budget_usd: Option<f64>,
    /// The task's number in the plan, from 1.
    pub task: u32,
    /// The master issue.
    pub master: u64,
    /// The sub-issue.
    pub sub_issue: u64,
    /// The branch that the work tree is on.
    pub branch: String,
    /// The configured program and its first arguments; empty means the kind's default.
    pub command: Vec<String>,
    /// The operator's own variables for this agent.
    pub extra_env: BTreeMap<String, String>,
}

/// A program to start, complete: the environment is everything that it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// What it reads on standard input, then the end.
    pub stdin: Vec<u8>,
    /// Silence on its output after which it counts as stalled; `None` when silence means nothing.
    pub stall: Option<Duration>,
}

impl Job {
    /// Where programs are looked up unless the operator's `env` says otherwise.
    pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// The environment of `setup` and `verify` commands, and the part that all agents share: search path, locale,
    /// the operator's variables, private directories, and the names of the public contract. Later ones win, so the operator
    /// can move `PATH` and `LANG` but none of ours.
    pub fn basic_env(&self) -> BTreeMap<String, String> {
        let mut env = env(&[("PATH", Self::PATH), ("LANG", "C.UTF-8")]);
        env.extend(self.extra_env.clone());
        env.extend(
            [
                ("HOME", self.home.display().to_string()),
                ("TMPDIR", self.tmp.display().to_string()),
                ("AGENT_ID", format!("agent-{}", self.task)),
                ("MASTER_ISSUE", self.master.to_string()),
                ("SUB_ISSUE", self.sub_issue.to_string()),
                ("BRANCH_NAME", self.branch.clone()),
                ("STATUS_FILE", self.status_file.display().to_string()),
                ("WORKING_DIR", self.worktree.display().to_string()),
                ("TIMEOUT", self.timeout.as_secs().to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        env
    }

    /// The configured program and first arguments, or `default`.
    pub(super) fn program(&self, default: &str) -> (String, Vec<String>) {
        match self.command.split_first() {
            Some((program, args)) => (program.clone(), args.to_vec()),
            None => (default.to_owned(), Vec::new()),
        }
    }
}

/// Pairs as an environment.
pub(super) fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A job with every field filled.
    pub(in crate::agents) fn job() -> Job {
        Job {
            session: "6a1c1a34-5b2e-4c57-9d4c-0f6d7c1f1e11".to_owned(),
            resume: false,
            model: String::new(),
            prompt: "Do it.".to_owned(),
            worktree: "/d/a/work".into(),
            home: "/d/a/home".into(),
            tmp: "/d/a/tmp".into(),
            status_file: "/d/a/status/status.json".into(),
            model_access: Some(ModelAccess {
                base_url: "http://127.0.0.1:4000/5ec".to_owned(),
                dummy_key: "dummy".to_owned(),
            }),
            timeout: Duration::from_secs(1800),
            budget_usd: None,
            task: 3,
            master: 12,
            sub_issue: 15,
            branch: "divisi/12/3-add-tests".to_owned(),
            command: Vec::new(),
            extra_env: BTreeMap::new(),
        }
    }

    #[test]
    fn the_operator_moves_the_search_path_but_no_name_of_the_contract() {
        let mut job = job();
        job.extra_env =
            env(&[("PATH", "/opt/bin"), ("AGENT_ID", "agent-1"), ("HOME", "/root"), ("CARGO_HOME", "/c")]);
        let env = job.basic_env();
        assert_eq!(env["PATH"], "/opt/bin");
        assert_eq!(env["CARGO_HOME"], "/c");
        assert_eq!(env["AGENT_ID"], "agent-3");
        assert_eq!(env["HOME"], "/d/a/home");
        assert_eq!(env["TIMEOUT"], "1800");
    }
}
