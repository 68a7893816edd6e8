//! What may pass: the pure core of portcullis. Facts in, verdict out; no I/O, no clock, no threads.

pub mod plan;
pub mod policies;
pub mod policy;
pub mod problem;
pub mod secret;
pub mod strict_json;
pub mod verdict;
pub mod view;
