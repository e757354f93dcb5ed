//! status files.
