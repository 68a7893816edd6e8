//! What happens: the gateway itself. The only crate that knows Pingora.

pub mod edge;
