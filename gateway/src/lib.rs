//! x

pub mod access_log;
pub mod redact;
