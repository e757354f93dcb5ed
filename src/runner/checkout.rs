//! The attempt's place: the mirror brought up to its base, the private repository, the work tree.

use super::attempt::Attempt;
use super::halt::{Halt, Staged, sentence};
use crate::clock;
use crate::dispatch::until_answered;
use crate::domain::{FailureKind, Sha};
use crate::workspace::{
    self, AttemptPaths, GitError, Identity, Mirror, PrepareError, Remote, UpdateError, Workspace,
};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often something that failed for want of a network is tried.
pub(super) const TRIES: u32 = 4;

/// What this process has fetched, and one lock per repository, so that of several attempts that need the same commit only
/// one fetches it.
#[derive(Debug, Default)]
pub(super) struct Fetching(Mutex<HashMap<u64, Arc<tokio::sync::Mutex<Fetched>>>>);

/// Branches with a commit that were seen to be in a repository's mirror.
type Fetched = HashSet<(String, Sha)>;

impl Fetching {
    fn of(&self, repo: u64) -> Arc<tokio::sync::Mutex<Fetched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(repo).or_default().clone()
    }
}

impl Attempt {
    /// The repository with a token for it that was made just now.
    pub(super) async fn remote(&self) -> Staged<Remote> {
        let ask = || self.shared.client.credential(&self.held.attempt, self.held.epoch);
        let credential = self.held.unless_stopped(until_answered(ask)).await??;
        self.shared.options.redact.add(&credential.token);
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(credential.token.clone());
        Remote::new(&self.task.clone_url, credential.token.into())
            .map_err(|e| Halt::give_up(FailureKind::Unknown, sentence(&e)))
    }

    /// The repository's mirror, with the attempt's base branch and base commit in it: fetched once, not once per attempt.
    pub(super) async fn mirror(&self) -> Staged<Mirror> {
        self.held.stage("fetch");
        let repo = self.task.repo.id;
        let fetching = self.shared.fetching.of(repo);
        let mut fetched = self.held.unless_stopped(fetching.lock()).await?;
        let data_dir = &self.shared.options.data_dir;
        let opened = Mirror::open_or_create(self.shared.git.clone(), data_dir, repo);
        let mirror = self.held.unless_stopped(opened).await?.map_err(git_failed)?;
        let base = (self.task.base.clone(), self.task.base_sha.clone());
        // Somebody may have removed the mirror meanwhile.
        let known = fetched.contains(&base)
            && self.held.unless_stopped(mirror.has_commit(&base.1)).await?.map_err(git_failed)?;
        if !known {
            self.log.event("fetches the repository");
            self.fetch(&mirror).await?;
            fetched.insert(base);
        }
        Ok(mirror)
    }

    async fn fetch(&self, mirror: &Mirror) -> Staged<()> {
        let mut tries = 0;
        loop {
            let remote = self.remote().await?;
            let update = async {
                mirror.update(&remote, &self.task.base).await?;
                // The branch may have moved on, or have been rewritten, since the run started.
                mirror.ensure_commit(&remote, &self.task.base_sha).await
            };
            match self.held.unless_stopped(update).await? {
                Ok(()) => return Ok(()),
                Err(error) if error.is_transient() && tries < TRIES => {
                    tries += 1;
                    self.log.event(&format!("could not fetch ({error}); tries again"));
                    self.held.unless_stopped(clock::sleep(Duration::from_secs(1 << tries))).await?;
                }
                Err(error) => return Err(update_failed(&error)),
            }
        }
    }

    /// The work tree on the attempt's branch.
    pub(super) async fn check_out(&self, mirror: &Mirror, paths: AttemptPaths) -> Staged<Workspace> {
        self.held.stage("checkout");
        let author = identity(&self.task.author);
        let (on, branch, base) = (&self.task.base, &self.task.branch, &self.task.base_sha);
        let prepared = workspace::prepare(mirror, paths, on, branch, base, &author);
        self.held.unless_stopped(prepared).await?.map_err(|error| match error {
            PrepareError::Git(error) => git_failed(error),
            error => Halt::retry(error.kind(), sentence(&error)),
        })
    }
}

fn update_failed(error: &UpdateError) -> Halt {
    let again = error.is_transient() || matches!(error, UpdateError::Git(_));
    Halt::Failed { failure: crate::domain::Failure::new(error.kind(), sentence(error)), again }
}

fn git_failed(error: GitError) -> Halt {
    Halt::retry(error.kind(), sentence(&error))
}

/// Reads `name <email>`.
pub(super) fn identity(text: &str) -> Identity {
    let (name, rest) = text.split_once('<').unwrap_or((text, ""));
    let email = rest.trim_end().trim_end_matches('>').trim();
    let name = name.trim();
    Identity {
        name: if name.is_empty() { "Divisi".to_owned() } else { name.to_owned() },
        email: if email.is_empty() { "divisi@users.noreply.github.com".to_owned() } else { email.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_identity_is_read() {
        let id = identity("divisi[bot] <12+divisi[bot]@users.noreply.github.com>");
        assert_eq!(
            (id.name.as_str(), id.email.as_str()),
            ("divisi[bot]", "12+divisi[bot]@users.noreply.github.com")
        );
        let id = identity("");
        assert_eq!(id.name, "Divisi");
        assert!(id.email.contains('@'));
    }
}
