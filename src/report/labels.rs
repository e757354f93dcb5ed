//! The labels of sub-issues: names, colours and what they mean.

use crate::domain::IssueTemplate;
use crate::domain::command::TRIGGER_LABEL;

/// The label of sub-issues, besides the trigger label.
const SUB_ISSUE_LABEL: &str = "sub-issue";

/// The colour of a repository's own labels that are not there yet: nobody said one.
const NEUTRAL: &str = "ededed";

/// A label as it is made where it is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// At most 50 characters.
    pub name: String,
    /// Six hexadecimal digits.
    pub color: &'static str,
    /// At most 100 characters.
    pub description: &'static str,
}

/// What sub-issues carry: our own two, then the repository's. GitHub takes names that differ in case only for one.
pub fn labels(template: &IssueTemplate) -> Vec<Label> {
    let label = |name: &str, color, description| Label { name: name.trim().to_owned(), color, description };
    let mut labels = vec![
        label(TRIGGER_LABEL, "5319e7", "Divisi works on the sub-tasks of this issue in parallel"),
        label(SUB_ISSUE_LABEL, "c5def5", "One sub-task of a master issue, opened by Divisi"),
    ];
    for name in &template.labels {
        if !labels.iter().any(|known| known.name.to_lowercase() == name.trim().to_lowercase()) {
            labels.push(label(name, NEUTRAL, "Put on sub-issues by .github/divisi.toml"));
        }
    }
    labels
}
