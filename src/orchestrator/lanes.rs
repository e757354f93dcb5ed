//! Which deliveries are being worked on: at most one of each repository, some repositories side by side.

use super::Orchestrator;
use crate::domain::DeliveryId;
use crate::github::event::{Routed, route};
use crate::store::InboxDelivery;
use std::collections::HashMap;
use tokio::task::JoinSet;

/// Deliveries at once.
const SIDE_BY_SIDE: usize = 8;
/// So many may be looked at in vain, because their repository is busy, before one must end.
const PASSED_OVER: usize = 64;

/// The lanes. Dropping them stops what is under way; it is found in the inbox again.
#[derive(Default)]
pub(super) struct Lanes {
    under_way: JoinSet<String>,
    /// Per repository: the delivery under way first, then those that wait for it.
    busy: HashMap<String, Vec<DeliveryId>>,
}

impl Lanes {
    /// Begins with the delivery, or passes it over while its repository is busy.
    pub fn take(&mut self, orchestrator: &Orchestrator, delivery: InboxDelivery) {
        let lane = lane(&delivery);
        if let Some(busy) = self.busy.get_mut(&lane) {
            busy.push(delivery.id);
            return;
        }
        self.busy.insert(lane.clone(), vec![delivery.id.clone()]);
        let orchestrator = orchestrator.clone();
        self.under_way.spawn(async move {
            orchestrator.take_one(delivery).await;
            lane
        });
    }

    /// What is under way or was passed over.
    pub fn taken(&self) -> Vec<DeliveryId> {
        self.busy.values().flatten().cloned().collect()
    }

    /// Whether nothing more is to be taken until one ends.
    pub fn are_full(&self) -> bool {
        let waiting: usize = self.busy.values().map(|ids| ids.len() - 1).sum();
        self.under_way.len() >= SIDE_BY_SIDE || waiting >= PASSED_OVER
    }

    /// Opens the lanes of what has ended.
    pub fn free(&mut self) {
        while let Some(ended) = self.under_way.try_join_next() {
            self.open(ended);
        }
    }

    /// Returns when one has ended; never while nothing is under way.
    pub async fn one_ends(&mut self) {
        match self.under_way.join_next().await {
            Some(ended) => self.open(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits for all that is under way.
    pub async fn end(&mut self) {
        while self.under_way.join_next().await.is_some() {}
    }

    fn open(&mut self, ended: Result<String, tokio::task::JoinError>) {
        match ended {
            Ok(lane) => drop(self.busy.remove(&lane)),
            Err(error) => {
                // Nobody knows whose lane it was. What still runs in another may be begun a second time; the later one settles as a duplicate.
                tracing::error!(%error, "a delivery could not be worked on to its end; it is tried again");
                self.busy.clear();
            }
        }
    }
}

/// One for each repository, as the delivery names it.
fn lane(delivery: &InboxDelivery) -> String {
    match route(&delivery.event, &delivery.payload) {
        Routed::Handled(headline) => headline.repository.to_lowercase(),
        Routed::Ping | Routed::Ignored(_) => String::new(),
    }
}
