//! GitHub's signature of a webhook body: HMAC-SHA256 over the raw bytes, checked before anything reads them.

use hmac::{Hmac, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The only header that counts; the SHA-1 one is ignored.
const HEADER: &str = "x-hub-signature-256";

/// Why the webhook's secrets cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// Without a secret GitHub signs nothing, and anybody could send events.
    #[error("the webhook secret is missing or empty")]
    Empty,
    /// Two are for the time of a rotation.
    #[error("there are more than two webhook secrets")]
    TooMany,
}

/// Checks signatures against one secret, or two while they are exchanged.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<Hmac<Sha256>>,
}

impl Verifier {
    /// Takes one or two secrets.
    pub fn new(secrets: &[SecretString]) -> Result<Self, BadSecret> {
        if secrets.is_empty() || secrets.iter().any(|secret| secret.expose_secret().is_empty()) {
            return Err(BadSecret::Empty);
        }
        if secrets.len() > 2 {
            return Err(BadSecret::TooMany);
        }
        let key = |secret: &SecretString| Hmac::new_from_slice(secret.expose_secret().as_bytes());
        // HMAC takes a key of any length.
        let keys = secrets.iter().map(key).collect::<Result<_, _>>().map_err(|_| BadSecret::Empty)?;
        Ok(Self { keys })
    }

    /// A check of one body, which is fed in pieces as it arrives.
    pub(super) fn check(&self) -> Check {
        Check { macs: self.keys.clone() }
    }

    /// Whether `headers` hold the signature of `body`.
    pub fn accepts(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let mut check = self.check();
        check.update(body);
        check.accepts(headers)
    }
}

/// A check under way.
pub(super) struct Check {
    macs: Vec<Hmac<Sha256>>,
}

impl Check {
    pub(super) fn update(&mut self, piece: &[u8]) {
        for mac in &mut self.macs {
            mac.update(piece);
        }
    }

    /// Compares in constant time, and does the same work whatever is wrong: a missing or misshapen header
    /// is compared as zeros.
    pub(super) fn accepts(self, headers: &HeaderMap) -> bool {
        let given = signature(headers);
        let expected = given.unwrap_or([0; 32]);
        let mut matches = false;
        for mac in self.macs {
            matches |= mac.verify_slice(&expected).is_ok();
        }
        matches & given.is_some()
    }
}

/// The one signature of a request: `sha256=` and 64 lower-case hexadecimal digits.
fn signature(headers: &HeaderMap) -> Option<[u8; 32]> {
    let mut values = headers.get_all(HEADER).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let hex: &[u8; 64] = value.as_bytes().strip_prefix(b"sha256=")?.try_into().ok()?;
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn githubs_own_vector_and_nothing_else() {
        // docs.github.com, "Validating webhook deliveries".
        let verifier = Verifier::new(&[SecretString::from("It's a Secret to Everybody")]).unwrap();
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let body = b"Hello, World!";
        assert!(verifier.accepts(&with(&[good]), body));
        assert!(!verifier.accepts(&with(&[good]), b"Hello, World?"));
        let upper = good.to_uppercase().replace("SHA256", "sha256");
        let zeros = format!("sha256={}", "0".repeat(64));
        let table: &[&[&str]] = &[
            &[],
            &[""],
            &[&good[..good.len() - 2]],
            &[&good[..good.len() - 1]],
            &[&upper],
            &[good, good],
            &[&good.replace("sha256", "sha1")],
            &[good.trim_start_matches("sha256=")],
            &[&format!("{good}00")],
            &[&format!(" {good}")],
            &[&zeros],
        ];
        for headers in table {
            assert!(!verifier.accepts(&with(headers), body), "{headers:?}");
        }
    }

    #[test]
    fn two_secrets_during_a_rotation_and_no_empty_one() {
        let secret = |text: &str| SecretString::from(text.to_owned());
        let sign = |key: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
            mac.update(b"x");
            let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
            with(&[&format!("sha256={hex}")])
        };
        let both = Verifier::new(&[secret("new"), secret("old")]).unwrap();
        assert!(both.accepts(&sign("new"), b"x") && both.accepts(&sign("old"), b"x"));
        assert!(!both.accepts(&sign("older"), b"x"));
        assert_eq!(Verifier::new(&[]).err(), Some(BadSecret::Empty));
        assert_eq!(Verifier::new(&[secret("a"), secret("")]).err(), Some(BadSecret::Empty));
        assert_eq!(Verifier::new(&["a", "b", "c"].map(secret)).err(), Some(BadSecret::TooMany));
    }
}
