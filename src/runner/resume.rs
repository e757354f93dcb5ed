//! Where an attempt begins: at its start, or where an earlier life of this host was cut off.

use super::attempt::Attempt;
use super::halt::{Halt, Staged, sentence};
use super::record::{Record, Said, Stage};
use crate::agents::AgentKind;
use crate::clock;
use crate::dispatch::wire;
use crate::domain::{CommandRun, FailureKind, Sha};
use crate::sandbox::Handle;
use crate::workspace::{self, AttemptPaths, Imported, Mirror, Workspace};
use std::time::Duration;

/// How often what the agent uses is written down while it runs.
const COUNT: Duration = Duration::from_secs(2);
/// A resumed agent gets at least this much of its time limit.
const LEAST_TIME: Duration = Duration::from_secs(60);

/// What is the first thing to do.
pub(super) enum Point {
    /// Everything, in a new work tree.
    Start,
    /// The agent goes on with its session.
    Agent,
    /// The agent is done.
    Gather(Said),
    /// Its commits are in the mirror.
    Verify(Said, Sha),
    /// They are verified.
    Push(Said, Sha, Vec<CommandRun>),
    /// The branch is pushed.
    Report(wire::Pushed),
}

impl Attempt {
    /// Where to begin, by what an earlier life wrote down. What does not fit, or is not whole, is begun anew.
    pub(super) fn point(&self, kind: AgentKind) -> Point {
        let Some(record) = self.record() else { return Point::Start };
        if let Stage::Pushed(pushed) = record.stage {
            return Point::Report(pushed);
        }
        let same = record.branch == self.task.branch && record.base == self.task.base_sha;
        if !same || !AttemptPaths::under(self.shared.home.attempt(&record.dir)).is_whole() {
            return Point::Start;
        }
        match record.stage {
            Stage::Agent if kind.resumes() => Point::Agent,
            Stage::Worked(said) => Point::Gather(said),
            Stage::Imported { said, head } => Point::Verify(said, head),
            Stage::Verified { said, head, verify } => Point::Push(said, head, verify),
            Stage::Begun | Stage::Agent | Stage::Pushed(_) | Stage::Ended(_) => Point::Start,
        }
    }

    /// A new place. What an earlier life of the attempt had is given up: it goes now, or with the next sweep.
    pub(super) async fn begin(&self, mirror: &Mirror) -> Staged<Workspace> {
        let home = &self.shared.home;
        let earlier = self.record();
        let mut record = self.first_record();
        // A second start under one epoch is one whose agent did not know its session.
        if std::fs::symlink_metadata(home.attempt(&record.dir)).is_ok() {
            record.dir = format!("{}-{}", record.dir, clock::secret_hex(4));
            record.session = clock::uuid();
        }
        let paths = AttemptPaths::under(home.attempt(&record.dir));
        self.write(record).await?;
        if let Some(earlier) = earlier
            && home.attempt(&earlier.dir) != paths.root
        {
            home.remove(&earlier.dir).await;
        }
        self.check_out(mirror, paths).await
    }

    /// Writes the attempt down, unless an earlier life did: from now on it counts as begun.
    pub(super) async fn enlist(&self) -> Staged<()> {
        if self.record().is_some() { Ok(()) } else { self.write(self.first_record()).await }
    }

    fn first_record(&self) -> Record {
        Record {
            attempt: self.held.attempt.clone(),
            repo: self.task.repo.id,
            dir: format!("{}-{}", self.held.attempt, self.held.epoch),
            branch: self.task.branch.clone(),
            base: self.task.base_sha.clone(),
            session: self.task.session.clone(),
            stage: Stage::Begun,
            spent: self.tally.spent(),
            agent_seconds: 0.0,
            shims: Vec::new(),
        }
    }

    /// The place of the earlier life; `None` when it cannot be used after all.
    pub(super) async fn come_back(&self, mirror: &Mirror) -> Staged<Option<Workspace>> {
        let Some(record) = self.record() else { return Ok(None) };
        self.held.stage("resume");
        let paths = AttemptPaths::under(self.shared.home.attempt(&record.dir));
        let workspace = Workspace::known(mirror, paths, record.branch, record.base);
        let options = &self.shared.options;
        let unlocked = workspace::unlock(&options.launcher, &options.git, &workspace);
        match self.held.unless_stopped(unlocked).await? {
            Ok(()) => Ok(Some(workspace)),
            Err(error) => {
                self.log.event(&format!("the work tree of before cannot be used: {error}"));
                Ok(None)
            }
        }
    }

    /// What an earlier life took into the mirror, if that is still there and still allowed.
    pub(super) async fn look_again(&self, mirror: &Mirror, head: &Sha) -> Staged<Option<Imported>> {
        let attempt = &self.held.attempt;
        let seen = workspace::inspect(mirror, &attempt.run, attempt.task, &self.task.base_sha);
        match self.held.unless_stopped(seen).await? {
            Ok(imported) if imported.head == *head => {
                self.allowed(&imported)?;
                Ok(Some(imported))
            }
            _ => Ok(None),
        }
    }

    /// What is written down about the attempt.
    pub(super) fn record(&self) -> Option<Record> {
        self.shared.home.journal.get(&self.held.attempt)
    }

    /// Writes down how far it came.
    pub(super) async fn reached(&self, stage: Stage) -> Staged<()> {
        self.change(|record| record.stage = stage).await
    }

    /// Writes down which process holds the running program together.
    pub(super) async fn started(&self, process: &Handle) -> Staged<()> {
        let shims: Vec<_> = process.identity().into_iter().collect();
        self.change(|record| record.shims = shims).await
    }

    /// Writes down what the running agent uses, for a life that ends without a word.
    pub(super) async fn count(&self, tokens: impl Fn() -> u64) -> std::convert::Infallible {
        let mut last = clock::instant();
        loop {
            clock::sleep(COUNT).await;
            self.tally.tokens(tokens());
            let ran = clock::since(std::mem::replace(&mut last, clock::instant())).as_secs_f64();
            // The next one may be written; until then a little too little is known.
            let _ = self.change(|record| record.agent_seconds += ran).await;
        }
    }

    /// How long the agent may yet run.
    pub(super) fn time_left(&self) -> Duration {
        let limit = self.policy.agent_timeout;
        let ran = self.record().map_or(0.0, |record| record.agent_seconds);
        let ran = Duration::try_from_secs_f64(ran).unwrap_or_default();
        limit.saturating_sub(ran).max(limit.min(LEAST_TIME))
    }

    async fn change(&self, change: impl FnOnce(&mut Record)) -> Staged<()> {
        let Some(mut record) = self.record() else { return Ok(()) };
        change(&mut record);
        record.spent = self.tally.spent();
        self.write(record).await
    }

    async fn write(&self, record: Record) -> Staged<()> {
        let shared = self.shared.clone();
        let written = tokio::task::spawn_blocking(move || shared.home.journal.put(record)).await;
        let error = match written {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => sentence(&error),
            Err(error) => sentence(&error),
        };
        let text = format!("The attempt's record could not be written: {error}");
        Err(Halt::retry(FailureKind::ResourceError, text))
    }
}
