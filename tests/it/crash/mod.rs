//! Exactly once through every crash: whole runs in virtual time (`matrix`), and the shipped binary (`real`).

mod cast;
mod check;
mod matrix;
