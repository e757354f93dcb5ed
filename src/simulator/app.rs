//! The App: its JWT, its installations and the tokens that it mints for them.

use super::options::Options;
use super::refusal::Refusal;
use super::world::{Actor, World};
use crate::clock;
use base64::Engine as _;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The registered App.
#[derive(Clone, Debug)]
pub(super) struct App {
    pub id: u64,
    pub slug: String,
    pub owner: String,
    pub permissions: BTreeMap<String, String>,
    pub events: Vec<String>,
    pub created_at: Timestamp,
    public_key: String,
}

/// The App in one organisation.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Database id; `installation.id` of every webhook.
    pub id: u64,
    /// Login of the organisation.
    pub account: String,
    /// Repositories it is limited to; `None` is all of the account.
    pub repos: Option<Vec<u64>>,
    /// What it grants.
    pub permissions: BTreeMap<String, String>,
    /// Who suspended it, and when.
    pub suspended: Option<(String, Timestamp)>,
    /// When it was installed.
    pub created_at: Timestamp,
    /// Requests counted in the current hour, and when that hour began.
    pub(super) used: u64,
    pub(super) window: Timestamp,
}

/// An installation token that was minted.
#[derive(Clone, Debug)]
pub struct MintedToken {
    /// The secret text; it works on this simulator only.
    pub token: String,
    /// Its installation.
    pub installation: u64,
    /// What it may do.
    pub permissions: BTreeMap<String, String>,
    /// Repositories it is scoped to; `None` is all of the installation.
    pub repos: Option<Vec<u64>>,
    /// When it was minted.
    pub minted_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The body of the request that minted it.
    pub asked: Value,
}

impl MintedToken {
    /// Whether the token works at this time.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Whether the token grants `level` (`read` or `write`) of a permission.
    pub(super) fn allows(&self, permission: &str, level: &str) -> bool {
        match self.permissions.get(permission).map(String::as_str) {
            Some("write" | "admin") => true,
            Some(granted) => granted == level,
            None => false,
        }
    }
}

impl App {
    pub fn new(options: &Options, now: Timestamp) -> App {
        App {
            id: options.app_id,
            slug: options.app_slug.clone(),
            owner: format!("{}-owner", options.app_slug),
            permissions: options.permissions.clone(),
            events: options.events.clone(),
            created_at: now,
            public_key: options.app_public_key.clone(),
        }
    }

    pub fn bot_login(&self) -> String {
        format!("{}[bot]", self.slug)
    }

    /// Verifies a JWT of the App by GitHub's rules (docs, "Generating a JSON Web Token for a GitHub App").
    pub fn verify_jwt(&self, token: &str, now: Timestamp) -> Result<(), Refusal> {
        let undecodable = || Refusal::new(401, "A JSON web token could not be decoded");
        let key = DecodingKey::from_rsa_pem(self.public_key.as_bytes()).map_err(|_| undecodable())?;
        let mut rules = Validation::new(Algorithm::RS256);
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims.clear();
        let claims: Map<String, Value> =
            jsonwebtoken::decode(token, &key, &rules).map_err(|_| undecodable())?.claims;
        let seconds = |claim: &str| claims.get(claim).and_then(Value::as_i64);
        let issued = seconds("iat").ok_or_else(|| {
            Refusal::new(
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            )
        })?;
        let expires = seconds("exp").filter(|exp| *exp > now.as_second()).ok_or_else(|| {
            Refusal::new(
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
            )
        })?;
        if expires > now.as_second() + 600 {
            return Err(Refusal::new(401, "'Expiration time' claim ('exp') is too far in the future"));
        }
        if issued > now.as_second() {
            return Err(Refusal::new(401, "'Issued at' claim ('iat') must not be in the future"));
        }
        let issuer = match claims.get("iss") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        if issuer != self.id.to_string() && issuer != self.client_id() {
            return Err(Refusal::new(404, "Integration not found"));
        }
        Ok(())
    }

    pub fn client_id(&self) -> String {
        format!("Iv23li{:014}", self.id)
    }
}

impl World {
    /// Installs the App in an organisation, for all of its repositories or for some.
    pub(super) fn install(
        &mut self,
        account: &str,
        repos: Option<Vec<u64>>,
        actor: &Actor,
    ) -> Result<u64, Refusal> {
        if self.installation_of(account).is_some() {
            return Err(Refusal::custom("Installation", None, "The App is installed on this account"));
        }
        let id = self.next_id();
        let now = clock::now();
        let installation = Installation {
            id,
            account: account.to_owned(),
            repos,
            permissions: self.app.permissions.clone(),
            suspended: None,
            created_at: now,
            used: 0,
            window: now,
        };
        self.installations.insert(id, installation);
        self.emit_installation("created", id, actor)?;
        Ok(id)
    }

    pub(super) fn installation_of(&self, account: &str) -> Option<&Installation> {
        self.installations.values().find(|i| i.account.eq_ignore_ascii_case(account))
    }

    /// The installation that sees a repository.
    pub(super) fn installation_for(&self, repo: u64) -> Option<&Installation> {
        let owner = &self.repos.get(&repo)?.owner;
        self.installation_of(owner).filter(|i| i.repos.as_ref().is_none_or(|list| list.contains(&repo)))
    }

    /// Mints a token; `asked` is the request's body (`repositories`, `repository_ids`, `permissions`).
    pub(super) fn mint(
        &mut self,
        installation: u64,
        asked: Value,
        short: bool,
    ) -> Result<&MintedToken, Refusal> {
        let found = self.installations.get(&installation).ok_or_else(Refusal::not_found)?;
        if found.suspended.is_some() {
            return Err(Refusal::suspended());
        }
        let mut repos = found.repos.clone();
        let asked_repos = self.asked_repos(found, &asked)?;
        if asked_repos.is_some() {
            repos = asked_repos;
        }
        let mut permissions = found.permissions.clone();
        if let Some(wanted) = asked["permissions"].as_object() {
            let granted = std::mem::take(&mut permissions);
            for (name, level) in wanted {
                let level = level.as_str().unwrap_or_default();
                let enough = match granted.get(name).map(String::as_str) {
                    Some("write") => matches!(level, "read" | "write"),
                    Some(have) => have == level,
                    None => false,
                };
                if !enough {
                    let message = "The permissions requested are not granted to this installation.";
                    return Err(Refusal::new(422, message));
                }
                permissions.insert(name.clone(), level.to_owned());
            }
            // Every token may read metadata.
            permissions.entry("metadata".to_owned()).or_insert_with(|| "read".to_owned());
        }
        let now = clock::now();
        let lifetime = i64::try_from(self.options.token_lifetime.as_millis()).unwrap_or(i64::MAX);
        let expires =
            Timestamp::from_millisecond(now.as_millisecond().saturating_add(lifetime)).unwrap_or(now);
        let token = MintedToken {
            token: new_token(self.app.id, short),
            installation,
            permissions,
            repos,
            minted_at: now,
            expires_at: expires,
            revoked_at: None,
            asked,
        };
        self.tokens.push(token);
        self.tokens.last().ok_or_else(Refusal::not_found)
    }

    fn asked_repos(&self, installation: &Installation, asked: &Value) -> Result<Option<Vec<u64>>, Refusal> {
        let ids = asked["repository_ids"].as_array();
        let names = asked["repositories"].as_array();
        if ids.is_none() && names.is_none() {
            return Ok(None);
        }
        let mut repos: Vec<u64> = ids.into_iter().flatten().map(|v| v.as_u64().unwrap_or(0)).collect();
        for name in names.into_iter().flatten() {
            let full = format!("{}/{}", installation.account, name.as_str().unwrap_or_default());
            repos.push(self.repo_id(&full).unwrap_or(0));
        }
        let all_there =
            repos.iter().all(|id| self.installation_for(*id).is_some_and(|i| i.id == installation.id));
        if !all_there || repos.is_empty() || repos.len() > 500 {
            return Err(Refusal::new(
                422,
                "There is at least one repository that does not exist or is not accessible to the parent installation.",
            ));
        }
        Ok(Some(repos))
    }

    /// The live token of that text.
    pub(super) fn live_token(&self, text: &str) -> Result<&MintedToken, Refusal> {
        let now = clock::now();
        let found = self.tokens.iter().rev().find(|t| t.token == text && t.is_live(now));
        found.ok_or_else(|| Refusal::new(401, "Bad credentials"))
    }

    pub(super) fn revoke(&mut self, text: &str) {
        let now = clock::now();
        for token in self.tokens.iter_mut().filter(|t| t.token == text) {
            token.revoked_at = token.revoked_at.or(Some(now));
        }
    }

    /// Whether the token's installation still has the permission: one that is taken away is gone at once.
    pub(super) fn grants(&self, token: &MintedToken, permission: &str) -> bool {
        self.installations.get(&token.installation).is_some_and(|i| i.permissions.contains_key(permission))
    }

    /// Whether a token sees a repository.
    pub(super) fn in_scope(&self, token: &MintedToken, repo: u64) -> bool {
        self.installation_for(repo).is_some_and(|i| i.id == token.installation)
            && token.repos.as_ref().is_none_or(|list| list.contains(&repo))
    }

    pub(super) fn emit_installation(&mut self, action: &str, id: u64, actor: &Actor) -> Result<(), Refusal> {
        let installation = self.installations.get(&id).ok_or_else(Refusal::not_found)?;
        let repos: Vec<Value> = self
            .repos
            .values()
            .filter(|r| self.installation_for(r.id).is_some_and(|i| i.id == id))
            .map(|r| {
                json!({"id": r.id, "node_id": super::json::node_id("R", r.id), "name": r.name,
                       "full_name": r.full_name(), "private": true})
            })
            .collect();
        let fields = json!({"installation": self.installation_json(installation), "repositories": repos});
        let Value::Object(fields) = fields else { return Ok(()) };
        self.emit_global("installation", action, actor, fields)
    }
}

/// A token's text: the format of 2026 (`ghs_<app>_<three parts with dots, dashes, underscores>`, about 520
/// characters), or the old one of 40 characters when a request asks for that.
fn new_token(app: u64, short: bool) -> String {
    if short {
        return format!("ghs_{}", clock::secret_hex(18));
    }
    let encode = |bytes: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let header = encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    format!("ghs_{app}_{header}.{}.{}-_", encode(&clock::secret_hex(48)), encode(&clock::secret_hex(128)))
}
