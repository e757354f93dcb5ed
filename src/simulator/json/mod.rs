//! The shapes of GitHub's answers and payloads, made from the state.
//!
//! One file a subject; each shape holds what GitHub's published description requires, and the optional parts that
//! clients read.

mod account;
mod check;
mod git;
mod issue;
mod pull;
mod repo;

use jiff::Timestamp;

/// A time as GitHub writes it: UTC, whole seconds, `Z`.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A global node id: opaque, made of a kind and the database id.
pub(super) fn node_id(kind: &str, id: u64) -> String {
    format!("{kind}_kwDO{id:x}")
}

/// Percent-encodes what a URL's path segment may not hold.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
