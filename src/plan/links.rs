//! Issue references in a line: `#12`, `GH-12`, `owner/repo#12` and URLs.

use super::cue::{cues, lowered};
use super::phrases::Phrases;
use super::text::fold;
use std::ops::Range;

/// A reference to an issue, where it stands in the line, and what it points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Its bytes in the line, with the brackets and target of a Markdown link around it.
    pub range: Range<usize>,
    pub target: Target,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// An issue of this repository.
    Here(u64),
    /// An issue of another repository, as `owner/repo#n`.
    Elsewhere(String),
    /// A pull request, by URL: work that exists, never an issue to reuse.
    Pull,
}

/// The repository that an issue stands in, as far as it is known.
pub(super) type Home<'a> = Option<(&'a str, &'a str)>;

/// Longest number that is an issue: GitHub's ids are far below 10^18.
const LONGEST_NUMBER: usize = 18;

/// All references of `line`, in order. What stands in code spans is code.
pub(super) fn find(line: &str, home: Home<'_>) -> Vec<Link> {
    let bytes = line.as_bytes();
    let mut links = Vec::new();
    let mut at = 0;
    // A code span ends at the next mark; without one the mark is a plain character.
    let mut no_more_code = false;
    while at < bytes.len() {
        match bytes[at] {
            b'`' if !no_more_code => match line[at + 1..].find('`') {
                Some(length) => at += length + 2,
                None => {
                    no_more_code = true;
                    at += 1;
                }
            },
            b'h' if boundary(bytes, at) => match url(line, at, home) {
                Some((target, end)) => {
                    at = push(&mut links, line, at..end, target);
                }
                None => at += 1,
            },
            b'#' => match number(line, at + 1) {
                Some((value, end)) if boundary(bytes, at) && !is_colour(line, at, end) => {
                    at = push(&mut links, line, at..end, Target::Here(value));
                }
                Some((value, end)) => match owner_and_repo(line, at) {
                    Some(start) => {
                        let name = &line[start..at];
                        let target = match name.split_once('/') {
                            Some((owner, repo)) if is_home(home, owner, repo) => Target::Here(value),
                            _ => Target::Elsewhere(format!("{name}#{value}")),
                        };
                        at = push(&mut links, line, start..end, target);
                    }
                    None if follows_a_link(&links, line, at) => {
                        at = push(&mut links, line, at..end, Target::Here(value));
                    }
                    None => at = end,
                },
                None => at += 1,
            },
            b'G' | b'g' if boundary(bytes, at) && starts_with_gh(bytes, at) => match number(line, at + 3) {
                Some((value, end)) => at = push(&mut links, line, at..end, Target::Here(value)),
                None => at += 1,
            },
            _ => at += 1,
        }
    }
    links
}

/// The issue that an item is: it leads with one, or names exactly one that is not mentioned in passing
/// (`see #N`, `after #N`).
pub(super) fn own(line: &str, home: Home<'_>) -> Option<Target> {
    let links = find(line, home);
    let leads = links.first().filter(|first| leads(line, first.range.start));
    if let Some(first) = leads {
        // A bare repository URL with its issue in brackets is read below as "names exactly one".
        return Some(first.target.clone()).filter(|target| *target != Target::Pull);
    }
    let mut named = links.iter().filter(|link| !in_passing(&line[..link.range.start]));
    let only = named.next()?;
    if named.any(|other| other.target != only.target) || only.target == Target::Pull {
        return None;
    }
    Some(only.target.clone())
}

/// Whether the item is a link and nothing else of weight: all of it, or followed by a remark.
pub(super) fn is_link_item(line: &str, home: Home<'_>) -> bool {
    find(line, home).first().is_some_and(|first| leading(line, first.range.start))
}

/// Whether a title is one link and no word beside it.
pub(super) fn is_bare(title: &str) -> bool {
    let links = find(title, None);
    let [link] = links.as_slice() else { return false };
    let word = |text: &str| text.contains(char::is_alphanumeric);
    !word(&title[..link.range.start]) && !word(&title[link.range.end..])
}

/// Whether the item leads with a link or has one in brackets: that link is its name, not a mention.
pub(super) fn names_itself(line: &str, home: Home<'_>) -> bool {
    let links = find(line, home);
    links.first().is_some_and(|first| leads(line, first.range.start))
        || links.iter().any(|link| line[..link.range.start].trim_end().ends_with(['(', '[', '（']))
}

/// The same, or behind a word that points at it or says what it is (`See #5 for the store`, `Sub-issue #5: store`).
fn leads(line: &str, start: usize) -> bool {
    let before = line[..start].trim_matches(|c: char| !c.is_alphanumeric());
    leading(line, start) || POINTS.contains(&before.to_lowercase().as_str())
}

const POINTS: &[&str] = &["see", "issue", "sub-issue", "subissue", "child", "related", "task"];

fn leading(line: &str, start: usize) -> bool {
    line[..start].chars().all(|c| !c.is_alphanumeric())
}

/// Whether the words before a reference make it a remark: something to read, to wait for, or a part of something.
fn in_passing(before: &str) -> bool {
    // In brackets of its own, as in `Split the store (#12)`, a link names the item.
    if before.trim_end().ends_with(['(', '[', '（']) {
        return false;
    }
    let text = lowered(before);
    let tail =
        text.trim_end_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '(' | '（' | '.' | ';' | ','));
    let word = tail.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
    PASSING.has(&fold(word)) || {
        // `依赖 #31`, `зависит от #202`: a word of order right before the link.
        let from = text.ceil_char_boundary(text.len().saturating_sub(60));
        cues(&text[from..]).last().is_some_and(|cue| !text[from + cue.end..].contains(char::is_alphanumeric))
    }
}

/// Words right before a link that is not the item itself.
static PASSING: Phrases = Phrases::of(&[
    "see", "cf", "on", "by", "for", "from", "of", "with", "like", "than", "to", "in", "since", "per", "and",
    "via", "also", "epic", "parent", "related", "relates", "refs", "ref", "siehe", "auch", "voir", "aussi",
    "ver", "vea", "veja", "pr", "pull", "de", "da", "do", "von", "zu", "aus", "см", "из", "参见", "见",
    "参照",
]);

fn push(links: &mut Vec<Link>, line: &str, range: Range<usize>, target: Target) -> usize {
    // `[#12](url)`, `[text](url)`: the target is inside, one link is enough.
    let inside = line[..range.start].ends_with("](");
    if inside && let Some(last) = links.last_mut() {
        let closes = line[last.range.end..range.start].trim_end_matches('(').ends_with(']')
            && line[..last.range.start].ends_with('[');
        if closes && last.target == target {
            last.range.end = range.end;
            return range.end;
        }
    }
    let start = if inside { opening_bracket(line, range.start - 2) } else { range.start };
    let end = range.end;
    // `[Try #12](url)`: no two links share a byte. The text names the target, or is a link of its own.
    let within = links.iter().rev().take_while(|link| link.range.end > start).count();
    match links.last_mut().filter(|last| within == 1 && last.target == target) {
        Some(last) => last.range = start.min(last.range.start)..end,
        None => links.push(Link { range: if within > 0 { range.start } else { start }..end, target }),
    }
    end
}

/// The `[` that belongs to the `]` at `close`, or `close` itself.
fn opening_bracket(line: &str, close: usize) -> usize {
    const FARTHEST: usize = 300;
    let from = line.ceil_char_boundary(close.saturating_sub(FARTHEST));
    line[from..close].rfind('[').map_or(close, |at| from + at)
}

fn boundary(bytes: &[u8], at: usize) -> bool {
    at == 0
        || !(bytes[at - 1].is_ascii_alphanumeric()
            || matches!(bytes[at - 1], b'/' | b'&' | b'-' | b'_' | b'#' | b'.' | 0x80..))
        || bytes[at - 1] >= 0x80
}

/// `#1/#2`: the second stands right behind the first.
fn follows_a_link(links: &[Link], line: &str, at: usize) -> bool {
    line[..at].ends_with('/') && links.last().is_some_and(|last| last.range.end + 1 == at)
}

fn starts_with_gh(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..at + 3).is_some_and(|start| start.eq_ignore_ascii_case(b"gh-"))
}

/// A number at `at` without leading zero, and where it ends. Not one: `#0`, `#007`, `#12abc`, 19 digits.
fn number(line: &str, at: usize) -> Option<(u64, usize)> {
    let bytes = line.as_bytes();
    let length = bytes.get(at..)?.iter().take(LONGEST_NUMBER + 1).take_while(|b| b.is_ascii_digit()).count();
    let end = at + length;
    let goes_on = line[end..].chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    if length == 0 || length > LONGEST_NUMBER || bytes[at] == b'0' || goes_on {
        return None;
    }
    line[at..end].parse().ok().map(|value| (value, end))
}

/// `#112233` after the word colour is a colour.
fn is_colour(line: &str, at: usize, end: usize) -> bool {
    let before = &line[line.ceil_char_boundary(at.saturating_sub(24))..at];
    end - at == 7 && (before.contains("olor") || before.contains("olour"))
}

/// Where `owner/repo` right before the `#` at `at` starts.
fn owner_and_repo(line: &str, at: usize) -> Option<usize> {
    const LONGEST: usize = 140;
    let bytes = line.as_bytes();
    let mut start = at;
    while start > 0 && at - start < LONGEST && is_name(bytes[start - 1], true) {
        start -= 1;
    }
    let name = &line[start..at];
    let (owner, repo) = name.split_once('/')?;
    (!owner.is_empty() && !repo.is_empty() && !repo.contains('/')).then_some(start)
}

fn is_name(byte: u8, slash: bool) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') || (slash && byte == b'/')
}

fn is_home(home: Home<'_>, owner: &str, repo: &str) -> bool {
    home.is_some_and(|(o, r)| o.eq_ignore_ascii_case(owner) && r.eq_ignore_ascii_case(repo))
}

/// An issue or pull request URL at `at`, what it points at, and where it ends.
fn url(line: &str, at: usize, home: Home<'_>) -> Option<(Target, usize)> {
    let rest = line[at..].strip_prefix("https://").or_else(|| line[at..].strip_prefix("http://"))?;
    let mut parts = rest.splitn(5, '/');
    let (_host, owner, repo, kind) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let tail = parts.next()?;
    let names = [owner, repo].iter().all(|name| !name.is_empty() && name.bytes().all(|b| is_name(b, false)));
    let tail_at = line.len() - tail.len();
    let (value, mut end) = number(line, tail_at)?;
    if !names {
        return None;
    }
    // A comment's anchor belongs to the URL.
    if line[end..].starts_with('#') {
        end += line[end..].find(|c: char| c.is_whitespace() || c == ')').unwrap_or(line.len() - end);
    }
    let target = match kind {
        "issues" if is_home(home, owner, repo) => Target::Here(value),
        "issues" => Target::Elsewhere(format!("{owner}/{repo}#{value}")),
        "pull" => Target::Pull,
        _ => return None,
    };
    Some((target, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(line: &str) -> Vec<u64> {
        let links = find(line, Some(("o", "my.repo")));
        links
            .into_iter()
            .filter_map(|link| if let Target::Here(n) = link.target { Some(n) } else { None })
            .collect()
    }

    #[test]
    fn references_are_found_in_text_order() {
        assert_eq!(here("GH-9 then #5 then https://github.com/o/my.repo/issues/7"), [9, 5, 7]);
        assert_eq!(here("#456 and gh-789, o/my.repo#3"), [456, 789, 3]);
        assert_eq!(here("[#12](https://github.com/o/my.repo/issues/12) (#13)"), [12, 13]);
    }

    #[test]
    fn no_two_links_share_a_byte() {
        let home = Some(("o", "my.repo"));
        for (line, targets) in [
            ("[Try #12](https://github.com/o/my.repo/issues/12)", vec![12]),
            ("[Try #12](https://github.com/o/my.repo/issues/13)", vec![12, 13]),
            ("[#1 and #2](https://github.com/o/my.repo/issues/2)", vec![1, 2, 2]),
        ] {
            assert_eq!(here(line), targets, "{line}");
            let links = find(line, home);
            assert!(links.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start), "{line}");
        }
        let table =
            "| Title | State |\n|---|---|\n| [Try #12](https://github.com/o/my.repo/issues/12) | open |\n";
        let plan = crate::plan::read("Epic", table, None, home);
        assert_eq!(plan.tasks.len(), 1);
        assert_eq!(plan.tasks[0].existing_issue, Some(12));
    }

    #[test]
    fn lookalikes_are_none() {
        for line in [
            "#0",
            "#-1",
            "#007",
            "#99999999999999999999",
            "`#5`",
            "https://x/page#42",
            "tissue 5",
            "#12a",
            "#١٢",
            "colour #112233",
        ] {
            assert_eq!(here(line), Vec::<u64>::new(), "{line}");
        }
    }

    #[test]
    fn other_repositories_keep_their_name() {
        let links =
            find("a/b#1 https://github.com/c/d/issues/2#issuecomment-9 https://github.com/c/d/pull/3", None);
        let targets: Vec<_> = links.into_iter().map(|link| link.target).collect();
        assert_eq!(
            targets,
            [Target::Elsewhere("a/b#1".into()), Target::Elsewhere("c/d#2".into()), Target::Pull]
        );
    }

    #[test]
    fn an_item_is_the_issue_it_leads_with_or_alone_names() {
        let own = |line| own(line, None);
        assert_eq!(own("#168 waits for #167"), Some(Target::Here(168)));
        assert_eq!(own("release disposition (#527) after #560"), Some(Target::Here(527)));
        assert_eq!(own("Re-tune GEMM #3434 (@b)"), Some(Target::Here(3434)));
        assert_eq!(own("change the folder. See #196"), None);
        assert_eq!(own("merge #1, #2"), None);
    }
}
