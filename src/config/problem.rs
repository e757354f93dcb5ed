//! A mistake in a configuration, with its place, in words for people and as a `miette` diagnostic.

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A place in a file.
    File {
        /// The file's name as it was given.
        file: String,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// Bytes of the file's text.
        span: Range<usize>,
    },
    /// An environment variable.
    Variable(String),
    /// Nowhere: something is missing.
    Nowhere,
}

impl Place {
    pub(super) fn in_file(file: &str, text: &str, span: Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Self::File { file: file.to_owned(), line, column, span }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column, .. } => write!(f, "{file}:{line}:{column}: "),
            Self::Variable(name) => write!(f, "environment variable {name}: "),
            Self::Nowhere => Ok(()),
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// The dotted path of the key; empty when the text is no TOML at all.
    pub key: String,
    /// What is wrong. Never holds the value of a secret key.
    pub message: String,
    /// What was expected, to be read after "expected"; empty when the message says it all.
    pub expected: String,
    /// The known key that was probably meant.
    pub nearest: Option<String>,
    /// Whether nothing that was given is wrong, but something that is needed is not here: a setting that the
    /// environment of another machine may bring, or a key file that lies there.
    pub absent: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean `{nearest}`?")?;
        }
        Ok(())
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// The file could not be read.
    Read {
        /// Its path.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// File or environment hold mistakes, or something is missing.
    Invalid {
        /// All of them, in the order of the file; never empty.
        problems: Vec<Problem>,
        /// The lines at fault (secrets covered), for the diagnostic.
        source: NamedSource<String>,
    },
}

impl ConfigError {
    /// `file` is the name and the text, if there was one.
    pub(super) fn invalid(file: Option<(&str, &str)>, problems: Vec<Problem>) -> Self {
        let (name, text) = file.unwrap_or(("environment", ""));
        let source = NamedSource::new(name, covered(text, &problems));
        Self::Invalid { problems, source }
    }

    /// The mistakes; empty when the file could not be read.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Read { .. } => &[],
            Self::Invalid { problems, .. } => problems,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { file, source } => write!(f, "cannot read {}: {source}", file.display()),
            Self::Invalid { problems, .. } => {
                for (index, problem) in problems.iter().enumerate() {
                    let line_end = if index + 1 < problems.len() { "\n" } else { "" };
                    write!(f, "{problem}{line_end}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Invalid { .. } => None,
        }
    }
}

impl Diagnostic for ConfigError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("divisi::config"))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("every key is explained in docs/configuration.md"))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match self {
            Self::Invalid { source, problems } if problems.iter().any(|p| is_in_file(&p.place)) => {
                Some(source)
            }
            _ => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self.problems().iter().filter_map(|problem| {
            let Place::File { span, .. } = &problem.place else { return None };
            let words = match (&problem.nearest, problem.expected.as_str()) {
                (Some(nearest), _) => format!("did you mean `{nearest}`?"),
                (None, "") => "here".to_owned(),
                (None, expected) => format!("expected {expected}"),
            };
            Some(LabeledSpan::new_with_span(Some(words), SourceSpan::from(span.start..span.end)))
        });
        Some(Box::new(labels))
    }
}

fn is_in_file(place: &Place) -> bool {
    matches!(place, Place::File { .. })
}

/// The text with every byte blanked that does not stand on a line at fault, and with the values of lines that
/// look like secrets covered: offsets stay what they are, and a diagnostic can show no more than it must.
fn covered(text: &str, problems: &[Problem]) -> String {
    let at_fault = |line: &Range<usize>| {
        problems.iter().any(|problem| match &problem.place {
            Place::File { span, .. } => line.contains(&span.start) || span.start == line.end,
            _ => false,
        })
    };
    let mut out = String::with_capacity(text.len());
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.len();
        start = range.end;
        let body = line.trim_end_matches(['\n', '\r']);
        let body_end = range.start + body.len();
        if at_fault(&(range.start..body_end)) {
            out.push_str(&cover_line(body));
        } else {
            out.extend(std::iter::repeat_n(' ', body.len()));
        }
        out.push_str(&line[body.len()..]);
    }
    out
}

/// The line itself, or with everything after `=` covered when it may hold a secret. A line without `=` may be
/// the inside of a key, so it is shown only when it is a section header.
pub(super) fn cover_line(line: &str) -> String {
    const SECRET: [&str; 4] = ["secret", "key", "token", "private"];
    let Some((name, value)) = line.split_once('=') else {
        let header = line.trim_start().starts_with('[') && line.len() < 200;
        return if header { line.to_owned() } else { " ".repeat(line.len()) };
    };
    let lower = name.to_ascii_lowercase();
    if SECRET.iter().any(|word| lower.contains(word)) || name.contains(['"', '\'']) || name.contains("-----")
    {
        format!("{name}={}", "*".repeat(value.len()))
    } else {
        line.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_one_and_in_characters() {
        let text = "a = 1\nü = 2 # x\n";
        let at = text.find("2 #").unwrap();
        assert_eq!(Place::in_file("f", text, at..at + 1).to_string(), "f:2:5: ");
        assert_eq!(Place::in_file("f", text, 0..1).to_string(), "f:1:1: ");
    }

    #[test]
    fn the_shown_text_covers_secrets_and_keeps_offsets() {
        let text = "a = 1\nwebhook_secret = 5\nb = ü\n";
        let problem = |at: usize| Problem {
            place: Place::in_file("f", text, at..at + 1),
            key: String::new(),
            message: String::new(),
            expected: String::new(),
            nearest: None,
            absent: false,
        };
        let shown = covered(text, &[problem(text.find('5').unwrap()), problem(text.find("b =").unwrap())]);
        assert_eq!(shown.len(), text.len());
        assert_eq!(shown, "     \nwebhook_secret =**\nb = ü\n");
    }
}
