//! The command grammar: one definition from which the parser, did-you-mean and every help text come.

use super::TaskNumber;
use super::options::{StartOptions, task_list};
use serde::{Deserialize, Serialize};

/// A command that a person gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Start a run.
    Start(StartOptions),
    /// Start the plan that was posted last, exactly as it is.
    Approve,
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
    /// A value as it could be written.
    example: &'static str,
    takes: Takes,
    says: Says,
}

/// How many values a word takes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Takes {
    Nothing,
    One,
    Many,
}

/// What a word means.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// What is to be done; with task numbers, where it takes some.
    Action(fn(Vec<TaskNumber>) -> Command),
    /// How a start is to be done.
    Option(fn(&mut StartOptions, &str) -> Result<(), String>),
}

impl Word {
    const fn action(flag: &'static str, does: &'static str, build: fn(Vec<TaskNumber>) -> Command) -> Self {
        Self { flag, value: "", does, example: "", takes: Takes::Nothing, says: Says::Action(build) }
    }

    const fn option(
        flag: &'static str,
        value: &'static str,
        example: &'static str,
        does: &'static str,
        set: fn(&mut StartOptions, &str) -> Result<(), String>,
    ) -> Self {
        Self { flag, value, does, example, takes: Takes::One, says: Says::Option(set) }
    }

    const fn many(self) -> Self {
        Self { takes: Takes::Many, ..self }
    }

    fn takes_more(&self, have: usize) -> bool {
        match self.takes {
            Takes::Nothing => false,
            Takes::One => have == 0,
            Takes::Many => true,
        }
    }
}

/// The command's own word.
pub const COMMAND: &str = "/orchestrate";

/// The word that starts a posted plan.
const APPROVE: &str = "--approve";

/// The label that starts a run.
pub const TRIGGER_LABEL: &str = "parallel-orchestration";

/// Everything that can be said after [`COMMAND`]. Help lists exactly this.
pub const GRAMMAR: &[Word] = &[
    Word::action(
        "",
        "Read the sub-tasks of this issue, open a sub-issue for each, and let agents work them in parallel.",
        |_| Command::Start(StartOptions::default()),
    ),
    Word {
        takes: Takes::Nothing,
        ..Word::option(
            "--dry-run",
            "",
            "",
            "Say what would be done: the tasks, what waits for what and why. Nothing is started or made.",
            StartOptions::set_dry_run,
        )
    },
    Word::action(
        "--approve",
        "Start exactly the plan that the last `--dry-run` on this issue posted, with its options. If something has changed since, nothing starts: the difference and the new plan are shown.",
        |_| Command::Approve,
    ),
    Word::option(
        "--only",
        "1,3-5",
        "1,3-5",
        "The same for these tasks alone: numbers count the open tasks from the top. One is enough, and one that is in review is worked on again.",
        StartOptions::set_only,
    )
    .many(),
    Word::option(
        "--max-workers",
        "N",
        "3",
        "At most so many agents at once; never more than the repository allows.",
        StartOptions::set_max_workers,
    ),
    Word::option(
        "--timeout",
        "45m",
        "45m",
        "The most that one agent may take, such as `45m` or `1h30m`; never more than the repository allows.",
        StartOptions::set_timeout,
    ),
    Word::option("--agent", "NAME", "claude", "Which of the server's agents works.", StartOptions::set_agent),
    Word::option("--model", "NAME", "NAME", "Which model the agent is asked to use.", StartOptions::set_model),
    Word::option(
        "--budget",
        "20",
        "20",
        "What the run may cost in US dollars, such as `20` or `$20.50`; never more than the repository and the server allow.",
        StartOptions::set_budget,
    ),
    Word {
        takes: Takes::Nothing,
        ..Word::option(
            "--ordered",
            "",
            "",
            "Where tasks depend on others: start each when the pull requests of all that it waits for are merged.",
            StartOptions::set_ordered,
        )
    },
    Word {
        value: "[1,3-5]",
        example: "1,3-5",
        ..Word::action(
            "--retry",
            "Run failed tasks again: on a sub-issue, its follow-up or its pull request that task; on the master issue every failed task, or the ones listed.",
            Command::Retry,
        )
        .many()
    },
    Word::action(
        "--cancel",
        "Stop: on the master issue every agent of the run, on a sub-issue, its follow-up or its pull request that task. Branches, pull requests and state are kept.",
        |_| Command::Cancel,
    ),
    Word::action(
        "--pause",
        "Start no new agents (master issue). Those at work go on, and their results are published.",
        |_| Command::Pause,
    ),
    Word::action("--resume", "Start agents again after `--pause` (master issue).", |_| Command::Resume),
    Word::action("--status", "Say where the run stands, or the one task.", |_| Command::Status),
    Word::action(
        "--explain",
        "Say why it is not running: permission, plan, dependency, capacity, pause, limit or runner.",
        |_| Command::Explain,
    ),
    Word::action("--help", "Show this table.", |_| Command::Help),
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
    let mut said = split(rest)?.into_iter().peekable();
    let (mut action, mut options, mut first_option) =
        (None::<(&Word, Vec<TaskNumber>)>, StartOptions::default(), None);
    while let Some(text) = said.next() {
        let (flag, attached) = match text.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (text.as_str(), None),
        };
        let known = GRAMMAR.iter().find(|w| !w.flag.is_empty() && w.flag == flag.to_lowercase());
        let Some(word) = known else {
            let before = action.as_ref().map(|(word, _)| *word).or(first_option);
            return Err(match before {
                Some(before) if !text.starts_with("--") => stray(&text, before),
                _ if flag.eq_ignore_ascii_case("--release") => Misunderstood {
                    word: text.clone(),
                    why: "has nothing to do: this version holds no commit back, so there is none to release"
                        .to_owned(),
                    nearest: None,
                },
                _ => Misunderstood {
                    word: text.clone(),
                    why: "is not something I know".to_owned(),
                    nearest: nearest(flag),
                },
            });
        };
        let mut values: Vec<String> = attached.into_iter().collect();
        while let Some(value) = said.next_if(|next| word.takes_more(values.len()) && !next.starts_with("--"))
        {
            values.push(value);
        }
        match word.says {
            Says::Action(_) if action.is_some() || first_option.is_some() => {
                let before = action.map(|(word, _)| word).or(first_option).unwrap_or(word);
                return Err(stray(&text, before));
            }
            Says::Action(_) => {
                if let Some(value) = values.first().filter(|_| word.takes == Takes::Nothing) {
                    return Err(stray(value, word));
                }
                let mut numbers = Vec::new();
                for value in values {
                    numbers.extend(task_list(&value).map_err(|why| wrong(word, &value, why))?);
                }
                numbers.sort_unstable();
                numbers.dedup();
                action = Some((word, numbers));
            }
            Says::Option(set) => {
                if let Some((before, _)) = action {
                    return Err(stray(&text, before));
                }
                match (word.takes, values.first()) {
                    (Takes::Nothing, None) => values.push(String::new()),
                    (Takes::Nothing, Some(value)) => return Err(stray(value, word)),
                    (_, None) => return Err(wrong(word, &text, format!("needs a value: `{}`", word.value))),
                    _ => {}
                }
                for value in values {
                    set(&mut options, &value).map_err(|why| wrong(word, &value, why))?;
                }
                first_option = first_option.or(Some(word));
            }
        }
    }
    Ok(match action {
        Some((Word { says: Says::Action(build), .. }, numbers)) => build(numbers),
        _ => Command::Start(options),
    })
}

/// A word that is fine by itself, and not here.
fn stray(text: &str, before: &Word) -> Misunderstood {
    let flag = text.split('=').next().unwrap_or_default().to_lowercase();
    if APPROVE == flag || APPROVE == before.flag {
        let other = if APPROVE == flag { before.flag } else { text };
        return Misunderstood {
            word: other.to_owned(),
            why: format!(
                "does not go together with `{APPROVE}`, which starts a plan exactly as it was posted; its options are those of its `--dry-run`"
            ),
            nearest: Some(format!("{COMMAND} {APPROVE}")),
        };
    }
    Misunderstood {
        word: text.to_owned(),
        why: format!("does not belong after `{}`", before.flag),
        nearest: Some(match before.says {
            Says::Action(_) => format!("{COMMAND} {}", before.flag),
            Says::Option(_) => format!("{COMMAND} {} {}", before.flag, before.example).trim_end().to_owned(),
        }),
    }
}

/// A value that does not fit its word.
fn wrong(word: &Word, value: &str, why: String) -> Misunderstood {
    let nearest = Some(format!("{COMMAND} {} {}", word.flag, word.example));
    Misunderstood { word: value.to_owned(), why, nearest }
}

/// The words of a line; quotes hold together what has spaces.
fn split(rest: &str) -> Result<Vec<String>, Misunderstood> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in rest.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            // Within a word it is an apostrophe.
            (None, '"' | '\'') if word.as_deref().is_none_or(|w: &str| w.ends_with('=')) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if let Some(quote) = quote {
        return Err(Misunderstood {
            word: format!("{quote}{}", word.unwrap_or_default()),
            why: "begins with a quotation mark that is never closed".to_owned(),
            nearest: None,
        });
    }
    words.extend(word);
    Ok(words)
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
    use crate::domain::Usd;
    use std::time::Duration;

    fn check(comment: &str, expected: Option<Result<Command, (&str, Option<&str>)>>) {
        let got = parse(comment).map(|r| r.map_err(|m| (m.word, m.nearest)));
        let expected = expected.map(|r| r.map_err(|(w, n)| (w.to_owned(), n.map(str::to_owned))));
        assert_eq!(got, expected, "{comment:?}");
    }

    #[test]
    fn the_first_non_empty_line_is_the_command() {
        check("/orchestrate", Some(Ok(Command::Start(StartOptions::default()))));
        check("\r\n\n/orchestrate \r\nmore words --retry", Some(Ok(Command::Start(StartOptions::default()))));
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
        check("/orchestrate --Approve ", Some(Ok(Command::Approve)));
    }

    #[test]
    fn options_come_in_any_order_and_as_people_write_them() {
        let full = StartOptions {
            only: vec![1, 3, 4, 5],
            max_workers: Some(3),
            timeout: Some(Duration::from_secs(5400)),
            agent: Some("claude".to_owned()),
            model: Some("sonnet[1m]".to_owned()),
            budget: Usd::read("20.50"),
            ordered: true,
            dry_run: false,
        };
        let again = parse(&full.command());
        assert_eq!(again, Some(Ok(Command::Start(full.clone()))), "it can be said again");
        for line in [
            "--only 1,3-5 --max-workers 3 --timeout 1h30m --agent claude --ordered --model sonnet[1m] --budget 20.5",
            "--model \"sonnet[1m]\" --agent='claude' --Timeout=\"1h 30m\" --MAX-WORKERS=3 --budget=\"20.50 USD\" --ordered --only 5,4 3 1",
            "--only '1, 3-5' --agent claude	--timeout 90m --budget $20.50 --max-workers 3  --model=sonnet[1m] --ordered",
        ] {
            check(&format!("/orchestrate {line}"), Some(Ok(Command::Start(full.clone()))));
        }
    }

    #[test]
    fn options_that_do_not_fit_are_told() {
        let wrong = |said: &str, word: &str, nearest: Option<&str>| {
            check(&format!("/orchestrate {said}"), Some(Err((word, nearest))));
        };
        wrong("--only", "--only", Some("/orchestrate --only 1,3-5"));
        wrong("--only 0", "0", Some("/orchestrate --only 1,3-5"));
        wrong("--max-workers 0", "0", Some("/orchestrate --max-workers 3"));
        wrong("--max-workers lots", "lots", Some("/orchestrate --max-workers 3"));
        wrong("--timeout 45", "45", Some("/orchestrate --timeout 45m"));
        wrong("--timeout 25h", "25h", Some("/orchestrate --timeout 45m"));
        wrong("--timeout --agent x", "--timeout", Some("/orchestrate --timeout 45m"));
        wrong("--model=--dangerously", "--dangerously", Some("/orchestrate --model NAME"));
        wrong("--approve --only 1", "--only", Some("/orchestrate --approve"));
        wrong("--only 1 --approve", "--only", Some("/orchestrate --approve"));
        wrong("--dry-run --approve", "--dry-run", Some("/orchestrate --approve"));
        wrong("--approve 3", "3", Some("/orchestrate --approve"));
        wrong("--release 1234abc", "--release", None);
        wrong("--budget lots", "lots", Some("/orchestrate --budget 20"));
        wrong("--budget -5", "-5", Some("/orchestrate --budget 20"));
        wrong("--budget 20 usd", "usd", Some("/orchestrate --budget 20"));
        wrong("--agnet claude", "--agnet", Some("/orchestrate --agent"));
        wrong("--agent claude please", "please", Some("/orchestrate --agent claude"));
        wrong("--only 2 --retry", "--retry", Some("/orchestrate --only 1,3-5"));
        wrong("--retry 2 --timeout 5m", "--timeout", Some("/orchestrate --retry"));
        wrong("--dry-run=yes", "yes", Some("/orchestrate --dry-run"));
        wrong("--dry-run 1", "1", Some("/orchestrate --dry-run"));
        wrong("--order", "--order", Some("/orchestrate --ordered"));
        wrong("--ordered 2", "2", Some("/orchestrate --ordered"));
        wrong("--cancel=2", "2", Some("/orchestrate --cancel"));
        wrong("--agent \"claude", "\"claude", None);
        wrong("--cancel don't", "don't", Some("/orchestrate --cancel"));
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
            let text = format!("{COMMAND} {} {}", word.flag, word.example);
            assert!(matches!(parse(&text), Some(Ok(_))), "{text}");
        }
    }
}
