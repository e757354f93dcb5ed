//! The one loop that finds deliveries which never came: at start, and again and again.
//!
//! GitHub does not repeat a delivery by itself, but keeps each for three days. Whatever it attempted, was to be routed, and is not in the
//! inbox, is read from there and stored as if it had come. With `deliveries = "poll"` nothing comes in any other way.

use super::Orchestrator;
use super::intake::is_final;
use crate::clock;
use crate::domain::DeliveryId;
use crate::github::event::{self, Routed};
use crate::github::{DeliveryItem, Error};
use crate::store::{Mark, NewDelivery, Received, StoreError};
use crate::telemetry::names;
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How long GitHub keeps deliveries (seven days on Enterprise Server, which changes nothing here).
pub(super) const KEPT: SignedDuration = SignedDuration::from_hours(3 * 24);
/// Every pass looks back this much further than the one before had come: attempts show up late, and clocks differ.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);
/// Bodies that are read side by side.
const SIDE_BY_SIDE: usize = 8;
/// GUIDs in one question to the database.
const QUESTION: usize = 1_000;
/// After a pass that failed the next one comes sooner, but not at once.
const AGAIN: Duration = Duration::from_secs(30);

/// Why a pass was not finished. What it found is stored all the same.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    GitHub(#[from] Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Orchestrator {
    /// The loop. `every` is the time between two passes.
    pub(super) async fn catch_up(&self, every: Duration) {
        // What was read, and turned out to be nothing for us: not read again in this process.
        let mut looked_at = HashSet::new();
        while !self.shared.stop.is_cancelled() {
            let wait = match self.catch_up_once(&mut looked_at).await {
                Ok(()) => {
                    self.ask_about_labels().await;
                    every
                }
                Err(error) => {
                    tracing::warn!(%error, "not all deliveries could be looked through; trying again");
                    every.min(AGAIN)
                }
            };
            tokio::select! {
                () = clock::sleep(wait) => {}
                () = self.shared.stop.cancelled() => {}
            }
        }
    }

    /// One pass over what GitHub attempted since the last complete one.
    async fn catch_up_once(&self, looked_at: &mut HashSet<DeliveryId>) -> Result<(), Broken> {
        let store = &self.shared.store;
        let now = clock::now();
        let mark = store.mark(Mark::Deliveries).await?;
        let since = mark.map_or(now - KEPT, |mark| (mark - OVERLAP).max(now - KEPT));
        let listed = self.shared.github.deliveries(since).await?;
        let newest = listed.iter().map(|d| d.delivered_at).max();
        let mut missing = self.missing(listed, mark, looked_at).await?;
        // In the order in which things happened.
        missing.sort_by_key(|d| (d.delivered_at, d.id));
        let mut fetched = stream::iter(missing)
            .map(|item| async move {
                let content = self.shared.github.delivery(item.id).await;
                (item, content)
            })
            .buffered(SIDE_BY_SIDE);
        let mut broken = None;
        while let Some((item, content)) = fetched.next().await {
            if self.shared.stop.is_cancelled() {
                return Ok(());
            }
            let content = match content {
                Ok(content) => content,
                Err(error) if is_final(&error) || matches!(error, Error::Protocol { .. }) => {
                    tracing::warn!(delivery = %item.guid, %error, "a delivery that did not come cannot be read any more");
                    looked_at.insert(item.guid);
                    continue;
                }
                Err(error) => {
                    broken = Some(error);
                    continue;
                }
            };
            if let Routed::Ignored(_) | Routed::Ping = event::route(&content.event, &content.body) {
                looked_at.insert(item.guid);
                continue;
            }
            let delivery = NewDelivery { id: content.guid, event: content.event, payload: content.body };
            if store.delivery_received(delivery, clock::now()).await? == Received::New {
                metrics::counter!(names::DELIVERIES_FOUND).increment(1);
                tracing::info!(delivery = %item.guid, event = item.event, "a delivery that did not come was found");
                self.delivery_stored();
            }
        }
        match broken {
            Some(error) => Err(error.into()),
            None => Ok(store.mark_moved(Mark::Deliveries, newest.unwrap_or(now)).await?),
        }
    }

    /// Of what GitHub lists: each event that may be for us and is not here, by its newest attempt.
    async fn missing(
        &self,
        listed: Vec<DeliveryItem>,
        mark: Option<Timestamp>,
        looked_at: &mut HashSet<DeliveryId>,
    ) -> Result<Vec<DeliveryItem>, StoreError> {
        let mut newest: HashMap<DeliveryId, DeliveryItem> = HashMap::new();
        let mut delivered = HashSet::new();
        let ours = listed.into_iter().filter(|d| event::may_be_routed(&d.event, d.action.as_deref()));
        for item in ours {
            if item.ok {
                delivered.insert(item.guid.clone());
            }
            let known = newest.entry(item.guid.clone()).or_insert_with(|| item.clone());
            if item.id > known.id {
                *known = item;
            }
        }
        looked_at.retain(|guid| newest.contains_key(guid));
        // With a new database, what somebody answered with 2xx was taken by a Divisi before this one: it is not done again.
        if mark.is_none() {
            newest.retain(|guid, _| !delivered.contains(guid));
        }
        newest.retain(|guid, _| !looked_at.contains(guid));
        let guids: Vec<DeliveryId> = newest.keys().cloned().collect();
        for some in guids.chunks(QUESTION) {
            for known in self.shared.store.deliveries_known(some).await? {
                newest.remove(&known);
            }
        }
        Ok(newest.into_values().collect())
    }
}
