//! The places where a crash would hurt, and the defences that make it harmless.
//!
//! Every effect passes four boundaries, every settlement of a delivery two. In service nothing waits there. A proof
//! (`docs/proof.md`) arms one, so that the process dies exactly there, or switches a defence off to show that a
//! test sees what it is good for.

use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;

/// Where in the life of an effect or a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Before the intent is committed: nothing is known yet.
    BeforeIntent,
    /// The intent is committed, the request is not sent.
    BeforeRequest,
    /// GitHub has done it; nobody has looked at the answer.
    BeforeAnswer,
    /// The answer is understood, and not committed.
    BeforeRecord,
    /// It is worked out what a delivery changes; nothing of it is committed.
    BeforeSettlement,
    /// What a delivery changes is committed; nobody was woken.
    AfterSettlement,
}

impl Place {
    /// The second half of a boundary's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeIntent => "before-intent",
            Self::BeforeRequest => "before-request",
            Self::BeforeAnswer => "before-answer",
            Self::BeforeRecord => "before-record",
            Self::BeforeSettlement => "before-settlement",
            Self::AfterSettlement => "after-settlement",
        }
    }
}

/// One boundary: `{kind}/{place}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// The effect's kind, or `intake`.
    pub kind: &'static str,
    /// Where.
    pub place: Place,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.place.as_str())
    }
}

/// Hears of every crossing; an armed one does not return from it.
#[async_trait]
pub trait Boundary: Send + Sync {
    /// The control plane is at this point.
    async fn cross(&self, point: Point);
}

/// Defences that a proof has switched off. All false in service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Without {
    /// Nothing is looked for before it is sent again.
    pub look: bool,
    /// The intent is recorded only after the answer.
    pub intent: bool,
    /// An unknown outcome is not waited out.
    pub wait: bool,
}

/// What a proof changes about the control plane; the default changes nothing.
#[derive(Clone, Default)]
pub struct Proof {
    /// Hears of every crossing.
    pub boundary: Option<Arc<dyn Boundary>>,
    /// What is switched off.
    pub without: Without,
}

impl Proof {
    pub(super) async fn cross(&self, kind: &'static str, place: Place) {
        if let Some(boundary) = &self.boundary {
            boundary.cross(Point { kind, place }).await;
        }
    }
}
