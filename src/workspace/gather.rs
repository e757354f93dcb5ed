//! Left-over changes become a commit, inside the launcher.
//!
//! The repository may hold anything by now (hooks, filters, a re-pointed `.git`), so every git here runs as the agent did. The host only looks at the
//! `.git` file, as bytes, to be able to say what happened.

use super::attempt::{Identity, Workspace};
use super::cleanup::HALF_PACKED_REFS;
use super::git::{GitSettings, message};
use super::guard;
use crate::domain::{FailureKind, Sha};
use crate::sandbox::{Ended, LaunchError, Launcher, Spec, Stream};
use std::time::Duration;

/// How long one git command may take: a repository's own filters may run in it.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);
/// How many paths with conflicts are named.
const NAMED_CONFLICTS: usize = 10;
/// The most output that is kept of one command, in bytes.
const MAX_OUTPUT: usize = 16 << 20;

/// How left-overs are committed.
#[derive(Clone, Debug)]
pub struct CommitText {
    /// Author and committer: the App.
    pub author: Identity,
    /// Who asked for the work, named in a `Co-authored-by` trailer.
    pub co_author: Option<Identity>,
    /// The message without trailers.
    pub message: String,
}

impl CommitText {
    fn full(&self) -> String {
        let mut text = self.message.replace('\0', " ").trim_end().to_owned();
        if let Some(Identity { name, email }) = self.co_author.as_ref().map(Identity::clean) {
            text.push_str(&format!("\n\nCo-authored-by: {name} <{email}>"));
        }
        text.push('\n');
        text
    }
}

/// What stands on the attempt's branch afterwards. A claim of a place that an agent could write: the import checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// The branch's head.
    pub head: Sha,
    /// Whether left-overs were committed.
    pub committed_leftovers: bool,
}

/// Why nothing could be gathered.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The work tree or its repository is not what we made.
    #[error("the agent damaged its repository: {0}")]
    Broken(String),
    /// Unfinished merge: these paths (at most ten) have conflicts.
    #[error("the agent left merge conflicts in {}", .0.join(", "))]
    Conflicts(Vec<String>),
    /// HEAD does not descend from the base.
    #[error("the agent's commits do not descend from the base commit")]
    NotDescended,
    /// A git command in the launcher failed or ran out of time.
    #[error("git could not {what} in the agent's repository: {message}")]
    Git {
        /// What it was to do.
        what: &'static str,
        /// Its last lines, or why it was stopped.
        message: String,
    },
    /// The launcher failed.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

impl GatherError {
    /// The kind of failure that it is for a task.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Broken(_) | Self::Conflicts(_) | Self::NotDescended => FailureKind::ImportConflict,
            Self::Git { message, .. } if message.contains("No space left on device") => {
                FailureKind::ResourceError
            }
            Self::Git { .. } => FailureKind::ImportConflict,
            Self::Launch(_) => FailureKind::Unknown,
        }
    }
}

/// Commits what the agent left uncommitted and puts its commits on the attempt's branch. Every git here runs inside the launcher; all of the agent's own
/// processes must have ended.
///
/// An agent that worked on another branch or a detached HEAD is not punished: what HEAD stands for goes onto our branch if it descends from the base.
///
/// # Errors
/// See [`GatherError`].
pub async fn gather(
    launcher: &Launcher,
    settings: &GitSettings,
    workspace: &Workspace,
    text: &CommitText,
) -> Result<Gathered, GatherError> {
    guard::work_tree(&workspace.paths).map_err(GatherError::Broken)?;
    let git = Inside { launcher, settings, workspace, author: text.author.clean() };
    let state = git
        .run("look at the work tree", &["status", "--porcelain=v1", "-z", "--untracked-files=normal"], b"")
        .await?;
    if !state.ended.success() {
        return Err(GatherError::Broken(state.why()));
    }
    let status = parse_status(&state.stdout);
    if !status.conflicts.is_empty() {
        return Err(GatherError::Conflicts(status.conflicts));
    }
    let committed_leftovers = status.dirty && git.commit(text).await?;
    let head = git.run("read HEAD", &["rev-parse", "--quiet", "--verify", "HEAD^{commit}"], b"").await?;
    let head = String::from_utf8_lossy(&head.stdout).trim_end().to_owned();
    // A branch without a commit (an orphan that the agent began) stands for nothing.
    let head = Sha::parse(&head).ok_or(GatherError::NotDescended)?;
    let ours = format!("refs/heads/{}", workspace.branch);
    let on = git.run("read HEAD", &["symbolic-ref", "--quiet", "HEAD"], b"").await?;
    if String::from_utf8_lossy(&on.stdout).trim_end() != ours {
        let base = workspace.base.as_str();
        let descends = git
            .run("compare with the base", &["merge-base", "--is-ancestor", base, head.as_str()], b"")
            .await?;
        if !descends.ended.success() {
            return Err(GatherError::NotDescended);
        }
        git.ok("put the commits on the task's branch", &["update-ref", &ours, head.as_str()], b"").await?;
    }
    Ok(Gathered { head, committed_leftovers })
}

/// Removes the lock files that a git left which was killed in the work tree or its repository: the next one would refuse to
/// work. All of the agent's processes must have ended.
///
/// # Errors
/// [`GatherError::Broken`] and [`GatherError::Git`].
pub async fn unlock(
    launcher: &Launcher,
    settings: &GitSettings,
    workspace: &Workspace,
) -> Result<(), GatherError> {
    guard::work_tree(&workspace.paths).map_err(GatherError::Broken)?;
    let author = Identity { name: "divisi".to_owned(), email: "divisi@localhost".to_owned() };
    let git = Inside { launcher, settings, workspace, author };
    let what = "remove what an interrupted git left";
    let repo = workspace.paths.private_repo.display().to_string();
    let places =
        [repo.as_str(), "-depth", "-name", "*.lock", "-not", "-path", "*/objects/*", "-type", "f", "-delete"];
    git.program("find", what, &places, b"").await?;
    // Only there: a branch may be called so too.
    let half_packed = workspace.paths.private_repo.join(HALF_PACKED_REFS).display().to_string();
    git.program("rm", what, &["-f", "--", &half_packed], b"").await?;
    Ok(())
}

/// Makes the work tree what the commit `head` is, before anything is verified in it: an agent can tell git to overlook
/// changes of a tracked file (`skip-worktree`, `assume-unchanged`, a sparse checkout), so that what is verified would not be
/// what is pushed. Ignored files, such as what `setup` installed, stay.
///
/// # Errors
/// [`GatherError::Broken`] and [`GatherError::Git`].
pub async fn restore(
    launcher: &Launcher,
    settings: &GitSettings,
    workspace: &Workspace,
    head: &Sha,
) -> Result<(), GatherError> {
    guard::work_tree(&workspace.paths).map_err(GatherError::Broken)?;
    let author = Identity { name: "divisi".to_owned(), email: "divisi@localhost".to_owned() };
    let git = Inside { launcher, settings, workspace, author };
    let what = "make the work tree what was committed";
    let file = |name: &str| workspace.paths.git_dir().join(name).display().to_string();
    // A new index knows of no file that is to be overlooked.
    git.program("rm", what, &["-f", "--", &file("index"), &file("index.lock")], b"").await?;
    let reset =
        ["-c", "core.sparseCheckout=false", "-c", "core.fsmonitor=false", "reset", "--hard", "--quiet"];
    git.ok(what, &[&reset[..], &[head.as_str()]].concat(), b"").await?;
    git.ok(what, &["clean", "-ffdq"], b"").await?;
    Ok(())
}

/// What `git status -z` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    dirty: bool,
    conflicts: Vec<String>,
}

fn parse_status(output: &[u8]) -> State {
    let mut state = State::default();
    let mut entries = output.split(|b| *b == 0).filter(|entry| !entry.is_empty());
    while let Some(entry) = entries.next() {
        state.dirty = true;
        let (code, path) = (entry.get(..2).unwrap_or_default(), entry.get(3..).unwrap_or_default());
        if code.first().is_some_and(|c| matches!(c, b'R' | b'C')) {
            // The old name follows as an entry of its own.
            entries.next();
        }
        let unmerged = matches!(code, b"DD" | b"AU" | b"UD" | b"UA" | b"DU" | b"AA" | b"UU");
        if unmerged && state.conflicts.len() < NAMED_CONFLICTS {
            state.conflicts.push(String::from_utf8_lossy(path).into_owned());
        }
    }
    state
}

/// Git inside the launcher, on the attempt's own repository whatever the work tree says.
struct Inside<'a> {
    launcher: &'a Launcher,
    settings: &'a GitSettings,
    workspace: &'a Workspace,
    author: Identity,
}

struct Output {
    ended: Ended,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output {
    /// Why it did not succeed.
    fn why(&self) -> String {
        match self.ended.reason {
            Some(reason) => format!("git was stopped: {reason}"),
            None if self.stderr.is_empty() => self.ended.status.to_string(),
            None => message(&self.stderr),
        }
    }
}

impl Inside<'_> {
    /// Commits everything; `false` when there turns out to be nothing to commit.
    async fn commit(&self, text: &CommitText) -> Result<bool, GatherError> {
        let add = ["add", "--all", "--", "."];
        let what = "add the left-over changes";
        let added = self.run(what, &add, b"").await?;
        if !added.ended.success() {
            if !String::from_utf8_lossy(&added.stderr).contains("index.lock") {
                return Err(GatherError::Git { what, message: added.why() });
            }
            // A git of the agent's was killed in the middle. Nobody runs any more, so the lock is nobody's.
            let lock = self.workspace.paths.git_dir().join("index.lock").display().to_string();
            self.program("rm", what, &["-f", "--", &lock], b"").await?;
            self.ok(what, &add, b"").await?;
        }
        let what = "commit the left-over changes";
        let committed =
            self.run(what, &["commit", "--quiet", "--no-verify", "--file=-"], text.full().as_bytes()).await?;
        if committed.ended.success() {
            return Ok(true);
        }
        let said = String::from_utf8_lossy(&committed.stdout).into_owned();
        if said.contains("nothing to commit") || said.contains("nothing added to commit") {
            return Ok(false);
        }
        Err(GatherError::Git { what, message: committed.why() })
    }

    async fn ok(&self, what: &'static str, args: &[&str], stdin: &[u8]) -> Result<Output, GatherError> {
        let output = self.run(what, args, stdin).await?;
        if output.ended.success() {
            Ok(output)
        } else {
            Err(GatherError::Git { what, message: output.why() })
        }
    }

    async fn run(&self, what: &'static str, args: &[&str], stdin: &[u8]) -> Result<Output, GatherError> {
        self.program("git", what, args, stdin).await
    }

    async fn program(
        &self,
        program: &str,
        what: &'static str,
        args: &[&str],
        stdin: &[u8],
    ) -> Result<Output, GatherError> {
        let paths = &self.workspace.paths;
        let mut spec = Spec::new(program, &paths.worktree, &paths.home, &paths.tmp, COMMAND_LIMIT);
        spec.args = args.iter().map(|a| (*a).to_owned()).collect();
        spec.stdin = stdin.to_vec();
        spec.mounts = self.workspace.mounts();
        spec.env = self.settings.confined_env();
        let Identity { name, email } = &self.author;
        let own = [
            ("GIT_DIR", paths.git_dir().display().to_string()),
            ("GIT_WORK_TREE", paths.worktree.display().to_string()),
            ("GIT_AUTHOR_NAME", name.clone()),
            ("GIT_AUTHOR_EMAIL", email.clone()),
            ("GIT_COMMITTER_NAME", name.clone()),
            ("GIT_COMMITTER_EMAIL", email.clone()),
        ];
        spec.env.extend(own.map(|(key, value)| (key.to_owned(), value)));
        let mut process = self.launcher.start(spec).await?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(output) = process.next_output().await {
            let to = if output.stream == Stream::Stdout { &mut stdout } else { &mut stderr };
            if to.len() + output.line.len() < MAX_OUTPUT {
                to.extend_from_slice(&output.line);
                to.push(b'\n');
            }
        }
        let ended = process.wait().await;
        if let crate::sandbox::Status::NotStarted(why) = &ended.status {
            return Err(GatherError::Git { what, message: why.clone() });
        }
        Ok(Output { ended, stdout, stderr })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_entries_are_read_with_their_odd_names() {
        assert_eq!(parse_status(b""), State::default());
        let state = parse_status(b" M a\nb\0R  new\0UU old\0UU c\0?? d/\0");
        assert_eq!(state, State { dirty: true, conflicts: vec!["c".into()] });
    }

    #[test]
    fn the_message_ends_with_its_trailer() {
        let author = Identity { name: "App".into(), email: "app@x".into() };
        let co_author = Some(Identity { name: "Ann\nSigned-off-by: Eve".into(), email: "ann@x>".into() });
        let text = CommitText { author, co_author, message: "Do it\n\nBecause.\n\n".into() };
        assert_eq!(text.full(), "Do it\n\nBecause.\n\nCo-authored-by: AnnSigned-off-by: Eve <ann@x>\n");
    }
}
