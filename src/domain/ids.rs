//! Names of things. Each id is its own type so that one cannot be passed for another.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a text that is already known to be such an id.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// One run of one master issue: a UUID in simple form (`[0-9a-f]{32}`), unique over all repositories.
    RunId
);
text_id!(
    /// GitHub's `X-GitHub-Delivery`: a GUID that is the same on every redelivery of an event.
    DeliveryId
);
text_id!(
    /// One start of a runner process: a UUID made anew each time, never a host name.
    RunnerId
);
text_id!(
    /// A full commit id in lower-case hexadecimal (40 or 64 digits).
    Sha
);

impl Sha {
    /// Accepts exactly 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (hex && (text.len() == 40 || text.len() == 64)).then(|| Self(text.to_owned()))
    }

    /// The first ten digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}

/// The number of a task in its plan, from 1: the number that `--retry` takes and reports show.
pub type TaskNumber = u32;

/// One agent working on one task: run, task number and attempt number (from 1).
///
/// As text `{run}.{task}.{attempt}`, which is safe in a path and in a URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AttemptId {
    /// The run.
    pub run: RunId,
    /// The task's number in the plan, from 1.
    pub task: TaskNumber,
    /// The attempt's number within the task, from 1.
    pub attempt: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.run, self.task, self.attempt)
    }
}

impl From<AttemptId> for String {
    fn from(id: AttemptId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for AttemptId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = text.split('.');
        let wrong = || format!("`{text}` is not an attempt id: expected RUN.TASK.ATTEMPT");
        let run = parts
            .next()
            .filter(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
            .ok_or_else(wrong)?;
        let task = parts.next().and_then(|t| t.parse().ok()).ok_or_else(wrong)?;
        let attempt = parts.next().and_then(|t| t.parse().ok()).ok_or_else(wrong)?;
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { run: RunId::new(run), task, attempt })
    }
}

/// A repository as GitHub names it today. The id is what stays when it is renamed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Repo {
    /// Database id; never changes.
    pub id: u64,
    /// Owner's login.
    pub owner: String,
    /// Name without the owner.
    pub name: String,
    /// The App's installation that may act in it.
    pub installation: u64,
    /// The default branch as the latest payload told it.
    pub default_branch: String,
}

impl Repo {
    /// `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}
