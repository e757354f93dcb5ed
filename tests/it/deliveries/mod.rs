//! Deliveries: every one that was accepted is kept, every one that did not come is found, and each counts once.

mod found;
mod labels;
mod load;
mod orders;
mod relay;
mod storm;
