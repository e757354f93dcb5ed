//! Labels: those that a repository has not yet, and labelled issues whose delivery is gone: put on while nobody listened, longer ago than GitHub keeps deliveries.
//!
//! Runs start from deliveries alone, because only a delivery tells who did it and with which text. So such an issue gets one comment that
//! asks for the command.

use super::Orchestrator;
use super::catch_up::KEPT;
use super::effects::Answer;
use super::intake::Trouble;
use crate::clock;
use crate::domain::command::TRIGGER_LABEL;
use crate::domain::{DeliveryId, EffectKey, Repo, RunPolicy};
use crate::github::{CallCounter, Issue, IssueFilter, IssueState, RepoClient};
use crate::report::{self, notice};
use crate::store::{InboxDelivery, Mark, NewDelivery, NewEffect, Settlement};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Time between two looks: each costs one call per repository.
const EVERY: SignedDuration = SignedDuration::from_hours(24);

/// The event's name in the inbox of what Divisi noticed by itself; GitHub has none of that name.
const NOTICED: &str = "divisi_label_noticed";

impl Orchestrator {
    /// After a complete pass over the deliveries: looks once a day. After an error the next pass looks again.
    pub(super) async fn ask_about_labels(&self) {
        match self.look_for_labels().await {
            Ok(None) => {}
            Ok(Some(0)) => tracing::debug!("labelled issues were looked at; nothing is to ask"),
            Ok(Some(n)) => tracing::info!(issues = n, "labelled issues without a run were asked about"),
            Err(error) => tracing::warn!(%error, "labelled issues could not be looked for"),
        }
    }

    /// How many were asked about; `None` when it is not time to look.
    async fn look_for_labels(&self) -> Result<Option<usize>, Trouble> {
        let (store, now) = (&self.shared.store, clock::now());
        let due = store.mark(Mark::Labelled).await?.is_none_or(|last| now.duration_since(last) >= EVERY);
        // What waits may be about the very label.
        if !due || store.deliveries_waiting().await? {
            return Ok(None);
        }
        let mut asked = 0;
        for installation in self.shared.github.installations().await? {
            let calls = CallCounter::default();
            let client = self.shared.github.installation(installation);
            for repo in client.repositories(&calls).await? {
                asked += self.look_in(&repo, &client.repo(&repo, calls.clone())).await?;
            }
        }
        store.mark_moved(Mark::Labelled, now).await?;
        Ok(Some(asked))
    }

    async fn look_in(&self, repo: &Repo, github: &RepoClient) -> Result<usize, Trouble> {
        let filter =
            IssueFilter { labels: &[TRIGGER_LABEL], state: Some(IssueState::Open), ..IssueFilter::default() };
        let labelled = match github.list_issues(&filter).await {
            Ok(labelled) => labelled,
            Err(error) if super::intake::is_final(&error) => {
                tracing::info!(repo = repo.full_name(), %error, "labelled issues cannot be listed here");
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        };
        let mut asked = 0;
        for issue in labelled {
            if self.unheard_of(repo, &issue).await? {
                self.ask(repo, &issue).await?;
                asked += 1;
            }
        }
        Ok(asked)
    }

    /// Whether no delivery can tell of this label any more. The label of a younger issue was delivered within the days that GitHub keeps, so
    /// the pass over the deliveries has found it.
    async fn unheard_of(&self, repo: &Repo, issue: &Issue) -> Result<bool, Trouble> {
        let store = &self.shared.store;
        let old = clock::now().duration_since(issue.created_at) > KEPT;
        Ok(old
            && !issue.is_pull_request
            && !issue.author_is_app
            && store.run_of_master(repo.id, issue.number).await?.is_none()
            && store.role_of(repo.id, issue.number).await?.is_none()
            && !store.label_known(repo.id, issue.number).await?)
    }

    /// Asks once: as a delivery of our own, so that a crash loses nothing and the answer goes the way of all answers.
    async fn ask(&self, repo: &Repo, issue: &Issue) -> Result<(), Trouble> {
        let noticed = Noticed { repo: repo.clone(), issue: issue.number };
        let delivery = NewDelivery {
            id: DeliveryId::new(format!("label-{}-{}", repo.id, issue.number)),
            event: NOTICED.to_owned(),
            payload: serde_json::to_vec(&noticed).unwrap_or_default(),
        };
        self.shared.store.delivery_received(delivery, clock::now()).await?;
        self.delivery_stored();
        Ok(())
    }
}

/// The labels of sub-issues that the repository has not, by one read: a second run finds none and makes none. Where they may
/// not be listed, all count as missing; making one that is there changes nothing.
pub(super) async fn missing_labels(github: &RepoClient, policy: &RunPolicy) -> Result<Vec<String>, Trouble> {
    let there = match github.labels().await {
        Ok(there) => there,
        Err(error) if super::intake::is_final(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let there: HashSet<String> = there.iter().map(|name| name.to_lowercase()).collect();
    let wanted = report::labels(&policy.issue_template).into_iter().map(|label| label.name);
    Ok(wanted.filter(|name| !there.contains(&name.to_lowercase())).collect())
}

/// What such a delivery of our own carries.
#[derive(Serialize, Deserialize)]
struct Noticed {
    repo: Repo,
    issue: u64,
}

/// What a delivery of our own leads to; `None` for one of GitHub's.
pub(super) fn noticed(delivery: &InboxDelivery) -> Option<Settlement> {
    if delivery.event != NOTICED {
        return None;
    }
    let nothing = Settlement::only(delivery.id.clone());
    let Ok(Noticed { repo, issue }) = serde_json::from_slice(&delivery.payload) else {
        return Some(Settlement { note: "a note of our own cannot be read".to_owned(), ..nothing });
    };
    // Known from now on, as if the label had been delivered.
    let trigger = Some(format!("label:{}:{issue}:noticed", repo.id));
    let (body, since) = (notice::label_not_heard_of(), delivery.received_at);
    let payload = serde_json::to_value(Answer { repo, issue, body, since, run: None }).unwrap_or_default();
    Some(Settlement {
        trigger,
        note: "asked about a label that no delivery told of".to_owned(),
        effects: vec![NewEffect { key: EffectKey::Notice, payload }],
        ..nothing
    })
}
