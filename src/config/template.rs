//! `[issue_template]`: which texts are templates, and where in the file the mistake of one stands.

use super::nearest::nearest;
use super::value::Kind;
use crate::domain::{Flaw, Part, Placeholder, parts};
use std::ops::Range;

/// The longest title, in characters: what is put in must have room within GitHub's 256.
const LONGEST_TITLE: usize = 200;
/// The longest name of a label, in characters: GitHub's limit.
const LONGEST_LABEL: usize = 50;
/// So many labels are enough for everybody; each is looked for, and made if it is missing.
const MOST_LABELS: usize = 20;

/// What is wrong with a template.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    /// To be read after "expected"; may be empty.
    pub(super) expected: String,
    /// The placeholder that was probably meant, with its braces.
    pub(super) nearest: Option<String>,
    /// Which of the template's braces it is about, and how many it has.
    brace: Option<(usize, usize)>,
}

impl Fault {
    /// The bytes of the file at fault, within those of the whole value: a value may have many lines.
    pub(super) fn place(&self, file: &str, value: Range<usize>) -> Range<usize> {
        let raw = file.get(value.clone()).unwrap_or_default();
        let is_brace = |c: char| matches!(c, '{' | '}');
        // An escape such as `\u007b` makes a brace that the file does not show; then the value is the place.
        let found = self.brace.filter(|(_, of)| raw.chars().filter(|c| is_brace(*c)).count() == *of);
        let Some((at, _)) = found.and_then(|(nth, _)| raw.match_indices(is_brace).nth(nth)) else {
            return value;
        };
        let rest = &raw[at + 1..];
        let end =
            rest.find(['{', '}', '\n']).filter(|end| rest[*end..].starts_with('}')).map_or(1, |end| end + 2);
        value.start + at..value.start + at + end
    }
}

/// What a kind of template takes, to be read after the word "expected".
pub(super) fn expected(kind: Kind) -> String {
    match kind {
        Kind::IssueTitle => {
            format!("one line of at most {LONGEST_TITLE} characters with {{task_title}} in it")
        }
        Kind::Labels => {
            format!(
                "a list of at most {MOST_LABELS} names of labels, each of at most {LONGEST_LABEL} characters and without braces"
            )
        }
        _ => format!("Markdown with the placeholders {}", known()),
    }
}

fn known() -> String {
    Placeholder::ALL.map(|known| format!("{{{}}}", known.name())).join(" ")
}

/// What is wrong with `text` as a template of this kind.
pub(super) fn fault(kind: Kind, text: &str) -> Option<Fault> {
    if !matches!(kind, Kind::IssueTitle | Kind::IssueBody) {
        return None;
    }
    let plain = |message: String| Fault { message, expected: expected(kind), nearest: None, brace: None };
    let found = match parts(text) {
        Ok(parts) => parts,
        Err(flaw) => return Some(of_flaw(&flaw, text)),
    };
    if kind == Kind::IssueBody {
        let hidden = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        return text.contains(hidden).then(|| plain("found a control character".to_owned()));
    }
    let length = text.chars().count();
    if text.contains(char::is_control) {
        Some(plain("found a line end or another control character".to_owned()))
    } else if length > LONGEST_TITLE {
        Some(plain(format!("found {length} characters")))
    } else if !found.contains(&Part::Value(Placeholder::TaskTitle)) {
        Some(plain("without {task_title} all sub-issues would have the same title".to_owned()))
    } else {
        None
    }
}

fn of_flaw(flaw: &Flaw, text: &str) -> Fault {
    let braces = |text: &str| text.matches(['{', '}']).count();
    let brace = Some((braces(&text[..flaw.at()]), braces(text)));
    match flaw {
        Flaw::Unknown { name, .. } => {
            let shown: String = name.chars().take(40).collect::<String>().escape_debug().collect();
            let nearest = nearest(name, Placeholder::ALL.map(Placeholder::name));
            let expected = match nearest {
                Some(_) => String::new(),
                None => format!("one of {}; braces that are text are written {{{{ and }}}}", known()),
            };
            Fault {
                message: format!("there is no placeholder {{{shown}}}"),
                expected,
                nearest: nearest.map(|name| format!("{{{name}}}")),
                brace,
            }
        }
        Flaw::Lone { brace: sign, .. } => Fault {
            message: format!("a `{sign}` stands alone"),
            expected: format!(
                "a placeholder, one of {}, or `{sign}{sign}` for a brace that is text",
                known()
            ),
            nearest: None,
            brace,
        },
    }
}

/// Whether GitHub takes these as names of labels. A brace would look like a placeholder, and is none here.
pub(super) fn are_labels(names: &[&str]) -> bool {
    let fits = |name: &&str| {
        !name.trim().is_empty()
            && name.chars().count() <= LONGEST_LABEL
            && !name.contains(|c: char| c.is_control() || matches!(c, '{' | '}'))
    };
    names.len() <= MOST_LABELS && names.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use crate::config::RepoFile;

    fn wrong(text: &str) -> (usize, usize, String, String) {
        let error = RepoFile::parse(text).unwrap_err();
        (error.line, error.column, error.snippet.clone(), error.to_string())
    }

    #[test]
    fn an_unknown_placeholder_is_shown_on_its_own_line() {
        let file =
            "[issue_template]\nbody = \"\"\"\nPart of #{master}\n\n{{literal}}\n  ## {task_titel}\n\"\"\"\n";
        let (line, column, snippet, words) = wrong(file);
        assert_eq!((line, column, snippet.as_str()), (6, 6, "  ## {task_titel}"));
        assert_eq!(
            words,
            ".github/divisi.toml:6:6: `issue_template.body`: there is no placeholder {task_titel}; did you mean `{task_title}`?"
        );
        // Braces that only the value has hide where it is; the value's first line is told.
        assert_eq!(wrong("[issue_template]\nbody = \"\"\"\n\\u007bmaster}\n{nonsense}\"\"\"\n").0, 2);
        // Windows line ends.
        assert_eq!(wrong("[issue_template]\r\nbody = \"\"\"\r\n{criteria}\r\n{x}\"\"\"\r\n").0, 4);
    }

    #[test]
    fn every_mistake_says_what_would_be_right() {
        for (value, says) in [
            ("title = \"[#{master}]\"", "all sub-issues would have the same title; expected one line"),
            ("title = \"{task_title}\\n\"", "found a line end"),
            ("title = \"{task_title} }\"", "a `}` stands alone; expected a placeholder"),
            ("title = \"{{task_title}}\"", "without {task_title}"),
            ("body = \"{zzz}\"", "expected one of {master} {task_title} {context} {criteria} {details}"),
            ("body = \"${{ github.actor }} {\"", "a `{` stands alone"),
            ("body = \"a\\u0000\"", "found a control character"),
            ("body = 3", "found the number 3; expected Markdown with the placeholders"),
            ("labels = [\"{master}\"]", "expected a list of at most 20 names"),
            ("labels = [\" \"]", "expected a list of at most 20 names"),
            ("labels = \"area\"", "expected a list of at most 20 names"),
            ("titel = \"x\"", "did you mean `issue_template.title`?"),
        ] {
            let words = wrong(&format!("[issue_template]\n{value}\n")).3;
            assert!(words.contains(says) && words.contains(":2:"), "{value}: {words}");
        }
        assert!(wrong("issue_template = \"x\"").3.contains("expected a section [issue_template]"));
        let labels = format!("[issue_template]\nlabels = [\"{}\"]", "ü".repeat(50));
        assert!(RepoFile::parse(&labels).is_ok());
        let long = format!("[issue_template]\ntitle = \"{{task_title}}{}\"", "x".repeat(189));
        assert!(wrong(&long).3.contains("found 201 characters"));
    }

    #[test]
    fn what_a_template_says_arrives_as_it_is_written() {
        let text = "[issue_template]\ntitle = '{task_title} (part of #{master})'\nbody = \"\"\"\n{context}\n\"\"\"\nlabels = [\"area/ui\"]\n";
        let template = RepoFile::parse(text).unwrap().issue_template;
        assert_eq!(template.title, "{task_title} (part of #{master})");
        assert_eq!(template.body, "{context}\n");
        assert_eq!(template.labels, ["area/ui"]);
    }
}
