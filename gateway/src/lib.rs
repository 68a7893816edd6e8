//! portcullis: a security gateway in front of chatbot backends.

pub mod access_log;
pub mod admin;
pub mod config;
pub mod demo;
pub mod edge;
pub mod mends;
pub mod metrics;
pub mod pipeline;
pub mod redact;
mod side_door;
pub mod snapshot;
pub mod upstream;
pub mod visit;
