//! portcullis: a security gateway in front of chatbot backends.

pub mod access_log;
pub mod admin;
pub mod cli;
pub mod client_ca;
pub mod config;
pub mod demo;
pub mod edge;
pub mod fetch;
pub mod identity;
pub mod judge;
pub mod mends;
pub mod metrics;
pub mod mint;
pub mod pipeline;
pub mod redact;
pub mod reload;
pub mod replays;
pub mod serve;
mod side_door;
pub mod snapshot;
mod sockets;
pub mod state;
mod status;
pub mod swap;
pub mod upstream;
pub mod visit;
pub mod webhook;
