//! Looks how things stand at GitHub when an event or an error hints that a person changed them: the App suspended or
//! uninstalled, the repository renamed, transferred, archived or without issues, the master issue gone.
//!
//! What is found is what counts, not the hint: such events overtake each other and get lost. Every finding is an
//! event of the run, so that nothing is tried for ever.

use super::Orchestrator;
use crate::clock;
use crate::domain::{Gone, Orchestration, RunEvent, RunId};
use crate::github::{App, CallCounter, Error, InstallationStanding, RepoClient};
use crate::store::{Store, StoreError};
use jiff::SignedDuration;

/// A suspended installation is asked again so often, in case the end of the suspension is not told.
const ASK_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// Whether an error may mean that the App, the repository or the issue is not what it was.
pub(super) fn is_suspicious(error: &Error) -> bool {
    matches!(
        error,
        Error::Forbidden { .. }
            | Error::NotFound { .. }
            | Error::Gone { .. }
            | Error::Moved { .. }
            | Error::Unauthorized { .. }
    )
}

/// How things stand for the run: the event that follows, or `None` when all is as the run knows it.
///
/// # Errors
/// When GitHub does not answer clearly; then nothing is known.
pub(super) async fn look(
    app: &App,
    github: &RepoClient,
    run: &Orchestration,
) -> Result<Option<RunEvent>, Error> {
    let known = &run.run.repo;
    match app.standing(known.installation).await? {
        InstallationStanding::Uninstalled => return Ok(Some(RunEvent::Gone(Gone::Uninstalled))),
        InstallationStanding::Suspended => {
            return Ok(Some(RunEvent::Suspended { look_at: clock::now() + ASK_AGAIN }));
        }
        InstallationStanding::Active if run.run.stops.suspended.is_some() => {
            return Ok(Some(RunEvent::Unsuspended));
        }
        InstallationStanding::Active => {}
    }
    let installation = github.installation();
    let seen = installation.repository_standing(known.id, github.calls()).await;
    let seen = match seen {
        // Forbidden: the repository is blocked, or the organisation lets nobody in from here.
        Err(Error::NotFound { .. } | Error::Forbidden { .. }) => {
            return Ok(Some(RunEvent::Gone(Gone::NoAccess)));
        }
        seen => seen?,
    };
    if seen.archived {
        return Ok(Some(RunEvent::Gone(Gone::Archived)));
    }
    if !seen.has_issues {
        return Ok(Some(RunEvent::Gone(Gone::IssuesOff)));
    }
    if (&seen.repo.owner, &seen.repo.name) != (&known.owner, &known.name) {
        return Ok(Some(RunEvent::RepoSeen(seen.repo)));
    }
    match github.issue(run.run.master.number).await {
        // Without the permission to read issues nothing is known of this one.
        Ok(_) | Err(Error::Forbidden { .. }) => Ok(None),
        Err(Error::NotFound { .. } | Error::Gone { .. } | Error::Moved { .. }) => {
            Ok(Some(RunEvent::Gone(Gone::MasterGone)))
        }
        Err(error) => Err(error),
    }
}

/// Looks, and records what was found; whether the run changed.
///
/// # Errors
/// GitHub's, or the store's.
pub(super) async fn look_and_record(
    store: &dyn Store,
    app: &App,
    github: &RepoClient,
    run: &Orchestration,
) -> Result<bool, Unclear> {
    let Some(event) = look(app, github, run).await? else { return Ok(false) };
    tracing::warn!(run = %run.run.id, ?event, "GitHub is not as the run knew it");
    match store.run_changed(&run.run.id, event, clock::now()).await {
        // The run is over, or knows already.
        Ok(_) | Err(StoreError::Refused(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Why a look found nothing out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unclear {
    /// GitHub.
    #[error(transparent)]
    GitHub(#[from] Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an effect's error means.
pub(super) enum Ending {
    /// The run knows more now: what is wanted has to be decided anew.
    Known,
    /// This; it is about the thing itself.
    Error(Error),
}

/// Looks around when an error of one of the run's effects hints that a person changed something; what is left of the
/// error concerns the thing itself. `edits` says that the effect changes something that was there before: a person
/// may have deleted just that.
///
/// # Errors
/// The store's.
pub(super) async fn ending(
    store: &dyn Store,
    (app, github, run): (&App, &RepoClient, &Orchestration),
    edits: bool,
    error: Error,
) -> Result<Ending, StoreError> {
    let deleted = edits && matches!(error, Error::NotFound { .. } | Error::Gone { .. });
    if deleted || !is_suspicious(&error) {
        return Ok(Ending::Error(error));
    }
    match look_and_record(store, app, github, run).await {
        Ok(true) => Ok(Ending::Known),
        Ok(false) => {
            if matches!(error, Error::Forbidden { .. }) {
                // A permission is missing. When somebody grants it, nobody may tell us.
                github.installation().forget_token().await;
            }
            Ok(Ending::Error(for_good(error)))
        }
        Err(Unclear::GitHub(unclear)) => {
            let why = format!("{error}, and {unclear}");
            Ok(Ending::Error(Error::NotSent { op: error.op(), why }))
        }
        Err(Unclear::Store(error)) => Err(error),
    }
}

/// The repository is where it was, so what moved is an issue, to another repository: it is left alone.
fn for_good(error: Error) -> Error {
    match error {
        Error::Moved { op } => Error::Conflict { op, message: "it was transferred".to_owned() },
        error => error,
    }
}

/// So often an answer is sent to where the repository is said to be now.
const MOVES: u32 = 3;

/// The same for an answer to a delivery, whose repository was asked for again before each try but the first.
pub(super) fn moved_for_good(tries: u32, error: Error) -> Error {
    if tries > MOVES { for_good(error) } else { error }
}

impl Orchestrator {
    /// Looks for one run, on its own task.
    pub(super) fn look_soon(&self, run: &RunId) {
        let (this, run) = (self.clone(), run.clone());
        self.shared.tasks.spawn(async move {
            let looked = async {
                let state = this.shared.store.snapshot(&run).await?.orchestration;
                this.look_around(&state).await
            };
            match looked.await {
                Ok(_) => this.wake(&run),
                Err(error) => tracing::warn!(%run, %error, "how things stand could not be asked"),
            }
        });
    }

    /// Looks for one run; whether it changed.
    pub(super) async fn look_around(&self, run: &Orchestration) -> Result<bool, Unclear> {
        let calls = CallCounter::default();
        let github = self.client(&run.run.repo, &calls);
        look_and_record(self.shared.store.as_ref(), &self.shared.github, &github, run).await
    }
}
