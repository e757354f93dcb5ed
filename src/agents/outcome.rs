//! How an attempt's agent did, judged by facts: who ended the process, how, and what was committed.

use super::Seen;
use crate::domain::FailureKind;
use std::time::Duration;

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It never ran; the text says why.
    NotStarted(String),
}

/// Why we ended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The attempt's deadline passed.
    Deadline(Duration),
    /// It printed nothing for this long.
    Stalled(Duration),
    /// A person cancelled the task.
    Cancelled,
    /// The lease is another's, or cannot be renewed.
    LostLease,
    /// The runner is shutting down.
    Shutdown,
    /// It printed more than this many bytes.
    Output(u64),
    /// Its processes used more memory than allowed.
    Memory,
    /// It started more processes than this.
    Processes(u32),
}

/// A process's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub exit: Exit,
    /// Why we ended it; `None` when it ended by itself.
    pub stop: Option<Stop>,
}

/// What git shows after the attempt, as imported by the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitFacts {
    /// Commits from the base to the head.
    pub commits: u32,
    /// Number of paths that differ between them.
    pub paths: usize,
}

/// What became of an attempt so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing speaks against it.
    Ok,
    /// It failed.
    Failed {
        /// The reason.
        kind: FailureKind,
        /// One sentence for people; may hold foreign text.
        message: String,
        /// Whether another attempt could end differently without anyone changing anything.
        again: bool,
    },
}

impl Outcome {
    /// A failure after which another attempt makes sense.
    pub(super) fn retry(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Failed { kind, message: message.into(), again: true }
    }

    /// A failure that another attempt would only repeat.
    pub(super) fn give_up(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Failed { kind, message: message.into(), again: false }
    }
}

/// The rules that hold for every agent: a process that we stopped, or that never ran, has failed.
/// `None` when it ran and ended by itself.
pub(super) fn judge_stop(ending: &Ending, seen: &Seen) -> Option<Outcome> {
    use FailureKind as K;
    if let Exit::NotStarted(why) = &ending.exit {
        return Some(Outcome::give_up(K::AgentError, format!("The agent could not be started: {why}.")));
    }
    let waiting = match seen.waiting_for_model {
        Some(Some(status)) => format!(" It was waiting for its model, whose last answer was HTTP {status}."),
        Some(None) => " It was waiting for its model, which did not answer.".to_owned(),
        None => String::new(),
    };
    Some(match ending.stop? {
        Stop::Deadline(limit) => {
            Outcome::retry(K::Timeout, format!("The agent did not finish within {}.{waiting}", words(limit)))
        }
        Stop::Stalled(limit) => {
            Outcome::retry(K::Stalled, format!("The agent printed nothing for {}.{waiting}", words(limit)))
        }
        Stop::Cancelled => Outcome::give_up(K::Cancelled, "A person cancelled it."),
        Stop::LostLease => Outcome::retry(K::LostRunner, "The runner host lost its lease on the attempt."),
        Stop::Shutdown => Outcome::retry(K::LostRunner, "The runner host was shut down."),
        Stop::Output(limit) => Outcome::retry(
            K::ResourceError,
            format!("The agent printed more than {} MiB, the limit.", limit >> 20),
        ),
        Stop::Memory => Outcome::retry(K::ResourceError, "The agent used more memory than it may."),
        Stop::Processes(limit) => {
            Outcome::retry(K::ResourceError, format!("The agent started more than {limit} processes."))
        }
    })
}

/// Judges what was committed by an agent whose end was fine.
pub fn judge_facts(facts: &GitFacts, seen: &Seen) -> Outcome {
    if facts.commits > 0 && facts.paths > 0 {
        return Outcome::Ok;
    }
    let mut message = if facts.commits == 0 {
        "The agent ended without a commit and left no changed file.".to_owned()
    } else {
        "The agent's commits change nothing in the end.".to_owned()
    };
    let denied = seen.last_word.as_ref().map(|word| word.denied.join(", ")).unwrap_or_default();
    if !denied.is_empty() {
        message.push_str(&format!(" It was not allowed to use: {denied}."));
    }
    Outcome::retry(FailureKind::NoChanges, message)
}

/// A duration for people.
fn words(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AgentEvent, AgentKind, FinalWord};
    use super::*;

    fn kind_of(outcome: &Outcome) -> Option<FailureKind> {
        match outcome {
            Outcome::Ok => None,
            Outcome::Failed { kind, .. } => Some(*kind),
        }
    }

    #[test]
    fn a_stopped_agent_has_failed_whatever_it_printed() {
        let mut seen = Seen::default();
        seen.take(&AgentEvent::Final(FinalWord { subtype: "success".to_owned(), ..FinalWord::default() }));
        let stops = [
            (Stop::Deadline(Duration::from_secs(60)), FailureKind::Timeout),
            (Stop::Stalled(Duration::from_secs(330)), FailureKind::Stalled),
            (Stop::Cancelled, FailureKind::Cancelled),
            (Stop::LostLease, FailureKind::LostRunner),
            (Stop::Shutdown, FailureKind::LostRunner),
            (Stop::Output(100 << 20), FailureKind::ResourceError),
            (Stop::Memory, FailureKind::ResourceError),
            (Stop::Processes(2000), FailureKind::ResourceError),
        ];
        for agent in AgentKind::ALL {
            for (stop, kind) in stops {
                let ending = Ending { exit: Exit::Code(0), stop: Some(stop) };
                assert_eq!(kind_of(&agent.judge_end(&ending, &seen)), Some(kind), "{agent} {stop:?}");
            }
        }
    }

    #[test]
    fn a_timeout_says_when_the_provider_was_the_trouble() {
        let mut seen = Seen::default();
        seen.take(&AgentEvent::Retry { status: Some(529), attempt: 2 });
        let ending = Ending { exit: Exit::Signal(15), stop: Some(Stop::Deadline(Duration::from_secs(90))) };
        let Outcome::Failed { message, again, .. } = AgentKind::Claude.judge_end(&ending, &seen) else {
            panic!()
        };
        assert_eq!(
            message,
            "The agent did not finish within 90 s. It was waiting for its model, whose last answer was HTTP 529."
        );
        assert!(again);
    }

    #[test]
    fn success_needs_a_commit_that_changes_something() {
        let seen = Seen::default();
        assert_eq!(judge_facts(&GitFacts { commits: 1, paths: 2 }, &seen), Outcome::Ok);
        for facts in [GitFacts { commits: 0, paths: 0 }, GitFacts { commits: 2, paths: 0 }] {
            assert_eq!(kind_of(&judge_facts(&facts, &seen)), Some(FailureKind::NoChanges));
        }
    }

    #[test]
    fn denied_tools_are_named() {
        let mut seen = Seen::default();
        seen.take(&AgentEvent::Final(FinalWord { denied: vec!["Write".to_owned()], ..FinalWord::default() }));
        let Outcome::Failed { message, .. } = judge_facts(&GitFacts::default(), &seen) else { panic!() };
        assert!(message.ends_with("It was not allowed to use: Write."), "{message}");
    }
}
