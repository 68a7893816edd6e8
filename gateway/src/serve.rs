//! Serves.

use std::net::SocketAddr;
use std::path::Path;

/// The addresses that were bound.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    /// `listen.http`.
    pub http: Option<SocketAddr>,
    /// `listen.https`.
    pub https: Option<SocketAddr>,
    /// `admin`.
    pub admin: Option<SocketAddr>,
}

/// Why nothing is served.
pub struct StartError(&'static str);

impl StartError {
    /// The error for people, with its line break at the end.
    pub fn text(&self, _colour: bool) -> String {
        format!("error: {}\n", self.0)
    }
}

/// Serves the configuration at `path` until a signal ends it; calls `ready` once everything is bound.
///
/// # Errors
/// When the start fails.
pub fn run(_path: &Path, _ready: impl FnOnce(&Bound) + Send) -> Result<(), StartError> {
    Err(StartError("not built yet"))
}
