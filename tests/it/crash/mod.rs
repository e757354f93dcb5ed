//! Exactly once through every crash: whole runs in virtual time (`matrix`), and the shipped binary (`real`).

pub mod cast;
pub mod check;
mod matrix;
