//! Planned misbehaviour: GitHub answers an error, is slow, or loses the answer after it has done the work.

use serde_json::Value;
use std::time::Duration;

/// One planned fault. The first planned fault that matches a request is used up by it.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Method it applies to; `None` is any.
    pub method: Option<String>,
    /// Start of the path it applies to, such as `/repos/acme/demo/issues`; the empty text is any.
    pub path_prefix: String,
    /// This many matching requests pass untouched first.
    pub skip: u32,
    /// This many matching requests are hit after those.
    pub times: u32,
    /// What happens to them.
    pub effect: FaultEffect,
}

/// What a fault does to a request.
#[derive(Clone, Debug)]
pub enum FaultEffect {
    /// Nothing is done; this answer is given instead.
    Answer {
        /// HTTP status.
        status: u16,
        /// Additional headers, such as `retry-after`.
        headers: Vec<(String, String)>,
        /// JSON body.
        body: Value,
    },
    /// The request is done, but this status is answered (a gateway's 502).
    AnswerAfterApplying {
        /// HTTP status.
        status: u16,
    },
    /// The connection is closed before anything is done.
    Drop,
    /// The request is done and the connection is closed without an answer.
    DropAfterApplying,
    /// The request is done and answered, this much later; done even when its client is gone by then.
    Delay(Duration),
    /// The request is done this much later, and the connection is closed without an answer.
    DelayThenDrop(Duration),
}

impl Fault {
    /// A fault that hits the next matching request, once.
    pub fn once(method: &str, path_prefix: impl Into<String>, effect: FaultEffect) -> Fault {
        Fault { method: Some(method.to_owned()), path_prefix: path_prefix.into(), skip: 0, times: 1, effect }
    }

    /// Lets `count` matching requests pass first.
    pub fn after(mut self, count: u32) -> Fault {
        self.skip = count;
        self
    }

    /// Hits `count` matching requests in a row.
    pub fn times(mut self, count: u32) -> Fault {
        self.times = count;
        self
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|m| m == method) && path.starts_with(&self.path_prefix)
    }
}

/// Takes the effect that the plan has for this request, counting it down.
pub(super) fn take(plan: &mut Vec<Fault>, method: &str, path: &str) -> Option<FaultEffect> {
    let at = plan.iter().position(|fault| fault.matches(method, path))?;
    let fault = &mut plan[at];
    if fault.skip > 0 {
        fault.skip -= 1;
        return None;
    }
    let effect = fault.effect.clone();
    fault.times = fault.times.saturating_sub(1);
    if fault.times == 0 {
        plan.remove(at);
    }
    Some(effect)
}
