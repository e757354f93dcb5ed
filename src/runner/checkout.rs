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
use std::time::{Duration, Instant};

/// What fails for want of a network is tried again for so long: an outage of GitHub costs time, and no work.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Tries against a network that fails.
pub(super) struct Patience {
    start: Instant,
    tries: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { start: clock::instant(), tries: 0 }
    }

    /// Whether there is another try.
    pub(super) fn lasts(&self) -> bool {
        clock::since(self.start) < PATIENCE
    }

    /// How long to wait before it: 2 s, doubled each time, half of it jitter.
    pub(super) fn wait(&mut self) -> Duration {
        self.tries += 1;
        let full = Duration::from_secs(1 << self.tries.min(6)).min(LONGEST_WAIT);
        full.mul_f64(0.5 + clock::jitter() / 2.0)
    }
}

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
        let url = credential.clone_url.unwrap_or_else(|| self.task.clone_url.clone());
        Remote::new(url, credential.token.into())
            .map_err(|e| Halt::give_up(FailureKind::Unknown, sentence(&e)))
    }

    /// The repository's mirror, with the attempt's base branch and base commit in it: fetched once, not once per attempt.
    pub(super) async fn mirror(&self) -> Staged<Mirror> {
        self.held.stage("fetch");
        let repo = self.task.repo.id;
        let fetching = self.shared.fetching.of(repo);
        let mut fetched = self.held.unless_stopped(fetching.lock()).await?;
        let data_dir = &self.shared.options.data_dir;
        // Under the attempt's fence: what is pushed from here stands still behind it. What only fetches and looks does not.
        let git = self.shared.git.under(&self.held.fence);
        let opened = Mirror::open_or_create(git, data_dir, repo);
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
        let mut patience = Patience::new();
        loop {
            let remote = self.remote().await?;
            let update = async {
                mirror.update(&remote, &self.task.base).await?;
                // The branch may have moved on, or have been rewritten, since the run started.
                mirror.ensure_commit(&remote, &self.task.base_sha).await
            };
            match self.held.unless_stopped(update).await? {
                Ok(()) => return Ok(()),
                Err(error) if error.is_transient() && patience.lasts() => {
                    self.log.event(&format!("could not fetch ({error}); tries again"));
                    self.held.unless_stopped(clock::sleep(patience.wait())).await?;
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

    #[test]
    fn an_outage_of_hours_is_waited_out_with_a_try_a_minute() {
        let time = clock::Virtual::starting_at(clock::now());
        let _entered = time.enter();
        let mut patience = Patience::new();
        let mut tries = 0;
        while patience.lasts() {
            let wait = patience.wait();
            assert!(wait <= LONGEST_WAIT && wait >= Duration::from_secs(1));
            time.skip(wait);
            tries += 1;
        }
        assert!(time.elapsed() < PATIENCE + LONGEST_WAIT && (360..=740).contains(&tries), "{tries}");
    }
}
