//! What a start may be told besides that it is to start: options lower what the repository and the server allow, and never
//! exceed it.

use super::duration::read_duration;
use super::{RunPolicy, TaskNumber, Usd};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest that an attempt may be given.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The longest name of an agent or a model, in characters.
const LONGEST_NAME: usize = 100;

/// The options of one start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartOptions {
    /// Only these tasks, by their numbers among the plan's open ones; empty for all.
    pub only: Vec<TaskNumber>,
    /// At most so many agents at once, from 1 to 100.
    pub max_workers: Option<u32>,
    /// Deadline of each attempt.
    pub timeout: Option<Duration>,
    /// The agent that works.
    pub agent: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// What the run may cost.
    #[serde(default)]
    pub budget: Option<Usd>,
    /// A task starts when all that it waits for is merged.
    #[serde(default)]
    pub ordered: bool,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
}

/// An option that asks for more than the repository allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeds {
    /// The option with its value, as it could have been written.
    pub said: String,
    /// The key that sets the limit, with its value.
    pub limit: String,
    /// Whose limit it is.
    pub of: LimitOf,
}

/// Whose limit an option exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitOf {
    /// The repository's, in its `.github/divisi.toml`.
    Repository,
    /// The server's.
    Server,
}

impl StartOptions {
    /// Takes the options over into a run's rules.
    ///
    /// # Errors
    /// When one exceeds what the repository's file says. A default is nobody's limit.
    pub fn lower(&self, policy: &mut RunPolicy) -> Result<(), Exceeds> {
        if let Some(asked) = self.max_workers {
            if let Some(limit) = policy.max_workers.filter(|limit| asked > *limit) {
                let (said, limit) = (format!("--max-workers {asked}"), format!("max_workers = {limit}"));
                return Err(Exceeds { said, limit, of: LimitOf::Repository });
            }
            policy.max_workers = Some(asked);
        }
        if let Some(asked) = self.timeout {
            if let Some(limit) = policy.timeout_limit.filter(|limit| asked > *limit) {
                let (said, limit) = (minutes(asked), minutes(limit));
                return Err(Exceeds {
                    said: format!("--timeout {said}"),
                    limit: format!("agent_timeout = \"{limit}\""),
                    of: LimitOf::Repository,
                });
            }
            policy.agent_timeout = asked;
        }
        if let Some(asked) = self.budget {
            self.within_budget(policy.run_usd, "budget.run_usd", LimitOf::Repository)?;
            policy.run_usd = Some(asked);
        }
        if let Some(agent) = &self.agent {
            policy.agent.clone_from(agent);
        }
        if let Some(model) = &self.model {
            policy.model.clone_from(model);
        }
        if !self.only.is_empty() {
            // Who names the tasks wants them, however few.
            policy.min_tasks = 1;
        }
        Ok(())
    }

    /// Holds a run's rules to what this server lets a run cost.
    ///
    /// # Errors
    /// When the options ask for more. A repository's file that does is lowered.
    pub fn within_server(&self, policy: &mut RunPolicy, limit: Usd) -> Result<(), Exceeds> {
        self.within_budget(Some(limit), "limits.cost_per_run_usd", LimitOf::Server)?;
        policy.run_usd = Some(policy.run_usd.map_or(limit, |usd| usd.min(limit)));
        Ok(())
    }

    fn within_budget(&self, limit: Option<Usd>, key: &str, of: LimitOf) -> Result<(), Exceeds> {
        match (self.budget, limit) {
            (Some(asked), Some(limit)) if asked > limit => Err(Exceeds {
                said: format!("--budget {}", asked.plain()),
                limit: format!("{key} = {}", limit.plain()),
                of,
            }),
            _ => Ok(()),
        }
    }

    /// The command that starts with the same options.
    pub fn command(&self) -> String {
        let mut text = super::command::COMMAND.to_owned();
        let only: Vec<String> = self.only.iter().map(ToString::to_string).collect();
        let said = [
            ("--only", Some(only.join(",")).filter(|list| !list.is_empty())),
            ("--max-workers", self.max_workers.map(|n| n.to_string())),
            ("--timeout", self.timeout.map(minutes)),
            ("--agent", self.agent.clone()),
            ("--model", self.model.clone()),
            ("--budget", self.budget.map(Usd::plain)),
        ];
        for (flag, value) in said {
            if let Some(value) = value {
                text = format!("{text} {flag} {value}");
            }
        }
        if self.ordered { text + " --ordered" } else { text }
    }

    #[expect(clippy::unnecessary_wraps, reason = "all options are set by the same kind of function")]
    pub(super) fn set_ordered(&mut self, _: &str) -> Result<(), String> {
        self.ordered = true;
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "all options are set by the same kind of function")]
    pub(super) fn set_dry_run(&mut self, _: &str) -> Result<(), String> {
        self.dry_run = true;
        Ok(())
    }

    pub(super) fn set_only(&mut self, text: &str) -> Result<(), String> {
        self.only.extend(task_list(text)?);
        self.only.sort_unstable();
        self.only.dedup();
        Ok(())
    }

    pub(super) fn set_max_workers(&mut self, text: &str) -> Result<(), String> {
        let number = text.parse::<u32>().ok().filter(|n| (1..=100).contains(n));
        self.max_workers = Some(number.ok_or("is not a number of agents from 1 to 100")?);
        Ok(())
    }

    pub(super) fn set_timeout(&mut self, text: &str) -> Result<(), String> {
        let time = read_duration(text).filter(|t| *t >= Duration::from_secs(1) && *t <= DAY);
        self.timeout = Some(time.ok_or("is not a duration from `1s` to `24h`, such as `45m` or `1h30m`")?);
        Ok(())
    }

    pub(super) fn set_agent(&mut self, text: &str) -> Result<(), String> {
        self.agent = Some(name(text).ok_or("is not the name of an agent")?);
        Ok(())
    }

    pub(super) fn set_model(&mut self, text: &str) -> Result<(), String> {
        self.model = Some(name(text).ok_or("is not the name of a model")?);
        Ok(())
    }

    pub(super) fn set_budget(&mut self, text: &str) -> Result<(), String> {
        let budget = Usd::read(text);
        self.budget = Some(
            budget
                .ok_or("is not an amount of US dollars from `0.01` to `1000000`, such as `20` or `$20.50`")?,
        );
        Ok(())
    }
}

/// `1,3-5` as numbers. A range may not be empty, and nothing may be above 100, the most tasks a run can have.
pub(super) fn task_list(text: &str) -> Result<Vec<TaskNumber>, String> {
    let wrong = || "is not a list of task numbers such as `1,3-5`".to_owned();
    let number =
        |t: &str| t.trim().parse::<TaskNumber>().ok().filter(|n| (1..=100).contains(n)).ok_or_else(wrong);
    let mut numbers = Vec::new();
    for part in text.trim_matches(['[', ']']).split(',').filter(|p| !p.trim().is_empty()) {
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

/// A name that is an argument of its own in an agent's command line: never one that could be read as an option there.
fn name(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._:/@[]-".contains(c);
    let good = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= LONGEST_NAME
        && text.chars().all(fits);
    good.then(|| text.to_owned())
}

/// A duration as it could be written: whole hours, minutes or seconds.
fn minutes(time: Duration) -> String {
    match time.as_secs() {
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_lower_what_the_repository_says_and_never_exceed_it() {
        let file = || RunPolicy {
            max_workers: Some(4),
            agent_timeout: Duration::from_secs(1800),
            timeout_limit: Some(Duration::from_secs(1800)),
            ..RunPolicy::default()
        };
        let mut policy = file();
        let lower = StartOptions {
            max_workers: Some(2),
            timeout: Some(Duration::from_secs(60)),
            ..StartOptions::default()
        };
        lower.lower(&mut policy).expect("less is fine");
        assert_eq!((policy.max_workers, policy.agent_timeout), (Some(2), Duration::from_secs(60)));
        let more = StartOptions { max_workers: Some(5), ..StartOptions::default() }.lower(&mut file());
        let exceeds = more.expect_err("more is not");
        assert_eq!((exceeds.said.as_str(), exceeds.limit.as_str()), ("--max-workers 5", "max_workers = 4"));
        let longer = StartOptions { timeout: Some(Duration::from_secs(2700)), ..StartOptions::default() };
        let exceeds = longer.lower(&mut file()).expect_err("longer is not");
        assert_eq!(
            (exceeds.said.as_str(), exceeds.limit.as_str()),
            ("--timeout 45m", "agent_timeout = \"30m\"")
        );
        let mut default = RunPolicy::default();
        longer.lower(&mut default).expect("a default is nobody's limit");
        assert_eq!(default.agent_timeout, Duration::from_secs(2700));
        let mut cheap = RunPolicy { run_usd: Some(Usd::whole(20)), ..RunPolicy::default() };
        let budget = |dollars| StartOptions { budget: Some(Usd::whole(dollars)), ..StartOptions::default() };
        let exceeds = budget(21).lower(&mut cheap).expect_err("dearer is not");
        assert_eq!((exceeds.said.as_str(), exceeds.limit.as_str()), ("--budget 21", "budget.run_usd = 20"));
        budget(20).lower(&mut cheap).expect("as much is fine");
        let exceeds =
            budget(20).within_server(&mut cheap, Usd::whole(10)).expect_err("the server has a limit");
        assert_eq!((exceeds.limit.as_str(), exceeds.of), ("limits.cost_per_run_usd = 10", LimitOf::Server));
        StartOptions::default().within_server(&mut cheap, Usd::whole(10)).expect("nothing was asked for");
        assert_eq!(cheap.run_usd, Some(Usd::whole(10)), "the lowest holds");
        let mut few = RunPolicy::default();
        StartOptions { only: vec![3], ..StartOptions::default() }.lower(&mut few).expect("one is enough");
        assert_eq!(few.min_tasks, 1);
    }

    #[test]
    fn a_name_is_never_an_option_of_the_agent() {
        for good in ["claude-opus-4-5", "openai/gpt-5", "sonnet[1m]", "a:b@c"] {
            assert_eq!(name(good).as_deref(), Some(good));
        }
        for bad in ["", "-p", "--dangerously", "a b", "a\"b", "a`b", "ä", &"a".repeat(101)] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }
}
