//! x

pub mod access_log;
pub mod admin;
pub mod demo;
pub mod metrics;
pub mod redact;
mod side_door;
