//! The counter between the planes: the runner API's wire types, and the client that runners use.

mod client;
pub mod wire;

pub use client::{CallError, Client, ClientError, until_answered};
