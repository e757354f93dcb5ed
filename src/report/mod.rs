//! Everything that Divisi says on GitHub, and nothing else says it: wording here, escaping in `escape`, markers
//! in `marker`. Pure: the time is an argument.

pub mod approve;
mod escape;
mod estimate;
mod issues;
pub mod marker;
pub mod notice;
mod plan;
mod progress;
pub mod state;
mod summary;
mod waiting;
mod words;

pub use issues::{Text, folded, follow_up, pull_request, sub_issue};
pub use plan::{plan, plan_text};
pub use progress::progress;
pub use summary::{summary, summary_text};
pub use waiting::not_started;

/// A foreign title as it may be sent: one line, at most 256 characters, nothing in it acts.
pub fn title(text: &str) -> String {
    escape::title(text, 0)
}
