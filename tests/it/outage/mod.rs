//! GitHub away, slow of memory, strict, or of another time: whole runs in virtual time come through it, and Divisi keeps to
//! what GitHub asks for.

mod nights;
mod refusal;
mod strict;
mod two_hours;

/// What the figures are told under.
const PROOF: &str = "outage";
