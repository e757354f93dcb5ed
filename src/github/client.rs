//! Calls with an installation's token: counted, paced, refreshed once; reads repeated, writes never.

use super::app::Core;
use super::circuit::Circuit;
use super::error::{Error, Result};
use super::etags::Etags;
use super::level::Level;
use super::limiter::{Cost, Limiter};
use super::pages;
use super::retry::{Again, Tries};
use super::token::{Minted, TokenCache};
use super::transport::{Answer, Limit, Request, escape};
use crate::clock;
use crate::domain::Repo;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The wait before a "not found" is asked again that may be a lagging replica's.
const DOUBTED: Duration = Duration::from_secs(1);

/// Counts the calls with an installation token that one run (or one delivery) has caused, repetitions
/// included. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct CallCounter(Arc<AtomicU64>);

impl CallCounter {
    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// One installation: its token, its limiter. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    core: Arc<Core>,
    installation: u64,
    tokens: TokenCache,
    limiter: Limiter,
    circuit: Arc<Circuit>,
    etags: Etags,
}

/// A GET.
#[derive(Clone, Copy)]
pub(super) struct Read {
    pub(super) op: &'static str,
    /// Whether it is asked for again and again: then GitHub may say that nothing changed.
    pub(super) kept: bool,
    /// How often a "not found" or "forbidden" is asked again while the token is so young that some of GitHub's
    /// replicas may not know it.
    pub(super) doubts: u32,
}

impl Read {
    /// One that is asked for again and again.
    pub(super) fn kept(op: &'static str) -> Self {
        Self { op, kept: true, doubts: 1 }
    }

    /// One whose answer is new each time.
    pub(super) fn new(op: &'static str) -> Self {
        Self { kept: false, ..Self::kept(op) }
    }
}

/// An answer, and the token that it was asked with.
struct Sent {
    answer: Answer,
    generation: u64,
    /// Whether a refusal may only mean that GitHub does not know the token everywhere yet.
    young: bool,
}

/// One repository through its installation. All paths begin at `/repos/{owner}/{name}`.
///
/// Every method may fail with any [`Error`] that fits; writes are sent once (twice only after a 401, which
/// means not done), reads up to four times within twice the request deadline. While GitHub gives no clear answers,
/// next to nothing is sent at all ([`Error::Unavailable`]).
#[derive(Clone)]
pub struct RepoClient {
    pub(super) client: Client,
    pub(super) repo: Repo,
    calls: CallCounter,
}

/// A repository as GitHub describes it.
#[derive(serde::Deserialize)]
pub(super) struct RawRepository {
    id: u64,
    name: String,
    owner: RawOwner,
    default_branch: String,
}

#[derive(serde::Deserialize)]
struct RawOwner {
    login: String,
}

impl RawRepository {
    pub(super) fn translate(self, installation: u64) -> Repo {
        let Self { id, name, owner, default_branch } = self;
        Repo { id, owner: owner.login, name, installation, default_branch }
    }
}

impl Client {
    pub(super) fn new(core: Arc<Core>, installation: u64) -> Self {
        let limiter = Limiter::new(core.pace, core.kept_level(installation).as_ref());
        let circuit = core.circuit(installation);
        let (tokens, etags) = (TokenCache::default(), Etags::default());
        Self { shared: Arc::new(Shared { core, installation, tokens, limiter, circuit, etags }) }
    }

    /// How much of GitHub's limits is used up.
    pub(super) fn level(&self) -> Level {
        self.shared.limiter.level()
    }

    /// The installation's number.
    pub fn id(&self) -> u64 {
        self.shared.installation
    }

    /// A repository of this installation; its calls are added to `calls`.
    pub fn repo(&self, repo: &Repo, calls: CallCounter) -> RepoClient {
        RepoClient { client: self.clone(), repo: repo.clone(), calls }
    }

    /// The repository as it is named today, by its id: after [`Error::Moved`].
    pub async fn repository(&self, id: u64, calls: &CallCounter) -> Result<Repo> {
        Ok(self.repository_standing(id, calls).await?.repo)
    }

    /// The repositories that the installation may use.
    pub async fn repositories(&self, calls: &CallCounter) -> Result<Vec<Repo>> {
        #[derive(serde::Deserialize)]
        struct Page {
            repositories: Vec<RawRepository>,
        }
        let op = "list the installation's repositories";
        let mut repositories = Vec::new();
        for page in 1..=pages::MAX_PAGES {
            let path = format!("/installation/repositories?per_page=100&page={page}");
            let answer: Page = self.read(Read::new(op), &path, calls).await?.read(op)?;
            let full = answer.repositories.len() == 100;
            repositories
                .extend(answer.repositories.into_iter().map(|r| r.translate(self.shared.installation)));
            if !full {
                break;
            }
        }
        Ok(repositories)
    }

    pub(super) fn tokens(&self) -> &TokenCache {
        &self.shared.tokens
    }

    pub(super) fn core(&self) -> &Core {
        &self.shared.core
    }

    async fn token(&self, refused: Option<u64>) -> Result<(Minted, u64)> {
        let core = &self.shared.core;
        let mint = || core.mint("get a token of the installation", self.shared.installation, None);
        let token = self.shared.tokens.get(clock::instant(), refused, mint).await;
        token.map_err(Error::before_sending)
    }

    /// Sends once, in turn. `refused` is the token that GitHub just answered with 401.
    async fn send(
        &self,
        request: Request<'_>,
        cost: Cost,
        calls: &CallCounter,
        refused: Option<u64>,
    ) -> Result<Sent> {
        // Nobody stands in a queue before a closed door, nor asks for a token there.
        self.shared.circuit.check(request.op)?;
        let (token, generation) = self.token(refused).await?;
        let answer = self.send_with(&token.token, request, cost, || calls.add()).await?;
        Ok(Sent { answer, generation, young: token.is_young(clock::instant()) })
    }

    /// Sends once, in turn, with this token of the installation. `sending` is told when it goes out.
    async fn send_with(
        &self,
        token: &SecretString,
        request: Request<'_>,
        cost: Cost,
        sending: impl FnOnce(),
    ) -> Result<Answer> {
        let Shared { core, limiter, circuit, .. } = &*self.shared;
        let op = request.op;
        let permit = limiter.turn(cost).await.map_err(|retry_at| Error::RateLimited { op, retry_at })?;
        circuit.enter(op)?;
        sending();
        let outcome = core.transport.send(request, token).await;
        circuit.told(&outcome);
        if cost != Cost::Read {
            core.level_changed();
        }
        let answer = outcome?;
        drop(permit);
        if let Some(limit) = answer.limit() {
            let retry_at = limiter.close(limit);
            core.level_changed();
            return Err(Error::RateLimited { op, retry_at });
        }
        limiter.answered();
        if let Some(wait) = answer.exhausted() {
            // This one was the last of the hour.
            limiter.close(Limit::For(wait));
            core.level_changed();
        }
        Ok(answer)
    }

    /// Ends a token of this installation now. One that has ended already counts as success.
    pub async fn revoke(&self, token: &SecretString) -> Result<()> {
        let op = "revoke a token";
        let request =
            Request { op, method: &Method::DELETE, path: "/installation/token", body: None, known: None };
        // Revoking twice does no harm, so it is repeated like a read.
        let mut tries = Tries::within(self.core().request_deadline * 2);
        loop {
            let sent = self.send_with(token, request, Cost::Read, || self.core().count_revoked()).await;
            let failed = match sent {
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => return Ok(()),
                Ok(answer) => match answer.check(op) {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            tries.another(failed.into()).await?;
        }
    }

    /// A write, sent once: twice only after a 401, which means that nothing was done.
    async fn change(&self, request: Request<'_>, cost: Cost, calls: &CallCounter) -> Result<Answer> {
        let mut sent = self.send(request, cost, calls, None).await?;
        if sent.answer.status == StatusCode::UNAUTHORIZED {
            sent = self.send(request, cost, calls, Some(sent.generation)).await?;
        }
        match sent.answer.check(request.op) {
            Ok(()) => Ok(sent.answer),
            // Not done, and perhaps only because a replica does not know the token yet: whoever wants it sends it
            // again later.
            Err(error @ (Error::NotFound { .. } | Error::Forbidden { .. })) if sent.young => {
                Err(Error::NotSent { op: request.op, why: format!("{error}, with a token just minted") })
            }
            Err(error) => Err(error),
        }
    }

    /// A GET, repeated; its answer is a success.
    pub(super) async fn read(&self, read: Read, path: &str, calls: &CallCounter) -> Result<Answer> {
        let Read { op, kept, doubts } = read;
        let seen = if kept { self.shared.etags.get(path) } else { None };
        let known = seen.as_ref().map(|seen| seen.tag.as_str());
        let request = Request { op, method: &Method::GET, path, body: None, known };
        let (mut refused, mut refreshed, mut doubted) = (None, false, 0);
        let mut tries = Tries::within(self.core().request_deadline * 2);
        loop {
            let sent = match self.send(request, Cost::Read, calls, refused.take()).await {
                Ok(sent) => sent,
                Err(error) => {
                    tries.another(error.into()).await?;
                    continue;
                }
            };
            if let (StatusCode::NOT_MODIFIED, Some(seen)) = (sent.answer.status, &seen) {
                return Ok(seen.answer());
            }
            let Err(error) = sent.answer.check(op) else {
                if kept {
                    self.shared.etags.keep(path, &sent.answer);
                }
                return Ok(sent.answer);
            };
            let failed = if matches!(error, Error::Unauthorized { .. }) && !refreshed {
                (refused, refreshed) = (Some(sent.generation), true);
                Again::Soon(error)
            } else if sent.young && hidden(&error) && doubted < doubts {
                doubted += 1;
                Again::After(error, DOUBTED)
            } else {
                error.into()
            };
            tries.another(failed).await?;
        }
    }
}

/// What GitHub answers about things that a token may not see.
fn hidden(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. } | Error::Forbidden { .. } | Error::Unauthorized { .. })
}

impl RepoClient {
    /// The installation through which it speaks.
    pub fn installation(&self) -> &Client {
        &self.client
    }

    /// The repository that this client speaks of.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The counter of this client's calls.
    pub fn calls(&self) -> &CallCounter {
        &self.calls
    }

    fn path(&self, rest: &str) -> String {
        format!("/repos/{}/{}{rest}", escape(&self.repo.owner), escape(&self.repo.name))
    }

    /// GET below the repository.
    pub(super) async fn get(&self, read: Read, rest: &str) -> Result<Answer> {
        self.client.read(read, &self.path(rest), &self.calls).await
    }

    /// A whole list below the repository; `rest` already asks for `per_page=100`.
    pub(super) async fn list<T: DeserializeOwned>(&self, op: &'static str, rest: &str) -> Result<Vec<T>> {
        let read = Read::kept(op);
        let fetch = |path: String| async move { self.client.read(read, &path, &self.calls).await };
        pages::all(op, self.path(rest), fetch, |_| true).await
    }

    /// A write below the repository, sent once. Success that cannot be read counts as unknown: it was done.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        op: &'static str,
        (method, cost): (&Method, Cost),
        rest: &str,
        body: &Value,
    ) -> Result<T> {
        let path = self.path(rest);
        let request = Request { op, method, path: &path, body: Some(body), known: None };
        let answer = self.client.change(request, cost, &self.calls).await?;
        answer.read(op).map_err(|error| Error::Unknown { op, why: error.to_string() })
    }

    /// DELETE; its answer has no body.
    pub(super) async fn remove(&self, op: &'static str, rest: &str) -> Result<()> {
        let path = self.path(rest);
        let request = Request { op, method: &Method::DELETE, path: &path, body: None, known: None };
        self.client.change(request, Cost::Write, &self.calls).await.map(drop)
    }

    /// POST of something that GitHub counts as new content.
    pub(super) async fn create<T: DeserializeOwned>(
        &self,
        op: &'static str,
        rest: &str,
        body: &Value,
    ) -> Result<T> {
        self.write(op, (&Method::POST, Cost::Create), rest, body).await
    }

    /// PATCH.
    pub(super) async fn edit<T: DeserializeOwned>(
        &self,
        op: &'static str,
        rest: &str,
        body: &Value,
    ) -> Result<T> {
        self.write(op, (&Method::PATCH, Cost::Write), rest, body).await
    }
}
