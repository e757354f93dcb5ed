//! What the runner API asks for besides the store, answered by the orchestrator.

use crate::dispatch::wire;
use crate::domain::survey::Answer;
use crate::domain::{AttemptId, Repo, RunId, RunnerId};
use crate::orchestrator::{self, Orchestrator};
use crate::server::runner_api::{Behind, NoCredential};
use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use std::time::Duration;

/// The orchestrator as the runner API sees it.
pub(super) struct Desk(pub Orchestrator);

#[async_trait]
impl Behind for Desk {
    async fn credential(&self, attempt: &AttemptId, repo: &Repo) -> Result<wire::Credential, NoCredential> {
        let issued = self.0.credential(attempt, repo).await;
        let issued = issued.map_err(|e| NoCredential {
            why: e.to_string(),
            is_final: orchestrator::is_final(&e) && !orchestrator::is_suspension(&e),
        })?;
        let token = issued.token.expose_secret().to_owned();
        Ok(wire::Credential { token, expires_at_ms: issued.expires_at.as_millisecond(), clone_url: None })
    }

    async fn attempt_over(&self, attempt: &AttemptId) {
        self.0.attempt_over(attempt);
    }

    fn run_changed(&self, run: &RunId) {
        self.0.run_changed(run);
    }

    async fn work(&self) {
        self.0.work().await;
    }

    async fn changed(&self) {
        self.0.changed().await;
    }

    async fn survey(&self, runner: &RunnerId, wait: Duration) -> Option<wire::SurveyQuestion> {
        let asked = self.0.survey_taken(runner, wait).await?;
        let token = asked.credential.token.expose_secret().to_owned();
        let expires_at_ms = asked.credential.expires_at.as_millisecond();
        Some(wire::SurveyQuestion {
            id: asked.id,
            repo: asked.repo,
            clone_url: String::new(),
            base: asked.base,
            base_sha: asked.base_sha,
            credential: wire::Credential { token, expires_at_ms, clone_url: None },
            tasks: asked.tasks,
            left_ms: u64::try_from(asked.left.as_millis()).unwrap_or(0),
        })
    }

    async fn surveyed(&self, id: u64, found: Result<Answer, String>) -> bool {
        self.0.survey_answered(id, found)
    }

    async fn session_lines(&self, attempt: &AttemptId, lines: &[String]) -> Result<(), String> {
        self.0.session_lines(attempt, lines).await
    }

    async fn log_chunk(&self, attempt: &AttemptId, offset: u64, bytes: &[u8]) -> Result<u64, String> {
        self.0.log_chunk(attempt, offset, bytes).await
    }
}
