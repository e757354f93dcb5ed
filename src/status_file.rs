//! The files for people and agents (`product.md`, section 7).
//!
//! Two sides: the public files under `.claude/runtime`, written by the control plane alone as a view of the
//! store that can be written again at any time; and the attempt's private `STATUS_FILE`, which an agent may
//! write and which is read here as what it is: untrusted input that never decides an outcome.
//!
//! Everything here blocks on the file system; call it where that is allowed.

mod agent;
mod hint;
mod paths;
mod run;
mod write;

pub use agent::{AgentStatus, PublicStatus};
pub use hint::{Hint, HintError, read_hint};
pub use paths::{RunPaths, UnsafeName};
pub use run::{ResourceUsage, RunMetrics};
pub use write::{WriteError, append_log, write_json, write_text};

use jiff::Timestamp;
use serde::Serializer;

/// RFC 3339 in UTC with whole seconds and `Z`, such as `2025-12-01T12:00:00Z`.
pub fn show_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn optional_time<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => to.serialize_str(&show_time(*time)),
        None => to.serialize_none(),
    }
}

/// A number of US dollars or seconds as it is written: rounded to `digits` decimals, never `NaN`.
fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    let value = (value * factor).round() / factor;
    if value.is_finite() { value } else { 0.0 }
}
