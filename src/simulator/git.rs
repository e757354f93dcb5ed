//! The bare repositories behind the simulated GitHub, through the git command line.
//!
//! Every call runs with a cleared environment, so that nobody's git configuration changes the answers.

use super::git_memory::{Author, Memory};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A git command that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program could not be run at all.
    #[error("cannot run git {command}")]
    Run {
        /// The subcommand.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ran and failed.
    #[error("git {command} failed: {detail}")]
    Failed {
        /// The subcommand.
        command: String,
        /// What it wrote to standard error.
        detail: String,
    },
    /// Its output was not understood.
    #[error("git {command} answered something unexpected")]
    Unexpected {
        /// The subcommand.
        command: String,
    },
}

/// The variables that every git process of the simulator runs with, and no others.
pub(super) fn hermetic_env() -> Vec<(&'static str, OsString)> {
    #[expect(clippy::disallowed_methods, reason = "git is looked up where the user's shell would find it")]
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let settings = [
        ("safe.directory", "*"),
        ("core.hooksPath", "/dev/null"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("receive.autogc", "false"),
        ("http.receivepack", "true"),
        ("uploadpack.allowFilter", "true"),
        ("uploadpack.allowReachableSHA1InWant", "true"),
        ("protocol.file.allow", "always"),
    ];
    const KEYS: [(&str, &str); 9] = [
        ("GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"),
        ("GIT_CONFIG_KEY_1", "GIT_CONFIG_VALUE_1"),
        ("GIT_CONFIG_KEY_2", "GIT_CONFIG_VALUE_2"),
        ("GIT_CONFIG_KEY_3", "GIT_CONFIG_VALUE_3"),
        ("GIT_CONFIG_KEY_4", "GIT_CONFIG_VALUE_4"),
        ("GIT_CONFIG_KEY_5", "GIT_CONFIG_VALUE_5"),
        ("GIT_CONFIG_KEY_6", "GIT_CONFIG_VALUE_6"),
        ("GIT_CONFIG_KEY_7", "GIT_CONFIG_VALUE_7"),
        ("GIT_CONFIG_KEY_8", "GIT_CONFIG_VALUE_8"),
    ];
    let mut env: Vec<(&'static str, OsString)> = vec![
        ("PATH", path),
        ("HOME", "/nonexistent".into()),
        ("LC_ALL", "C".into()),
        ("TZ", "UTC".into()),
        ("GIT_CONFIG_NOSYSTEM", "1".into()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
        ("GIT_TERMINAL_PROMPT", "0".into()),
        ("GIT_CONFIG_COUNT", settings.len().to_string().into()),
    ];
    for ((key, value), (name, content)) in KEYS.into_iter().zip(settings) {
        env.push((key, name.into()));
        env.push((value, content.into()));
    }
    env
}

/// The directory that holds git's helper programs (`git http-backend` among them).
///
/// # Errors
/// When git cannot be run.
pub fn bin_dir_of_git() -> Result<PathBuf, GitError> {
    let output = run(None, &["--exec-path"], &[])?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output).trim()))
}

/// One bare repository: on disk behind the git command line, or in memory.
#[derive(Clone, Debug)]
pub(super) struct Git {
    dir: PathBuf,
    memory: Option<Arc<Mutex<Memory>>>,
}

/// A commit as the API shows it.
#[derive(Clone, Debug)]
pub(super) struct CommitInfo {
    pub sha: String,
    pub tree: String,
    pub parents: Vec<String>,
    pub author: Signature,
    pub committer: Signature,
    pub message: String,
}

/// Who and when in a commit.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub name: String,
    pub email: String,
    pub date: String,
}

/// One changed file of a comparison.
#[derive(Clone, Debug)]
pub(super) struct FileChange {
    pub path: String,
    pub previous: Option<String>,
    /// GitHub's word: `added`, `removed`, `modified`, `renamed`, `copied`, `changed`.
    pub status: &'static str,
    pub blob: Option<String>,
    pub additions: u64,
    pub deletions: u64,
}

/// One entry of a tree.
#[derive(Clone, Debug)]
pub(super) struct TreeEntry {
    pub mode: String,
    pub kind: String,
    pub sha: String,
    pub size: u64,
    pub path: String,
}

const COMMIT_FORMAT: &str = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x00%x01";

impl Git {
    pub fn at(dir: impl Into<PathBuf>) -> Git {
        Git { dir: dir.into(), memory: None }
    }

    /// A repository without commits, in memory; `dir` is only its name.
    pub fn in_memory(dir: impl Into<PathBuf>) -> Git {
        Git { dir: dir.into(), memory: Some(Arc::default()) }
    }

    fn memory(&self) -> Option<MutexGuard<'_, Memory>> {
        self.memory.as_ref().map(|memory| memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes a bare repository without commits.
    pub fn init(dir: &Path, default_branch: &str) -> Result<Git, GitError> {
        let branch = format!("--initial-branch={default_branch}");
        let dir_text = dir.to_string_lossy();
        run(None, &["init", "--quiet", "--bare", "--template=", &branch, "--", &dir_text], &[])?;
        Ok(Git::at(dir))
    }

    /// Copies a branch (or commit) of a local repository into `branch` here; objects and nothing else.
    pub fn import(&self, source: &Path, rev: &str, branch: &str) -> Result<(), GitError> {
        if self.memory.is_some() {
            return Err(nothing("fetch"));
        }
        let source = source.to_string_lossy();
        let spec = format!("{rev}:refs/heads/{branch}");
        self.run(&["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", &source, &spec]).map(drop)
    }

    /// The commit that a revision names; `None` when there is none.
    pub fn resolve(&self, rev: &str) -> Option<String> {
        if let Some(memory) = self.memory() {
            return memory.resolve(rev);
        }
        let rev = format!("{rev}^{{commit}}");
        let out = self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &rev]).ok()?;
        Some(text(&out).trim().to_owned())
    }

    /// The type of an object (`commit`, `tag`, ...); `None` when it does not exist.
    pub fn object_type(&self, sha: &str) -> Option<String> {
        if let Some(memory) = self.memory() {
            return memory.object_type(sha);
        }
        if sha.len() != 40 || !sha.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let out = self.run(&["cat-file", "-t", sha]).ok()?;
        Some(text(&out).trim().to_owned())
    }

    /// All refs and what they point at.
    pub fn refs(&self) -> Result<BTreeMap<String, String>, GitError> {
        if let Some(memory) = self.memory() {
            return Ok(memory.refs());
        }
        let out = self.run(&["for-each-ref", "--format=%(objectname) %(refname)"])?;
        Ok(text(&out)
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(sha, name)| (name.to_owned(), sha.to_owned()))
            .collect())
    }

    /// Creates or moves a ref; `old` (or forty zeros) must be what it points at now.
    pub fn update_ref(&self, name: &str, new: &str, old: &str) -> Result<(), GitError> {
        if let Some(mut memory) = self.memory() {
            let old = Some(old).filter(|old| *old != super::refs::ZERO);
            return if memory.update_ref(name, new, old) { Ok(()) } else { Err(nothing("update-ref")) };
        }
        self.run(&["update-ref", name, new, old]).map(drop)
    }

    /// Deletes a ref.
    pub fn delete_ref(&self, name: &str) -> Result<(), GitError> {
        if let Some(mut memory) = self.memory() {
            memory.delete_ref(name);
            return Ok(());
        }
        self.run(&["update-ref", "-d", name]).map(drop)
    }

    /// Whether git accepts a full ref name.
    pub fn ref_name_ok(&self, name: &str) -> bool {
        if self.memory.is_some() {
            let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
            return name.split('/').all(plain) && !name.contains([' ', '~', '^', ':', '?', '*', '[', '\\']);
        }
        self.run(&["check-ref-format", name]).is_ok()
    }

    pub fn is_ancestor(&self, ancestor: &str, descendant: &str) -> bool {
        if let Some(memory) = self.memory() {
            return memory.is_ancestor(ancestor, descendant);
        }
        self.run(&["merge-base", "--is-ancestor", ancestor, descendant]).is_ok()
    }

    pub fn merge_base(&self, a: &str, b: &str) -> Option<String> {
        if let Some(memory) = self.memory() {
            return memory.merge_base(a, b);
        }
        let out = self.run(&["merge-base", a, b]).ok()?;
        Some(text(&out).trim().to_owned())
    }

    /// How many commits are only in `a`, and only in `b`.
    pub fn left_right(&self, a: &str, b: &str) -> Result<(u64, u64), GitError> {
        if let Some(memory) = self.memory() {
            return memory.left_right(a, b).ok_or_else(|| nothing("rev-list"));
        }
        let range = format!("{a}...{b}");
        let out = self.run(&["rev-list", "--left-right", "--count", &range])?;
        let counts = text(&out);
        let mut numbers = counts.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(left)), Some(Ok(right))) => Ok((left, right)),
            _ => Err(GitError::Unexpected { command: "rev-list".to_owned() }),
        }
    }

    /// One commit by its full id.
    pub fn commit(&self, sha: &str) -> Result<CommitInfo, GitError> {
        if let Some(memory) = self.memory() {
            return memory.commit(sha).ok_or_else(|| nothing("log"));
        }
        let out = self.run(&["log", "-1", "--no-show-signature", COMMIT_FORMAT, sha])?;
        parse_commits(&text(&out))
            .into_iter()
            .next()
            .ok_or_else(|| GitError::Unexpected { command: "log".to_owned() })
    }

    /// The commits of `head` that `base` has not, oldest first.
    pub fn commits_between(&self, base: &str, head: &str) -> Result<Vec<CommitInfo>, GitError> {
        if let Some(memory) = self.memory() {
            return memory.commits_between(base, head).ok_or_else(|| nothing("log"));
        }
        let range = format!("{base}..{head}");
        let out = self.run(&["log", "--reverse", "--topo-order", COMMIT_FORMAT, &range])?;
        Ok(parse_commits(&text(&out)))
    }

    /// The files that differ between two commits, renames found.
    pub fn changed_files(&self, base: &str, head: &str) -> Result<Vec<FileChange>, GitError> {
        if let Some(memory) = self.memory() {
            return memory.changed_files(base, head).ok_or_else(|| nothing("diff-tree"));
        }
        let out = self.run(&["diff-tree", "-r", "-z", "-M", "--raw", "--numstat", base, head])?;
        parse_changes(&text(&out)).ok_or_else(|| GitError::Unexpected { command: "diff-tree".to_owned() })
    }

    /// The entries at a path of a commit: of the directory itself when `path` ends with a slash or is empty.
    pub fn tree(&self, rev: &str, path: &str) -> Result<Vec<TreeEntry>, GitError> {
        if let Some(memory) = self.memory() {
            return memory.tree(rev, path).ok_or_else(|| nothing("ls-tree"));
        }
        let mut args = vec!["ls-tree", "-z", "-l", rev];
        if !path.is_empty() {
            args.extend(["--", path]);
        }
        let out = self.run(&args)?;
        Ok(text(&out).split('\0').filter_map(parse_tree_entry).collect())
    }

    pub fn blob(&self, sha: &str) -> Result<Vec<u8>, GitError> {
        if let Some(memory) = self.memory() {
            return memory.blob(sha).ok_or_else(|| nothing("cat-file"));
        }
        self.run(&["cat-file", "blob", sha])
    }

    /// Commits files onto a branch (made from nothing when it has no commit); `None` deletes a file.
    pub fn commit_files(
        &self,
        branch: &str,
        (name, email): (&str, &str),
        when: Timestamp,
        message: &str,
        files: &[(String, Option<Vec<u8>>)],
    ) -> Result<String, GitError> {
        if let Some(mut memory) = self.memory() {
            return Ok(memory.commit_files(branch, &Author { name, email, when, message }, files));
        }
        let full = format!("refs/heads/{branch}");
        let mut stream = Vec::new();
        stream.extend_from_slice(format!("commit {full}\ncommitter {name} <{email}> ").as_bytes());
        stream.extend_from_slice(format!("{} +0000\n", when.as_second()).as_bytes());
        stream.extend_from_slice(format!("data {}\n{message}\n", message.len()).as_bytes());
        if let Some(parent) = self.resolve(&full) {
            stream.extend_from_slice(format!("from {parent}\n").as_bytes());
        }
        for (path, content) in files {
            let path = quoted(path);
            match content {
                None => stream.extend_from_slice(format!("D {path}\n").as_bytes()),
                Some(content) => {
                    let head = format!("M 100644 inline {path}\ndata {}\n", content.len());
                    stream.extend_from_slice(head.as_bytes());
                    stream.extend_from_slice(content);
                    stream.push(b'\n');
                }
            }
        }
        self.run_with(&["fast-import", "--quiet", "--date-format=raw"], &stream)?;
        self.resolve(&full).ok_or_else(|| GitError::Unexpected { command: "fast-import".to_owned() })
    }

    /// The tree that merging the two commits gives; `None` on a conflict.
    pub fn merged_tree(&self, base: &str, head: &str) -> Option<String> {
        if let Some(mut memory) = self.memory() {
            return memory.merged_tree(base, head);
        }
        let out = self.run(&["merge-tree", "--write-tree", base, head]).ok()?;
        Some(text(&out).lines().next()?.to_owned())
    }

    /// Makes a commit of a tree.
    pub fn commit_tree(
        &self,
        tree: &str,
        parents: &[&str],
        (name, email): (&str, &str),
        when: Timestamp,
        message: &str,
    ) -> Result<String, GitError> {
        if let Some(mut memory) = self.memory() {
            return Ok(memory.commit_tree(tree, parents, &Author { name, email, when, message }));
        }
        let mut args = vec!["commit-tree", tree];
        for parent in parents {
            args.extend(["-p", parent]);
        }
        let date = format!("{} +0000", when.as_second());
        let mut command = command(Some(&self.dir), &args);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), name).env(format!("GIT_{role}_EMAIL"), email);
            command.env(format!("GIT_{role}_DATE"), &date);
        }
        let out = finish(command, "commit-tree", message.as_bytes())?;
        Ok(text(&out).trim().to_owned())
    }

    fn run(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        run(Some(&self.dir), args, &[])
    }

    fn run_with(&self, args: &[&str], stdin: &[u8]) -> Result<Vec<u8>, GitError> {
        run(Some(&self.dir), args, stdin)
    }
}

/// What a repository in memory does not have or cannot do.
fn nothing(command: &str) -> GitError {
    GitError::Failed {
        command: command.to_owned(),
        detail: "the repository in memory has no such thing".to_owned(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A path for fast-import: always quoted, so that no character in it has a meaning.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn command(dir: Option<&Path>, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.env_clear().envs(hermetic_env()).current_dir("/");
    if let Some(dir) = dir {
        command.arg("--git-dir").arg(dir);
    }
    command.args(args);
    command
}

fn run(dir: Option<&Path>, args: &[&str], stdin: &[u8]) -> Result<Vec<u8>, GitError> {
    finish(command(dir, args), args.first().copied().unwrap_or_default(), stdin)
}

fn finish(mut command: Command, name: &str, stdin: &[u8]) -> Result<Vec<u8>, GitError> {
    let failed = |source| GitError::Run { command: name.to_owned(), source };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[expect(clippy::disallowed_methods, reason = "the simulator is a world of its own and runs git itself")]
    let mut child = command.spawn().map_err(failed)?;
    let pipe = child.stdin.take();
    // Git reads all of its input before it writes more than a pipe holds, except in these commands' error cases.
    let written = pipe.map_or(Ok(()), |mut pipe| pipe.write_all(stdin));
    let Output { status, stdout, stderr } = child.wait_with_output().map_err(failed)?;
    if !status.success() {
        return Err(GitError::Failed { command: name.to_owned(), detail: text(&stderr).trim().to_owned() });
    }
    written.map_err(failed)?;
    Ok(stdout)
}

fn parse_commits(out: &str) -> Vec<CommitInfo> {
    out.split("\0\x01").filter_map(|record| parse_commit(record.trim_start_matches('\n'))).collect()
}

fn parse_commit(record: &str) -> Option<CommitInfo> {
    let mut fields = record.splitn(10, '\0').map(str::to_owned);
    let (sha, tree, parents) = (fields.next()?, fields.next()?, fields.next()?);
    let author = Signature { name: fields.next()?, email: fields.next()?, date: utc(&fields.next()?) };
    let committer = Signature { name: fields.next()?, email: fields.next()?, date: utc(&fields.next()?) };
    let message = fields.next()?.trim_end().to_owned();
    let parents = parents.split_whitespace().map(str::to_owned).collect();
    Some(CommitInfo { sha, tree, parents, author, committer, message })
}

/// GitHub shows all dates in UTC with a `Z`.
fn utc(date: &str) -> String {
    date.parse::<Timestamp>().map_or_else(|_| date.to_owned(), super::json::time)
}

fn parse_changes(out: &str) -> Option<Vec<FileChange>> {
    let mut changes = Vec::new();
    let mut fields = out.split('\0');
    let mut numbers: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    while let Some(field) = fields.next() {
        if field.is_empty() {
            continue;
        }
        if let Some(raw) = field.strip_prefix(':') {
            let columns: Vec<&str> = raw.split(' ').collect();
            let [_, _, _, blob, letter] = columns[..] else { return None };
            let (status, two_paths) = match letter.as_bytes().first()? {
                b'A' => ("added", false),
                b'D' => ("removed", false),
                b'M' => ("modified", false),
                b'T' => ("changed", false),
                b'R' => ("renamed", true),
                b'C' => ("copied", true),
                _ => return None,
            };
            let first = fields.next()?.to_owned();
            let (path, previous) =
                if two_paths { (fields.next()?.to_owned(), Some(first)) } else { (first, None) };
            let blob = (status != "removed").then(|| blob.to_owned());
            changes.push(FileChange { path, previous, status, blob, additions: 0, deletions: 0 });
        } else {
            let mut columns = field.splitn(3, '\t');
            // Binary files have `-` here; GitHub counts them as 0.
            let added = columns.next()?.parse().unwrap_or(0);
            let removed = columns.next()?.parse().unwrap_or(0);
            let mut path = columns.next()?.to_owned();
            if path.is_empty() {
                fields.next()?;
                path = fields.next()?.to_owned();
            }
            numbers.insert(path, (added, removed));
        }
    }
    for change in &mut changes {
        (change.additions, change.deletions) = numbers.get(&change.path).copied().unwrap_or_default();
    }
    Some(changes)
}

fn parse_tree_entry(record: &str) -> Option<TreeEntry> {
    let (meta, path) = record.split_once('\t')?;
    let mut columns = meta.split_whitespace();
    Some(TreeEntry {
        mode: columns.next()?.to_owned(),
        kind: columns.next()?.to_owned(),
        sha: columns.next()?.to_owned(),
        size: columns.next()?.parse().unwrap_or(0),
        path: path.to_owned(),
    })
}
