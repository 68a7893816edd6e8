//! Webhooks from outside, as the gateway uses them: the vectors, the presets, signing, schemes of other shapes, and what
//! must never happen.

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
