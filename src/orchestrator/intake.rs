//! From a stored delivery to what it changes, in order of arrival for each repository.
//!
//! All that a delivery changes in the store is one transaction ([`Settlement`]); what it makes Divisi say is in
//! the same transaction as effects, sent afterwards by the answering loop.

use super::Orchestrator;
use super::answer::Draft;
use super::boundary::Place;
use super::effects::{Answer, Executor, Reader, Reply, Subject};
use super::labels;
use super::lanes::Lanes;
use crate::clock;
use crate::domain::command::{self, Command, TRIGGER_LABEL};
use crate::domain::{RunEvent, StartOptions, Target};
use crate::github::event::{Event, EventIssue, Kind};
use crate::github::{CallCounter, Error};
use crate::report;
use crate::store::{InboxDelivery, Settled, Settlement, StoreError};
use futures_util::{StreamExt as _, stream};
use jiff::SignedDuration;
use std::time::Duration;

/// With nothing to do, the inbox is looked at again so much later: a wake-up is only a hint.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Answers that are given side by side.
const ANSWERS: usize = 8;

/// A settlement that collides with another change is worked out anew at most so often at once.
const COLLISIONS: u32 = 5;

/// Most seconds until a delivery that had to wait is looked at again: one that is in trouble, and one whose subject is being
/// recorded, where work may begin that the delivery stops.
const MOST: i64 = 300;
const SOON: i64 = 4;

/// Why a delivery cannot be settled now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// GitHub.
    #[error(transparent)]
    GitHub(#[from] Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it is about is changing right now; it is looked at again.
    #[error("{0}")]
    Later(&'static str),
}

impl Orchestrator {
    /// The intake loop: one delivery of a repository at a time and in order, several repositories side by side, so that a slow answer to one
    /// does not keep the others waiting.
    pub(super) async fn take_in(&self) {
        let mut lanes = Lanes::default();
        while !self.shared.intake.is_cancelled() {
            lanes.free();
            if lanes.are_full() {
                self.rest(&mut lanes).await;
                continue;
            }
            match self.shared.store.delivery_due(clock::now(), &lanes.taken()).await {
                Ok(Some(delivery)) => lanes.take(self, delivery),
                Ok(None) => self.rest(&mut lanes).await,
                Err(error) => {
                    tracing::warn!(%error, "the inbox cannot be read; trying again");
                    self.rest(&mut lanes).await;
                }
            }
        }
        lanes.end().await;
    }

    async fn rest(&self, lanes: &mut Lanes) {
        tokio::select! {
            () = self.shared.inbox.notified() => {}
            () = lanes.one_ends() => {}
            () = clock::sleep(LOOK_AGAIN) => {}
            () = self.shared.intake.cancelled() => {}
        }
    }

    pub(super) async fn take_one(&self, delivery: InboxDelivery) {
        let (id, tries) = (delivery.id.clone(), delivery.tries);
        let trouble = match self.settle(&delivery).await {
            Ok(note) => {
                tracing::info!(delivery = %id, event = delivery.event, note, "a delivery is settled");
                return;
            }
            Err(trouble) => trouble,
        };
        let settled = match &trouble {
            Trouble::GitHub(error) if is_final(error) => {
                tracing::warn!(delivery = %id, error = %trouble, "a delivery cannot be worked on");
                let note = format!("given up: {trouble}");
                let settlement = Settlement { note, ..Settlement::only(id.clone()) };
                self.settled(settlement).await.map(drop)
            }
            _ => {
                if matches!(trouble, Trouble::Later(_)) {
                    tracing::info!(delivery = %id, why = %trouble, "a delivery has to wait a moment");
                } else {
                    tracing::warn!(delivery = %id, error = %trouble, "a delivery has to wait");
                }
                let told = match &trouble {
                    Trouble::GitHub(error) => error.retry_at(),
                    Trouble::Store(_) | Trouble::Later(_) => None,
                };
                let until = match told {
                    Some(retry_at) => retry_at,
                    None => {
                        let most = if matches!(trouble, Trouble::Later(_)) { SOON } else { MOST };
                        clock::now() + SignedDuration::from_secs(2_i64.pow(tries.min(8) + 1).min(most))
                    }
                };
                self.shared.store.delivery_deferred(&id, until, &trouble.to_string()).await
            }
        };
        if let Err(error) = settled {
            tracing::warn!(delivery = %id, %error, "a delivery could not be put off; it is tried again");
            clock::sleep(LOOK_AGAIN).await;
        }
    }

    /// Works out what the delivery changes and commits it; a collision with another change starts over.
    async fn settle(&self, delivery: &InboxDelivery) -> Result<String, Trouble> {
        if let Some(settlement) = labels::noticed(delivery) {
            let note = settlement.note.clone();
            self.settled(settlement).await?;
            self.shared.answers.notify_one();
            return Ok(note);
        }
        let me = self.shared.github.info().await?;
        let calls = CallCounter::default();
        let mut event = match Event::read(delivery.id.clone(), &delivery.event, &delivery.payload, &me) {
            Ok(event) => event,
            Err(malformed) => {
                let note = format!("not understood: {malformed}");
                let settlement = Settlement { note: note.clone(), ..Settlement::only(delivery.id.clone()) };
                self.settled(settlement).await?;
                return Ok(note);
            }
        };
        let (mut collisions, mut renamed) = (0, false);
        loop {
            let mut settlement = match self.judge(&event, &calls).await {
                // The delivery names the repository as it was called then.
                Err(Trouble::GitHub(Error::Moved { .. })) if !renamed => {
                    renamed = true;
                    let installation = self.shared.github.installation(event.repo.installation);
                    event.repo = installation.repository(event.repo.id, &calls).await?;
                    continue;
                }
                judged => judged?,
            };
            settlement.trigger = event.trigger();
            let note = settlement.note.clone();
            if let Some(start) = &mut settlement.start {
                start.run.usage.api_calls += calls.get();
            }
            let started = settlement.start.as_ref().map(|s| s.run.clone());
            let changed = settlement.change.as_ref().map(|(run, _)| run.clone());
            match self.settled(settlement).await? {
                Settled::Done => {
                    self.shared.answers.notify_one();
                    if let Some(run) = &started {
                        self.shared
                            .logs
                            .line(run, &format!("run {} started by @{}", run.id, run.requester))
                            .await;
                        self.wake(&run.id);
                    }
                    if let Some(run) = &changed {
                        self.count(run, calls.get()).await;
                        self.wake(run);
                    }
                    return Ok(note);
                }
                Settled::Duplicate => return Ok("the same act was delivered before".to_owned()),
                Settled::Conflict if collisions < COLLISIONS => collisions += 1,
                Settled::Conflict => {
                    return Err(Trouble::Later("the run keeps changing"));
                }
            }
        }
    }

    /// Commits what a delivery changes, between two boundaries.
    async fn settled(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        let proof = &self.shared.settings.proof;
        proof.cross("intake", Place::BeforeSettlement).await;
        let settled = self.shared.store.delivery_settled(settlement, clock::now()).await?;
        proof.cross("intake", Place::AfterSettlement).await;
        Ok(settled)
    }

    /// What the event means now.
    async fn judge(&self, event: &Event, calls: &CallCounter) -> Result<Settlement, Trouble> {
        // Facts count whoever made them, a merge bot too.
        match &event.kind {
            Kind::PullClosed(pull) => return self.pull_changed(event, pull, false, calls).await,
            Kind::PullReopened(pull) => return self.pull_changed(event, pull, true, calls).await,
            Kind::IssueGone(issue) => return self.issue_gone(event, issue).await,
            Kind::StandingChanged => return self.standing_changed(event).await,
            _ => {}
        }
        if event.sender.is_bot || event.sender.is_own_app {
            return Ok(Settlement {
                note: "ignored: a bot".to_owned(),
                ..Settlement::only(event.delivery.clone())
            });
        }
        match &event.kind {
            Kind::Labeled { issue, label } if label.eq_ignore_ascii_case(TRIGGER_LABEL) && issue.open => {
                let draft = Draft::new(event, issue, Target::Issue(issue.number));
                self.command(draft, issue, Command::Start(StartOptions::default()), calls).await
            }
            Kind::CommentCreated { comment_id, body, issue } => {
                let draft = Draft::new(event, issue, Target::Comment(*comment_id));
                match command::parse(body) {
                    None => Ok(draft.done("ignored: no command")),
                    Some(Ok(command)) => self.command(draft, issue, command, calls).await,
                    Some(Err(misunderstood)) => Ok(match self.refused(&draft, calls).await? {
                        true => draft.confused().done("refused: no write access"),
                        false => {
                            draft.notice(report::notice::unknown_word(&misunderstood)).done("not understood")
                        }
                    }),
                }
            }
            Kind::IssueClosed(issue) => self.closed(event, issue, calls).await,
            Kind::IssueReopened(issue) => self.reopened(event, issue, calls).await,
            _ => Ok(Settlement {
                note: "nothing to do".to_owned(),
                ..Settlement::only(event.delivery.clone())
            }),
        }
    }

    async fn command(
        &self,
        draft: Draft,
        issue: &EventIssue,
        command: Command,
        calls: &CallCounter,
    ) -> Result<Settlement, Trouble> {
        if self.refused(&draft, calls).await? {
            return Ok(draft.confused().done("refused: no write access"));
        }
        match command {
            Command::Help => Ok(draft.notice(report::notice::help()).done("help")),
            Command::Start(options) => self.start_run(draft, issue, &options, calls).await,
            Command::Approve => self.approve(draft, issue, calls).await,
            Command::Retry(tasks) => self.retry(draft, issue, &tasks).await,
            Command::Cancel => self.cancel(draft).await,
            Command::Pause => self.pause(draft, true).await,
            Command::Resume => self.pause(draft, false).await,
            Command::Status => self.status(draft).await,
            Command::Explain => self.explain(draft, issue, calls).await,
        }
    }

    /// Whether the sender may not give commands here: only write access, asked now, counts.
    pub(super) async fn refused(&self, draft: &Draft, calls: &CallCounter) -> Result<bool, Trouble> {
        let permission = self.client(&draft.repo, calls).permission(&draft.sender).await?;
        Ok(!permission.may_write())
    }

    /// Adds calls that were made for the run outside of its reconciliation.
    async fn count(&self, run: &crate::domain::RunId, calls: u64) {
        if calls > 0
            && let Err(error) =
                self.shared.store.run_changed(run, RunEvent::CallsMade(calls), clock::now()).await
        {
            tracing::warn!(%run, %error, "calls could not be counted");
        }
    }

    /// The answering loop: sends the effects of deliveries.
    pub(super) async fn answer(&self) {
        while !self.shared.stop.is_cancelled() {
            match self.shared.store.answers_due(clock::now()).await {
                Ok(due) => {
                    let give = |effect| async move {
                        if !self.shared.stop.is_cancelled()
                            && let Err(error) = self.answer_one(&effect).await
                        {
                            tracing::warn!(%error, "an answer could not be recorded; it is tried again");
                        }
                    };
                    stream::iter(due).for_each_concurrent(ANSWERS, give).await;
                }
                Err(error) => tracing::warn!(%error, "the answers cannot be read; trying again"),
            }
            tokio::select! {
                () = self.shared.answers.notified() => {}
                () = clock::sleep(LOOK_AGAIN) => {}
                () = self.shared.stop.cancelled() => {}
            }
        }
    }

    async fn answer_one(&self, effect: &crate::domain::Effect) -> Result<(), StoreError> {
        let mut answer: Answer = match serde_json::from_value(effect.payload.clone()) {
            Ok(answer) => answer,
            Err(error) => {
                let why = format!("its row cannot be read: {error}");
                return self
                    .shared
                    .store
                    .effect_refused(&effect.scope, effect.key, &why, None, clock::now())
                    .await;
            }
        };
        let calls = CallCounter::default();
        let crate::domain::Scope::Delivery(delivery) = &effect.scope else { return Ok(()) };
        if effect.tries > 0 {
            // It may have been renamed since; where it cannot be read, sending will tell why.
            let installation = self.shared.github.installation(answer.repo.installation);
            answer.repo = installation.repository(answer.repo.id, &calls).await.unwrap_or(answer.repo);
        }
        let (github, settings) = (Reader::new(self.client(&answer.repo, &calls)), &self.shared.settings);
        let reply = Reply { delivery, answer: &answer, github: &github, settings };
        let store = self.shared.store.as_ref();
        let executor = Executor { store, settings, subject: Subject::Delivery(&reply) };
        executor.carry_out(effect.key, &effect.wanted).await?;
        if let Some(run) = &answer.run {
            self.count(run, calls.get()).await;
        }
        Ok(())
    }

    /// Agents that may be asked for.
    pub(super) fn knows_agent(&self, name: &str) -> bool {
        self.shared.settings.agents.iter().any(|a| a == name)
    }
}

/// GitHub refuses because the App is suspended in this account: it works again when somebody ends that.
pub fn is_suspension(error: &Error) -> bool {
    matches!(error, Error::Forbidden { message, .. } if message.to_lowercase().contains("suspended"))
}

/// Errors that trying again does not cure.
pub fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::Forbidden { .. } | Error::NotFound { .. } | Error::Gone { .. } | Error::Invalid { .. }
    )
}
