//! `[issue_template]`: how a repository wants its sub-issues to look.
//!
//! A template is text with placeholders in braces; `{{` and `}}` stand for braces that are text. It is taken apart before
//! anything is put in, so that a brace in a task's title is never read as a placeholder.

use serde::{Deserialize, Serialize};

/// A repository's wishes for its sub-issues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IssueTemplate {
    /// One line with placeholders.
    pub title: String,
    /// Markdown with placeholders; empty for Divisi's own layout.
    pub body: String,
    /// Labels besides those that Divisi puts on always.
    pub labels: Vec<String>,
}

impl IssueTemplate {
    /// The title of a repository that says nothing.
    pub const TITLE: &str = "[Master #{master}] {task_title}";
}

impl Default for IssueTemplate {
    fn default() -> Self {
        Self { title: Self::TITLE.to_owned(), body: String::new(), labels: Vec::new() }
    }
}

/// What can be put into a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placeholder {
    /// The number of the master issue, without `#`.
    Master,
    /// The title of the sub-task as its author wrote it.
    TaskTitle,
    /// The prose of the master issue.
    Context,
    /// The acceptance criteria, one list item each.
    Criteria,
    /// What stands below the sub-task in the master issue.
    Details,
}

impl Placeholder {
    /// All of them, in the order in which they are told to people.
    pub const ALL: [Self; 5] = [Self::Master, Self::TaskTitle, Self::Context, Self::Criteria, Self::Details];

    /// The name between the braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::TaskTitle => "task_title",
            Self::Context => "context",
            Self::Criteria => "criteria",
            Self::Details => "details",
        }
    }
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The repository's own words.
    Text(String),
    /// What is put in.
    Value(Placeholder),
}

/// Why a text is no template. Offsets are bytes of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is no placeholder of this name.
    Unknown {
        /// Of its opening brace.
        at: usize,
        /// What stands between the braces.
        name: String,
    },
    /// A brace without its other half.
    Lone {
        /// Of the brace.
        at: usize,
        /// The brace.
        brace: char,
    },
}

impl Flaw {
    /// The byte of the brace where it begins.
    pub fn at(&self) -> usize {
        match self {
            Self::Unknown { at, .. } | Self::Lone { at, .. } => *at,
        }
    }
}

/// Takes a template apart. Between the braces of a placeholder there may be spaces, and no line end.
///
/// # Errors
/// The first [`Flaw`].
pub fn parts(template: &str) -> Result<Vec<Part>, Flaw> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(found) = rest.find(['{', '}']) {
        let at = template.len() - rest.len() + found;
        text.push_str(&rest[..found]);
        let (brace, after) = (rest[found..].chars().next().unwrap_or('{'), &rest[found + 1..]);
        if let Some(after) = after.strip_prefix(brace) {
            text.push(brace);
            rest = after;
            continue;
        }
        let end = after.find(['{', '}', '\n']).filter(|end| brace == '{' && after[*end..].starts_with('}'));
        let Some(end) = end else { return Err(Flaw::Lone { at, brace }) };
        let name = after[..end].trim();
        let Some(value) = Placeholder::ALL.into_iter().find(|known| known.name() == name) else {
            return Err(Flaw::Unknown { at, name: name.to_owned() });
        };
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(Part::Value(value));
        rest = &after[end + 1..];
    }
    text.push_str(rest);
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned())
    }

    #[test]
    fn placeholders_stand_between_braces_and_double_braces_are_text() {
        let master = Part::Value(Placeholder::Master);
        let title = Part::Value(Placeholder::TaskTitle);
        assert_eq!(
            parts(IssueTemplate::TITLE),
            Ok(vec![text("[Master #"), master.clone(), text("] "), title])
        );
        assert_eq!(parts("{ master }"), Ok(vec![master.clone()]));
        assert_eq!(parts("a {{master}} }}{{"), Ok(vec![text("a {master} }{")]));
        assert_eq!(parts("{{{master}}}"), Ok(vec![text("{"), master, text("}")]));
        assert_eq!(parts(""), Ok(vec![]));
    }

    #[test]
    fn a_flaw_is_named_with_its_place() {
        let unknown = |at, name: &str| Err(Flaw::Unknown { at, name: name.to_owned() });
        assert_eq!(parts("ü {titel}"), unknown(3, "titel"));
        assert_eq!(parts("{master} {}"), unknown(9, ""));
        for (wrong, at, brace) in [("a {", 2, '{'), ("{a\n}", 0, '{'), ("x } y", 2, '}'), ("{ {a} }", 0, '{')]
        {
            assert_eq!(parts(wrong), Err(Flaw::Lone { at, brace }), "{wrong}");
        }
    }
}
