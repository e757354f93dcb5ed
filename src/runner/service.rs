//! The runner's loop: register, claim while there is a free slot, keep leases, and stop in order.

use super::attempt::{TIER, carry_out};
use super::checkout::Fetching;
use super::disk;
use super::home::Home;
use super::lease::{Held, Holds, Terms, keep};
use super::memory::Memory;
use super::options::{AgentConfig, RunnerError, RunnerOptions};
use super::survey::survey_on;
use super::sweep::sweep;
use crate::agents::Stop;
use crate::clock;
use crate::dispatch::{CallError, Client, until_answered, wire};
use crate::domain::RunnerId;
use crate::workspace::HostGit;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long one claim waits for work.
const CLAIM_WAIT: Duration = Duration::from_secs(25);
/// How soon a claim that got no answer is repeated.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a full disk is looked at again.
const ROOM_AGAIN: Duration = Duration::from_secs(2);
/// How long attempts that only have to push and report may take when the process is told to end.
const LAST_STEPS: Duration = Duration::from_secs(8);
/// How long all others may take to stop their agents and to hand their attempts back.
const STOPPING: Duration = Duration::from_secs(5);

/// What all attempts of this process share.
pub(super) struct Shared {
    pub(super) options: RunnerOptions,
    pub(super) client: Client,
    pub(super) git: HostGit,
    pub(super) home: Arc<Home>,
    pub(super) host_id: String,
    pub(super) memory: Memory,
    pub(super) fetching: Fetching,
    pub(super) holds: Holds,
}

impl Shared {
    /// The agent of this name.
    pub(super) fn agent(&self, name: &str) -> Option<&AgentConfig> {
        self.options.agents.iter().find(|agent| agent.name == name)
    }
}

/// Runs until `shutdown`: then nothing more is claimed, results that are nearly there are pushed and told, all other agents
/// are stopped and their attempts handed back; their work stays on the disk, and the next process of this host goes on with
/// it. Takes at most 13 s for that.
///
/// # Errors
/// When the data directory cannot be used, or when the control plane refuses this runner.
pub async fn run(options: RunnerOptions, shutdown: CancellationToken) -> Result<(), RunnerError> {
    let home = Home::open(&options.data_dir).await?;
    let runner = RunnerId::new(clock::uuid());
    let client = Client::over_socket(&options.socket, options.token.clone(), runner.clone())?;
    let register = wire::Register {
        version: wire::VERSION,
        host_id: home.host_id()?,
        found: home.journal.all().into_iter().map(|record| record.attempt).collect(),
        runner,
        slots: options.slots.max(1),
        agents: options.agents.iter().map(|agent| agent.name.clone()).collect(),
        tier: TIER.to_owned(),
    };
    let registered = tokio::select! {
        answer = until_answered(|| client.register(&register)) => answer,
        () = shutdown.cancelled() => return Ok(()),
    };
    let terms = registered.map_err(|error| RunnerError::Refused(error.to_string()))?;
    let (keeps, terms) = (terms.keep.clone(), Terms::of(&terms));
    tracing::info!(
        runner = %register.runner, host = register.host_id, slots = register.slots,
        found = register.found.len(), keeps = keeps.len(),
        confinement = ?options.launcher.confinement(), "The runner is registered."
    );
    let git = HostGit::new(options.launcher.clone(), options.git.clone());
    let shared = Arc::new(Shared {
        options,
        client,
        git,
        home: Arc::new(home),
        host_id: register.host_id,
        memory: Memory::default(),
        fetching: Fetching::default(),
        holds: Holds::default(),
    });
    let mut attempts = JoinSet::new();
    tokio::select! {
        () = claim_on(&shared, &mut attempts, &terms) => {}
        () = keep(&shared.client, &shared.holds, &terms) => {}
        () = shared.memory.sample() => {}
        () = sweep(&shared, keeps) => {}
        () = survey_on(&shared) => {}
        () = shutdown.cancelled() => {}
    }
    tracing::info!(attempts = shared.holds.ids().len(), "The runner ends.");
    tokio::select! {
        () = wind_down(&shared, &mut attempts) => {}
        () = keep(&shared.client, &shared.holds, &terms) => {}
    }
    Ok(())
}

/// Claims whenever a slot is free. Dropping this loses nothing: an attempt that was handed out and not heard of is handed
/// out again, to this process or to the next one of its host.
async fn claim_on(shared: &Arc<Shared>, attempts: &mut JoinSet<()>, terms: &Terms) {
    let slots = Arc::new(Semaphore::new(shared.options.slots.max(1) as usize));
    loop {
        // The semaphore is never closed.
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        while attempts.try_join_next().is_some() {}
        wait_for_room(&shared.options.data_dir).await;
        let asked = clock::machine();
        // The fence counts from the question: an answer that is held open for long leaves little of a short lease.
        let wait = CLAIM_WAIT.min(terms.lease / 4);
        let claimed = shared.client.claim(shared.holds.ids(), wait).await;
        let assignment = match claimed {
            Ok(Some(assignment)) => assignment,
            Ok(None) => continue,
            Err(error @ (CallError::NoAnswer(_) | CallError::Refused(_) | CallError::Lost)) => {
                tracing::warn!(%error, "No work could be claimed.");
                clock::sleep(AGAIN).await;
                continue;
            }
        };
        // The lease began after the question was asked.
        let held = Held::new(assignment.attempt.clone(), assignment.epoch, terms.fence(asked));
        let Some(held) = shared.holds.add(held) else { continue };
        let shared = shared.clone();
        attempts.spawn(async move {
            let attempt = held.attempt.clone();
            carry_out(shared.clone(), held, assignment).await;
            shared.holds.remove(&attempt);
            drop(slot);
        });
    }
}

/// Returns when the disk has room for another attempt; says so once when it has not.
async fn wait_for_room(data_dir: &Path) {
    let mut told = false;
    while !disk::has_room(data_dir) {
        if !told {
            tracing::warn!(dir = %data_dir.display(), "The disk is nearly full: no attempt is started until there is room.");
            told = true;
        }
        clock::sleep(ROOM_AGAIN).await;
    }
}

/// Stops what is running, and waits a little for what is nearly done.
async fn wind_down(shared: &Shared, attempts: &mut JoinSet<()>) {
    for held in shared.holds.list() {
        if !matches!(held.progress().stage.as_str(), "push" | "report") {
            held.stop(Stop::Shutdown);
        }
    }
    let all = async { while attempts.join_next().await.is_some() {} };
    if clock::within(LAST_STEPS, all).await.is_some() {
        return;
    }
    for held in shared.holds.list() {
        held.stop(Stop::Shutdown);
    }
    let all = async { while attempts.join_next().await.is_some() {} };
    if clock::within(STOPPING, all).await.is_none() {
        tracing::warn!(
            attempts = shared.holds.ids().len(),
            "Some attempts did not end in time; they die with this process."
        );
        attempts.abort_all();
    }
}
