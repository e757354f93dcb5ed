//! The App's own credential: a JSON Web Token signed with its private key.

use super::transport::http_date;
use super::{Error, Result};
use crate::clock;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::sync::atomic::{AtomicI64, Ordering};

/// Seconds by which `iat` lies in the past, against small clock differences (GitHub's own advice).
const BACKDATED: i64 = 60;
/// Seconds until `exp`; GitHub accepts at most 600.
const LIFETIME: i64 = 540;
/// Differences below this many seconds are left alone: the token is good for them.
const TOLERATED_SKEW: i64 = 30;

/// The App's key, and how far GitHub's clock is ahead of ours.
pub(super) struct Signer {
    app_id: u64,
    key: EncodingKey,
    skew: AtomicI64,
}

#[derive(Serialize)]
struct Claims {
    iat: i64,
    exp: i64,
    iss: String,
}

impl Signer {
    /// Reads the key (PEM, PKCS#1 as GitHub hands it out, or PKCS#8).
    pub(super) fn new(app_id: u64, private_key: &SecretString) -> Result<Self> {
        let key = EncodingKey::from_rsa_pem(private_key.expose_secret().as_bytes()).map_err(|_| {
            Error::Protocol {
                op: "read the App's private key",
                message: "it is not an RSA private key in PEM form".to_owned(),
            }
        })?;
        Ok(Self { app_id, key, skew: AtomicI64::new(0) })
    }

    /// The time as GitHub sees it.
    pub(super) fn now(&self) -> Timestamp {
        let skew = SignedDuration::from_secs(self.skew.load(Ordering::Relaxed));
        clock::now().checked_add(skew).unwrap_or_else(|_| clock::now())
    }

    /// A new token, good for some minutes. Cheap enough (one RSA signature) to be made for each call.
    pub(super) fn token(&self) -> Result<SecretString> {
        let now = self.now().as_second();
        let claims = Claims { iat: now - BACKDATED, exp: now + LIFETIME, iss: self.app_id.to_string() };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map(SecretString::from)
            .map_err(|e| Error::Protocol { op: "sign as the App", message: e.to_string() })
    }

    /// Takes over the time of a `Date` header after a refusal; `true` if that changes what we would send.
    pub(super) fn adjust(&self, date: &str) -> bool {
        let Some(theirs) = http_date(date) else { return false };
        let skew = theirs.as_second() - clock::now().as_second();
        let known = self.skew.load(Ordering::Relaxed);
        if (skew - known).abs() < TOLERATED_SKEW {
            return false;
        }
        self.skew.store(skew, Ordering::Relaxed);
        let off = self.off().unwrap_or_else(|| "this machine's clock agrees with GitHub's again".to_owned());
        tracing::warn!(seconds = skew, "{off}; correcting for it");
        true
    }

    /// In words, how wrong this machine's clock is, when that is worth telling.
    pub(super) fn off(&self) -> Option<String> {
        let skew = self.skew.load(Ordering::Relaxed);
        let (minutes, rest) = (skew.abs() / 60, skew.abs() % 60);
        let way = if skew > 0 { "behind" } else { "ahead of" };
        match minutes {
            0 if rest < TOLERATED_SKEW => None,
            0 => Some(format!("this machine's clock is {rest} seconds {way} GitHub's")),
            1 => Some(format!("this machine's clock is 1 minute {way} GitHub's")),
            _ => Some(format!("this machine's clock is {minutes} minutes {way} GitHub's")),
        }
    }
}
