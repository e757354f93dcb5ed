//! Where a routed delivery goes before it is answered.

use crate::clock;
use crate::domain::DeliveryId;
use crate::store::{NewDelivery, Received, Store};
use async_trait::async_trait;
use std::sync::Arc;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is committed and will survive a crash.
    New,
    /// Its GUID was there already.
    Known,
}

/// It could not be committed; the answer must not be 2xx.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the inbox is not available: {0}")]
pub struct Unavailable(pub String);

/// Commits deliveries.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Returns only when the delivery is on disk. `event` is `X-GitHub-Event`, `body` the verified bytes.
    async fn store(&self, id: DeliveryId, event: String, body: Vec<u8>) -> Result<Stored, Unavailable>;
}

/// The inbox in the store. `wake` is called after each new delivery, so that work begins at once; it is a
/// hint, which may be lost.
pub struct StoreInbox {
    store: Arc<dyn Store>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl StoreInbox {
    /// An inbox in `store` that calls `wake`.
    pub fn new(store: Arc<dyn Store>, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { store, wake: Box::new(wake) }
    }
}

#[async_trait]
impl Inbox for StoreInbox {
    async fn store(&self, id: DeliveryId, event: String, body: Vec<u8>) -> Result<Stored, Unavailable> {
        let delivery = NewDelivery { id, event, payload: body };
        match self.store.delivery_received(delivery, clock::now()).await {
            Ok(Received::New) => {
                (self.wake)();
                Ok(Stored::New)
            }
            Ok(Received::Known) => Ok(Stored::Known),
            Err(error) => Err(Unavailable(error.to_string())),
        }
    }
}
