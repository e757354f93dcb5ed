//! The counter between the planes: the runner API's wire types, and the client that runners use.

pub mod wire;
