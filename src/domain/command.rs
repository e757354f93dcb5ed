//! The command grammar: one definition from which the parser, did-you-mean and every help text come.

use super::TaskNumber;
use serde::{Deserialize, Serialize};

/// A command that a person gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Start a run.
    Start,
    /// Run failed tasks again: these, or (without a list) the one that the issue stands for, or all.
    Retry(Vec<TaskNumber>),
    /// Stop every agent of the run, or of the one task that the issue stands for.
    Cancel,
    /// Start no new agents.
    Pause,
    /// Go on after [`Command::Pause`].
    Resume,
    /// Say where the run or the task stands.
    Status,
    /// Say why it is not running.
    Explain,
    /// Say what can be said.
    Help,
}

/// One word of the grammar.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// How it is written, such as `--retry`; empty for the bare command.
    pub flag: &'static str,
    /// What may follow it; empty for nothing.
    pub value: &'static str,
    /// What it does, for people.
    pub does: &'static str,
    build: fn(Vec<TaskNumber>) -> Command,
}

/// The command's own word.
pub const COMMAND: &str = "/orchestrate";

/// The label that starts a run.
pub const TRIGGER_LABEL: &str = "parallel-orchestration";

/// Everything that can be said after [`COMMAND`]. Help lists exactly this.
pub const GRAMMAR: &[Word] = &[
    Word {
        flag: "",
        value: "",
        does: "Read the sub-tasks of this issue, open a sub-issue for each, and let agents work them in parallel.",
        build: |_| Command::Start,
    },
    Word {
        flag: "--retry",
        value: "[1,3-5]",
        does: "Run failed tasks again: on a sub-issue, its follow-up or its pull request that task; on the master issue every failed task, or the ones listed.",
        build: Command::Retry,
    },
    Word {
        flag: "--cancel",
        value: "",
        does: "Stop: on the master issue every agent of the run, on a sub-issue, its follow-up or its pull request that task. Branches, pull requests and state are kept.",
        build: |_| Command::Cancel,
    },
    Word {
        flag: "--pause",
        value: "",
        does: "Start no new agents (master issue). Those at work go on, and their results are published.",
        build: |_| Command::Pause,
    },
    Word {
        flag: "--resume",
        value: "",
        does: "Start agents again after `--pause` (master issue).",
        build: |_| Command::Resume,
    },
    Word {
        flag: "--status",
        value: "",
        does: "Say where the run stands, or the one task.",
        build: |_| Command::Status,
    },
    Word {
        flag: "--explain",
        value: "",
        does: "Say why it is not running: permission, plan, dependency, capacity, pause, limit or runner.",
        build: |_| Command::Explain,
    },
    Word { flag: "--help", value: "", does: "Show this table.", build: |_| Command::Help },
];

/// A command line that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misunderstood {
    /// The word, as written (foreign text).
    pub word: String,
    /// What is wrong with it.
    pub why: String,
    /// The nearest thing that can be said, if one is near.
    pub nearest: Option<String>,
}

/// The command in a comment: the first non-empty line, if it is `/orchestrate` followed by a space or the
/// line's end. `None` when the comment is no command. Later lines are not read.
pub fn parse(comment: &str) -> Option<Result<Command, Misunderstood>> {
    let line = comment.lines().map(str::trim_end).find(|l| !l.trim().is_empty())?;
    // Four spaces or a tab in front make it a code block; GitHub allows up to three spaces before text.
    let text = line.trim_start_matches(' ');
    if line.len() - text.len() > 3 {
        return None;
    }
    let rest = text.strip_prefix(COMMAND)?;
    if !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    Some(words(rest))
}

fn words(rest: &str) -> Result<Command, Misunderstood> {
    let mut said: Vec<&str> = rest.split_whitespace().collect();
    if said.is_empty() {
        return Ok(Command::Start);
    }
    let first = said.remove(0);
    let (flag, attached) = match first.split_once('=') {
        Some((flag, value)) => (flag, Some(value)),
        None => (first, None),
    };
    let word =
        GRAMMAR.iter().find(|w| !w.flag.is_empty() && w.flag == flag.to_lowercase()).ok_or_else(|| {
            Misunderstood {
                word: first.to_owned(),
                why: "is not something I know".to_owned(),
                nearest: nearest(flag),
            }
        })?;
    let values: Vec<&str> = attached.into_iter().chain(said).collect();
    if word.value.is_empty() {
        return match values.first() {
            None => Ok((word.build)(Vec::new())),
            Some(extra) => Err(Misunderstood {
                word: (*extra).to_owned(),
                why: format!("does not belong after `{}`", word.flag),
                nearest: Some(format!("{COMMAND} {}", word.flag)),
            }),
        };
    }
    let mut numbers = Vec::new();
    for value in values {
        numbers.extend(task_list(value).map_err(|why| Misunderstood {
            word: value.to_owned(),
            why,
            nearest: Some(format!("{COMMAND} {} 1,3-5", word.flag)),
        })?);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok((word.build)(numbers))
}

/// `1,3-5` as numbers. A range may not be empty, and nothing may be above 100, the most tasks a run can have.
fn task_list(text: &str) -> Result<Vec<TaskNumber>, String> {
    let wrong = || "is not a list of task numbers such as `1,3-5`".to_owned();
    let number = |t: &str| t.parse::<TaskNumber>().ok().filter(|n| (1..=100).contains(n)).ok_or_else(wrong);
    let mut numbers = Vec::new();
    for part in text.trim_matches(['[', ']']).split(',').filter(|p| !p.is_empty()) {
        match part.split_once('-') {
            None => numbers.push(number(part)?),
            Some((from, to)) => {
                let (from, to) = (number(from)?, number(to)?);
                if from > to {
                    return Err(format!("is a range that runs backwards: {from} to {to}"));
                }
                numbers.extend(from..=to);
            }
        }
    }
    if numbers.is_empty() { Err(wrong()) } else { Ok(numbers) }
}

/// The nearest command within three edits (or half of the word), as it would be written.
fn nearest(word: &str) -> Option<String> {
    let word = word.to_lowercase();
    let said = word.trim_start_matches('-');
    GRAMMAR
        .iter()
        .filter(|w| !w.flag.is_empty())
        .map(|w| (strsim::damerau_levenshtein(said, w.flag.trim_start_matches('-')), w))
        .filter(|(distance, w)| *distance <= 3.min(w.flag.len() / 2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, w)| format!("{COMMAND} {}", w.flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(comment: &str, expected: Option<Result<Command, (&str, Option<&str>)>>) {
        let got = parse(comment).map(|r| r.map_err(|m| (m.word, m.nearest)));
        let expected = expected.map(|r| r.map_err(|(w, n)| (w.to_owned(), n.map(str::to_owned))));
        assert_eq!(got, expected, "{comment:?}");
    }

    #[test]
    fn the_first_non_empty_line_is_the_command() {
        check("/orchestrate", Some(Ok(Command::Start)));
        check("\r\n\n/orchestrate \r\nmore words --retry", Some(Ok(Command::Start)));
        check("   /orchestrate --help", Some(Ok(Command::Help)));
        check("/orchestrate --retry", Some(Ok(Command::Retry(vec![]))));
        check("/orchestrate --RETRY 3,1-2 2", Some(Ok(Command::Retry(vec![1, 2, 3]))));
        check("/orchestrate --retry [1,3-5]", Some(Ok(Command::Retry(vec![1, 3, 4, 5]))));
        check("/orchestrate --retry=4", Some(Ok(Command::Retry(vec![4]))));
        check("/orchestrate --cancel\nit goes wrong", Some(Ok(Command::Cancel)));
        check("/orchestrate --Pause", Some(Ok(Command::Pause)));
        check("/orchestrate --resume ", Some(Ok(Command::Resume)));
        check("/orchestrate --status", Some(Ok(Command::Status)));
        check("/orchestrate --explain", Some(Ok(Command::Explain)));
    }

    #[test]
    fn other_text_is_no_command() {
        for text in [
            "",
            "please /orchestrate",
            "> /orchestrate",
            "`/orchestrate`",
            "    /orchestrate",
            "\t/orchestrate",
            "/orchestrated",
            "/orchestrate-all",
            "hello\n/orchestrate",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn unknown_words_get_the_nearest_command() {
        check("/orchestrate --rety", Some(Err(("--rety", Some("/orchestrate --retry")))));
        check("/orchestrate retry", Some(Err(("retry", Some("/orchestrate --retry")))));
        check("/orchestrate help", Some(Err(("help", Some("/orchestrate --help")))));
        check("/orchestrate --frobnicate", Some(Err(("--frobnicate", None))));
        check("/orchestrate --cancle", Some(Err(("--cancle", Some("/orchestrate --cancel")))));
        check("/orchestrate --stauts", Some(Err(("--stauts", Some("/orchestrate --status")))));
        check("/orchestrate --cancel 2", Some(Err(("2", Some("/orchestrate --cancel")))));
        check("/orchestrate --pause --resume", Some(Err(("--resume", Some("/orchestrate --pause")))));
        check("/orchestrate --help me", Some(Err(("me", Some("/orchestrate --help")))));
        check("/orchestrate --retry 5-3", Some(Err(("5-3", Some("/orchestrate --retry 1,3-5")))));
        check("/orchestrate --retry 0", Some(Err(("0", Some("/orchestrate --retry 1,3-5")))));
        check(
            "/orchestrate --retry 1-99999999999",
            Some(Err(("1-99999999999", Some("/orchestrate --retry 1,3-5")))),
        );
    }

    #[test]
    fn every_word_of_the_grammar_is_understood() {
        for word in GRAMMAR {
            assert!(matches!(parse(&format!("{COMMAND} {}", word.flag)), Some(Ok(_))), "{}", word.flag);
        }
    }
}
