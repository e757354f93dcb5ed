//! The App itself: who it is, its installations, tokens for runner hosts, and the deliveries that GitHub keeps.

use super::circuit::Circuit;
use super::client::Client;
use super::error::{Error, Result};
use super::jwt::Signer;
use super::level::{Level, Quiet};
use super::limiter::{Pace, after};
use super::pages;
use super::retry::retry;
use super::token::Minted;
use super::transport::{Answer, Request, Transport, escape, http_date};
use crate::clock;
use crate::domain::DeliveryId;
use http::{Method, StatusCode};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OnceCell};

/// Pages of 100 deliveries: what a large organisation makes in the days for which GitHub keeps them.
const MOST_DELIVERIES: usize = 2_000;

/// Calls that concern tokens only; they are in no run's count of calls.
const TOKENS: &str = "divisi_tokens_total";

/// What the App needs to know of itself.
pub struct AppConfig {
    /// The App's number.
    pub app_id: u64,
    /// The private key, PEM.
    pub private_key: SecretString,
    /// The REST address, such as `https://api.github.com` or `https://ghes.example/api/v3`.
    pub api_url: String,
    /// The most one request may take from sending to the end of its answer. Reads, which are repeated, may
    /// take twice as long in all.
    pub request_deadline: Duration,
    /// How fast each installation is used.
    pub pace: Pace,
}

/// Who the App is, as GitHub tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AppInfo {
    /// The App's number.
    pub id: u64,
    /// Its name in addresses; its account is `{slug}[bot]`.
    pub slug: String,
}

impl AppInfo {
    /// Whether `login` is the account that the App acts as.
    pub fn is_login(&self, login: &str) -> bool {
        login.strip_suffix("[bot]") == Some(self.slug.as_str())
    }

    /// The account that the App acts as, `{slug}[bot]`.
    pub fn login(&self) -> String {
        format!("{}[bot]", self.slug)
    }
}

/// A token to hand out, for one repository and the permissions that were asked for.
#[derive(Clone, Debug)]
pub struct ScopedToken {
    /// The token; 40 to some 600 characters, to be treated as opaque.
    pub token: SecretString,
    /// When it ends by this machine's clock, normally after an hour.
    pub expires_at: Timestamp,
}

/// Calls that concern tokens only. They cost nothing of an installation's budget and are reported apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCalls {
    /// Requests for a token.
    pub mint: u64,
    /// Requests to end one.
    pub revoke: u64,
}

/// One attempt of GitHub to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryItem {
    /// The attempt; names it to [`App::delivery`].
    pub id: u64,
    /// The event, the same on every attempt.
    pub guid: DeliveryId,
    /// When it was attempted.
    pub delivered_at: Timestamp,
    /// Whether we answered 2xx. Connection errors and time-outs are failures too, which GitHub's own filter
    /// does not show.
    pub ok: bool,
    /// The event's name, such as `issues`.
    pub event: String,
    /// The action, such as `labeled`.
    pub action: Option<String>,
    /// The installation that it is for.
    pub installation: Option<u64>,
}

/// What an attempt carried.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryContent {
    /// The event, the same on every attempt.
    pub guid: DeliveryId,
    /// The event's name.
    pub event: String,
    /// The payload, serialised anew: the same JSON, not the same bytes.
    pub body: Vec<u8>,
}

/// The App at GitHub. Cheap to clone; one for the process.
#[derive(Clone)]
pub struct App {
    core: Arc<Core>,
    clients: Arc<Mutex<HashMap<u64, Client>>>,
}

/// What all installations share.
pub(super) struct Core {
    pub(super) transport: Transport,
    pub(super) request_deadline: Duration,
    pub(super) pace: Pace,
    signer: Signer,
    info: OnceCell<AppInfo>,
    minted: AtomicU64,
    revoked: AtomicU64,
    /// The App's own calls; a token of an installation is a matter of that installation's circuit.
    circuit: Circuit,
    circuits: Mutex<HashMap<u64, Arc<Circuit>>>,
    /// When GitHub wants no calls of the App itself.
    quiet: Mutex<Quiet>,
    /// Levels that the last life left, for installations that are not in use yet.
    kept_levels: Mutex<HashMap<u64, Level>>,
    level_changed: Notify,
}

impl App {
    /// What a runner host's token may do: fetch and push. Never `workflows`.
    pub const PUSH: &[(&str, &str)] = &[("contents", "write"), ("metadata", "read")];

    /// What a runner host's token may do that only searches: fetch.
    pub const READ: &[(&str, &str)] = &[("contents", "read"), ("metadata", "read")];

    /// Reads the key and prepares the connection; sends nothing. Needs a running Tokio runtime.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a key that is no RSA key in PEM form, or an address that is none.
    pub fn new(config: AppConfig) -> Result<Self> {
        let signer = Signer::new(config.app_id, &config.private_key)?;
        let transport = Transport::new(&config.api_url, config.request_deadline)?;
        let core = Core {
            transport,
            request_deadline: config.request_deadline,
            pace: config.pace,
            signer,
            info: OnceCell::new(),
            minted: AtomicU64::new(0),
            revoked: AtomicU64::new(0),
            circuit: Circuit::default(),
            circuits: Mutex::default(),
            quiet: Mutex::default(),
            kept_levels: Mutex::default(),
            level_changed: Notify::new(),
        };
        Ok(Self { core: Arc::new(core), clients: Arc::default() })
    }

    /// What the last life of the process knew of GitHub's limits, by installation. Call it before the first use.
    pub fn restore_levels(&self, levels: impl IntoIterator<Item = (u64, Level)>) {
        lock(&self.core.kept_levels).extend(levels);
    }

    /// What this life knows of GitHub's limits, of each installation in use.
    pub fn levels(&self) -> Vec<(u64, Level)> {
        lock(&self.clients).iter().map(|(id, client)| (*id, client.level())).collect()
    }

    /// Returns when the levels have changed since the last time.
    pub async fn levels_changed(&self) {
        self.core.level_changed.notified().await;
    }

    /// The client of an installation: always the same one, with its token and its limiter.
    pub fn installation(&self, id: u64) -> Client {
        let mut clients = lock(&self.clients);
        clients.entry(id).or_insert_with(|| Client::new(self.core.clone(), id)).clone()
    }

    /// Who the App is; asked once, then remembered.
    pub async fn info(&self) -> Result<AppInfo> {
        self.core.info().await.cloned()
    }

    /// A token for one repository (by id) with exactly these permissions, such as [`App::PUSH`].
    pub async fn mint_scoped(
        &self,
        installation: u64,
        repository: u64,
        permissions: &[(&str, &str)],
    ) -> Result<ScopedToken> {
        let permissions: HashMap<&str, &str> = permissions.iter().copied().collect();
        let body = json!({ "repository_ids": [repository], "permissions": permissions });
        let minted = self.core.mint("mint a token for a runner host", installation, Some(&body)).await?;
        let ends = minted.life.saturating_sub(clock::since(minted.minted_at));
        Ok(ScopedToken { token: minted.token, expires_at: after(clock::now(), ends) })
    }

    /// How many tokens were asked for and ended since the start.
    pub fn token_calls(&self) -> TokenCalls {
        TokenCalls {
            mint: self.core.minted.load(Ordering::Relaxed),
            revoke: self.core.revoked.load(Ordering::Relaxed),
        }
    }

    /// The installations of the App, by number; a suspended one is left out.
    pub async fn installations(&self) -> Result<Vec<u64>> {
        #[derive(Deserialize)]
        struct Raw {
            id: u64,
            suspended_at: Option<Timestamp>,
        }
        let op = "list the App's installations";
        let fetch = |path: String| async move { self.core.read_as_app(op, &path).await };
        let all: Vec<Raw> =
            pages::all(op, "/app/installations?per_page=100".to_owned(), fetch, |_: &[Raw]| true).await?;
        Ok(all.into_iter().filter(|i| i.suspended_at.is_none()).map(|i| i.id).collect())
    }

    /// The attempts of the App's hook since `since`, newest first (GitHub keeps three days).
    pub async fn deliveries(&self, since: Timestamp) -> Result<Vec<DeliveryItem>> {
        #[derive(Deserialize)]
        struct Raw {
            id: u64,
            guid: String,
            delivered_at: Timestamp,
            status: String,
            event: String,
            action: Option<String>,
            installation_id: Option<u64>,
        }
        let op = "list the App's deliveries";
        let fetch = |path: String| async move { self.core.read_as_app(op, &path).await };
        let recent = |page: &[Raw]| page.iter().all(|d| d.delivered_at >= since);
        let first = "/app/hook/deliveries?per_page=100".to_owned();
        let all = pages::up_to(MOST_DELIVERIES, op, first, fetch, recent).await?;
        let item = |d: Raw| DeliveryItem {
            id: d.id,
            guid: DeliveryId::new(d.guid),
            delivered_at: d.delivered_at,
            ok: d.status == "OK",
            event: d.event,
            action: d.action,
            installation: d.installation_id,
        };
        Ok(all.into_iter().filter(|d| d.delivered_at >= since).map(item).collect())
    }

    /// What an attempt carried.
    pub async fn delivery(&self, id: u64) -> Result<DeliveryContent> {
        #[derive(Deserialize)]
        struct Raw {
            guid: String,
            event: String,
            request: RawRequest,
        }
        #[derive(Deserialize)]
        struct RawRequest {
            payload: Option<Value>,
        }
        let op = "read a delivery";
        let answer = self.core.read_as_app(op, &format!("/app/hook/deliveries/{id}")).await?;
        let raw: Raw = answer.read(op)?;
        let payload = raw
            .request
            .payload
            .ok_or_else(|| Error::Protocol { op, message: "it has no payload".to_owned() })?;
        let body = payload.to_string().into_bytes();
        Ok(DeliveryContent { guid: DeliveryId::new(raw.guid), event: raw.event, body })
    }

    /// A GET as the App itself, repeated; its answer is a success.
    pub(super) async fn read_as_app(&self, op: &'static str, path: &str) -> Result<Answer> {
        self.core.read_as_app(op, path).await
    }

    /// The installation that may act in a repository; `None` when the App is not installed there.
    pub async fn installation_of(&self, owner: &str, name: &str) -> Result<Option<u64>> {
        #[derive(Deserialize)]
        struct Raw {
            id: u64,
        }
        let op = "find the App's installation";
        let path = format!("/repos/{}/{}/installation", escape(owner), escape(name));
        match self.core.read_as_app(op, &path).await {
            Ok(answer) => answer.read::<Raw>(op).map(|raw| Some(raw.id)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Core {
    /// The circuit of an installation: its calls, and the tokens for them.
    pub(super) fn circuit(&self, installation: u64) -> Arc<Circuit> {
        lock(&self.circuits).entry(installation).or_default().clone()
    }

    /// What the last life knew of an installation's limits.
    pub(super) fn kept_level(&self, installation: u64) -> Option<Level> {
        lock(&self.kept_levels).remove(&installation)
    }

    /// A request to end a token goes out.
    pub(super) fn count_revoked(&self) {
        self.revoked.fetch_add(1, Ordering::Relaxed);
        metrics::counter!(TOKENS, "call" => "revoke").increment(1);
    }

    /// A limiter knows more than before.
    pub(super) fn level_changed(&self) {
        self.level_changed.notify_one();
    }

    pub(super) async fn info(&self) -> Result<&AppInfo> {
        let op = "read who the App is";
        self.info.get_or_try_init(|| async { self.read_as_app(op, "/app").await?.read(op) }).await
    }

    /// A new token; `body` narrows it. Repeated like a read: a token too many does no harm.
    pub(super) async fn mint(
        &self,
        op: &'static str,
        installation: u64,
        body: Option<&Value>,
    ) -> Result<Minted> {
        #[derive(Deserialize)]
        struct Raw {
            token: SecretString,
            expires_at: Timestamp,
        }
        let path = format!("/app/installations/{installation}/access_tokens");
        let request = Request { op, method: &Method::POST, path: &path, body, known: None };
        let circuit = self.circuit(installation);
        let answer = retry(self.request_deadline * 2, || async {
            let answer = self.send_as_app(request, &circuit, || {
                self.minted.fetch_add(1, Ordering::Relaxed);
                metrics::counter!(TOKENS, "call" => "mint").increment(1);
            });
            let answer = answer.await?;
            answer.check(op)?;
            Ok(answer)
        })
        .await?;
        let minted_at = clock::instant();
        let raw: Raw = answer.read(op)?;
        // By GitHub's clock at both ends: ours may be wrong.
        let dated = answer.header("date").and_then(http_date).unwrap_or_else(|| self.signer.now());
        let life = Duration::try_from(raw.expires_at.duration_since(dated)).unwrap_or(Duration::ZERO);
        Ok(Minted { token: raw.token, minted_at, life })
    }

    async fn read_as_app(&self, op: &'static str, path: &str) -> Result<Answer> {
        let request = Request { op, method: &Method::GET, path, body: None, known: None };
        retry(self.request_deadline * 2, || async {
            let answer = self.send_as_app(request, &self.circuit, || ()).await?;
            answer.check(op)?;
            Ok(answer)
        })
        .await
    }

    /// Sends with a fresh JWT; once more if GitHub refuses it and its clock differs from ours. `sending` is told of
    /// each request.
    async fn send_as_app(
        &self,
        request: Request<'_>,
        circuit: &Circuit,
        sending: impl Fn(),
    ) -> Result<Answer> {
        let answer = self.send_once_as_app(request, circuit, &sending).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let differs = answer.header("date").is_some_and(|date| self.signer.adjust(date));
        let answer = if differs { self.send_once_as_app(request, circuit, &sending).await? } else { answer };
        match (answer.check(request.op), self.signer.off()) {
            // Whoever reads this should not have to look for the key first.
            (Err(Error::Unauthorized { op, message }), Some(off)) => {
                Err(Error::Unauthorized { op, message: format!("{message}; {off}") })
            }
            _ => Ok(answer),
        }
    }

    async fn send_once_as_app(
        &self,
        request: Request<'_>,
        circuit: &Circuit,
        sending: &impl Fn(),
    ) -> Result<Answer> {
        let op = request.op;
        let left = lock(&self.quiet).left(clock::instant());
        if !left.is_zero() {
            return Err(Error::RateLimited { op, retry_at: after(clock::now(), left) });
        }
        circuit.enter(op)?;
        sending();
        let outcome = self.transport.send(request, &self.signer.token()?).await;
        circuit.told(&outcome);
        let answer = outcome?;
        let mut quiet = lock(&self.quiet);
        if let Some(limit) = answer.limit() {
            let left = quiet.close(limit, clock::instant());
            return Err(Error::RateLimited { op, retry_at: after(clock::now(), left) });
        }
        quiet.answered();
        Ok(answer)
    }
}

/// A poisoned lock only means that a panic happened elsewhere; what these hold is whole after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
