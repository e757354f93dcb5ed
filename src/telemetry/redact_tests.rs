//! Canaries of every shape, in every disguise, cut at every place.

use super::*;
use proptest::prelude::*;

const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIEcanaryAAAAcanaryAAAAcanaryAAAAcanaryAAAAcanary\n\
MIIEcanaryBBBBcanaryBBBB\n-----END RSA PRIVATE KEY-----";

fn secrets() -> Vec<String> {
    let body = "canary0123456789abcdefghijklmnopqrstuvwxyz";
    let mut list: Vec<String> =
        ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "sk-ant-api03-", "sk-proj-"]
            .iter()
            .map(|prefix| format!("{prefix}{body}"))
            .collect();
    list.push(format!("ghs_12345_eyJcanaryAAAAAAA.{body}.{body}-_x"));
    list.push("AKIACANARY0123456789".to_owned());
    list.push("xoxb-canary-012345678901".to_owned());
    list.push(format!("eyJcanaryhbGciOi.{body}.{body}"));
    list.push(PEM.to_owned());
    list
}

fn is_clean(text: &str) -> bool {
    !text.to_lowercase().contains("canary")
}

#[test]
fn every_shape_is_found() {
    let redactor = Arc::new(Redactor::default());
    for secret in secrets() {
        for around in [("", ""), ("a ", " b"), ("\"", "\","), ("x=", "\n"), ("https://", "@github.com/x")] {
            let out = redactor.text(&format!("{}{secret}{}", around.0, around.1));
            assert!(is_clean(&out), "{secret}: {out}");
            assert!(out.contains(MARK), "{secret}: {out}");
        }
    }
}

#[test]
fn disguises_are_seen_through() {
    let redactor = Arc::new(Redactor::default());
    for secret in secrets() {
        let json = serde_json::json!({ "text": format!("before\n{secret}") }).to_string();
        assert!(is_clean(&redactor.text(&json)), "{json}");
        let coloured: String = secret.chars().map(|c| format!("{c}\u{1b}[0m")).collect();
        assert!(is_clean(&redactor.text(&coloured)), "{secret}");
        for before in ["", ":", "x:", "x-access-token:"] {
            let packed = STANDARD_NO_PAD.encode(format!("{before}{secret}"));
            // An upper-case AWS key is too short to be told apart from data when it is packed.
            if packed.len() > 48 {
                let out = redactor.text(&format!("AUTH basic {packed}=="));
                assert!(out.contains(MARK) && !out.contains(&packed), "{before}{secret}: {out}");
            }
        }
    }
}

#[test]
fn passwords_and_headers() {
    let redactor = Arc::new(Redactor::default());
    assert_eq!(
        redactor.text("git fetch https://x-access-token:canary@github.com/a/b"),
        "git fetch https://x-access-token:[redacted]@github.com/a/b"
    );
    assert_eq!(redactor.text("Authorization: Bearer canary.canary-1"), "Authorization: Bearer [redacted]");
    assert_eq!(
        redactor.text("{\"authorization\":\"Basic Y2FuYXJ5OmNhbmFyeQ==\"}"),
        "{\"authorization\":\"Basic [redacted]\"}"
    );
}

#[test]
fn innocent_text_stays() {
    let redactor = Arc::new(Redactor::new(["short"]));
    for text in [
        "task-implement-the-parser-and-all-its-tests-now",
        "ghs_ is a prefix, and so is sk-ant-",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "see https://github.com/a/b@main and user:name",
        "short words, größe 😀, eyJ alone, a.b.c",
        "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
        "authorization failed for user",
    ] {
        assert_eq!(redactor.text(text), text);
    }
}

#[test]
fn a_private_key_is_left_out_across_lines() {
    let redactor = Arc::new(Redactor::default());
    let mut stream = redactor.stream();
    let mut out = String::new();
    for line in format!("before\n{PEM}\nafter\n").lines() {
        out.push_str(&stream.push(format!("{line}\n").as_bytes()));
    }
    out.push_str(&stream.finish());
    assert_eq!(out, "before\n[redacted]\nafter\n");
}

#[test]
fn a_key_without_an_end_does_not_hide_the_rest_for_ever() {
    let redactor = Arc::new(Redactor::default());
    let mut stream = redactor.stream();
    let mut out = stream.push(b"-----BEGIN RSA PRIVATE KEY-----\n");
    for _ in 0..3_000 {
        out.push_str(&stream.push(b"this line is no key at all\n"));
    }
    assert!(out.contains("no key at all"));
}

#[test]
fn live_values_come_and_go() {
    let redactor = Arc::new(Redactor::default());
    redactor.add("hunter2-hunter2\n");
    assert_eq!(redactor.text("is hunter2-hunter2."), "is [redacted].");
    redactor.remove("hunter2-hunter2");
    assert_eq!(redactor.text("is hunter2-hunter2."), "is hunter2-hunter2.");
    assert!(!format!("{redactor:?}").contains("hunter2"));
}

#[test]
fn a_long_line_is_sent_on_in_pieces_without_losing_a_secret() {
    let secret = &secrets()[3];
    let redactor = Arc::new(Redactor::default());
    for shift in (0..200).step_by(3) {
        let mut stream = redactor.stream();
        let line = format!("{}{secret}{}", " ".repeat(LONGEST_LINE - 120 + shift), "y ".repeat(100));
        let mut out = String::new();
        for piece in line.as_bytes().chunks(7) {
            out.push_str(&stream.push(piece));
        }
        assert!(stream.text.len() <= LONGEST_LINE + 7);
        out.push_str(&stream.finish());
        assert!(is_clean(&out), "{shift}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_secret_is_found_wherever_it_is_cut(
        which in 0..13_usize,
        before in "[ -~]{0,40}",
        after in "[ \n][ -~]{0,40}",
        cuts in proptest::collection::vec(0..200_usize, 0..8),
        live in "[a-zA-Z0-9+/\"\\\\ =]{8,60}",
    ) {
        let secret = &secrets()[which];
        let live = format!("canary{live}");
        let redactor = Arc::new(Redactor::new([live.as_str()]));
        let text = format!("{before} {secret}{after}{live}{after}");
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.sort_unstable();
        let mut stream = redactor.stream();
        let (mut out, mut at) = (String::new(), 0);
        for cut in cuts {
            out.push_str(&stream.push(&text.as_bytes()[at..cut]));
            at = cut;
        }
        out.push_str(&stream.push(&text.as_bytes()[at..]));
        out.push_str(&stream.finish());
        prop_assert!(is_clean(&out), "{out}");
        prop_assert_eq!(out, redactor.text(&text));
    }

    #[test]
    fn a_live_value_is_found_escaped_and_packed(
        live in "[ -~]{20,60}",
        before in "[ -~]{0,5}",
    ) {
        let live = format!("k{live}k");
        let redactor = Arc::new(Redactor::new([live.as_str()]));
        let json = serde_json::Value::from(format!("{before}{live}")).to_string();
        prop_assert!(redactor.text(&json).contains(MARK));
        let packed = STANDARD_NO_PAD.encode(format!("{before}{live}{before}"));
        prop_assert!(redactor.text(&packed).contains(MARK), "{packed}");
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..300_usize) {
        let redactor = Arc::new(Redactor::new(["some-live-value"]));
        let cut = cut.min(bytes.len());
        let mut stream = redactor.stream();
        let mut out = stream.push(&bytes[..cut]);
        out.push_str(&stream.push(&bytes[cut..]));
        out.push_str(&stream.finish());
        let strange = |c: char| c.is_control() && c != '\n' && c != '\t';
        prop_assert!(!out.contains(strange));
    }
}
