//! The agent's part of an attempt: its way to its model, its process, what it prints, how it ends.

use super::attempt::Attempt;
use super::commands::{SpecLimits, stop_of, supervise};
use super::halt::{Halt, Staged, outcome, sentence};
use super::options::AgentConfig;
use crate::agents::{AgentEvent, AgentKind, Ending, Exit, Job, ModelAccess, Seen, one_line};
use crate::clock;
use crate::domain::{Failure, FailureKind};
use crate::egress::{Egress, Upstream};
use crate::sandbox::{Ended, Output, Spec, Status, Stream, Tail};
use crate::status_file::{self, Hint};
use crate::workspace::Workspace;
use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};

/// The name of the attempt's private `STATUS_FILE` within its directory.
pub(super) const STATUS_FILE: &str = "status.json";
/// How often that file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The longest note on what an agent does, in characters.
const NOTE: usize = 120;
/// How often that note changes at most.
const NOTE_EVERY: Duration = Duration::from_millis(300);
/// Of an agent without events: so many last lines count as what it said.
const SAID_LINES: usize = 10;

impl Attempt {
    /// What the agent and the repository's commands are started with.
    pub(super) fn job(&self, config: &AgentConfig, workspace: &Workspace) -> Job {
        let paths = &workspace.paths;
        let brief = &self.task.brief;
        Job {
            session: self.record().map_or_else(|| self.task.session.clone(), |record| record.session),
            resume: false,
            model: self.policy.model.clone(),
            prompt: String::new(),
            worktree: paths.worktree.clone(),
            home: paths.home.clone(),
            tmp: paths.tmp.clone(),
            status_file: paths.status_dir.join(STATUS_FILE),
            model_access: None,
            timeout: self.policy.agent_timeout,
            budget_usd: self.budget_left(),
            task: self.held.attempt.task,
            master: brief.master,
            sub_issue: brief.sub_issue,
            branch: workspace.branch.clone(),
            command: config.command.clone(),
            extra_env: config.env.clone(),
        }
    }

    /// US dollars that an agent's process that starts now may use: the control plane tells what the attempt may cost.
    fn budget_left(&self) -> Option<f64> {
        self.policy.task_usd.map(|usd| (usd.dollars() - self.tally.spent().cost_usd).max(0.0))
    }

    /// Opens the agent's way to its model, if it has one.
    pub(super) async fn open_egress(&self, config: &AgentConfig) -> Staged<Option<Egress>> {
        let Some(base_url) = &config.model_base_url else { return Ok(None) };
        let (key_header, key_prefix) = config.kind.key_header();
        let upstream =
            Upstream { base_url: base_url.clone(), key: config.key.clone(), key_header, key_prefix };
        match Egress::open(&upstream).await {
            Ok(egress) => Ok(Some(egress)),
            Err(error) => Err(Halt::give_up(FailureKind::AgentError, sentence(&error))),
        }
    }

    /// Runs the agent to its end. Everything that it printed has been read, and none of its processes is left, when this
    /// returns. `None` when it was to go on with a session that it does not know.
    pub(super) async fn run_agent(
        &self,
        config: &AgentConfig,
        workspace: &Workspace,
        mut job: Job,
        egress: Option<&Egress>,
    ) -> Staged<Option<Seen>> {
        job.model_access = egress.map(|egress| ModelAccess {
            base_url: egress.base_url().to_owned(),
            dummy_key: egress.dummy_key().to_owned(),
        });
        let call = config.kind.invocation(&job);
        let paths = &workspace.paths;
        let spec = Spec {
            args: call.args,
            env: call.env,
            stdin: call.stdin,
            stall: call.stall,
            mounts: workspace.mounts(),
            ..Spec::new(call.program, &paths.worktree, &paths.home, &paths.tmp, self.time_left())
        };
        let limits = SpecLimits { deadline: spec.deadline, stall: spec.stall, limits: spec.limits };
        self.held.stage("agent");
        let how = if job.resume { "resumes" } else { "starts" };
        self.log.event(&format!("{how} {} ({}), session {}", config.name, config.kind, job.session));
        self.tally.next_process();
        self.held.unless_stopped(std::future::ready(())).await?;
        let launched = self.launcher().start(spec).await;
        let process = launched.map_err(|e| Halt::retry(FailureKind::AgentError, sentence(&e)))?;
        let watch = self.shared.memory.watch(&self.held.attempt.run, process.handle());
        self.started(&process.handle()).await?;
        let mut reader = Reader::new(self, config.kind);
        let used = || egress.map_or(0, |egress| egress.usage().input_tokens + egress.usage().output_tokens);
        let beside = async { tokio::join!(self.follow_status_file(&paths.status_dir), self.count(used)).0 };
        let ended = supervise(process, &self.held, |output| reader.take(&output), beside).await;
        self.tally.memory(watch.peak().max(ended.peak_rss_bytes));
        if let Some(egress) = egress {
            egress.close();
            let used = egress.usage();
            self.tally.tokens(used.input_tokens + used.output_tokens);
        }
        let (seen, tail) = reader.end();
        self.tally.agent(&seen);
        self.log.event(&format!(
            "{} ended after {} s: {}",
            config.name,
            ended.duration.as_secs(),
            in_words(&ended)
        ));
        let ending = Ending {
            stop: ended.reason.map(|reason| stop_of(reason, &limits, &self.held)),
            exit: exit_of(ended.status),
        };
        self.stop_check()?;
        if job.resume && config.kind.session_is_gone(&seen) {
            return Ok(None);
        }
        outcome(config.kind.judge_end(&ending, &seen)).map_err(|halt| halt.with_tail(tail))?;
        Ok(Some(seen))
    }

    /// Shows what the agent writes into its status file whenever that changes; a hint for people, and foreign.
    async fn follow_status_file(&self, directory: &Path) -> Infallible {
        let mut last = Hint::default();
        loop {
            clock::sleep(LOOK).await;
            let directory = directory.to_owned();
            let read = tokio::task::spawn_blocking(move || {
                status_file::read_hint(&directory, Path::new(STATUS_FILE))
            });
            // Whatever is wrong with the file is no reason to do anything; the next look may find it better.
            let Ok(Ok(Some(hint))) = read.await else { continue };
            if hint == last {
                continue;
            }
            last = hint.clone();
            let note = match (hint.stage, hint.note) {
                (Some(stage), Some(note)) => Some(format!("{stage}: {note}")),
                (stage, note) => stage.or(note),
            };
            let note = note.map(|note| self.redact(&note));
            self.held.show(|progress| {
                progress.percent = hint.progress.or(progress.percent);
                if let Some(note) = note {
                    progress.note = note;
                }
            });
        }
    }
}

/// Reads what the agent prints. An agent may print a million lines a second: a line costs little here, and secrets are
/// looked for only in what is kept.
struct Reader<'a> {
    attempt: &'a Attempt,
    kind: AgentKind,
    seen: Seen,
    /// The last lines as people read them, not yet redacted.
    tail: Tail,
    noted: Option<Instant>,
}

impl<'a> Reader<'a> {
    fn new(attempt: &'a Attempt, kind: AgentKind) -> Self {
        let tail = Tail::new(Failure::TAIL_LINES);
        Self { attempt, kind, seen: Seen::default(), tail, noted: None }
    }

    fn take(&mut self, output: &Output) {
        if output.stream == Stream::Stderr || !self.kind.speaks_events() {
            self.say(&output.line);
            return self
                .note(|| String::from_utf8_lossy(&output.line[..output.line.len().min(NOTE)]).into_owned());
        }
        if self.attempt.policy.verbose_logging {
            self.attempt.log.line("raw", &output.line);
        }
        let events = self.kind.read_line(&output.line);
        if events.iter().any(|event| matches!(event, AgentEvent::Final(_))) {
            // The last word carries the whole cost. An agent that is paid for is not stopped for it: its work is done.
            self.attempt.held.stage("gather");
        }
        for event in events {
            self.seen.take(&event);
            if matches!(event, AgentEvent::Usage { .. }) {
                self.attempt.tally.agent(&self.seen);
                let cost_usd = self.attempt.tally.spent().cost_usd;
                self.attempt.held.show(|progress| progress.cost_usd = cost_usd);
            }
            if let Some(text) = words(&event) {
                self.say(text.as_bytes());
                self.note(|| text);
            }
        }
    }

    fn say(&mut self, text: &[u8]) {
        self.attempt.log.line("agent", text);
        self.tail.push_text(text);
    }

    /// Shows people what it does; not more often than somebody looks.
    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.noted.is_some_and(|at| clock::since(at) < NOTE_EVERY) {
            return;
        }
        self.noted = Some(clock::instant());
        let note = one_line(&self.attempt.redact(&text()), NOTE);
        self.attempt.held.show(|progress| progress.note = note);
    }

    /// What was seen, and the last lines without secrets.
    fn end(mut self) -> (Seen, Vec<String>) {
        let tail: Vec<String> = self.tail.into_lines().iter().map(|line| self.attempt.redact(line)).collect();
        if !self.kind.speaks_events() {
            self.seen.text = tail[tail.len().saturating_sub(SAID_LINES)..].join("\n");
        }
        (self.seen, tail)
    }
}

/// An event as a line of the log; `None` for one that says nothing to people.
fn words(event: &AgentEvent) -> Option<String> {
    match event {
        AgentEvent::Started { model, .. } => Some(format!("is up, model {}", one_line(model, 80))),
        AgentEvent::Activity { tool, on } => Some(format!("{tool} {on}")),
        AgentEvent::Retry { status: Some(status), attempt } => {
            Some(format!("its model answered {status}; try {attempt} failed"))
        }
        AgentEvent::Retry { status: None, attempt } => {
            Some(format!("its model did not answer; try {attempt} failed"))
        }
        AgentEvent::Text(text) => Some(text.clone()),
        AgentEvent::Usage { .. } | AgentEvent::Final(_) => None,
    }
}

fn exit_of(status: Status) -> Exit {
    match status {
        Status::Exit(code) => Exit::Code(code),
        Status::Signal(n) => Exit::Signal(n),
        Status::NotStarted(why) => Exit::NotStarted(why),
    }
}

fn in_words(ended: &Ended) -> String {
    match ended.reason {
        Some(reason) => format!("{}, stopped: {reason}", ended.status),
        None => ended.status.to_string(),
    }
}
