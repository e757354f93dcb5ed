//! The kinds of values that keys take: what is accepted, how it is told to people, and how the text of an
//! environment variable becomes one.

use crate::domain::Usd;
use crate::domain::duration::read_duration;
use std::net::SocketAddr;
use std::time::Duration;

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// One line of text; may be empty.
    Text,
    /// A name of lower-case letters, digits and hyphens, such as an agent's.
    Name,
    /// A Git branch; empty for "the default".
    Branch,
    /// A file or directory.
    Path,
    /// Text that is never shown.
    Secret,
    /// One secret, or a list of one to this many.
    Secrets(usize),
    /// API tokens, each `read:TOKEN` or `operate:TOKEN`; never shown.
    Tokens,
    /// Tokens of runners, each of 16 characters or more; never shown.
    RunnerTokens,
    /// A list of texts, none empty.
    Texts,
    /// A list of at least one text, the first not empty: a program and its arguments.
    Program,
    /// A list of path patterns (`*`, `**`, `?`, `[…]`).
    Patterns,
    /// A list of GitHub logins.
    Logins,
    /// Names to texts: environment variables.
    Variables,
    /// `true` or `false`.
    Flag,
    /// A whole number between the two, both included.
    Whole(i64, i64),
    /// A number from 0 to 1.
    Fraction,
    /// US dollars, from a cent to a million.
    Money,
    /// A duration such as `"90s"`, between the two numbers of seconds, both included.
    Duration(u64, u64),
    /// `IP:PORT`.
    Address,
    /// `https://…`, or `http://` on a loopback address: what is sent there is a credential.
    SecureUrl,
    /// `https://…` or `http://…`.
    Url,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `sqlite:PATH`.
    SqliteUrl,
}

impl Kind {
    /// Whether its values must never be shown.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Secrets(_) | Self::Tokens | Self::RunnerTokens)
    }

    /// What is expected, to be read after the word "expected".
    pub fn expected(self) -> String {
        match self {
            Self::Text => "one line of text".to_owned(),
            Self::Name => "a name of lower-case letters, digits and hyphens".to_owned(),
            Self::Branch => "the name of a branch".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Secret => "a text that is not empty".to_owned(),
            Self::Secrets(most) => format!("a text that is not empty, or a list of 1 to {most} of them"),
            Self::Tokens => {
                "a list of texts `read:TOKEN` or `operate:TOKEN`, each token of 16 characters or more"
                    .to_owned()
            }
            Self::RunnerTokens => "a list of texts, each of 16 characters or more without spaces".to_owned(),
            Self::Texts => "a list of texts, none empty".to_owned(),
            Self::Program => "a list of texts: the program, then its arguments".to_owned(),
            Self::Patterns => "a list of path patterns, such as [\"docs/**\"]".to_owned(),
            Self::Logins => "a list of GitHub logins".to_owned(),
            Self::Variables => "a table of names and texts, such as { LANG = \"C.UTF-8\" }".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Whole(least, i64::MAX) => format!("a whole number from {least} up"),
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Fraction => "a number from 0 to 1, such as 0.8".to_owned(),
            Self::Money => "an amount of US dollars from 0.01 to 1000000, such as 20 or 20.50".to_owned(),
            Self::Duration(least, most) => format!(
                "a duration from {} to {}, such as \"90s\" or \"30m\"",
                show_seconds(least),
                show_seconds(most)
            ),
            Self::Address => "an address IP:PORT, such as \"127.0.0.1:8080\"".to_owned(),
            Self::SecureUrl => "an https:// address (http:// only on a loopback address)".to_owned(),
            Self::Url => "an https:// or http:// address".to_owned(),
            Self::OneOf(words) => {
                words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")
            }
            Self::SqliteUrl => "\"sqlite:PATH\"".to_owned(),
        }
    }

    /// Whether `value` is one of this kind.
    pub fn accepts(self, value: &toml::Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Text => text.is_some_and(is_line),
            Self::Name => text.is_some_and(is_name),
            Self::Branch => text.is_some_and(is_branch),
            Self::Path => text.is_some_and(|t| !t.is_empty() && !t.contains('\0')),
            Self::Secret => text.is_some_and(is_filled),
            Self::Secrets(most) => {
                text.is_some_and(is_filled)
                    || texts(value)
                        .is_some_and(|l| (1..=most).contains(&l.len()) && l.iter().all(|t| is_filled(t)))
            }
            Self::RunnerTokens => texts(value).is_some_and(|list| list.iter().all(|t| is_token(t))),
            Self::Tokens => texts(value).is_some_and(|list| list.iter().all(|t| read_token(t).is_some())),
            Self::Texts => {
                texts(value).is_some_and(|list| list.iter().all(|t| is_filled(t) && !t.contains('\0')))
            }
            Self::Program => texts(value).is_some_and(|list| {
                list.first().is_some_and(|program| is_filled(program))
                    && list.iter().all(|t| !t.contains('\0'))
            }),
            Self::Patterns => texts(value)
                .is_some_and(|list| list.iter().all(|t| is_filled(t) && globset::Glob::new(t).is_ok())),
            Self::Logins => texts(value).is_some_and(|list| list.iter().all(|t| is_login(t))),
            Self::Variables => value.as_table().is_some_and(|table| {
                table.iter().all(|(name, value)| {
                    is_variable(name) && value.as_str().is_some_and(|text| !text.contains('\0'))
                })
            }),
            Self::Flag => value.is_bool(),
            Self::Whole(least, most) => value.as_integer().is_some_and(|n| (least..=most).contains(&n)),
            Self::Fraction => number(value).is_some_and(|n| (0.0..=1.0).contains(&n)),
            Self::Money => number(value).is_some_and(|n| Usd::of(n).is_some()),
            Self::Duration(least, most) => text.and_then(read_duration).is_some_and(|duration| {
                (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&duration)
            }),
            Self::Address => text.is_some_and(|t| t.parse::<SocketAddr>().is_ok()),
            Self::SecureUrl => text.is_some_and(|t| is_url(t, true)),
            Self::Url => text.is_some_and(|t| is_url(t, false)),
            Self::OneOf(words) => text.is_some_and(|t| words.contains(&t)),
            Self::SqliteUrl => text
                .and_then(|t| t.strip_prefix("sqlite:"))
                .is_some_and(|path| is_line(path) && !path.is_empty() && !path.contains(":memory:")),
        }
    }

    /// The value that the text of an environment variable stands for. Lists are separated by commas, or written
    /// as in TOML (`["a", "b"]`); tables as in TOML (`{ A = "b" }`). The result is still to be checked.
    pub fn read_text(self, text: &str) -> toml::Value {
        let plain = || toml::Value::String(text.to_owned());
        let as_toml = || {
            let mut table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
            table.remove("value").filter(|_| table.is_empty())
        };
        let list = |separator: char| {
            let items = text.split(separator).map(str::trim).filter(|item| !item.is_empty());
            toml::Value::Array(items.map(|item| toml::Value::String(item.to_owned())).collect())
        };
        match self {
            Self::Flag | Self::Whole(..) | Self::Fraction | Self::Money => as_toml().unwrap_or_else(plain),
            Self::Variables => as_toml().unwrap_or_else(plain),
            Self::Texts
            | Self::Program
            | Self::Patterns
            | Self::Logins
            | Self::Secrets(_)
            | Self::Tokens
            | Self::RunnerTokens => {
                let bracketed = text.trim_start().starts_with('[');
                match self {
                    _ if bracketed => as_toml().unwrap_or_else(plain),
                    Self::Program => list(' '),
                    _ => list(','),
                }
            }
            _ => plain(),
        }
    }
}

/// What `value` is, in words, without showing secrets: to be read after the word "found".
pub(super) fn describe(kind: Kind, value: &toml::Value) -> String {
    if kind.is_secret() {
        return match value {
            toml::Value::String(text) if text.is_empty() => "an empty text".to_owned(),
            toml::Value::Array(list) => format!("a list of {}", list.len()),
            other => format!("{} (not shown)", type_name(other)),
        };
    }
    match value {
        toml::Value::String(text) if text.chars().count() > 60 => {
            format!("the text \"{}…\"", text.chars().take(60).collect::<String>().escape_debug())
        }
        toml::Value::String(text) => format!("the text \"{}\"", text.escape_debug()),
        toml::Value::Integer(n) => format!("the number {n}"),
        toml::Value::Float(n) => format!("the number {n}"),
        toml::Value::Boolean(b) => b.to_string(),
        other => type_name(other).to_owned(),
    }
}

pub(super) fn type_name(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::String(_) => "a text",
        toml::Value::Integer(_) | toml::Value::Float(_) => "a number",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Datetime(_) => "a date",
        toml::Value::Array(_) => "a list",
        toml::Value::Table(_) => "a table",
    }
}

/// Splits `role:token`; `None` when the role is unknown or the token too short.
pub(super) fn read_token(text: &str) -> Option<(super::Role, &str)> {
    let (role, token) = text.split_once(':')?;
    let role = match role {
        "read" => super::Role::Read,
        "operate" => super::Role::Operate,
        _ => return None,
    };
    is_token(token).then_some((role, token))
}

/// Long enough not to be guessed, and fit for a header.
fn is_token(text: &str) -> bool {
    text.len() >= 16 && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The number in an integer or a float.
pub(super) fn number(value: &toml::Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().and_then(|n| i32::try_from(n).ok()).map(f64::from))
}

fn texts(value: &toml::Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(toml::Value::as_str).collect()
}

fn show_seconds(seconds: u64) -> String {
    match seconds {
        s if s >= 86_400 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s >= 3_600 && s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s >= 60 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

fn is_filled(text: &str) -> bool {
    !text.trim().is_empty()
}

fn is_line(text: &str) -> bool {
    text.chars().count() <= 1_000 && !text.chars().any(char::is_control)
}

pub(super) fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// GitHub logins: letters, digits and inner hyphens, at most 39 (managed users: also one underscore part).
fn is_login(text: &str) -> bool {
    (1..=60).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !text.starts_with('-')
}

/// The part of `git check-ref-format` that matters, a little stricter: no leading `-`, no control characters.
fn is_branch(text: &str) -> bool {
    let bad = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    text.is_empty()
        || (text.len() <= 200
            && !text.chars().any(bad)
            && !text.contains("..")
            && !text.contains("@{")
            && text != "@"
            && text.split('/').all(|part| {
                !part.is_empty()
                    && !part.starts_with(['.', '-'])
                    && !part.ends_with('.')
                    && !part.ends_with(".lock")
            }))
}

fn is_url(text: &str, secure: bool) -> bool {
    let Ok(url) = text.parse::<http::Uri>() else { return false };
    let Some(authority) = url.authority() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let loopback =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let scheme = match url.scheme_str() {
        Some("https") => true,
        Some("http") => !secure || loopback,
        _ => false,
    };
    scheme
        && !host.is_empty()
        && !authority.as_str().contains('@')
        && url.query().is_none()
        && !text.contains('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_credentials_are_encrypted_or_local() {
        for right in
            ["https://api.github.com", "https://ghes.example/api/v3", "http://127.0.0.1:99", "http://[::1]:9"]
        {
            assert!(is_url(right, true), "{right}");
        }
        for wrong in
            ["http://api.github.com", "ftp://x", "api.github.com", "https://u:p@x", "https://x/?a=b", ""]
        {
            assert!(!is_url(wrong, true), "{wrong}");
        }
        assert!(is_url("http://10.0.0.7:8000", false));
    }

    #[test]
    fn branches() {
        for right in ["", "main", "release/1.x", "größe"] {
            assert!(is_branch(right), "{right}");
        }
        for wrong in ["-x", "a..b", "a b", "a/", "/a", "a.lock", "@", "x@{1}", "a~1", "a/.b", "a\n"] {
            assert!(!is_branch(wrong), "{wrong}");
        }
    }

    #[test]
    fn tokens_carry_their_role() {
        assert_eq!(
            read_token("read:0123456789abcdef"),
            Some((crate::config::Role::Read, "0123456789abcdef"))
        );
        for wrong in ["0123456789abcdef", "read:short", "admin:0123456789abcdef", "read:0123456789 abcdef"] {
            assert_eq!(read_token(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn text_of_a_variable() {
        let list = |kind: Kind, text| kind.read_text(text).as_array().map(Vec::len);
        assert_eq!(list(Kind::Texts, "a, b,"), Some(2));
        assert_eq!(list(Kind::Texts, "[\"a, b\"]"), Some(1));
        assert_eq!(list(Kind::Program, "claude --fast"), Some(2));
        assert_eq!(Kind::Flag.read_text("true").as_bool(), Some(true));
        assert!(!Kind::Flag.accepts(&Kind::Flag.read_text("yes")));
        assert!(!Kind::Whole(1, 9).accepts(&Kind::Whole(1, 9).read_text("1\nx = 2")));
        assert!(Kind::Secret.accepts(&Kind::Secret.read_text("a,b # c")));
    }

    #[test]
    fn a_secret_is_never_described() {
        let text = describe(Kind::Secrets(2), &toml::Value::String("canary".into()));
        assert!(!text.contains("canary"), "{text}");
    }
}
