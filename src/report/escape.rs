//! Foreign text made harmless, in one place.
//!
//! Text of issues, agents and git may notify people (`@name`), close issues (`fixes #1`), look like a command
//! (`/orchestrate`), carry a forged marker or hide what it says. Everything that is not our own wording goes
//! through one of these functions before it is put into a comment, an issue or a pull request.

/// The longest body that we send, in bytes: GitHub refuses more than 65,536 characters.
pub const MAX_BODY: usize = 60_000;

/// The longest title that GitHub takes, in characters.
pub const MAX_TITLE: usize = 256;

/// A word joiner that breaks a word for GitHub and not for the eye.
const BREAK: char = '\u{2060}';

/// One line of foreign text for a table cell, a list or a heading: no line ends, no table or HTML syntax, no
/// mention, no reference that notifies, at most `max` characters.
pub fn inline(text: &str, max: usize) -> String {
    harmless(&line(text, max)).replace('|', "\\|")
}

/// One line of foreign text for a terminal: nothing hidden, no control characters, at most `max` characters.
pub fn line(text: &str, max: usize) -> String {
    cut(&visible(&text.split_whitespace().collect::<Vec<_>>().join(" ")), max)
}

/// Several lines of foreign Markdown that stay Markdown: mentions, closing words, commands, HTML and markers in it
/// are broken; at most `max` bytes.
pub fn block(text: &str, max: usize) -> String {
    let text = visible(&text.replace("\r\n", "\n").replace('\r', "\n"));
    closed(harmless(&cut_bytes(&text, max)))
}

/// Closes a fence that the text opens and does not close: it would swallow what follows.
pub fn closed(text: String) -> String {
    match open_fence(&text) {
        Some(fence) => format!("{text}\n{fence}"),
        None => text,
    }
}

/// Adds words of the repository's own settings: they may mention and link, and hold no marker of ours and nothing hidden.
pub fn join_own(out: &mut String, text: &str) {
    let text = visible(text).replace("<!-- divisi:", &format!("<{BREAK}!-- divisi:"));
    // What was put in before may end with the half of something that acts.
    if out.ends_with(['@', '#', '/', '<', '&']) && !text.starts_with(char::is_whitespace) {
        out.push(BREAK);
    }
    out.push_str(&text);
}

/// Adds foreign text that was made harmless by itself, so that it stays so after what stands before it.
pub fn join_foreign(out: &mut String, text: &str) {
    let acts_together = out.ends_with(['@', '/', '<', '&'])
        || (out.ends_with('#') && text.starts_with(|c: char| c.is_ascii_digit()))
        || (text.starts_with('#') && closes(out));
    if acts_together && !text.starts_with(char::is_whitespace) {
        out.push(BREAK);
    }
    out.push_str(text);
}

/// The fence that is still open at the end: one closes only by the same sign, at least as long, alone on its line.
fn open_fence(text: &str) -> Option<String> {
    let mut open: Option<(char, usize)> = None;
    for line in text.lines() {
        let line = line.trim();
        let Some(sign) = line.chars().next().filter(|c| matches!(c, '`' | '~')) else { continue };
        let length = line.chars().take_while(|c| *c == sign).count();
        match open {
            None if length >= 3 => open = Some((sign, length)),
            Some((of, at_least)) if sign == of && length >= at_least && line.chars().all(|c| c == sign) => {
                open = None
            }
            _ => {}
        }
    }
    open.map(|(sign, length)| sign.to_string().repeat(length))
}

/// Foreign lines in a fence that is longer than any in them; at most `max` bytes. Inside a fence GitHub makes no
/// mention, reference or link.
pub fn fenced(lines: &[String], max: usize) -> String {
    // A copied marker is no markup in a fence, but it would be found as one.
    let text = visible(&lines.join("\n")).replace("<!--", &format!("<{BREAK}!--"));
    let text = cut_bytes(text.trim_end(), max);
    let mut longest = 2;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence}text\n{text}\n{fence}")
}

/// A title: one line, at most [`MAX_TITLE`] characters with what surrounds it (`around` characters).
pub fn title(text: &str, around: usize) -> String {
    let line = visible(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    cut(&harmless(&line), MAX_TITLE.saturating_sub(around))
}

/// A whole body, cut at [`MAX_BODY`] bytes with a note that says so; `marker` always stays.
pub fn body(text: &str, marker: &str) -> String {
    body_of(text, marker, "the master issue")
}

/// The same, where `whole` says in which issue the full text is.
pub fn body_of(text: &str, marker: &str, whole: &str) -> String {
    let room = MAX_BODY.saturating_sub(marker.len() + 100);
    let mut out = text.trim_end().to_owned();
    if out.len() > room {
        out = cut_bytes(&out, room);
        out = closed(out);
        out.push_str(&format!("\n\n*Shortened: the full text is in {whole} and in Divisi's logs.*"));
    }
    if marker.is_empty() { out } else { format!("{out}\n\n{marker}") }
}

/// At most `max` characters, with an ellipsis where something is missing.
pub fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(max.saturating_sub(1)).collect();
    out.push('…');
    out
}

fn cut_bytes(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max.saturating_sub(4)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    format!("{}…", &text[..end])
}

/// Without characters that cannot be seen: controls, bidirectional overrides, zero-width and tag characters.
pub fn visible(text: &str) -> String {
    text.chars().filter(|c| !is_hidden(*c)).collect()
}

fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Breaks what GitHub or Divisi would act on.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut before = ' ';
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        out.push(c);
        let starts_name = after.chars().next().is_some_and(|n| n.is_ascii_alphanumeric() || n == '_');
        match c {
            '@' if starts_name => out.push(BREAK),
            // `#1`, `GH-1` and `owner/repo#1` after a closing word close an issue when a pull request is merged.
            '#' if after.starts_with(|n: char| n.is_ascii_digit())
                && closes(&text[..text.len() - rest.len()]) =>
            {
                out.push(BREAK);
            }
            '/' if !before.is_alphanumeric() && after.to_lowercase().starts_with("orchestrate") => {
                out.push(BREAK)
            }
            'G' | 'g' if !before.is_alphanumeric() && gh_reference(after) => out.push(BREAK),
            ':' if after.starts_with("//") && closes_before_url(&text[..text.len() - rest.len()]) => {
                out.push(BREAK)
            }
            // Tags and comments, and entities such as `&#64;`, which would become what is broken here. An entity of our
            // own would show as such inside code, a joiner does not.
            '<' if after.starts_with(|n: char| n.is_ascii_alphabetic() || "/!?".contains(n)) => {
                out.push(BREAK)
            }
            '&' if after.starts_with(|n: char| n.is_ascii_alphanumeric() || n == '#') => out.push(BREAK),
            _ => {}
        }
        before = c;
        rest = after;
    }
    out
}

/// Whether the text ends with a closing word (and perhaps a repository's name) before a reference.
fn closes(before: &str) -> bool {
    let before = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "-_./".contains(c));
    ends_with_closing_word(before) || ends_with_closing_word(before.trim_end())
}

fn closes_before_url(before: &str) -> bool {
    let before = before.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    ends_with_closing_word(before)
}

fn ends_with_closing_word(before: &str) -> bool {
    let words = before.trim_end_matches([' ', '\t', '\n', ':', '[', '(', '*', '_']);
    let word: String = words.chars().rev().take_while(|c| c.is_ascii_alphabetic()).collect();
    let word: String = word.chars().rev().collect::<String>().to_lowercase();
    matches!(
        word.as_str(),
        "close" | "closes" | "closed" | "fix" | "fixes" | "fixed" | "resolve" | "resolves" | "resolved"
    )
}

fn gh_reference(after: &str) -> bool {
    let lower: String = after.chars().take(3).collect::<String>().to_lowercase();
    lower.starts_with("h-") && lower.chars().nth(2).is_some_and(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_would_act_is_broken_and_the_rest_stays() {
        let text = inline("ask @mia about `src/a.rs`, fixes #12, see #3 | <b>", 200);
        assert_eq!(text, "ask @\u{2060}mia about `src/a.rs`, fixes #\u{2060}12, see #3 \\| <\u{2060}b>");
        assert_eq!(inline("a\nb\t c", 200), "a b c");
        assert!(!block("/orchestrate --retry", 100).starts_with("/orchestrate"));
        assert!(!block("Closes: owner/repo#7", 100).contains("repo#7"));
        assert!(!block("fixes GH-7", 100).contains("GH-7"));
        assert!(!block("resolves https://github.com/o/r/issues/7", 100).contains("https://"));
        assert!(!block("<!-- divisi:v1 x -->", 100).contains("<!--"));
        assert!(block("```\ncode", 100).ends_with("\n```"));
        assert!(block("````\n```\ncode", 100).ends_with("\n````"));
        assert_eq!(block("```\ncode\n```", 100), "```\ncode\n```");
        assert_eq!(inline("&#64;octo", 100), "&\u{2060}#64;octo");
        assert_eq!(inline("a < b && c", 100), "a < b && c");
        assert!(!fenced(&["<!-- divisi:v1 x -->".to_owned()], 100).contains("<!--"));
    }

    #[test]
    fn a_fence_is_longer_than_any_inside() {
        let text = fenced(&["````".to_owned(), "x".to_owned()], 100);
        assert_eq!(text, "`````text\n````\nx\n`````");
    }

    #[test]
    fn caps_hold_on_character_boundaries() {
        assert_eq!(title(&"🚀".repeat(300), 0).chars().count(), MAX_TITLE);
        assert!(body(&"ä".repeat(60_000), "<!-- m -->").len() <= MAX_BODY);
        assert!(body(&"ä".repeat(60_000), "<!-- m -->").ends_with("<!-- m -->"));
    }

    fn live_mention(text: &str) -> bool {
        text.char_indices().any(|(i, c)| {
            c == '@' && text[i + 1..].starts_with(|n: char| n.is_ascii_alphanumeric() || n == '_')
        })
    }

    fn closing_keyword(text: &str) -> bool {
        text.match_indices('#')
            .any(|(i, _)| text[i + 1..].starts_with(|n: char| n.is_ascii_digit()) && closes(&text[..i]))
    }

    proptest! {
        #[test]
        fn nothing_live_survives(text in "(@|#|[a-z]{0,4}|fixes |closes: |[0-9]|/orchestrate|<!--|\\n|`|~|\u{202e}|\u{200b}|[ -~]|é|🚀){0,40}") {
            for shown in [inline(&text, 120), block(&text, 400), title(&text, 10)] {
                prop_assert!(!live_mention(&shown), "{shown:?}");
                prop_assert!(!closing_keyword(&shown), "{shown:?}");
                prop_assert!(!shown.contains("<!--"), "{shown:?}");
                prop_assert!(!shown.lines().any(|l| l.trim_start().starts_with("/orchestrate")), "{shown:?}");
                prop_assert!(!shown.chars().any(|c| is_hidden(c) && c != BREAK), "{shown:?}");
            }
        }
    }
}
