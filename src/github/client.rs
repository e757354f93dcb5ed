//! Calls with an installation's token: counted, paced, refreshed once; reads repeated, writes never.

use super::app::Core;
use super::error::{Error, Result};
use super::limiter::{Cost, Limiter};
use super::pages;
use super::token::{Minted, TokenCache};
use super::transport::{Answer, Request, escape};
use crate::clock;
use crate::domain::Repo;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Repetitions of a read, after the first try.
const RETRIES: u32 = 3;
/// The wait before the first repetition, on average; doubled each time.
const BACKOFF: Duration = Duration::from_millis(250);

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
}

/// One repository through its installation. All paths begin at `/repos/{owner}/{name}`.
///
/// Every method may fail with any [`Error`] that fits; writes are sent once (twice only after a 401, which
/// means not done), reads up to four times within twice the request deadline.
#[derive(Clone)]
pub struct RepoClient {
    pub(super) client: Client,
    pub(super) repo: Repo,
    calls: CallCounter,
}

#[derive(serde::Deserialize)]
struct RawRepository {
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
    fn translate(self, installation: u64) -> Repo {
        let Self { id, name, owner, default_branch } = self;
        Repo { id, owner: owner.login, name, installation, default_branch }
    }
}

impl Client {
    pub(super) fn new(core: Arc<Core>, installation: u64) -> Self {
        let limiter = Limiter::new(core.pace);
        Self { shared: Arc::new(Shared { core, installation, tokens: TokenCache::default(), limiter }) }
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
        let op = "read a repository by its id";
        let raw: RawRepository = self.read(op, &format!("/repositories/{id}"), calls).await?.read(op)?;
        Ok(raw.translate(self.shared.installation))
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
            let answer: Page = self.read(op, &path, calls).await?.read(op)?;
            let full = answer.repositories.len() == 100;
            repositories
                .extend(answer.repositories.into_iter().map(|r| r.translate(self.shared.installation)));
            if !full {
                break;
            }
        }
        Ok(repositories)
    }

    pub(super) fn core(&self) -> &Core {
        &self.shared.core
    }

    async fn token(&self, refused: Option<u64>) -> Result<(Minted, u64)> {
        let core = &self.shared.core;
        let mint = || core.mint("get a token of the installation", self.shared.installation, None);
        self.shared.tokens.get(core.now(), refused, mint).await.map_err(Error::before_sending)
    }

    /// Sends in turn. A 401 means that nothing was done: the token is replaced and the call sent once more.
    async fn call(&self, request: Request<'_>, cost: Cost, calls: &CallCounter) -> Result<Answer> {
        let Shared { core, limiter, .. } = &*self.shared;
        let (mut token, generation) = self.token(None).await?;
        let mut refreshed = false;
        loop {
            let permit = limiter.turn(cost).await;
            let permit = permit.map_err(|retry_at| Error::RateLimited { op: request.op, retry_at })?;
            calls.add();
            let answer = core.transport.send(request, &token.token).await?;
            if let Some(until) = answer.exhausted_until().or_else(|| answer.limited_until()) {
                limiter.close_until(until);
            }
            drop(permit);
            if answer.status != StatusCode::UNAUTHORIZED || refreshed {
                return Ok(answer);
            }
            refreshed = true;
            token = self.token(Some(generation)).await?.0;
        }
    }

    /// A GET, repeated; its answer is a success.
    async fn read(&self, op: &'static str, path: &str, calls: &CallCounter) -> Result<Answer> {
        let request = Request { op, method: &Method::GET, path, body: None };
        retry(self.core().request_deadline * 2, || async {
            let answer = self.call(request, Cost::Read, calls).await?;
            answer.check(op)?;
            Ok(answer)
        })
        .await
    }
}

impl RepoClient {
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
    pub(super) async fn get(&self, op: &'static str, rest: &str) -> Result<Answer> {
        self.client.read(op, &self.path(rest), &self.calls).await
    }

    /// A whole list below the repository; `rest` already asks for `per_page=100`.
    pub(super) async fn list<T: DeserializeOwned>(&self, op: &'static str, rest: &str) -> Result<Vec<T>> {
        let fetch = |path: String| async move { self.client.read(op, &path, &self.calls).await };
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
        let request = Request { op, method, path: &path, body: Some(body) };
        let answer = self.client.call(request, cost, &self.calls).await?;
        answer.check(op)?;
        answer.read(op).map_err(|error| Error::Unknown { op, why: error.to_string() })
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

/// Repeats what does no harm when it is done twice, with jittered waits, until it succeeds, fails for good,
/// was tried [`RETRIES`] times more, or `deadline` would pass.
pub(super) async fn retry<T, W: Future<Output = Result<T>>>(
    deadline: Duration,
    mut work: impl FnMut() -> W,
) -> Result<T> {
    let start = clock::instant();
    let mut tries = 0;
    loop {
        let error = match work().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let mut wait = BACKOFF.mul_f64((0.5 + clock::jitter()) * f64::from(1 << tries));
        match &error {
            Error::RateLimited { retry_at, .. } => {
                let left = Duration::try_from(retry_at.duration_since(clock::now()));
                wait = wait.max(left.unwrap_or(Duration::ZERO));
            }
            // For some seconds after minting, replicas may not know a token yet.
            Error::Unknown { .. } | Error::NotSent { .. } | Error::Unauthorized { .. } => {}
            _ => return Err(error),
        }
        if tries == RETRIES || clock::instant().duration_since(start) + wait >= deadline {
            return Err(error);
        }
        tries += 1;
        tracing::debug!(error = %error, ?wait, "trying again");
        clock::sleep(wait).await;
    }
}
