//! The runner's side of the counter: one call per verb, over the private Unix socket.

use super::wire;
use crate::clock;
use crate::domain::survey::Answer;
use crate::domain::{AttemptId, RunnerId, Spent};
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

/// How long a verb may take that the control plane answers at once.
const PROMPT: Duration = Duration::from_secs(15);
/// The same for verbs behind which GitHub is asked, or bytes are written.
const SLOW: Duration = Duration::from_secs(40);
/// What a claim may take beyond the wait that it asks for.
const CLAIM_MARGIN: Duration = Duration::from_secs(5);
/// The longest wait between two tries of a call that must get through.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The same before the second try.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Why a call gave no result. *Lost* and *no answer* must never be mixed up.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The control plane looked, and the lease is not ours: stop at once.
    #[error("the lease on the attempt is another's")]
    Lost,
    /// Nobody looked: the control plane or its database cannot be reached now. Go on working and try again.
    #[error("no answer from the control plane: {0}")]
    NoAnswer(String),
    /// The control plane does not accept the request; the same one will not be accepted later either.
    #[error("the control plane refused: {0}")]
    Refused(String),
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the client for the runner API could not be made")]
pub struct ClientError(#[from] reqwest::Error);

/// Speaks the runner API for one runner process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    token: SecretString,
    runner: RunnerId,
}

impl Client {
    /// A client over the Unix socket `socket`, which need not be there yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn over_socket(socket: &Path, token: SecretString, runner: RunnerId) -> Result<Self, ClientError> {
        // The host name is never looked up: every request goes through the socket.
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // The other side closes a silent connection after 5 s; ours go first, so that no call meets a closing one.
            .pool_idle_timeout(Duration::from_secs(3))
            .build()?;
        Ok(Self { http, token, runner })
    }

    /// Who speaks.
    pub fn runner(&self) -> &RunnerId {
        &self.runner
    }

    /// Announces this process.
    ///
    /// # Errors
    /// [`CallError::Refused`] for another version or a wrong token.
    pub async fn register(&self, register: &wire::Register) -> Result<wire::Registered, CallError> {
        self.ask("register", register, PROMPT).await
    }

    /// Asks for work and waits up to `wait` for it; `holds` is what this process has.
    ///
    /// # Errors
    /// Any [`CallError`] but [`CallError::Lost`].
    pub async fn claim(
        &self,
        holds: Vec<AttemptId>,
        wait: Duration,
    ) -> Result<Option<wire::Assignment>, CallError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let claim = wire::Claim { runner: self.runner.clone(), holds, wait_ms };
        let claimed: wire::Claimed = self.ask("claim", &claim, wait + CLAIM_MARGIN).await?;
        Ok(claimed.assignment)
    }

    /// Renews leases; one verdict for each beat, in order. The answer may be held open for `wait` and is given up `limit` later.
    ///
    /// # Errors
    /// Any [`CallError`] but [`CallError::Lost`].
    pub async fn heartbeat(
        &self,
        attempts: Vec<wire::Beat>,
        wait: Duration,
        limit: Duration,
    ) -> Result<Vec<wire::Verdict>, CallError> {
        let sent = attempts.len();
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let beat = wire::Heartbeat { runner: self.runner.clone(), attempts, wait_ms };
        let beaten: wire::Beaten = self.ask("heartbeat", &beat, wait + limit).await?;
        if beaten.verdicts.len() != sent {
            return Err(CallError::NoAnswer(format!(
                "{} verdicts for {sent} attempts",
                beaten.verdicts.len()
            )));
        }
        Ok(beaten.verdicts)
    }

    /// Tells the facts of an ended attempt. Sending them again is safe.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn finish(&self, attempt: &AttemptId, epoch: u64, facts: wire::Facts) -> Result<(), CallError> {
        let finish = wire::Finish { runner: self.runner.clone(), epoch, facts };
        accepted(self.ask(&about(attempt, "finish"), &finish, SLOW).await?)
    }

    /// Hands an attempt back whose work stays on this host. Sending it again is safe.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn release(&self, attempt: &AttemptId, epoch: u64, spent: Spent) -> Result<(), CallError> {
        let release = wire::Release { runner: self.runner.clone(), epoch, spent };
        accepted(self.ask(&about(attempt, "release"), &release, PROMPT).await?)
    }

    /// Asks which of these attempts on this host's disk may yet be handed to it.
    ///
    /// # Errors
    /// Any [`CallError`] but [`CallError::Lost`].
    pub async fn kept(&self, host_id: &str, attempts: Vec<AttemptId>) -> Result<Vec<AttemptId>, CallError> {
        let keep = wire::Keep { host_id: host_id.to_owned(), attempts };
        let kept: wire::Kept = self.ask("kept", &keep, PROMPT).await?;
        Ok(kept.keep)
    }

    /// Adds lines to the run's session log.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn events(&self, attempt: &AttemptId, epoch: u64, lines: Vec<String>) -> Result<(), CallError> {
        let events = wire::Events { runner: self.runner.clone(), epoch, lines };
        accepted(self.ask(&about(attempt, "events"), &events, SLOW).await?)
    }

    /// Appends bytes that begin at `offset` of the attempt's log; returns how much is stored.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn log(
        &self,
        attempt: &AttemptId,
        epoch: u64,
        offset: u64,
        bytes: Vec<u8>,
    ) -> Result<u64, CallError> {
        let verb = format!("{}?runner={}&epoch={epoch}&offset={offset}", about(attempt, "log"), self.runner);
        let request = self.post(&verb).body(bytes).timeout(SLOW);
        let stored: wire::LogStored = read(request).await?;
        Ok(stored.stored)
    }

    /// A short-lived token for the attempt's repository.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn credential(&self, attempt: &AttemptId, epoch: u64) -> Result<wire::Credential, CallError> {
        let request = wire::CredentialRequest { runner: self.runner.clone(), epoch };
        self.ask(&about(attempt, "credential"), &request, SLOW).await
    }

    /// The rules of the attempt's run.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn policy(&self, attempt: &AttemptId, epoch: u64) -> Result<wire::Policy, CallError> {
        let request = wire::PolicyRequest { runner: self.runner.clone(), epoch };
        self.ask(&about(attempt, "policy"), &request, PROMPT).await
    }

    /// Waits up to `wait` for a repository to search.
    ///
    /// # Errors
    /// Any [`CallError`] but [`CallError::Lost`].
    pub async fn survey(&self, wait: Duration) -> Result<Option<wire::SurveyQuestion>, CallError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let question = wire::SurveyWait { runner: self.runner.clone(), wait_ms };
        // Behind the answer GitHub may be asked for a token.
        let asked: wire::SurveyAsked = self.ask("survey", &question, wait + SLOW).await?;
        Ok(asked.question)
    }

    /// Tells what a search found. Sending it again is safe.
    ///
    /// # Errors
    /// Any [`CallError`]; [`CallError::Lost`] when nobody waits for it any more.
    pub async fn surveyed(&self, id: u64, found: Result<Answer, String>) -> Result<(), CallError> {
        let answer = wire::SurveyAnswer { runner: self.runner.clone(), found };
        accepted(self.ask(&format!("surveys/{id}/answer"), &answer, PROMPT).await?)
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        verb: &str,
        question: &impl Serialize,
        limit: Duration,
    ) -> Result<A, CallError> {
        read(self.post(verb).json(question).timeout(limit)).await
    }

    fn post(&self, verb: &str) -> reqwest::RequestBuilder {
        self.http
            .post(format!("http://divisi.invalid/runner/v1/{verb}"))
            .bearer_auth(self.token.expose_secret())
    }
}

/// Repeats a call for as long as it gets no answer, with growing pauses. Drop the future to give up.
///
/// # Errors
/// What the control plane answered: [`CallError::Lost`] or [`CallError::Refused`].
pub async fn until_answered<T, F>(mut call: impl FnMut() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match call().await {
            Err(CallError::NoAnswer(why)) => {
                tracing::debug!(why, "No answer from the control plane; trying again.");
                clock::sleep(pause.mul_f64(0.5 + clock::jitter() / 2.0)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            answer => return answer,
        }
    }
}

fn about(attempt: &AttemptId, verb: &str) -> String {
    format!("attempts/{attempt}/{verb}")
}

fn accepted(answer: wire::Accepted) -> Result<(), CallError> {
    match answer {
        wire::Accepted::Done => Ok(()),
        wire::Accepted::Lost => Err(CallError::Lost),
    }
}

async fn read<A: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<A, CallError> {
    let no_answer = |error: reqwest::Error| CallError::NoAnswer(in_words(&error.without_url()));
    let answer = request.send().await.map_err(no_answer)?;
    let status = answer.status();
    if status.is_success() {
        return answer.json().await.map_err(no_answer);
    }
    let problem = answer.json::<wire::Problem>().await;
    let why = problem.map_or_else(|_| status.to_string(), |p| format!("{} ({status})", p.error));
    Err(match status {
        StatusCode::CONFLICT => CallError::Lost,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => CallError::NoAnswer(why),
        status if status.is_server_error() => CallError::NoAnswer(why),
        _ => CallError::Refused(why),
    })
}

/// The error with its causes: reqwest's own text leaves out why a connection failed.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
