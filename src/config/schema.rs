//! Every key of `divisi.toml` and of a repository's `.github/divisi.toml`: kind, default, meaning.
//!
//! One table for each file. The parser, the environment, "did you mean" and the comparison with
//! `docs/configuration.md` all read these tables; a new key is one entry here and one field in a struct.

use super::value::Kind;

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted path; `*` stands for a name that the user chooses.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The default as TOML; empty when there is none.
    pub default: &'static str,
    /// What it means, in one sentence.
    pub doc: &'static str,
}

impl Key {
    /// The default as a value; `None` when there is none.
    pub(super) fn default_value(&self) -> Option<toml::Value> {
        let mut table: toml::Table = toml::from_str(&format!("value = {}", self.default)).ok()?;
        table.remove("value")
    }
}

const fn key(path: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { path, kind, default, doc }
}

const DAY: u64 = 86_400;

/// The keys of the server's file.
pub const SERVER: &[Key] = &[
    key("listen", Kind::Address, "\"127.0.0.1:8080\"", "Address of the public listener."),
    key("data_dir", Kind::Path, "\"./data\"", "Directory for the database, mirrors, worktrees and logs."),
    key("github.app_id", Kind::Whole(1, i64::MAX), "", "Id of the GitHub App."),
    key("github.private_key", Kind::Secret, "", "Private key of the App: PEM, or base64 of it."),
    key("github.private_key_path", Kind::Path, "", "File with the private key, mode 0600 or stricter."),
    key("github.webhook_secret", Kind::Secrets(2), "", "Webhook secret; two while one replaces the other."),
    key(
        "github.deliveries",
        Kind::OneOf(&["webhook", "poll"]),
        "\"webhook\"",
        "How deliveries come in: GitHub sends them, or they are read from its list.",
    ),
    key(
        "github.poll_interval",
        Kind::Duration(1, 300),
        "\"10s\"",
        "Time between two looks at GitHub's list of deliveries, with `poll`.",
    ),
    key(
        "github.marker_secret",
        Kind::Secrets(2),
        "",
        "Signs the hidden markers; two while one replaces the other. By default the private key.",
    ),
    key("github.api_url", Kind::SecureUrl, "\"https://api.github.com\"", "Base of GitHub's REST API."),
    key("github.web_url", Kind::SecureUrl, "\"https://github.com\"", "Base of links and of git over HTTPS."),
    key(
        "github.writes_per_minute",
        Kind::Whole(1, 100_000),
        "60",
        "Writes a minute to one installation, in the long run.",
    ),
    key(
        "github.visibility_lag",
        Kind::Duration(0, 600),
        "\"30s\"",
        "How late GitHub's lists may show a write.",
    ),
    key("database.url", Kind::SqliteUrl, "\"sqlite:{data_dir}/divisi.db\"", "Where the state is kept."),
    key("runner.embedded", Kind::Flag, "true", "Whether `serve` starts a runner as a child process."),
    key(
        "runner.slots",
        Kind::Whole(1, 1_000),
        "",
        "Agents at the same time; by default what the machine bears.",
    ),
    key(
        "runner_api.lease",
        Kind::Duration(1, 86_400),
        "\"90s\"",
        "How long a runner's lease on a task lasts.",
    ),
    key(
        "runner_api.tokens",
        Kind::RunnerTokens,
        "[]",
        "Tokens of runners that `serve` does not start itself.",
    ),
    key("agents.*.kind", Kind::OneOf(&["claude", "command"]), "", "Adapter; by default the section's name."),
    key("agents.*.command", Kind::Program, "", "Program and first arguments, without a shell."),
    key("agents.*.env", Kind::Variables, "", "Extra environment of the agent."),
    key("agents.*.model_base_url", Kind::Url, "", "Base URL of the model's API."),
    key("agents.*.key", Kind::Secret, "", "Model key; stays with the runner, the agent never sees it."),
    key("limits.runs_per_repo", Kind::Whole(1, 1_000), "2", "Live runs per repository."),
    key("limits.attempts_per_installation", Kind::Whole(1, 10_000), "20", "Live attempts per installation."),
    key("limits.cost_per_run_usd", Kind::Money, "50", "What one run may cost, in US dollars."),
    key("api.tokens", Kind::Tokens, "[]", "Tokens of the JSON API, each `read:TOKEN` or `operate:TOKEN`."),
    key("metrics.listen", Kind::Address, "\"127.0.0.1:9091\"", "Address of the metrics listener."),
    key(
        "metrics.allow_unauthenticated",
        Kind::Flag,
        "false",
        "Allows a metrics address that others can reach.",
    ),
    key(
        "proof.crash_at",
        Kind::Whole(1, i64::MAX),
        "",
        "For proofs: the process ends itself at this boundary, counted from its start.",
    ),
    key("proof.without", Kind::Texts, "[]", "For proofs: defences to switch off: look, intent, wait."),
];

/// The keys of a repository's file.
pub const REPOSITORY: &[Key] = &[
    key("max_workers", Kind::Whole(1, 100), "", "Agents at the same time; by default the free slots."),
    key("agent_timeout", Kind::Duration(1, DAY), "\"30m\"", "Deadline of one attempt."),
    key("max_retries", Kind::Whole(0, 10), "0", "Further attempts after a failed one, without being asked."),
    key(
        "success_threshold",
        Kind::Fraction,
        "0.8",
        "Share of completed tasks that makes a run a partial success.",
    ),
    key(
        "status_interval",
        Kind::Duration(1, 3_600),
        "\"30s\"",
        "Shortest time between edits of the progress comment.",
    ),
    key("verbose_logging", Kind::Flag, "false", "Whether the agent's full output goes to its log."),
    key("min_tasks", Kind::Whole(1, 100), "2", "Fewer tasks than this are not worth a run."),
    key(
        "on_overlap",
        Kind::OneOf(&["order", "warn", "stop"]),
        "\"order\"",
        "Tasks that would touch the same place: one after the other, side by side with a word, or no run.",
    ),
    key("agent", Kind::Name, "\"claude\"", "Which of the server's agents works here."),
    key("model", Kind::Text, "\"\"", "Model of the agent; empty for the agent's own default."),
    key("draft", Kind::Flag, "true", "Whether pull requests are opened as drafts."),
    key(
        "base",
        Kind::Branch,
        "\"\"",
        "Branch to start from and to merge into; empty for the default branch.",
    ),
    key("setup", Kind::Texts, "[]", "Commands before the agent starts."),
    key("verify", Kind::Texts, "[]", "Commands that must pass before anything is published."),
    key(
        "protected_paths",
        Kind::Patterns,
        "[\".github/**\", \".gitlab-ci.yml\", \".circleci/**\", \"CODEOWNERS\", \".claude/**\", \".mcp.json\", \".codex/**\"]",
        "Paths that an agent must not change.",
    ),
    key("allow", Kind::Logins, "[]", "Who may start work; empty for everyone with write access."),
    key("budget.run_usd", Kind::Money, "", "What one run may cost, in US dollars."),
    key("budget.task_usd", Kind::Money, "", "What one task may cost over all its attempts, in US dollars."),
];

/// The key at a path, where a name stands for `*`.
pub(super) fn find<'a>(keys: &'a [Key], path: &[String]) -> Option<&'a Key> {
    keys.iter().find(|key| {
        let mut pattern = key.path.split('.');
        let same = path.iter().all(|part| pattern.next().is_some_and(|p| p == "*" || p == part.as_str()));
        same && pattern.next().is_none()
    })
}

/// Whether some key lies below the path, so that it names a section.
pub(super) fn is_section(keys: &[Key], path: &[String]) -> bool {
    keys.iter().any(|key| {
        let mut pattern = key.path.split('.');
        let same = path.iter().all(|part| pattern.next().is_some_and(|p| p == "*" || p == part.as_str()));
        same && pattern.next().is_some()
    })
}

/// The names that may stand right below the path (keys and sections); a chosen name is left out.
pub(super) fn children(keys: &[Key], path: &[String]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in keys {
        let mut pattern = key.path.split('.');
        let same = path.iter().all(|part| pattern.next().is_some_and(|p| p == "*" || p == part.as_str()));
        if let Some(name) = pattern.next().filter(|name| same && *name != "*")
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn every_default_is_a_value_of_its_kind() {
        for key in SERVER.iter().chain(REPOSITORY).filter(|key| !key.default.is_empty()) {
            let table: toml::Table = toml::from_str(&format!("v = {}", key.default)).unwrap();
            assert!(key.kind.accepts(&table["v"]), "{}", key.path);
        }
    }

    #[test]
    fn a_chosen_name_stands_for_the_star() {
        assert_eq!(find(SERVER, &path("agents.mine.key")).unwrap().path, "agents.*.key");
        assert!(find(SERVER, &path("agents.mine")).is_none());
        assert!(is_section(SERVER, &path("agents.mine")));
        assert!(is_section(SERVER, &[]));
        assert!(!is_section(SERVER, &path("listen")));
        assert!(children(SERVER, &path("agents.x")).contains(&"model_base_url"));
        assert!(children(SERVER, &path("agents")).is_empty());
    }
}
