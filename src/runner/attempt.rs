//! One attempt from its claim to its facts. Whatever happens in between, its processes end, its directories go, and the
//! control plane is told, unless the attempt is another's by then.

use super::commands::Phase;
use super::halt::{Halt, Staged};
use super::lease::Held;
use super::log::AttemptLog;
use super::options::AgentConfig;
use super::record::{Said, Stage};
use super::resume::Point;
use super::service::Shared;
use super::tally::Tally;
use crate::agents::{Job, Stop, one_line, prompt};
use crate::clock;
use crate::dispatch::{CallError, until_answered, wire};
use crate::domain::{Failure, FailureKind, RunPolicy};
use crate::workspace::Mirror;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long the end of a log may take to upload before the facts are told without it.
const LOG_LIMIT: Duration = Duration::from_secs(10);
/// The same for one that is handed back: the process ends soon.
const LAST_LINES: Duration = Duration::from_secs(1);
/// How long handing back may take.
const HAND_BACK: Duration = Duration::from_secs(2);
/// Longest failure message, in characters.
const MAX_MESSAGE: usize = 1_000;

/// The sandbox tier of attempts: the launcher holds their processes together and puts no walls around them.
pub const TIER: &str = "unsafe-none";

/// What an attempt's stages share.
pub(super) struct Attempt {
    pub(super) shared: Arc<Shared>,
    pub(super) held: Arc<Held>,
    pub(super) task: wire::Assignment,
    pub(super) policy: RunPolicy,
    pub(super) log: AttemptLog,
    pub(super) tally: Arc<Tally>,
    /// Tokens that are to be redacted while the attempt lives.
    pub(super) secrets: Mutex<Vec<String>>,
}

/// Carries out one attempt, from its start or from where an earlier life of this host was cut off, and tells its end. An
/// attempt that is cut off by this process's own end is handed back, and everything that it needs to go on stays.
pub(super) async fn carry_out(shared: Arc<Shared>, held: Arc<Held>, task: wire::Assignment) {
    let record = shared.home.journal.get(&held.attempt);
    let log = AttemptLog::new(held.attempt.task, shared.options.redact.clone());
    let tally = Arc::new(Tally::after(record.as_ref().map(|r| r.spent).unwrap_or_default()));
    let again = record.is_some();
    tracing::info!(attempt = %held.attempt, epoch = held.epoch, agent = task.agent, branch = task.branch, again, "An attempt begins.");
    let end = match record.map(|record| record.stage) {
        // It is over; only nobody heard of it.
        Some(Stage::Ended(end)) => Some(end),
        _ => {
            let over = CancellationToken::new();
            let work = async {
                let result =
                    apart(stages(shared.clone(), held.clone(), task, log.clone(), tally.clone())).await;
                over.cancel();
                result
            };
            let (result, ()) = tokio::join!(work, log.upload(&shared.client, &held, &over));
            end_of(result, &held, &shared)
        }
    };
    match &end {
        Some(wire::End::Pushed(pushed)) => {
            tracing::info!(attempt = %held.attempt, head = %pushed.head, "An attempt was pushed.");
        }
        Some(wire::End::Failed { failure, .. }) => {
            tracing::info!(attempt = %held.attempt, kind = %failure.kind, message = failure.message, "An attempt failed.");
            log.event(&format!("attempt {} failed: {failure}", held.attempt.attempt));
        }
        None => {
            tracing::info!(attempt = %held.attempt, why = ?held.stop_reason(), "An attempt was given up.")
        }
    }
    match end {
        Some(end) => finish(&shared, &held, &log, &tally, end).await,
        None if held.stop_reason() == Some(Stop::Shutdown) => hand_back(&shared, &held, &log, &tally).await,
        None => shared.home.clear(&shared.git, &held.attempt, false).await,
    }
}

/// Tells an attempt's end, and removes everything that it had.
async fn finish(shared: &Arc<Shared>, held: &Arc<Held>, log: &AttemptLog, tally: &Tally, end: wire::End) {
    let pushed = matches!(end, wire::End::Pushed(_));
    shared.home.note(&held.attempt, tally.spent(), Some(Stage::Ended(end.clone()))).await;
    held.stage("report");
    if let Some(record) = shared.home.journal.get(&held.attempt) {
        shared.home.remove(&record.dir).await;
    }
    log.flush(&shared.client, held, LOG_LIMIT).await;
    if tell(shared, held, facts(end, tally)).await {
        shared.home.clear(&shared.git, &held.attempt, pushed).await;
    } else {
        release(shared, held, tally).await;
    }
}

/// Hands an attempt back that this process's end has cut off. A lost answer does no harm: the next life says that nothing of
/// this one is alive.
async fn hand_back(shared: &Arc<Shared>, held: &Arc<Held>, log: &AttemptLog, tally: &Tally) {
    log.event("was cut off by the runner's end; it goes on when the runner is back");
    shared.home.note(&held.attempt, tally.spent(), None).await;
    log.flush(&shared.client, held, LAST_LINES).await;
    release(shared, held, tally).await;
}

async fn release(shared: &Shared, held: &Held, tally: &Tally) {
    let spent = tally.spent();
    let release = until_answered(|| shared.client.release(&held.attempt, held.epoch, spent));
    if clock::within(HAND_BACK, release).await.is_none() {
        tracing::warn!(attempt = %held.attempt, "An attempt could not be handed back; the next start of this host does it.");
    }
}

/// Runs the stages in a task of their own, so that a mistake of ours ends this attempt and nothing else. Dropped with
/// this, they end too.
async fn apart(stages: impl Future<Output = Staged<wire::Pushed>> + Send + 'static) -> Staged<wire::Pushed> {
    let mut task = JoinSet::new();
    task.spawn(stages);
    match task.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(error)) => {
            Err(Halt::give_up(FailureKind::Unknown, format!("The runner failed inside: {error}.")))
        }
        None => Err(Halt::give_up(FailureKind::Unknown, "The runner failed inside.")),
    }
}

async fn stages(
    shared: Arc<Shared>,
    held: Arc<Held>,
    task: wire::Assignment,
    log: AttemptLog,
    tally: Arc<Tally>,
) -> Staged<wire::Pushed> {
    held.stage("policy");
    let ask = until_answered(|| shared.client.policy(&held.attempt, held.epoch));
    let policy = held.unless_stopped(ask).await??.policy;
    let attempt = Attempt { shared, held, task, policy, log, tally, secrets: Mutex::default() };
    attempt.go().await
}

impl Attempt {
    async fn go(&self) -> Staged<wire::Pushed> {
        let config = self.shared.agent(&self.task.agent).ok_or_else(|| {
            let message =
                format!("No agent named `{}` can run on this host.", one_line(&self.task.agent, 60));
            Halt::give_up(FailureKind::AgentError, message)
        })?;
        self.enlist().await?;
        let attempt = &self.held.attempt;
        let point = self.point(config.kind);
        match &point {
            Point::Start => {
                self.log.event(&format!("attempt {} begins on `{}`", attempt.attempt, self.task.branch))
            }
            _ => self.log.event(&format!("attempt {} goes on where it was cut off", attempt.attempt)),
        }
        let point = match point {
            Point::Report(pushed) => return Ok(pushed),
            other => other,
        };
        let mirror = self.mirror().await?;
        self.go_from(point, config, &mirror).await
    }

    async fn go_from(&self, point: Point, config: &AgentConfig, mirror: &Mirror) -> Staged<wire::Pushed> {
        let (fresh, workspace) = match point {
            Point::Start => (true, self.begin(mirror).await?),
            _ => match self.come_back(mirror).await? {
                Some(workspace) => (false, workspace),
                None => return Box::pin(self.go_from(Point::Start, config, mirror)).await,
            },
        };
        let job = self.job(config, &workspace);
        // The operator's variables for the agent are there for `setup` and `verify` too, the way to its model is not.
        let env = job.basic_env();
        let (seen, imported, verified) = match point {
            Point::Start | Point::Agent | Point::Report(_) => {
                let guide = self.held.unless_stopped(self.guide(mirror, config.kind)).await?;
                if fresh {
                    self.run_commands(Phase::Setup, &self.policy.setup, &workspace, &env).await?;
                }
                let prompt = if fresh { self.prompt(guide.as_ref()) } else { prompt::resume() };
                let job = Job { prompt, resume: !fresh, ..job };
                self.reached(Stage::Agent).await?;
                let egress = self.open_egress(config).await?;
                let Some(seen) = self.run_agent(config, &workspace, job, egress.as_ref()).await? else {
                    self.log.event("the agent does not know its session any more; it starts afresh");
                    return Box::pin(self.go_from(Point::Start, config, mirror)).await;
                };
                drop(egress);
                self.reached(Stage::Worked(Said::of(&seen))).await?;
                (seen, None, None)
            }
            Point::Gather(said) => (said.seen(), None, None),
            Point::Verify(said, head) => (said.seen(), self.look_again(mirror, &head).await?, None),
            Point::Push(said, head, verify) => {
                let imported = self.look_again(mirror, &head).await?;
                let verified = imported.is_some().then_some(verify);
                (said.seen(), imported, verified)
            }
        };
        let imported = match imported {
            Some(imported) => imported,
            None => self.take_over(mirror, &workspace, &seen).await?,
        };
        let (said, head) = (Said::of(&seen), imported.head.clone());
        let verify = match verified {
            Some(verify) => verify,
            None => {
                self.reached(Stage::Imported { said: said.clone(), head: head.clone() }).await?;
                self.verify(&workspace, &imported, &env).await?
            }
        };
        self.reached(Stage::Verified { said, head, verify: verify.clone() }).await?;
        let pushed = self.publish(mirror, &imported, verify, &seen).await?;
        self.reached(Stage::Pushed(pushed.clone())).await?;
        Ok(pushed)
    }

    /// A text without secrets.
    pub(super) fn redact(&self, text: &str) -> String {
        self.shared.options.redact.text(text)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        for secret in self.secrets.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            self.shared.options.redact.remove(&secret);
        }
    }
}

/// What the control plane is told; `None` when there is nothing to tell: the attempt is another's, or will be handed
/// out again because this process ends.
fn end_of(result: Staged<wire::Pushed>, held: &Held, shared: &Shared) -> Option<wire::End> {
    let (failure, again) = match result {
        Ok(pushed) => return Some(wire::End::Pushed(pushed)),
        Err(Halt::Failed { failure, again }) => match held.stop_reason() {
            // What fails because somebody stopped it has not failed.
            Some(why) => stopped(why)?,
            None => (failure, again),
        },
        Err(Halt::Stopped(why)) => stopped(why)?,
    };
    let clean = |text: &str| shared.options.redact.text(text);
    let failure = Failure {
        kind: failure.kind,
        message: one_line(&clean(&failure.message), MAX_MESSAGE),
        tail: failure.tail.iter().map(|line| clean(line)).collect(),
    };
    Some(wire::End::Failed { failure, again })
}

fn stopped(why: Stop) -> Option<(Failure, bool)> {
    match why {
        Stop::Cancelled => Some((Failure::new(FailureKind::Cancelled, "A person cancelled it."), false)),
        _ => None,
    }
}

fn facts(end: wire::End, tally: &Tally) -> wire::Facts {
    wire::Facts { end, spent: tally.spent(), peak_memory_mb: tally.peak_mb(), tier: TIER.to_owned() }
}

/// Tells the facts until somebody has heard them; nobody else can work on the task before. False when this process ends
/// first: the next life tells them.
async fn tell(shared: &Shared, held: &Held, facts: wire::Facts) -> bool {
    tokio::select! {
        biased;
        () = tell_once(shared, held, facts, false) => true,
        () = async { while held.stopped().await != Stop::Shutdown { std::future::pending::<()>().await } } => false,
    }
}

async fn tell_once(shared: &Shared, held: &Held, facts: wire::Facts, told_short: bool) {
    let finish = until_answered(|| shared.client.finish(&held.attempt, held.epoch, facts.clone()));
    match finish.await {
        Ok(()) => {}
        Err(CallError::Lost) => tracing::warn!(attempt = %held.attempt, "The attempt's end came too late."),
        // Without an end the same attempt would be handed out again and again.
        Err(CallError::Refused(why)) if !told_short => {
            tracing::error!(attempt = %held.attempt, why, "The attempt's end was not accepted; its failure is told.");
            let failure = Failure::new(
                FailureKind::ResourceError,
                format!("The result was refused: {}.", one_line(&why, 200)),
            );
            let end = wire::End::Failed { failure, again: false };
            Box::pin(tell_once(shared, held, wire::Facts { end, ..facts }, true)).await;
        }
        Err(error) => tracing::error!(attempt = %held.attempt, %error, "The attempt's end was not accepted."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_inside_is_a_failure_of_the_attempt() {
        #[expect(clippy::panic, reason = "the panic is what is tested")]
        let end = apart(async { panic!("a mistake of ours") }).await;
        let Err(Halt::Failed { failure, again: false }) = end else { panic!("{end:?}") };
        assert_eq!(failure.kind, FailureKind::Unknown);
        assert!(failure.message.contains("a mistake of ours"), "{}", failure.message);
    }
}
