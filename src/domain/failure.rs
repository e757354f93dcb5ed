//! Why an attempt failed: the closed list of `product.md` section 6, and how each is told to people.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $words:literal;)*) => {
        /// The reason of a failure. The text form is a public contract (status files, metrics).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FailureKind { $($(#[$doc])* $variant,)* }

        impl FailureKind {
            /// Every kind, for tables and tests.
            pub const ALL: &[FailureKind] = &[$(FailureKind::$variant,)*];

            /// The name in status files and metrics, such as `test_failure`.
            pub fn as_str(self) -> &'static str {
                match self { $(FailureKind::$variant => $text,)* }
            }

            /// A short phrase for people, such as `Tests failed`.
            pub fn words(self) -> &'static str {
                match self { $(FailureKind::$variant => $words,)* }
            }

            /// Reads the name back; `None` for a name that is not in the list.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(FailureKind::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// The agent's commits could not be taken over (broken repository, failed object check).
    ImportConflict = "import_conflict", "The agent's commits could not be taken over";
    /// A `verify` command ended with a non-zero status.
    TestFailure = "test_failure", "Verification failed";
    /// A `verify` command did not end in time.
    TestTimeout = "test_timeout", "Verification ran out of time";
    /// A `setup` command failed, so no agent was started.
    BuildError = "build_error", "Setup failed";
    /// The branch could not be pushed because someone else moved it.
    FileConflict = "file_conflict", "The branch was changed by someone else";
    /// The model's API refused (authentication, unknown model, bad request).
    ApiError = "api_error", "The model's API refused";
    /// The attempt's deadline passed.
    Timeout = "timeout", "Out of time";
    /// The agent printed nothing for too long.
    Stalled = "stalled", "The agent stopped responding";
    /// What we were told does not hold (wrong head on GitHub, bad issue, unusable plan).
    ValidationError = "validation_error", "The result did not pass Divisi's checks";
    /// The change touches what it must not touch.
    PolicyViolation = "policy_violation", "The change touches protected files";
    /// Memory, disk, output or process limits.
    ResourceError = "resource_error", "A resource limit was reached";
    /// The spending limit was reached.
    BudgetExceeded = "budget_exceeded", "The budget is used up";
    /// The agent ended without a commit or with an empty diff.
    NoChanges = "no_changes", "The agent made no changes";
    /// The agent failed or could not be started.
    AgentError = "agent_error", "The agent failed";
    /// The provider's rate or usage limit.
    ProviderLimit = "provider_limit", "The model provider's limit was reached";
    /// The runner host went away.
    LostRunner = "lost_runner", "The runner host went away";
    /// A person stopped it.
    Cancelled = "cancelled", "Cancelled";
    /// What it waits for failed or was closed.
    Blocked = "blocked", "Blocked by another task";
    /// Anything else; the message tells.
    Unknown = "unknown", "Unknown reason";
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure as it is stored and shown: kind, one sentence, and the last lines of output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The reason.
    pub kind: FailureKind,
    /// One sentence for people: what happened and why. May hold foreign text: escape it when it is shown.
    pub message: String,
    /// At most the last 40 lines of the output that shows it, already redacted; empty when there is none.
    #[serde(default)]
    pub tail: Vec<String>,
}

impl Failure {
    /// How many last lines of output a failure keeps.
    pub const TAIL_LINES: usize = 40;

    /// A failure without output.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), tail: Vec::new() }
    }

    /// The same failure with the last lines of `output` (at most [`Self::TAIL_LINES`]).
    pub fn with_tail<S: Into<String>>(mut self, output: impl IntoIterator<Item = S>) -> Self {
        let mut tail: Vec<String> = output.into_iter().map(Into::into).collect();
        let cut = tail.len().saturating_sub(Self::TAIL_LINES);
        tail.drain(..cut);
        self.tail = tail;
        self
    }
}

impl fmt::Display for Failure {
    /// `TYPE: message`, the form of the `error` field of a status file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}
