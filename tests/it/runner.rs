//! The runner: what agents get, how attempts end, and what happens when a process or the control plane goes away.

mod counter;
mod fence;
mod lives;
mod stages;
