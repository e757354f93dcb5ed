//! Programs of an attempt other than its agent: the repository's `setup` and `verify` commands.

use super::attempt::Attempt;
use super::halt::{Halt, Staged, sentence};
use super::lease::Held;
use crate::agents::Stop;
use crate::domain::{CommandRun, Failure, FailureKind};
use crate::sandbox::{Ended, Launcher, Output, Process, Spec, Status, StopReason, Tail};
use crate::workspace::Workspace;
use std::collections::BTreeMap;

/// When commands run, and what their failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before the agent.
    Setup,
    /// After it.
    Verify,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Verify => "verify",
        }
    }

    fn failed(self) -> FailureKind {
        match self {
            Self::Setup => FailureKind::BuildError,
            Self::Verify => FailureKind::TestFailure,
        }
    }

    fn late(self) -> FailureKind {
        match self {
            Self::Setup => FailureKind::BuildError,
            Self::Verify => FailureKind::TestTimeout,
        }
    }
}

impl Attempt {
    /// Runs the commands one after the other in the work tree, each with the agent's time limit. The first that
    /// does not end with status 0 in time ends the attempt, with its last lines.
    pub(super) async fn run_commands(
        &self,
        phase: Phase,
        commands: &[String],
        workspace: &Workspace,
        env: &BTreeMap<String, String>,
    ) -> Staged<Vec<CommandRun>> {
        let mut runs = Vec::new();
        for command in commands {
            self.held.stage(phase.as_str());
            self.log.event(&format!("{}: `{command}`", phase.as_str()));
            let (ended, tail) = self.run_command(phase, command, workspace, env).await?;
            let tail: Vec<String> = tail.iter().map(|line| self.redact(line)).collect();
            if let Some((kind, message)) = verdict(phase, command, &ended, &self.held) {
                return Err(Halt::retry(kind, message).with_tail(tail));
            }
            self.stop_check()?;
            runs.push(CommandRun {
                command: command.clone(),
                ok: true,
                seconds: ended.duration.as_secs(),
                tail,
            });
        }
        Ok(runs)
    }

    async fn run_command(
        &self,
        phase: Phase,
        command: &str,
        workspace: &Workspace,
        env: &BTreeMap<String, String>,
    ) -> Staged<(Ended, Vec<String>)> {
        let paths = &workspace.paths;
        let spec = Spec {
            // The command is the repository owner's own shell line, from the default branch.
            args: vec!["-c".to_owned(), command.to_owned()],
            env: env.clone(),
            mounts: workspace.mounts(),
            ..Spec::new("/bin/sh", &paths.worktree, &paths.home, &paths.tmp, self.policy.agent_timeout)
        };
        self.held.unless_stopped(std::future::ready(())).await?;
        let launched = self.launcher().start(spec).await;
        let process = launched.map_err(|e| Halt::retry(phase.failed(), sentence(&e)))?;
        self.started(&process.handle()).await?;
        let mut tail = Tail::new(Failure::TAIL_LINES);
        let each = |output: Output| {
            tail.push(&output.line);
            self.log.line(phase.as_str(), &output.line);
        };
        let ended = supervise(process, &self.held, each, std::future::pending()).await;
        Ok((ended, tail.into_lines()))
    }

    /// Starts what belongs to the attempt: it stands still behind the attempt's fence.
    pub(super) fn launcher(&self) -> Launcher {
        self.shared.options.launcher.under(&self.held.fence)
    }

    /// Whether somebody stopped the attempt.
    pub(super) fn stop_check(&self) -> Staged<()> {
        self.held.stop_reason().map_or(Ok(()), |why| Err(Halt::Stopped(why)))
    }
}

/// Reads a program's output to its end, stops it when the attempt is stopped, and does `beside` meanwhile.
pub(super) async fn supervise(
    mut process: Process,
    held: &Held,
    mut each: impl FnMut(Output),
    beside: impl Future<Output = std::convert::Infallible>,
) -> Ended {
    let handle = process.handle();
    let stop = async {
        match held.stopped().await {
            // Somebody else may begin to work on it soon.
            Stop::LostLease => handle.kill(),
            _ => handle.stop(StopReason::Stopped),
        }
        std::future::pending::<std::convert::Infallible>().await
    };
    let read = async {
        while let Some(output) = process.next_output().await {
            each(output);
            // A program that floods us must not keep this thread from everything else.
            tokio::task::consume_budget().await;
        }
        process.wait().await
    };
    let ended = tokio::select! {
        ended = read => ended,
        never = stop => match never {},
        never = beside => match never {},
    };
    // A shim whose patience is over has killed by itself, while this process was stopped: the attempt has not failed, it was left alone too long.
    if ended.reason == Some(StopReason::Stopped) {
        held.stop(Stop::LostLease);
    }
    ended
}

/// What a command's end means; `None` when it passed, or when the attempt was stopped anyway.
fn verdict(phase: Phase, command: &str, ended: &Ended, held: &Held) -> Option<(FailureKind, String)> {
    if ended.success() || held.stop_reason().is_some() {
        return None;
    }
    Some(match (ended.reason, &ended.status) {
        (Some(StopReason::Deadline), _) => {
            (phase.late(), format!("`{command}` did not end within {} s.", ended.duration.as_secs()))
        }
        (Some(reason), _) => (FailureKind::ResourceError, format!("`{command}` was stopped: {reason}.")),
        (None, Status::Exit(code)) => (phase.failed(), format!("`{command}` ended with exit code {code}.")),
        (None, Status::Signal(n)) => (phase.failed(), format!("`{command}` was killed by signal {n}.")),
        (None, Status::NotStarted(why)) => {
            (phase.failed(), format!("`{command}` could not be started: {why}."))
        }
    })
}

/// The launcher's reason in the agents' vocabulary.
pub(super) fn stop_of(reason: StopReason, spec: &SpecLimits, held: &Held) -> Stop {
    match reason {
        StopReason::Deadline => Stop::Deadline(spec.deadline),
        StopReason::Stalled => Stop::Stalled(spec.stall.unwrap_or_default()),
        StopReason::Stopped => held.stop_reason().unwrap_or(Stop::Shutdown),
        StopReason::OutputLimit => Stop::Output(spec.limits.max_output),
        StopReason::MemoryLimit => Stop::Memory,
        StopReason::ProcessLimit => Stop::Processes(spec.limits.max_processes),
    }
}

/// What a program was allowed, for the words about its end.
pub(super) struct SpecLimits {
    pub(super) deadline: std::time::Duration,
    pub(super) stall: Option<std::time::Duration>,
    pub(super) limits: crate::sandbox::Limits,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::domain::{AttemptId, RunId};
    use crate::sandbox::Fence;
    use std::time::Duration;

    fn held() -> Held {
        let fence = Fence::new(clock::machine() + Duration::from_secs(60), Duration::ZERO);
        Held::new(AttemptId { run: RunId::new("r"), task: 1, attempt: 1 }, 1, fence)
    }

    #[track_caller]
    fn check(phase: Phase, status: Status, reason: Option<StopReason>, want: Option<FailureKind>) {
        let ended = Ended { status, reason, duration: Duration::from_secs(3), peak_rss_bytes: 0 };
        assert_eq!(verdict(phase, "make test", &ended, &held()).map(|(kind, _)| kind), want);
    }

    #[test]
    fn a_commands_end_becomes_the_right_reason() {
        use {FailureKind as K, StopReason as R};
        check(Phase::Verify, Status::Exit(0), None, None);
        check(Phase::Verify, Status::Exit(2), None, Some(K::TestFailure));
        check(Phase::Verify, Status::Signal(9), None, Some(K::TestFailure));
        check(Phase::Verify, Status::Signal(15), Some(R::Deadline), Some(K::TestTimeout));
        check(Phase::Verify, Status::Exit(0), Some(R::Deadline), Some(K::TestTimeout));
        check(Phase::Verify, Status::Signal(9), Some(R::OutputLimit), Some(K::ResourceError));
        check(Phase::Setup, Status::Exit(2), None, Some(K::BuildError));
        check(Phase::Setup, Status::Signal(15), Some(R::Deadline), Some(K::BuildError));
        check(Phase::Setup, Status::NotStarted("no".to_owned()), None, Some(K::BuildError));
    }

    #[test]
    fn a_command_of_a_stopped_attempt_has_no_verdict() {
        let held = held();
        held.stop(Stop::Cancelled);
        let status = Status::Signal(15);
        let ended =
            Ended { status, reason: Some(StopReason::Stopped), duration: Duration::ZERO, peak_rss_bytes: 0 };
        assert_eq!(verdict(Phase::Verify, "x", &ended, &held), None);
    }
}
