//! Leases and the fence: the protocol as a model, and the shipped processes.

mod checks;
mod fleet;
mod hosts;
mod jump;
mod model;
mod proxy;
