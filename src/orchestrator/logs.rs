//! The logs of a run under `.claude/runtime/logs`: the session's lines, and one log per task.

use super::reconcile::lock;
use crate::clock;
use crate::domain::{AttemptId, Orchestration, Run, RunState};
use crate::status_file::{RunPaths, append_log, show_time};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// A task's log grows to at most this; what comes after is dropped with a line that says so.
const LONGEST: u64 = 100 << 20;

/// Appends to logs.
#[derive(Clone)]
pub(super) struct Logs {
    data_dir: PathBuf,
    /// How much of each live attempt's log is stored.
    stored: Arc<Mutex<HashMap<AttemptId, u64>>>,
}

impl Logs {
    pub fn new(data_dir: PathBuf) -> Self {
        Self { data_dir, stored: Arc::default() }
    }

    /// One line in the run's session log. A log that cannot be written is no reason to stop.
    pub async fn line(&self, run: &Run, text: &str) {
        if let Err(error) = self.lines(run, &[text.to_owned()]).await {
            tracing::warn!(run = %run.id, error, "the session log could not be written");
        }
    }

    /// The run's end.
    pub async fn ended(&self, orchestration: &Orchestration) {
        if let RunState::Ended(outcome) = orchestration.run.state {
            self.line(&orchestration.run, &format!("run ended: {}", outcome.as_str())).await;
        }
    }

    /// Lines in the run's session log.
    pub async fn lines(&self, run: &Run, lines: &[String]) -> Result<(), String> {
        let path = self.paths(run)?.session_log();
        let now = show_time(clock::now());
        append(path, lines.iter().map(|l| format!("{now} {l}\n")).collect()).await
    }

    /// Bytes of a task's log, from `offset` of this attempt's on; what is stored already is skipped.
    pub async fn chunk(
        &self,
        run: &Run,
        attempt: &AttemptId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<u64, String> {
        let stored = lock(&self.stored).get(attempt).copied().unwrap_or(0);
        if offset > stored {
            return Err(format!("the log has {stored} bytes, so nothing can be added at {offset}"));
        }
        let skip = usize::try_from(stored - offset).unwrap_or(usize::MAX);
        let new = bytes.get(skip..).unwrap_or_default();
        if !new.is_empty() && stored < LONGEST {
            let mut text = String::new();
            if stored == 0 {
                text.push_str(&format!("=== attempt {}, {}\n", attempt.attempt, show_time(clock::now())));
            }
            text.push_str(&String::from_utf8_lossy(new));
            if stored + new.len() as u64 >= LONGEST {
                text.push_str("\n[the log ends here: it reached its limit of 100 MiB]\n");
            }
            append(self.paths(run)?.agent_log(attempt.task), text).await?;
        }
        let stored = stored + new.len() as u64;
        lock(&self.stored).insert(attempt.clone(), stored);
        Ok(stored)
    }

    fn paths(&self, run: &Run) -> Result<RunPaths, String> {
        RunPaths::of(&self.data_dir, run).map_err(|e| e.to_string())
    }
}

async fn append(path: PathBuf, text: String) -> Result<(), String> {
    match tokio::task::spawn_blocking(move || append_log(&path, &text)).await {
        Ok(written) => written.map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
