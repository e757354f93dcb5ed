//! The hidden marker in everything that Divisi writes: how a write is found again after its answer was lost.
//!
//! A marker counts only if our App wrote the text around it (the caller sees to that) and its MAC holds for this
//! repository: people can copy or forge the text, not the MAC.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// The key that markers are signed with, and older ones that are still recognised.
#[derive(Clone)]
pub struct Key {
    own: Signer,
    older: Vec<Signer>,
}

/// One key of the MAC.
#[derive(Clone)]
struct Signer {
    /// Names the key in a marker, so that keys can be replaced; tells nothing of it.
    id: String,
    mac: Hmac<Sha256>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What a valid marker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Whose effect: `run:…` or `delivery:…`.
    pub scope: String,
    /// Which effect, such as `sub-issue-3`.
    pub step: String,
}

impl Key {
    /// A key that follows from a secret of the App, so that every control plane of the App has the same.
    pub fn derive(secret: &[u8]) -> Self {
        Self { own: Signer::derive(secret), older: Vec::new() }
    }

    /// Recognises what was signed with this secret before.
    pub fn accepting(mut self, secret: &[u8]) -> Self {
        self.older.push(Signer::derive(secret));
        self
    }

    /// Those that may have signed a marker which names this key, or none.
    fn signers<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a Signer> {
        std::iter::once(&self.own).chain(&self.older).filter(move |s| id.is_none_or(|id| s.id == id))
    }
}

impl Signer {
    fn derive(secret: &[u8]) -> Self {
        let mut mac = keyed(b"divisi marker key v1");
        mac.update(secret);
        let mac = keyed(&mac.finalize().into_bytes());
        let mut id = mac.clone();
        id.update(b"id");
        Self { id: hex(&id.finalize().into_bytes()[..4]), mac }
    }

    fn mac(&self, repo: u64, scope: &str, step: &str) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        // Lengths first, so that no two triples give the same bytes.
        mac.update(format!("{repo}\n{}\n{}\n{scope}\n{step}", scope.len(), step.len()).as_bytes());
        mac
    }
}

/// HMAC takes keys of every length.
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as Mac>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of every length"))
}

const OPEN: &str = "<!-- divisi:v1 ";

/// The marker of one effect.
pub fn make(key: &Key, repo: u64, scope: &str, step: &str) -> String {
    let mac = hex(&key.own.mac(repo, scope, step).finalize().into_bytes());
    format!("{OPEN}run={scope} step={step} key={} mac={mac} -->", key.own.id)
}

/// Every valid marker for this repository in a text. There can be more than our own: an agent may print one that
/// it read somewhere.
pub fn find(key: &Key, repo: u64, body: &str) -> Vec<Marker> {
    body.match_indices(OPEN).filter_map(|(at, _)| read(key, repo, &body[at + OPEN.len()..])).collect()
}

/// Whether the text is what this effect wrote: its marker is the last one. Ours ends every text of ours, and what it
/// quotes of others comes before.
pub fn carries(key: &Key, repo: u64, body: &str, scope: &str, step: &str) -> bool {
    find(key, repo, body).last().is_some_and(|m| m.scope == scope && m.step == step)
}

fn read(key: &Key, repo: u64, text: &str) -> Option<Marker> {
    let text = &text[..text.find(" -->")?];
    let mut fields = text.split(' ');
    let scope = fields.next()?.strip_prefix("run=")?;
    let step = fields.next()?.strip_prefix("step=")?;
    let mut last = fields.next()?;
    // Markers of the first version name no key.
    let id = last.strip_prefix("key=");
    if id.is_some() {
        last = fields.next()?;
    }
    let mac = bytes(last.strip_prefix("mac=")?)?;
    if fields.next().is_some() {
        return None;
    }
    key.signers(id).find(|s| s.mac(repo, scope, step).verify_slice(&mac).is_ok())?;
    Some(Marker { scope: scope.to_owned(), step: step.to_owned() })
}

/// Tells whether a text is still the same, where keeping it would take too much room: a SHA-256 in hex.
pub fn fingerprint(text: &str) -> String {
    use sha2::Digest as _;
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_marker_for_this_repository_counts() {
        let key = Key::derive(b"secret");
        let marker = make(&key, 7, "run:abc", "sub-issue-3");
        let found = find(&key, 7, &format!("text <!-- divisi:v1 run=x step=y mac=z --> {marker}\n"));
        assert_eq!(found, [Marker { scope: "run:abc".into(), step: "sub-issue-3".into() }]);
        assert_eq!(find(&key, 8, &marker), [], "another repository");
        assert_eq!(find(&Key::derive(b"other"), 7, &marker), [], "another App");
        let copied = make(&key, 7, "run:other", "progress");
        let both = format!("{copied} {marker}");
        assert!(carries(&key, 7, &both, "run:abc", "sub-issue-3"), "a copied one hides nothing");
        assert!(!carries(&key, 7, &both, "run:other", "progress"), "and is not what was written");
        for forged in [
            marker.replace("run:abc", "run:abd"),
            marker.replace("sub-issue-3", "sub-issue-4"),
            marker.replace("mac=", "mac=0"),
            marker.replace(" -->", " x -->"),
            marker.replace("mac=", "mac=é"),
            marker.replace("key=", "key=0"),
            String::new(),
        ] {
            assert_eq!(find(&key, 7, &forged), [], "{forged}");
        }
    }
    #[test]
    fn a_replaced_key_still_recognises_what_it_signed() {
        let (old, new) = (Key::derive(b"old"), Key::derive(b"new"));
        let marker = make(&old, 7, "run:abc", "progress");
        assert_eq!(find(&new, 7, &marker), []);
        let both = Key::derive(b"new").accepting(b"old");
        assert!(carries(&both, 7, &marker, "run:abc", "progress"));
        assert_eq!(
            make(&both, 7, "run:abc", "progress"),
            make(&new, 7, "run:abc", "progress"),
            "the first signs"
        );
        let unnamed = marker.replace(&format!("key={} ", old.own.id), "");
        assert!(carries(&both, 7, &unnamed, "run:abc", "progress"), "markers once named no key");
        let misnamed = marker.replace(&old.own.id, &new.own.id);
        assert_eq!(find(&both, 7, &misnamed), []);
    }
}
