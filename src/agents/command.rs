//! Any program as an agent: the prompt on standard input, judged by its exit code and by what it committed.

use super::outcome::{Exit, Outcome};
use super::{Invocation, Job};
use crate::domain::FailureKind;

/// The configured command as it stands. Its model, if one is configured, is told by `MODEL_BASE_URL` and `MODEL_API_KEY`.
pub(super) fn invocation(job: &Job) -> Invocation {
    let (program, args) = job.program("");
    let mut env = job.basic_env();
    if let Some(access) = &job.model_access {
        env.insert("MODEL_BASE_URL".to_owned(), access.base_url.clone());
        env.insert("MODEL_API_KEY".to_owned(), access.dummy_key.clone());
    }
    if !job.model.is_empty() {
        env.insert("MODEL".to_owned(), job.model.clone());
    }
    // Silence says nothing about a program that we do not know: only the deadline ends it.
    Invocation { program, args, env, stdin: job.prompt.clone().into_bytes(), stall: None }
}

/// Exit code 0 is fine; the commits decide the rest.
pub(super) fn judge(exit: &Exit) -> Outcome {
    match exit {
        Exit::Code(0) => Outcome::Ok,
        Exit::Code(code) => {
            Outcome::retry(FailureKind::AgentError, format!("The agent ended with exit code {code}."))
        }
        Exit::Signal(n) => {
            Outcome::retry(FailureKind::AgentError, format!("The agent was killed by signal {n}."))
        }
        Exit::NotStarted(why) => {
            Outcome::give_up(FailureKind::AgentError, format!("The agent could not be started: {why}."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::tests::job;
    use super::super::{AgentKind, Ending, Seen};
    use super::*;

    #[test]
    fn the_environment_is_the_golden_list() {
        let mut job = job();
        job.command = vec!["aider".to_owned(), "--yes".to_owned()];
        let call = AgentKind::Command.invocation(&job);
        assert_eq!((call.program.as_str(), call.args.as_slice()), ("aider", &["--yes".to_owned()][..]));
        assert_eq!(call.stdin, b"Do it.");
        let names: Vec<&str> = call.env.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "AGENT_ID",
                "BRANCH_NAME",
                "HOME",
                "LANG",
                "MASTER_ISSUE",
                "MODEL_API_KEY",
                "MODEL_BASE_URL",
                "PATH",
                "STATUS_FILE",
                "SUB_ISSUE",
                "TIMEOUT",
                "TMPDIR",
                "WORKING_DIR",
            ]
        );
    }

    #[test]
    fn a_command_without_a_model_gets_no_key() {
        let mut job = job();
        job.model_access = None;
        assert!(!AgentKind::Command.invocation(&job).env.contains_key("MODEL_API_KEY"));
    }

    #[test]
    fn exit_codes_decide_until_git_is_asked() {
        let end = |exit| AgentKind::Command.judge_end(&Ending { exit, stop: None }, &Seen::default());
        assert_eq!(end(Exit::Code(0)), Outcome::Ok);
        assert!(matches!(
            end(Exit::Code(3)),
            Outcome::Failed { kind: FailureKind::AgentError, again: true, .. }
        ));
        assert!(matches!(end(Exit::Signal(9)), Outcome::Failed { kind: FailureKind::AgentError, .. }));
        let missing = Exit::NotStarted("no such program: aider".to_owned());
        assert!(matches!(end(missing), Outcome::Failed { kind: FailureKind::AgentError, again: false, .. }));
    }
}
