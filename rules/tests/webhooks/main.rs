//! Webhooks from outside, as the gateway uses them: the vectors, the presets, signing, schemes of other shapes, and what
//! must never happen.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken expectation is how a test says so"
)]

mod fetching;
mod presets;
mod problems;
mod properties;
mod schemes;
mod stage;
mod vectors;
mod yaml;

#[path = "../plain/mod.rs"]
mod plain;
