//! One attempt from its claim to its facts. Whatever happens in between, its processes end, its directories go, and the
//! control plane is told, unless the attempt is another's by then.

use super::commands::Phase;
use super::halt::{Halt, Staged};
use super::lease::Held;
use super::log::AttemptLog;
use super::service::Shared;
use crate::agents::{Seen, Stop, one_line};
use crate::clock;
use crate::dispatch::{CallError, until_answered, wire};
use crate::domain::{Failure, FailureKind, RunPolicy, Spent};
use crate::workspace::{self, AttemptPaths};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long the end of a log may take to upload before the facts are told without it.
const LOG_LIMIT: Duration = Duration::from_secs(10);
/// How often removing an attempt's directories is tried.
const REMOVALS: u32 = 5;
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
    pub(super) paths: AttemptPaths,
    pub(super) log: AttemptLog,
    pub(super) tally: Arc<Tally>,
    /// Tokens that are to be redacted while the attempt lives.
    pub(super) secrets: Mutex<Vec<String>>,
}

/// What an attempt has used, kept apart from its stages so that it survives their failure.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Used>);

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    tokens: u64,
    cost_usd: f64,
    peak_bytes: u64,
}

impl Tally {
    fn change(&self, change: impl FnOnce(&mut Used)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Tokens as counted on the way; the agent's own count is taken when it is higher.
    pub(super) fn tokens(&self, tokens: u64) {
        self.change(|used| used.tokens = used.tokens.max(tokens));
    }

    pub(super) fn agent(&self, seen: &Seen) {
        self.tokens(seen.tokens);
        self.change(|used| used.cost_usd = seen.cost_usd);
    }

    pub(super) fn memory(&self, bytes: u64) {
        self.change(|used| used.peak_bytes = used.peak_bytes.max(bytes));
    }

    fn used(&self) -> Used {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries out one attempt and tells its end.
pub(super) async fn carry_out(shared: Arc<Shared>, held: Arc<Held>, task: wire::Assignment) {
    let began = clock::instant();
    let log = AttemptLog::new(held.attempt.task, shared.options.redact.clone());
    let tally = Arc::new(Tally::default());
    let paths = AttemptPaths::under(shared.home.attempt(&format!("{}-{}", held.attempt, held.epoch)));
    tracing::info!(attempt = %held.attempt, agent = task.agent, branch = task.branch, "An attempt begins.");
    let over = CancellationToken::new();
    let work = async {
        let result =
            apart(stages(shared.clone(), held.clone(), task, paths.clone(), log.clone(), tally.clone()))
                .await;
        over.cancel();
        result
    };
    let (result, ()) = tokio::join!(work, log.upload(&shared.client, &held, &over));
    held.stage("report");
    let end = end_of(result, &held, &shared);
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
    remove(&paths).await;
    if let Some(end) = end {
        log.flush(&shared.client, &held, LOG_LIMIT).await;
        tell(&shared, &held, facts(end, &tally, began)).await;
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
    paths: AttemptPaths,
    log: AttemptLog,
    tally: Arc<Tally>,
) -> Staged<wire::Pushed> {
    held.stage("policy");
    let ask = until_answered(|| shared.client.policy(&held.attempt, held.epoch));
    let policy = held.unless_stopped(ask).await??.policy;
    let attempt = Attempt { shared, held, task, policy, paths, log, tally, secrets: Mutex::default() };
    attempt.go().await
}

impl Attempt {
    async fn go(&self) -> Staged<wire::Pushed> {
        let config = self.shared.agent(&self.task.agent).ok_or_else(|| {
            let message =
                format!("No agent named `{}` can run on this host.", one_line(&self.task.agent, 60));
            Halt::give_up(FailureKind::AgentError, message)
        })?;
        self.log.event(&format!("attempt {} begins on `{}`", self.held.attempt.attempt, self.task.branch));
        let mirror = self.mirror().await?;
        let workspace = self.check_out(&mirror).await?;
        let guide = self.held.unless_stopped(self.guide(&mirror, config.kind)).await?;
        let job = self.job(config, &workspace, self.prompt(guide.as_ref()));
        // The operator's variables for the agent are there for `setup` and `verify` too, the way to its model is not.
        let env = job.basic_env();
        self.run_commands(Phase::Setup, &self.policy.setup, &workspace, &env).await?;
        let egress = self.open_egress(config).await?;
        let seen = self.run_agent(config, &workspace, job, egress.as_ref()).await?;
        drop(egress);
        let imported = self.take_over(&mirror, &workspace, &seen).await?;
        let pushed = self.publish(&mirror, &workspace, &imported, &env, &seen).await?;
        let attempt = &self.held.attempt;
        if let Err(error) = workspace::prune_refs(&mirror, &attempt.run, Some(attempt.task)).await {
            tracing::warn!(%attempt, %error, "The mirror keeps a ref that is not needed any more.");
        }
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

fn facts(end: wire::End, tally: &Tally, began: Instant) -> wire::Facts {
    let used = tally.used();
    wire::Facts {
        end,
        spent: Spent {
            tokens: used.tokens,
            cost_usd: used.cost_usd,
            seconds: clock::since(began).as_secs_f64(),
        },
        peak_memory_mb: used.peak_bytes.div_ceil(1_000_000),
        tier: TIER.to_owned(),
    }
}

/// Tells the facts until somebody has heard them. Nobody else can work on the task before.
async fn tell(shared: &Shared, held: &Held, facts: wire::Facts) {
    tell_once(shared, held, facts, false).await;
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

/// Removes the attempt's directories. A process that dies right now may still put something there.
async fn remove(paths: &AttemptPaths) {
    for pause in 0..REMOVALS {
        match workspace::remove_attempt(paths).await {
            Ok(()) => return,
            Err(error) if pause + 1 == REMOVALS => {
                tracing::warn!(%error, root = %paths.root.display(), "An attempt's directories could not be removed; the next start tries again.");
            }
            Err(_) => clock::sleep(Duration::from_millis(200 << pause)).await,
        }
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
