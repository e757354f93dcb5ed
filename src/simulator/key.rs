//! A key pair for the App, as GitHub makes one when an App is registered.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use std::fmt;

/// An RSA key pair in PEM form. The private half goes to the App, the public half into [`super::Options`].
#[derive(Clone)]
pub struct AppKey {
    private_pem: String,
    public_pem: String,
}

/// Making a key failed in the crypto library; it gives no reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot make an RSA key pair")]
pub struct KeyError;

impl AppKey {
    /// Makes a new 2,048-bit pair (a tenth of a second or so).
    ///
    /// # Errors
    /// When the crypto library cannot; it gives no reason.
    pub fn generate() -> Result<AppKey, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError)?;
        let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| KeyError)?;
        Ok(AppKey {
            private_pem: pem("PRIVATE KEY", private.as_ref()),
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        })
    }

    /// The private key as PKCS#8 PEM: a secret, for the App's configuration alone.
    pub fn private_pem(&self) -> &str {
        &self.private_pem
    }

    /// The public key as PEM.
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppKey(..)")
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|b| char::from(*b)));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}
