//! Deliveries: every one that was accepted is kept, every one that did not come is found, and each counts once.

mod found;
mod load;
mod relay;
mod storm;
