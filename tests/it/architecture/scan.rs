//! Just enough reading of Rust to see who imports whom: comments and texts taken out, `use` trees spread, paths.

/// A path such as `crate::store::Store`, with the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRef {
    pub line: usize,
    pub parts: Vec<String>,
}

/// A text literal with the line it begins on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    pub line: usize,
    pub text: String,
}

/// A file taken apart.
#[derive(Debug, Default)]
pub struct Scan {
    /// The code with comments and the insides of literals blanked; same lines.
    pub code: String,
    pub literals: Vec<Literal>,
}

/// Splits code from comments and literals.
pub fn scan(source: &str) -> Scan {
    let chars: Vec<char> = source.chars().collect();
    let mut out = Scan::default();
    let (mut at, mut line) = (0, 1);
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    while at < chars.len() {
        let (c, next) = (chars[at], chars.get(at + 1).copied());
        let before = at.checked_sub(1).map_or(' ', |i| chars[i]);
        let end = match (c, next) {
            ('/', Some('/')) => find(&chars, at, |i| chars[i] == '\n'),
            ('/', Some('*')) => block_comment_end(&chars, at),
            ('"', _) => literal(&chars, at, line, &mut out.literals),
            ('r', Some('"' | '#')) if !is_word(before) || before == 'b' => {
                let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
                if chars.get(at + 1 + hashes) == Some(&'"') {
                    raw_literal(&chars, at + 1 + hashes, hashes, line, &mut out.literals)
                } else {
                    at
                }
            }
            ('\'', Some('\\')) => find(&chars, at + 3, |i| chars[i] == '\'') + 1,
            ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => at + 3,
            _ => at,
        };
        if end == at {
            out.code.push(c);
            line += usize::from(c == '\n');
            at += 1;
        } else {
            for c in &chars[at..end.min(chars.len())] {
                out.code.push(blank(*c));
                line += usize::from(*c == '\n');
            }
            at = end;
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn find(chars: &[char], from: usize, stop: impl Fn(usize) -> bool) -> usize {
    (from..chars.len()).find(|i| stop(*i)).unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0_usize, from);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn literal(chars: &[char], quote: usize, line: usize, found: &mut Vec<Literal>) -> usize {
    let mut at = quote + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    found.push(Literal { line, text: chars[quote + 1..at.min(chars.len())].iter().collect() });
    at + 1
}

fn raw_literal(chars: &[char], quote: usize, hashes: usize, line: usize, found: &mut Vec<Literal>) -> usize {
    let closes = |i: usize| chars[i] == '"' && (1..=hashes).all(|n| chars.get(i + n) == Some(&'#'));
    let end = find(chars, quote + 1, closes);
    found.push(Literal { line, text: chars[quote + 1..end.min(chars.len())].iter().collect() });
    end + 1 + hashes
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(char),
    Colons,
}

fn tokens(code: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = code.chars().collect();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let c = chars[at];
        if is_word(c) {
            let end = find(&chars, at, |i| !is_word(chars[i]));
            found.push((line, Token::Word(chars[at..end].iter().collect())));
            at = end;
        } else if c == ':' && chars.get(at + 1) == Some(&':') {
            found.push((line, Token::Colons));
            at += 2;
        } else {
            line += usize::from(c == '\n');
            if !c.is_whitespace() {
                found.push((line, Token::Sign(c)));
            }
            at += 1;
        }
    }
    found
}

/// Every path in the code: the leaves of `use` trees in full, and each `a::b::c` elsewhere.
pub fn paths(code: &str) -> Vec<PathRef> {
    let tokens = tokens(code);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if tokens[at].1 == Token::Word("use".into()) {
            at = use_tree(&tokens, at + 1, &[], &mut found);
            continue;
        }
        let (line, Token::Word(first)) = &tokens[at] else {
            at += 1;
            continue;
        };
        let mut parts = vec![first.clone()];
        at += 1;
        while let (Some((_, Token::Colons)), Some((_, Token::Word(next)))) =
            (tokens.get(at), tokens.get(at + 1))
        {
            parts.push(next.clone());
            at += 2;
        }
        if parts.len() > 1 {
            found.push(PathRef { line: *line, parts });
        }
    }
    found
}

/// Reads one tree behind `use` (or inside braces); gives back where it ends.
fn use_tree(tokens: &[(usize, Token)], mut at: usize, prefix: &[String], found: &mut Vec<PathRef>) -> usize {
    let mut parts = prefix.to_vec();
    let mut line = tokens.get(at).map_or(0, |token| token.0);
    while let Some((here, token)) = tokens.get(at) {
        match token {
            Token::Colons => at += 1,
            Token::Word(word) if word == "as" => at += 2,
            Token::Word(word) => {
                parts.push(word.clone());
                line = *here;
                at += 1;
            }
            Token::Sign('*') => {
                parts.push("*".to_owned());
                at += 1;
            }
            Token::Sign('{') => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.1 != Token::Sign('}')) {
                    at = use_tree(tokens, at, &parts, found);
                    if tokens.get(at).is_some_and(|token| token.1 == Token::Sign(',')) {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Token::Sign(_) => break,
        }
    }
    if parts.len() > prefix.len() {
        found.push(PathRef { line, parts });
    }
    at
}

#[test]
fn comments_and_texts_are_no_code() {
    let scan = scan("a // use crate::x\n/* b /* c */ d */ \"e \\\" f\" r#\"g \" h\"# 'i' '\\'' b\"j\" &'k l");
    assert_eq!(scan.code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "&'k", "l"]);
    let texts: Vec<_> = scan.literals.iter().map(|literal| (literal.line, literal.text.as_str())).collect();
    assert_eq!(texts, [(2, "e \\\" f"), (2, "g \" h"), (2, "j")]);
}

#[test]
fn use_trees_are_spread() {
    let code = "use crate::{store::{Store as S, rows}, clock, github::*};\npub(crate) use std::env;\nlet x = a::b(c::d);";
    let found: Vec<_> = paths(code).into_iter().map(|p| (p.line, p.parts.join("::"))).collect();
    let expected = [
        (1, "crate::store::Store"),
        (1, "crate::store::rows"),
        (1, "crate::clock"),
        (1, "crate::github::*"),
        (2, "std::env"),
        (3, "a::b"),
        (3, "c::d"),
    ];
    assert_eq!(found, expected.map(|(line, path)| (line, path.to_owned())));
}
