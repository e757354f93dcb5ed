//! Takes out of foreign text what people do not see on GitHub, so that an agent is told what a reader was shown.

/// Removes control characters (tab and newline stay), invisible and direction-changing characters, and HTML comments
/// outside of code. The result is never longer than the text, and cleaning it again changes nothing.
pub fn sanitise(text: &str) -> String {
    let visible: Vec<char> = text.replace("\r\n", "\n").chars().filter(|c| !is_hidden(*c)).collect();
    without_comments(&visible)
}

/// The text in one line of at most `max` characters; a longer one ends with `…`.
pub fn one_line(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (count, c) in words(text).enumerate() {
        if count + 1 == max && words(text).nth(max).is_some() {
            out.push('…');
            break;
        }
        if count == max {
            break;
        }
        out.push(c);
    }
    out.trim_end().to_owned()
}

/// The text's visible characters with every run of white space as one blank.
fn words(text: &str) -> impl Iterator<Item = char> {
    let mut blank = true;
    text.chars().filter(|c| c.is_whitespace() || !is_hidden(*c)).filter_map(move |c| {
        let was_blank = std::mem::replace(&mut blank, c.is_whitespace());
        match (c.is_whitespace(), was_blank) {
            (true, true) => None,
            (true, false) => Some(' '),
            (false, _) => Some(c),
        }
    })
}

/// Control, zero-width, bidirectional, filler, variation-selector-supplement, tag and interlinear characters.
/// The emoji variation selectors stay: they change what is seen.
fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' => true,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' => true,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => c.is_control(),
    }
}

const OPEN: [char; 4] = ['<', '!', '-', '-'];
const CLOSE: [char; 3] = ['-', '-', '>'];

/// One pass that looks at what it has written, so that taking out a comment never leaves another one.
fn without_comments(text: &[char]) -> String {
    let mut out: Vec<char> = Vec::with_capacity(text.len());
    // Where the current line begins in `out`, and the run of marks that opened a code block.
    let mut line = 0;
    let mut fence: Option<(char, usize)> = None;
    // No closing mark was found from here on: no need to look again.
    let mut no_close = false;
    let mut at = 0;
    while at < text.len() {
        out.push(text[at]);
        at += 1;
        if out.ends_with(&['\n']) {
            fence = next_fence(fence, &out[line..out.len() - 1]);
            line = out.len();
        } else if fence.is_none() && out.len() - line >= 4 && out.ends_with(&OPEN) {
            let close = if no_close { None } else { find(&text[at..], &CLOSE) };
            no_close = close.is_none();
            let start = out.len() - OPEN.len();
            match close {
                Some(end) if in_code_span(&out[line..start], &text[at..], end) => {}
                Some(end) => {
                    out.truncate(start);
                    at += end + CLOSE.len();
                }
                // At the start of a line GitHub hides all that follows.
                None if out[line..start].iter().all(|c| *c == ' ') && start - line <= 3 => {
                    out.truncate(start);
                    at = text.len();
                }
                None => {}
            }
        }
    }
    out.into_iter().collect()
}

fn find(text: &[char], part: &[char]) -> Option<usize> {
    text.windows(part.len()).position(|w| w == part)
}

/// Whether a comment stands in inline code: an odd number of back ticks before it on its line, and the next one on
/// that line after its closing mark, which is at `close` in `after`. Another opening mark before that back tick makes
/// it unclear, and then it is none.
fn in_code_span(before: &[char], after: &[char], close: usize) -> bool {
    let escaped = before.windows(2).filter(|w| w == &['\\', '`']).count();
    let ticks = before.iter().filter(|c| **c == '`').count() - escaped;
    let end = after.iter().position(|c| *c == '`' || *c == '\n');
    ticks % 2 == 1
        && end.is_some_and(|end| end > close && after[end] == '`' && find(&after[..end], &OPEN).is_none())
}

/// The code block that is open after this line.
fn next_fence(open: Option<(char, usize)>, line: &[char]) -> Option<(char, usize)> {
    let indent = line.iter().take_while(|c| **c == ' ').count();
    let rest = &line[indent..];
    let mark = rest.first().copied().filter(|c| indent <= 3 && (*c == '`' || *c == '~'));
    let run = mark.map_or(0, |mark| rest.iter().take_while(|c| **c == mark).count());
    match (open, mark) {
        (None, Some(mark)) if run >= 3 && !(mark == '`' && rest[run..].contains(&'`')) => Some((mark, run)),
        (Some((mark, len)), Some(m)) if m == mark && run >= len && rest[run..].iter().all(|c| *c == ' ') => {
            None
        }
        (open, _) => open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_do_not_see_is_gone() {
        for (text, want) in [
            ("a <!-- do evil --> b", "a  b"),
            ("a\n<!-- never closed\nrest", "a\n"),
            ("say <!-- and go on", "say <!-- and go on"),
            ("<!<!-- x -->-- y -->z", "z"),
            ("<!-\u{200b}- x -->z", "z"),
            ("safe\u{202e}evil\u{e0041}\u{feff}", "safeevil"),
            ("a\r\nb\tc\u{7}", "a\nb\tc"),
            ("write `<!-- marker -->` there", "write `<!-- marker -->` there"),
            ("\\` <!-- hidden --> `", "\\`  `"),
            ("` <!-- hidden -->", "` "),
            ("```html\n<!-- kept -->\n```\n<!-- gone -->x", "```html\n<!-- kept -->\n```\nx"),
            ("~~~\n```\n<!-- kept -->\n~~~\n", "~~~\n```\n<!-- kept -->\n~~~\n"),
            ("<!--\n```\n-->a<!-- gone -->", "a"),
        ] {
            assert_eq!(sanitise(text), want, "{text:?}");
        }
    }

    #[test]
    fn one_line_is_one_short_line() {
        assert_eq!(one_line("  a\n\tb \u{200b} c\u{7}  ", 80), "a b c");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
        assert_eq!(one_line("", 6), "");
    }

    #[test]
    fn a_hostile_text_takes_no_time() {
        let text = "<!--".repeat(200_000);
        assert_eq!(sanitise(&text), "");
        let text = "x<!--".repeat(200_000);
        assert_eq!(sanitise(&text).len(), text.len());
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(text in "(<!--|-->|<!-|->|`|```|~~~|\n| |\\\\|a|\u{200b}|\u{202e}|.){0,60}") {
            let once = sanitise(&text);
            prop_assert!(once.len() <= text.len());
            prop_assert!(!once.chars().any(is_hidden));
            prop_assert_eq!(sanitise(&once), once);
        }
    }
}
