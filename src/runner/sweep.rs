//! What is left of attempts that are over goes: directories, records, refs and notes in the mirrors. What cannot be removed is
//! tried again later and holds nothing up.

use super::home::Home;
use super::record::{Record, Stage};
use super::service::Shared;
use crate::clock;
use crate::dispatch::wire;
use crate::domain::{AttemptId, Spent};
use crate::sandbox;
use crate::workspace::{self, HostGit, Mirror};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Time between two sweeps.
const EVERY: Duration = Duration::from_secs(30);

impl Home {
    /// Removes the directory of an attempt; false when something of it stays, for a later sweep.
    pub(super) async fn remove(&self, dir: &str) -> bool {
        let path = self.attempt(dir);
        let removed = sandbox::remove_tree_of_the_dying(&path).await;
        if let Err(error) = &removed {
            tracing::warn!(%error, path = %path.display(), "An attempt's directory could not be removed; a later sweep tries again.");
        }
        removed.is_ok()
    }

    /// Writes down what an attempt has used, and how far it came. It goes on without: the next life then knows less.
    pub(super) async fn note(self: &Arc<Self>, attempt: &AttemptId, spent: Spent, stage: Option<Stage>) {
        let Some(mut record) = self.journal.get(attempt) else { return };
        record.spent = spent;
        record.stage = stage.unwrap_or(record.stage);
        let home = self.clone();
        let written = tokio::task::spawn_blocking(move || home.journal.put(record)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!(%attempt, result = ?written, "An attempt's record could not be written.");
        }
    }

    /// Removes everything that an attempt had. `told`: the control plane knows what it pushed, so the notes on that go too.
    pub(super) async fn clear(&self, git: &HostGit, attempt: &AttemptId, told: bool) {
        let Some(record) = self.journal.get(attempt) else { return };
        if !self.remove(&record.dir).await {
            return;
        }
        if let Err(error) = self.journal.forget(attempt) {
            tracing::warn!(%attempt, %error, "An attempt's record could not be removed; a later sweep tries again.");
            return;
        }
        // The refs are the task's: a newer attempt of it may have its own there by now.
        let of_task = |r: &Record| r.attempt.run == attempt.run && r.attempt.task == attempt.task;
        if self.journal.all().iter().any(of_task) {
            return;
        }
        let refs = async {
            let mirror = Mirror::open_or_create(git.clone(), self.data_dir(), record.repo).await?;
            workspace::prune_refs(&mirror, &attempt.run, Some(attempt.task)).await?;
            if told {
                workspace::forget_pushes(&mirror, &attempt.run, attempt.task).await?;
            }
            Ok::<_, workspace::GitError>(())
        };
        if let Err(error) = refs.await {
            tracing::warn!(%attempt, %error, "The mirror keeps a ref that is not needed any more; a later sweep tries again.");
        }
    }
}

/// Sweeps now and every now and then; `keep` is what the control plane said when this process registered.
pub(super) async fn sweep(shared: &Shared, keep: Vec<AttemptId>) {
    let mut known = Some(keep);
    loop {
        sweep_once(shared, known.take()).await;
        clock::sleep(EVERY).await;
    }
}

async fn sweep_once(shared: &Shared, known: Option<Vec<AttemptId>>) {
    let (home, held) = (&shared.home, shared.holds.ids());
    let mut idle = home.journal.all();
    idle.retain(|record| !held.contains(&record.attempt));
    if !idle.is_empty() {
        let attempts = idle.iter().map(|record| record.attempt.clone()).collect();
        let keep = match known {
            Some(keep) => Ok(keep),
            None => shared.client.kept(&shared.host_id, attempts).await,
        };
        match keep {
            Ok(keep) => {
                // What is over for the control plane is never handed out again, so nobody begins to use it meanwhile.
                for record in idle.iter().filter(|record| !keep.contains(&record.attempt)) {
                    tracing::info!(attempt = %record.attempt, "Removing what is left of an attempt that is over.");
                    let told = matches!(record.stage, Stage::Ended(wire::End::Pushed(_)));
                    home.clear(&shared.git, &record.attempt, told).await;
                }
            }
            Err(error) => tracing::debug!(%error, "Nobody said which attempts are over."),
        }
    }
    nobodys(home).await;
    for repo in workspace::mirrors(home.data_dir()) {
        // An attempt is written down before it has a ref.
        let owned = |run: &str, task: &str| {
            let is = |r: Record| r.attempt.run.as_str() == run && r.attempt.task.to_string() == task;
            home.journal.all().into_iter().any(is)
        };
        let swept = async {
            let mirror = Mirror::open_or_create(shared.git.clone(), home.data_dir(), repo).await?;
            workspace::sweep_refs(&mirror, owned).await
        };
        if let Err(error) = swept.await {
            tracing::warn!(%error, repo, "A mirror's refs could not be swept; the next sweep tries again.");
        }
    }
}

/// Removes the directories that no record names.
async fn nobodys(home: &Home) {
    let attempts = home.attempts();
    // Listed before the records are read: a record comes before its directory.
    let listed = tokio::task::spawn_blocking(move || {
        let entries = std::fs::read_dir(attempts).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).collect::<Vec<_>>()
    });
    let listed = listed.await.unwrap_or_default();
    let known: HashSet<String> = home.journal.all().into_iter().map(|record| record.dir).collect();
    for name in listed.into_iter().filter(|name| name.to_str().is_none_or(|name| !known.contains(name))) {
        let path = home.attempts().join(name);
        tracing::info!(path = %path.display(), "Removing a directory that belongs to no attempt.");
        if let Err(error) = sandbox::remove_tree(&path).await {
            tracing::warn!(%error, path = %path.display(), "A leftover could not be removed; a later sweep tries again.");
        }
    }
}
