//! Coding agents, one file each: how one is started, what the lines that it prints mean, and how its end is judged.
//!
//! Everything here is data in, data out: a [`Job`] becomes an [`Invocation`], a line becomes [`AgentEvent`]s, an
//! [`Ending`] with what was [`Seen`] becomes an [`Outcome`]. Somebody else starts processes.

mod claude;
mod command;
mod event;
mod job;
mod outcome;
pub mod prompt;
mod sanitise;

pub use event::{AgentEvent, FinalWord, Seen};
pub use job::{Invocation, Job, ModelAccess};
pub use outcome::{Ending, Exit, GitFacts, Outcome, Stop, judge_facts};
pub use sanitise::{one_line, sanitise};

use std::fmt;

/// Which program an agent is, and so which flags, output format and rules hold for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentKind {
    /// Claude Code (flags and output as measured with 2.1.197).
    Claude,
    /// Any other program: the prompt on standard input, judged by its exit code and by what it committed.
    Command,
}

impl AgentKind {
    /// Every kind.
    pub const ALL: &[AgentKind] = &[Self::Claude, Self::Command];

    /// The name in the configuration (`kind = "command"`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Command => "command",
        }
    }

    /// Reads the name back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }

    /// The header in which the model's server expects the key, and what stands before the key in it.
    pub fn key_header(self) -> (&'static str, &'static str) {
        match self {
            Self::Claude => ("x-api-key", ""),
            Self::Command => ("authorization", "Bearer "),
        }
    }

    /// The files of a repository that hold its guide for this agent, the first that exists is the one.
    pub fn guides(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &["CLAUDE.md", "AGENTS.md"],
            Self::Command => &["AGENTS.md", "CLAUDE.md"],
        }
    }

    /// What to start for this job.
    pub fn invocation(self, job: &Job) -> Invocation {
        match self {
            Self::Claude => claude::invocation(job),
            Self::Command => command::invocation(job),
        }
    }

    /// Whether an interrupted process can be gone on with, in the same work tree and home.
    pub fn resumes(self) -> bool {
        match self {
            Self::Claude => true,
            Self::Command => false,
        }
    }

    /// Whether a resumed process ended because it does not know the session: it did nothing, and a fresh start may.
    pub fn session_is_gone(self, seen: &Seen) -> bool {
        match self {
            Self::Claude => claude::session_is_gone(seen),
            Self::Command => false,
        }
    }

    /// Whether its standard output is a stream of events; otherwise its lines are for people.
    pub fn speaks_events(self) -> bool {
        match self {
            Self::Claude => true,
            Self::Command => false,
        }
    }

    /// What one line of the agent's standard output means; nothing for a line that says nothing to us.
    /// Lines are foreign: anything that cannot be read is ignored.
    pub fn read_line(self, line: &[u8]) -> Vec<AgentEvent> {
        match self {
            Self::Claude => claude::read_line(line),
            Self::Command => Vec::new(),
        }
    }

    /// What the end of the process means, before anyone looked at its commits (see [`judge_facts`] for those).
    /// A program that we stopped has failed, whatever it printed.
    pub fn judge_end(self, ending: &Ending, seen: &Seen) -> Outcome {
        outcome::judge_stop(ending, seen).unwrap_or_else(|| match self {
            Self::Claude => claude::judge(&ending.exit, seen),
            Self::Command => command::judge(&ending.exit),
        })
    }
}

impl fmt::Display for AgentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
