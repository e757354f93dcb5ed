//! What several integration tests need.

pub mod divisi;
pub mod figures;
pub mod schema;
pub mod small_disk;
pub mod world;
