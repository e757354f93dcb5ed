//! Tokens that were handed to runners: for one repository, in memory only, revoked when the attempt ends.

use super::Orchestrator;
use super::reconcile::lock;
use crate::domain::{AttemptId, Orchestration, Repo, RunId};
use crate::github::{App, Error};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashMap;
use std::sync::Mutex;

/// A token that was handed out.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The installation that it is for.
    pub installation: u64,
    /// The token.
    pub token: SecretString,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// Tokens by attempt.
#[derive(Default)]
pub(super) struct Credentials(Mutex<HashMap<AttemptId, Vec<Issued>>>);

/// A token with less time left is not handed out again.
const LEAST_LEFT_SECONDS: i64 = 300;

impl Orchestrator {
    /// A token that may fetch from and push to this one repository, for a live attempt; the one that the attempt
    /// has already while it lasts.
    ///
    /// # Errors
    /// As GitHub gives them.
    pub async fn credential(&self, attempt: &AttemptId, repo: &Repo) -> Result<Issued, Error> {
        let now = crate::clock::now();
        let lasting = |i: &&Issued| i.expires_at.as_second() - now.as_second() > LEAST_LEFT_SECONDS;
        if let Some(issued) =
            lock(&self.shared.credentials.0).get(attempt).and_then(|all| all.iter().find(lasting))
        {
            return Ok(issued.clone());
        }
        let minted = self.shared.github.mint_scoped(repo.installation, repo.id, App::PUSH).await;
        // 422 when the repository is none of the installation's any more.
        if minted.as_ref().is_err_and(|e| super::is_final(e) || super::standing::is_suspicious(e)) {
            self.look_soon(&attempt.run);
        }
        let minted = minted?;
        let issued =
            Issued { installation: repo.installation, token: minted.token, expires_at: minted.expires_at };
        lock(&self.shared.credentials.0).entry(attempt.clone()).or_default().push(issued.clone());
        Ok(issued)
    }

    /// The attempt ended, or was cut off: its tokens are revoked in the background.
    pub fn attempt_over(&self, attempt: &AttemptId) {
        let issued = lock(&self.shared.credentials.0).remove(attempt).unwrap_or_default();
        self.revoke_soon(issued);
    }

    /// The run's attempts that have tokens now, with these tokens.
    pub(super) fn issued_for(&self, run: &RunId) -> Vec<(AttemptId, Vec<Issued>)> {
        let all = lock(&self.shared.credentials.0);
        all.iter().filter(|(a, _)| a.run == *run).map(|(a, issued)| (a.clone(), issued.clone())).collect()
    }

    /// Revokes those among these tokens whose attempt nobody holds, however its lease ended. An attempt that was resumed
    /// meanwhile has newer ones, which stay.
    pub(super) fn revoke_lost(&self, issued: &[(AttemptId, Vec<Issued>)], run: &Orchestration) {
        let lost =
            |a: &AttemptId| run.task(a.task).is_none_or(|t| t.runner.is_none() || t.attempt != a.attempt);
        for (attempt, tokens) in issued.iter().filter(|(attempt, _)| lost(attempt)) {
            let old = |one: &Issued| {
                tokens.iter().any(|token| token.token.expose_secret() == one.token.expose_secret())
            };
            let mut all = lock(&self.shared.credentials.0);
            let Some(of_attempt) = all.get_mut(attempt) else { continue };
            let gone = of_attempt.extract_if(.., |one| old(one)).collect();
            if of_attempt.is_empty() {
                all.remove(attempt);
            }
            drop(all);
            self.revoke_soon(gone);
        }
    }

    pub(super) fn revoke_soon(&self, issued: Vec<Issued>) {
        if !issued.is_empty() {
            let this = self.clone();
            self.shared.tasks.spawn(async move { this.revoke(issued).await });
        }
    }

    pub(super) async fn revoke_all(&self) {
        let all = std::mem::take(&mut *lock(&self.shared.credentials.0));
        for issued in all.into_values() {
            self.revoke(issued).await;
        }
    }

    async fn revoke(&self, issued: Vec<Issued>) {
        for one in issued {
            if let Err(error) = self.shared.github.installation(one.installation).revoke(&one.token).await {
                tracing::warn!(%error, expires_at = %one.expires_at, "a token could not be revoked; it ends by itself");
            }
        }
    }
}
