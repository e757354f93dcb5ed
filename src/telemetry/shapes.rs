//! Texts that look like credentials: GitHub, Anthropic, OpenAI, AWS, Slack and Google keys, JSON Web Tokens,
//! private keys, passwords in URLs and in `Authorization` headers.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use std::ops::Range;

/// The longest text that must be seen at once to know that a secret has begun.
pub(super) const REACH: usize = 128;

struct Shape {
    prefix: &'static str,
    /// Characters after the prefix besides letters and digits.
    also: &'static str,
    /// How many of them there must be.
    least: usize,
    /// Whether a letter or digit before the prefix means that this is the middle of a word.
    own_word: bool,
}

const fn shape(prefix: &'static str, also: &'static str, least: usize, own_word: bool) -> Shape {
    Shape { prefix, also, least, own_word }
}

/// Prefixes as their makers publish them. `ghs_` tokens carry a JWT since 2026: dots, underscores and dashes.
const SHAPES: &[Shape] = &[
    shape("ghs_", "._-", 36, false),
    shape("ghp_", "", 36, false),
    shape("gho_", "", 36, false),
    shape("ghu_", "", 36, false),
    shape("ghr_", "", 36, false),
    shape("github_pat_", "_", 22, false),
    shape("sk-ant-", "_-", 20, false),
    shape("sk-", "_-", 32, true),
    shape("AKIA", "", 16, true),
    shape("ASIA", "", 16, true),
    shape("AIza", "_-", 35, true),
    shape("xoxb-", "-", 10, true),
    shape("xoxp-", "-", 10, true),
    shape("xoxa-", "-", 10, true),
    shape("xoxr-", "-", 10, true),
    shape("xoxs-", "-", 10, true),
];

/// What the prefixes above begin with.
const INITIALS: &[u8] = b"gsAx";

/// Every range of `text` that looks like a credential; ranges may overlap and are not sorted.
pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    prefixed(text, found);
    json_web_tokens(text, found);
    private_keys(text, found);
    url_passwords(text, found);
    authorization(text, found);
    encoded(text, found);
}

fn prefixed(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    // One pass for all prefixes: every log line comes through here.
    for start in (0..bytes.len()).filter(|at| INITIALS.contains(&bytes[*at])) {
        for shape in SHAPES.iter().filter(|shape| bytes[start..].starts_with(shape.prefix.as_bytes())) {
            if shape.own_word && is_inside_word(bytes, start) {
                continue;
            }
            let body = start + shape.prefix.len();
            let end = run_end(bytes, body, shape.also.as_bytes());
            if end - body >= shape.least {
                found.push(start..end);
            }
        }
    }
}

/// Whether the byte before is a letter or digit, other than the one of an escape such as `\n`.
fn is_inside_word(bytes: &[u8], start: usize) -> bool {
    let Some(before) = start.checked_sub(1) else { return false };
    let escaped =
        before.checked_sub(1).is_some_and(|at| bytes[at] == b'\\') && b"nrt".contains(&bytes[before]);
    bytes[before].is_ascii_alphanumeric() && !escaped
}

fn run_end(bytes: &[u8], from: usize, also: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|b| b.is_ascii_alphanumeric() || also.contains(b)).count()
}

fn json_web_tokens(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    for (start, _) in text.match_indices("eyJ") {
        if is_inside_word(bytes, start) {
            continue;
        }
        let head = run_end(bytes, start, b"_-");
        if head - start < 10 || bytes.get(head) != Some(&b'.') {
            continue;
        }
        let claims = run_end(bytes, head + 1, b"_-");
        if claims - head <= 10 || bytes.get(claims) != Some(&b'.') {
            continue;
        }
        found.push(start..run_end(bytes, claims + 1, b"_-"));
    }
}

/// From `-----BEGIN … PRIVATE KEY-----` to its end, or to the end of the text: half a key is too much as well.
fn private_keys(text: &str, found: &mut Vec<Range<usize>>) {
    for (start, _) in text.match_indices("-----BEGIN ") {
        let rest = &text[start + 11..];
        let Some(name) = rest.find("-----").filter(|at| *at < 60 && rest[..*at].ends_with("PRIVATE KEY"))
        else {
            continue;
        };
        let body = start + 11 + name + 5;
        found.push(start..private_key_end(text, body).unwrap_or(text.len()));
    }
}

/// Where the key that is open at `from` ends; `None` when it goes on behind the text.
pub(super) fn private_key_end(text: &str, from: usize) -> Option<usize> {
    let end = text[from..].find("-----END ")? + from + 9;
    Some(text[end..].find("-----").map_or(text.len(), |at| end + at + 5))
}

/// Whether a private key begins in `text` and does not end in it.
pub(super) fn leaves_private_key_open(text: &str) -> bool {
    text.rfind("-----BEGIN ").is_some_and(|start| {
        let rest = &text[start + 11..];
        rest.find("-----").is_some_and(|name| {
            name < 60
                && rest[..name].ends_with("PRIVATE KEY")
                && private_key_end(text, start + 11 + name + 5).is_none()
        })
    })
}

/// The password of `scheme://user:password@host`.
fn url_passwords(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let rest = &text[start..];
        let end = rest.find(|c: char| c.is_whitespace() || "/\"'<>\\".contains(c)).unwrap_or(rest.len());
        let authority = &rest[..end];
        if let Some(host) = authority.rfind('@')
            && let Some(colon) = authority[..host].find(':')
            && colon + 1 < host
        {
            found.push(start + colon + 1..start + host);
        }
    }
}

/// The credential after `Bearer`, `Basic` or `token` in an `Authorization` header.
fn authorization(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let lower = text.to_ascii_lowercase();
    for (at, name) in lower.match_indices("authorization") {
        let mut at = at + name.len();
        while bytes.get(at).is_some_and(|b| b" :=\"'\\".contains(b)) {
            at += 1;
        }
        let scheme =
            ["bearer ", "basic ", "token "].into_iter().find(|scheme| lower[at..].starts_with(scheme));
        let start = at + scheme.map_or(0, str::len);
        let end = run_end(bytes, start, b"._-+/=~");
        if scheme.is_some() && end - start >= 8 {
            found.push(start..end);
        }
    }
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
static ENGINES: [GeneralPurpose; 2] =
    [GeneralPurpose::new(&STANDARD, LENIENT), GeneralPurpose::new(&URL_SAFE, LENIENT)];

/// Runs of base64 that hold one of the prefixes above when decoded, such as the body of a `Basic` header.
fn encoded(text: &str, found: &mut Vec<Range<usize>>) {
    const SHORTEST: usize = 40;
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        let end = run_end(bytes, start, b"+/-_");
        if end - start >= SHORTEST && ENGINES.iter().any(|engine| holds_secret(engine, &bytes[start..end])) {
            found.push(start..end);
        }
        start = end.max(start + 1);
        while start < bytes.len() && !text.is_char_boundary(start) {
            start += 1;
        }
    }
}

fn holds_secret(engine: &GeneralPurpose, run: &[u8]) -> bool {
    // A run may begin anywhere in a group of four, for instance behind a slash of a path.
    (0..4).any(|skip| {
        let whole = (run.len() - skip) / 4 * 4;
        let Ok(plain) = engine.decode(&run[skip..skip + whole]) else { return false };
        let Ok(plain) = std::str::from_utf8(&plain) else { return false };
        let mut inner = Vec::new();
        prefixed(plain, &mut inner);
        json_web_tokens(plain, &mut inner);
        !inner.is_empty() || plain.contains("PRIVATE KEY-----")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_begins_with_one_of_the_initials() {
        for shape in SHAPES {
            assert!(INITIALS.contains(&shape.prefix.as_bytes()[0]), "{}", shape.prefix);
        }
    }
}
