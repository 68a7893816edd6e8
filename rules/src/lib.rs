//! What may pass: the pure core of portcullis. Facts in, verdict out; no I/O, no clock, no threads.

pub mod content;
pub mod cookies;
pub mod credential;
pub mod forwarding;
pub mod framing;
pub mod host;
pub mod identities;
pub mod key_file;
pub mod moment;
mod names;
pub mod origin;
pub mod path;
pub mod plan;
pub mod policies;
pub mod policy;
pub mod problem;
pub mod query;
pub mod route;
pub mod schema;
pub mod secret;
pub mod set_cookie;
pub mod shapes;
pub mod strict_json;
pub mod token;
pub mod units;
pub mod verdict;
pub mod view;
