//! A repository's address on GitHub and the credential for it.

use super::git::{Call, GitError, message};
use crate::sandbox::{HostError, HostOutput};
use base64::Engine;
use secrecy::{ExposeSecret, SecretString};

/// Where to fetch from and push to. The token is handed on by environment alone, never in an argument, an address or a file.
#[derive(Clone, Debug)]
pub struct Remote {
    url: String,
    /// Scheme, host and port.
    origin: String,
    token: SecretString,
}

/// An address that is not used.
#[derive(Debug, thiserror::Error)]
#[error("this is no usable repository address: {reason}")]
pub struct RemoteError {
    /// What is wrong with it. The address itself is not repeated: it may hold a credential.
    pub reason: &'static str,
}

impl Remote {
    /// An `https://` (or, for a simulator on loopback, `http://`) address without a user part, and an installation token for that repository.
    ///
    /// # Errors
    /// When the address has another scheme, a user part, no host, or characters that do not belong in one.
    pub fn new(url: impl Into<String>, token: SecretString) -> Result<Self, RemoteError> {
        let url = url.into();
        let wrong = |reason| RemoteError { reason };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        if !matches!(scheme, "https" | "http") {
            return Err(wrong("its scheme is neither https nor http"));
        }
        let (host, path) = rest.split_once('/').ok_or_else(|| wrong("it has no path"))?;
        if host.contains('@') {
            return Err(wrong("it holds a user name"));
        }
        let plain =
            |text: &str, also: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c));
        if host.is_empty() || !plain(host, "-.:[]") || path.is_empty() || !plain(path, "-._/~%") {
            return Err(wrong("its host or path is empty or holds odd characters"));
        }
        Ok(Self { origin: format!("{scheme}://{host}"), url, token })
    }

    /// The address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same call with the credential for this remote and no other.
    pub(super) fn authorize(&self, call: Call) -> Call {
        let pair = format!("x-access-token:{}", self.token.expose_secret());
        let header =
            format!("Authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        call.protocols("http:https").config(format!("http.{}/.extraHeader", self.origin), header)
    }
}

/// What a failed exchange with a server was about, as far as all exchanges share it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Denied(String),
    Network(String),
    Other,
}

/// Reads git's standard error (in the C locale).
pub(super) fn trouble(output: &HostOutput) -> Trouble {
    let text = String::from_utf8_lossy(&output.stderr);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let denied = [
        "Authentication failed",
        "could not read Username",
        "returned error: 401",
        "returned error: 403",
        "returned error: 404",
        "' not found",
        "Repository not found",
    ];
    let network = [
        "Could not resolve host",
        "Failed to connect",
        "Connection refused",
        "Connection reset",
        "timed out",
        "Operation too slow",
        "returned error: 429",
        "returned error: 5",
        "RPC failed",
        "early EOF",
        "hung up unexpectedly",
        "unable to access",
        "Empty reply",
        "expected flush",
    ];
    if has(&denied) {
        Trouble::Denied(message(&output.stderr))
    } else if has(&network) {
        Trouble::Network(message(&output.stderr))
    } else {
        Trouble::Other
    }
}

/// A command against a server that ran out of time is the network's trouble.
pub(super) fn late(error: &GitError) -> Option<String> {
    match error {
        GitError::Host { source: source @ HostError::Deadline { .. }, .. } => Some(source.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str) -> Result<Remote, RemoteError> {
        Remote::new(url, SecretString::from("s3cret"))
    }

    #[test]
    fn only_plain_web_addresses_are_used() {
        assert_eq!(remote("https://github.com/o/r.git").expect("fine").origin, "https://github.com");
        assert_eq!(remote("http://127.0.0.1:80/o/r").expect("fine").origin, "http://127.0.0.1:80");
        for bad in [
            "ext::sh -c x",
            "file:///etc",
            "/etc",
            "ssh://git@h/x",
            "https://u:p@h/x",
            "https:///x",
            "https://h",
            "https://h/",
            "https://h/a b",
            "https://h/a\nb",
            "https://h/$(x)",
            "--upload-pack=x",
            "https://h/a?b",
            "https://h/#",
        ] {
            assert!(remote(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        let remote = remote("https://github.com/o/r.git").expect("fine");
        assert!(!format!("{remote:?}").contains("s3cret"));
    }

    #[test]
    fn troubles_are_told_apart() {
        let output =
            |text: &str| HostOutput { code: 128, stdout: Vec::new(), stderr: text.as_bytes().to_vec() };
        let url = "fatal: unable to access 'http://h/x/': The requested URL returned error";
        assert!(matches!(trouble(&output(&format!("{url}: 403"))), Trouble::Denied(_)));
        assert!(matches!(
            trouble(&output("remote: Repository not found.\nfatal: repository 'http://h/x/' not found")),
            Trouble::Denied(_)
        ));
        assert!(matches!(trouble(&output(&format!("{url}: 502"))), Trouble::Network(_)));
        assert!(matches!(
            trouble(&output("fatal: unable to access 'http://h/': Could not resolve host: h")),
            Trouble::Network(_)
        ));
        assert_eq!(trouble(&output("fatal: bad object")), Trouble::Other);
    }
}
