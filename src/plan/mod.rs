//! Markdown of a master issue → sub-tasks, their order, their overlaps and a verdict.
//!
//! Everything here is pure and deterministic: the same title, body and master give the same [`Plan`], byte for byte.
//! Reading goes in five steps, one file each: `source` tidies the text, `document` turns Markdown into blocks,
//! `outline` says which section a block stands in and what such a section is for, `select` decides which list is the
//! work, `order` and `mention` find what waits for what and who would touch the same place. The rules are those of
//! `tests/fixtures/plans/LABELLING.md` (R1 to R11), and the comments name them. `native` merges what GitHub itself knows.

mod cue;
mod diff;
mod document;
mod explain;
mod graph;
mod headings;
mod item;
mod likely;
mod links;
mod mention;
mod model;
mod naming;
mod native;
mod order;
#[cfg(test)]
mod order_tests;
mod outline;
mod phrases;
mod place;
mod purpose;
mod read;
mod select;
mod source;
mod table;
mod text;
mod trace;
mod unit;
// Word lists, filled line by line; one word a line would be a thousand lines.
#[rustfmt::skip]
mod words;

pub use crate::domain::Size;
pub use diff::{Changes, Edge};
pub use explain::Explained;
pub use mention::named;
pub use model::{Barrier, Confidence, Dependency, Overlap, Plan, PlannedTask, Verdict};
pub use native::{NativeIssue, Remark, is_link};
pub use read::{explained, read};
