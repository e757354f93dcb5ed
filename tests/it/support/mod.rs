//! What several integration tests need.

pub mod divisi;
pub mod schema;
pub mod world;
