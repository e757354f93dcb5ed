//! The App itself: who it is, its installations, tokens for runner hosts, and the deliveries that GitHub keeps.

use super::client::{Client, retry};
use super::error::{Error, Result};
use super::jwt::Signer;
use super::limiter::Pace;
use super::pages;
use super::token::Minted;
use super::transport::{Answer, Request, Transport, escape};
use crate::domain::DeliveryId;
use http::{Method, StatusCode};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

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
    /// When it ends, normally after an hour.
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
}

impl App {
    /// What a runner host's token may do: fetch and push. Never `workflows`.
    pub const PUSH: &[(&str, &str)] = &[("contents", "write"), ("metadata", "read")];

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
        };
        Ok(Self { core: Arc::new(core), clients: Arc::default() })
    }

    /// The client of an installation: always the same one, with its token and its limiter.
    pub fn installation(&self, id: u64) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
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
        Ok(ScopedToken { token: minted.token, expires_at: minted.expires_at })
    }

    /// Ends a token now. A token that has ended already counts as success.
    pub async fn revoke(&self, token: &SecretString) -> Result<()> {
        let op = "revoke a token";
        let request = Request { op, method: &Method::DELETE, path: "/installation/token", body: None };
        // Revoking twice does no harm, so it is repeated like a read.
        retry(self.core.request_deadline * 2, || async {
            self.core.revoked.fetch_add(1, Ordering::Relaxed);
            metrics::counter!(TOKENS, "call" => "revoke").increment(1);
            let answer = self.core.transport.send(request, token).await?;
            if answer.status == StatusCode::UNAUTHORIZED { Ok(()) } else { answer.check(op) }
        })
        .await
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
    /// The time as GitHub sees it.
    pub(super) fn now(&self) -> Timestamp {
        self.signer.now()
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
        let request = Request { op, method: &Method::POST, path: &path, body };
        let answer = retry(self.request_deadline * 2, || async {
            self.minted.fetch_add(1, Ordering::Relaxed);
            metrics::counter!(TOKENS, "call" => "mint").increment(1);
            let answer = self.send_as_app(request).await?;
            answer.check(op)?;
            Ok(answer)
        })
        .await?;
        let raw: Raw = answer.read(op)?;
        Ok(Minted { token: raw.token, minted_at: self.now(), expires_at: raw.expires_at })
    }

    async fn read_as_app(&self, op: &'static str, path: &str) -> Result<Answer> {
        let request = Request { op, method: &Method::GET, path, body: None };
        retry(self.request_deadline * 2, || async {
            let answer = self.send_as_app(request).await?;
            answer.check(op)?;
            Ok(answer)
        })
        .await
    }

    /// Sends with a fresh JWT; once more if GitHub refuses it and its clock differs from ours.
    async fn send_as_app(&self, request: Request<'_>) -> Result<Answer> {
        let answer = self.transport.send(request, &self.signer.token()?).await?;
        let differs = answer.status == StatusCode::UNAUTHORIZED
            && answer.header("date").is_some_and(|date| self.signer.adjust(date));
        if differs { self.transport.send(request, &self.signer.token()?).await } else { Ok(answer) }
    }
}
