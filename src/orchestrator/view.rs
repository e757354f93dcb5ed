//! The public files of a run under `.claude/runtime/parallel`: a view of the store, written again whenever the
//! state changed since it was last written by this process.

use super::reconcile::lock;
use crate::clock;
use crate::domain::{Orchestration, RunId, RunState};
use crate::report;
use crate::status_file::{AgentStatus, RunMetrics, RunPaths, WriteError, write_json, write_text};
use jiff::Timestamp;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;

/// Writes the files of runs.
pub(super) struct Views {
    data_dir: PathBuf,
    written: Mutex<HashMap<RunId, Orchestration>>,
}

impl Views {
    pub fn new(data_dir: PathBuf) -> Self {
        Self { data_dir, written: Mutex::default() }
    }

    /// Writes what changed. A file that cannot be written is logged; the next pass writes it again.
    pub async fn write(&self, state: &Orchestration) {
        let before = lock(&self.written).get(&state.run.id).cloned();
        // Under the repository's new name there is nothing yet.
        let before = before.filter(|b| b.run.repo.full_name() == state.run.repo.full_name());
        if before.as_ref() == Some(state) {
            return;
        }
        let run = &state.run.id;
        let paths = match RunPaths::of(&self.data_dir, &state.run) {
            Ok(paths) => paths,
            Err(error) => return tracing::warn!(%run, %error, "the run has no public files"),
        };
        let (now, copy) = (clock::now(), state.clone());
        match tokio::task::spawn_blocking(move || write(&paths, before.as_ref(), &copy, now)).await {
            Ok(Ok(())) => drop(lock(&self.written).insert(run.clone(), state.clone())),
            Ok(Err(error)) => tracing::warn!(%run, %error, "the run's public files could not be written"),
            Err(error) => tracing::warn!(%run, %error, "the run's public files could not be written"),
        }
    }

    /// Forgets a run that is settled; its files stay.
    pub fn forget(&self, run: &RunId) {
        lock(&self.written).remove(run);
    }
}

fn write(
    paths: &RunPaths,
    before: Option<&Orchestration>,
    state: &Orchestration,
    now: Timestamp,
) -> Result<(), WriteError> {
    for task in &state.tasks {
        if before.and_then(|b| b.task(task.number)) != Some(task) {
            write_json(&paths.status(task.number), &AgentStatus::of(task, now))?;
        }
    }
    write_json(&paths.metrics(), &RunMetrics::of(&state.run, &state.tasks))?;
    if matches!(state.run.state, RunState::Ended(_)) {
        write_text(&paths.summary(), &report::summary_text(state))?;
    }
    Ok(())
}
