//! One file against one table of keys: every value with its place, or every mistake with its place.

use super::nearest::nearest;
use super::problem::{Place, Problem};
use super::schema::{Key, children, find, is_section};
use super::template;
use super::value::{describe, is_name};
use std::ops::Range;
use toml::de::DeTable;

/// A value that was checked against its key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: Vec<String>,
    pub(super) place: Place,
    pub(super) value: toml::Value,
}

/// Reads `text` (called `file` in messages) against `keys`.
pub(super) fn read(file: &str, text: &str, keys: &[Key]) -> Result<Vec<Entry>, Vec<Problem>> {
    let broken = |message: &str, span: Option<Range<usize>>| {
        vec![Problem {
            place: Place::in_file(file, text, span.unwrap_or(0..0)),
            key: String::new(),
            message: one_line(message),
            expected: String::new(),
            nearest: None,
            absent: false,
        }]
    };
    // The same text twice: once for the places, once for the values.
    let spans = DeTable::parse(text).map_err(|error| broken(error.message(), error.span()))?;
    let values: toml::Table = toml::from_str(text).map_err(|error| broken(error.message(), error.span()))?;

    let mut walk = Walk { file, text, keys, entries: Vec::new(), problems: Vec::new() };
    walk.table(&mut Vec::new(), spans.get_ref(), &values);
    if walk.problems.is_empty() {
        walk.entries.sort_by_key(|entry| start(&entry.place));
        Ok(walk.entries)
    } else {
        walk.problems.sort_by_key(|problem| start(&problem.place));
        Err(walk.problems)
    }
}

fn start(place: &Place) -> usize {
    match place {
        Place::File { span, .. } => span.start,
        _ => 0,
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(", ")
}

struct Walk<'a> {
    file: &'a str,
    text: &'a str,
    keys: &'a [Key],
    entries: Vec<Entry>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, path: &mut Vec<String>, spans: &DeTable<'_>, values: &toml::Table) {
        for (name, spanned) in spans {
            let Some(value) = values.get(name.get_ref().as_ref()) else { continue };
            path.push(name.get_ref().to_string());
            if let Some(key) = find(self.keys, path) {
                self.leaf(path, key, spanned, value);
            } else if is_section(self.keys, path) {
                self.section(path, name.span(), spanned, value);
            } else {
                self.unknown(path, name.span());
            }
            path.pop();
        }
    }

    fn section(
        &mut self,
        path: &mut Vec<String>,
        name: Range<usize>,
        spanned: &toml::Spanned<toml::de::DeValue<'_>>,
        value: &toml::Value,
    ) {
        let chosen = children(self.keys, &path[..path.len() - 1]).is_empty();
        let last = path.last().map_or("", String::as_str);
        if chosen && !is_name(last) {
            let message = format!("`{}` cannot be a name", last.escape_debug());
            self.problem(path, name, message, "lower-case letters, digits and hyphens, at most 40");
        } else if let (Some(spans), Some(values)) = (spanned.get_ref().as_table(), value.as_table()) {
            self.table(path, spans, values);
        } else {
            let found = super::value::type_name(value);
            let expected = format!("a section [{}]", path.join("."));
            self.problem(path, spanned.span(), format!("found {found}"), &expected);
        }
    }

    fn leaf(
        &mut self,
        path: &[String],
        key: &Key,
        spanned: &toml::Spanned<toml::de::DeValue<'_>>,
        value: &toml::Value,
    ) {
        if !key.kind.accepts(value) {
            if let Some(fault) = value.as_str().and_then(|text| template::fault(key.kind, text)) {
                let span = fault.place(self.text, spanned.span());
                self.problem(path, span, fault.message, &fault.expected);
                if let Some(problem) = self.problems.last_mut() {
                    problem.nearest = fault.nearest;
                }
                return;
            }
            let found = format!("found {}", describe(key.kind, value));
            self.problem(path, spanned.span(), found, &key.kind.expected());
            return;
        }
        let (spans, values) = (spanned.get_ref().as_table(), value.as_table());
        let (Some(spans), Some(values)) = (spans, values) else {
            self.entry(path.to_vec(), spanned.span(), value);
            return;
        };
        // Variables are given one by one, as the environment gives them: each has a place of its own.
        for (name, spanned) in spans {
            if let Some(value) = values.get(name.get_ref().as_ref()) {
                let path = path.iter().cloned().chain([name.get_ref().to_string()]).collect();
                self.entry(path, spanned.span(), value);
            }
        }
    }

    fn entry(&mut self, path: Vec<String>, span: Range<usize>, value: &toml::Value) {
        let place = Place::in_file(self.file, self.text, span);
        self.entries.push(Entry { path, place, value: value.clone() });
    }

    fn unknown(&mut self, path: &[String], span: Range<usize>) {
        let nearest = nearest_key(self.keys, path);
        let known = children(self.keys, &path[..path.len() - 1]);
        let expected = if nearest.is_some() { String::new() } else { format!("one of {}", known.join(", ")) };
        self.problem(path, span, "there is no such key".to_owned(), &expected);
        if let Some(problem) = self.problems.last_mut() {
            problem.nearest = nearest;
        }
    }

    fn problem(&mut self, path: &[String], span: Range<usize>, message: String, expected: &str) {
        self.problems.push(Problem {
            place: Place::in_file(self.file, self.text, span),
            key: path.iter().map(|part| one_line(part)).collect::<Vec<_>>().join("."),
            message,
            expected: expected.to_owned(),
            nearest: None,
            absent: false,
        });
    }
}

/// The known key that an unknown path probably means: a neighbour with a similar name, else the same or a
/// similar last name in another section.
pub(super) fn nearest_key(keys: &[Key], path: &[String]) -> Option<String> {
    let (last, parents) = path.split_last()?;
    if let Some(name) = nearest(last, children(keys, parents)) {
        return Some(parents.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("."));
    }
    let last_names = keys.iter().filter_map(|key| key.path.rsplit('.').next());
    let name = nearest(last, last_names)?;
    let key = keys.iter().find(|key| key.path.rsplit('.').next() == Some(name))?;
    Some(key.path.replace('*', "NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::{REPOSITORY, SERVER};

    fn mistakes(text: &str, keys: &[Key]) -> Vec<String> {
        read("divisi.toml", text, keys).unwrap_err().iter().map(Problem::to_string).collect()
    }

    #[test]
    fn a_mistyped_key_is_named_with_its_place() {
        assert_eq!(
            mistakes("listen = \"127.0.0.1:80\"\n[github]\napp_idd = 5\n", SERVER),
            ["divisi.toml:3:1: `github.app_idd`: there is no such key; did you mean `github.app_id`?"]
        );
        assert_eq!(
            mistakes("app_id = 5", SERVER),
            ["divisi.toml:1:1: `app_id`: there is no such key; did you mean `github.app_id`?"]
        );
        assert_eq!(
            mistakes("[agents.x]\ncomand = [\"a\"]", SERVER),
            ["divisi.toml:2:1: `agents.x.comand`: there is no such key; did you mean `agents.x.command`?"]
        );
    }

    #[test]
    fn a_wrong_value_says_what_was_expected() {
        assert_eq!(
            mistakes("max_workers = \"four\"", REPOSITORY),
            [
                "divisi.toml:1:15: `max_workers`: found the text \"four\"; expected a whole number from 1 to 100"
            ]
        );
        let both = mistakes("draft = 1\nagent_timeout = \"2 weeks\"", REPOSITORY);
        assert_eq!(both.len(), 2);
        assert!(
            both[1].starts_with("divisi.toml:2:17: `agent_timeout`: found the text \"2 weeks\"; expected a")
        );
    }

    #[test]
    fn broken_toml_has_a_place() {
        let text = mistakes("a = 1\nb = = 2\n", SERVER);
        assert!(text[0].starts_with("divisi.toml:2:5: "), "{text:?}");
        assert!(mistakes("listen = 1\nlisten = 2", SERVER)[0].contains("duplicate key"));
    }

    #[test]
    fn a_section_is_a_table() {
        assert_eq!(
            mistakes("github = 3", SERVER),
            ["divisi.toml:1:10: `github`: found a number; expected a section [github]"]
        );
        assert!(mistakes("[agents.\"Bad Name\"]\nkey = \"x\"", SERVER)[0].contains("cannot be a name"));
    }

    #[test]
    fn secrets_are_not_repeated() {
        for text in ["[github]\nwebhook_secret = [\"canary1\", \"\"]", "[api]\ntokens = [\"canary1\"]"] {
            assert!(!mistakes(text, SERVER)[0].contains("canary1"));
        }
    }
}
