//! An imported head goes out, from the mirror, to exactly one branch.

use super::git::{GitError, SLOW, failed, message};
use super::import::Imported;
use super::mirror::{Mirror, is_branch};
use super::remote::{Remote, Trouble, late, trouble};
use crate::domain::{FailureKind, Sha};
use crate::sandbox::HostOutput;

/// A push that the server accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The branch was at this head already.
    pub up_to_date: bool,
}

/// Why a push was refused.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The branch is not where we left it: someone else moved or made it.
    #[error("the branch `{0}` was changed by someone else")]
    Moved(String),
    /// The token may not write here.
    #[error("pushing was denied: {0}")]
    Denied(String),
    /// GitHub refuses changes to workflow files without the `workflows` permission, which Divisi never has.
    #[error("GitHub refused a change to workflow files: {0}")]
    Workflow(String),
    /// The server's own rules refuse (protected branch pattern, secret found, file too large).
    #[error("the server refused the push: {0}")]
    Refused(String),
    /// The server did not answer, or not in time. The push may have been applied: pushing again is safe.
    #[error("the repository's server could not be reached: {0}")]
    Network(String),
    /// Anything else.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl PushError {
    /// The kind of failure that it is for a task.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Moved(_) => FailureKind::FileConflict,
            Self::Workflow(_) | Self::Refused(_) => FailureKind::PolicyViolation,
            Self::Denied(_) | Self::Network(_) => FailureKind::Unknown,
            Self::Git(error) => error.kind(),
        }
    }

    /// Whether the same may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Network(_))
    }
}

/// Pushes an imported head to `refs/heads/{branch}` if that is at `expected` (`None`: does not exist) or at the head already.
///
/// # Errors
/// See [`PushError`].
pub async fn push(
    mirror: &Mirror,
    remote: &Remote,
    imported: &Imported,
    branch: &str,
    expected: Option<&Sha>,
) -> Result<Pushed, PushError> {
    let what = "push";
    if !is_branch(branch) {
        return Err(PushError::Git(GitError::answer("name the branch to push", branch.as_bytes())));
    }
    let lease = format!("--force-with-lease=refs/heads/{branch}:{}", expected.map_or("", Sha::as_str));
    // The commit that was looked at, not whatever the ref stands for by now.
    let refspec = format!("{}:refs/heads/{branch}", imported.head);
    let options =
        ["push", "--porcelain", "--atomic", "--no-verify", "--no-signed", "--no-recurse-submodules", &lease];
    let call = mirror
        .call(what, options.into_iter().chain(["--end-of-options", remote.url(), &refspec]))
        .deadline(SLOW)
        .outward();
    let output = match mirror.git().run(remote.authorize(call)).await {
        Ok(output) => output,
        Err(error) => return Err(late(&error).map_or_else(|| error.into(), PushError::Network)),
    };
    if output.code == 0 {
        let up_to_date = output.stdout.split(|b| *b == b'\n').any(|line| line.starts_with(b"=\t"));
        return Ok(Pushed { up_to_date });
    }
    Err(refusal(what, branch, &output))
}

/// Reads why a push failed. The reason of a refused ref stands on standard output (`!\t<from>:<to>\t[…] (…)`), the server's words on standard error.
fn refusal(what: &'static str, branch: &str, output: &HostOutput) -> PushError {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let Some(line) = stdout.lines().find(|line| line.starts_with("!\t")) else {
        return match trouble(output) {
            Trouble::Denied(text) => PushError::Denied(text),
            Trouble::Network(text) => PushError::Network(text),
            Trouble::Other => PushError::Git(failed(what, output)),
        };
    };
    let reason = line.rsplit('\t').next().unwrap_or(line);
    let told = || format!("{reason}\n{}", message(&output.stderr)).trim_end().to_owned();
    // GitHub: "refusing to allow a GitHub App to create or update workflow `…` without `workflows` permission".
    if reason.contains("workflow") {
        return PushError::Workflow(reason.to_owned());
    }
    // A lost race is told by our git ("stale info"), or by the server when it happens at the last moment.
    let lost = [
        "stale info",
        "fetch first",
        "non-fast-forward",
        "already exists",
        "cannot lock ref",
        "failed to update ref",
        "reference already exists",
    ];
    if lost.iter().any(|word| reason.contains(word)) {
        return PushError::Moved(branch.to_owned());
    }
    PushError::Refused(told())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reason: &str) -> PushError {
        let stdout =
            format!("To http://h/x\n!\t{}:refs/heads/b\t{reason}\nDone\n", "1".repeat(40)).into_bytes();
        refusal("push", "b", &HostOutput { code: 1, stdout, stderr: b"remote: told\n".to_vec() })
    }

    #[test]
    fn refusals_are_told_apart() {
        assert!(matches!(read("[rejected] (stale info)"), PushError::Moved(branch) if branch == "b"));
        assert!(matches!(
            read("[remote rejected] (cannot lock ref 'refs/heads/b': reference already exists)"),
            PushError::Moved(_)
        ));
        let workflow = "[remote rejected] (refusing to allow a GitHub App to create or update workflow `.github/workflows/x.yml` without `workflows` permission)";
        assert!(matches!(read(workflow), PushError::Workflow(_)));
        assert!(
            matches!(read("[remote rejected] (pre-receive hook declined)"), PushError::Refused(text) if text.contains("told"))
        );
    }
}
