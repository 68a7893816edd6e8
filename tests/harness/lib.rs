//! The stage on which the promises are played: a recording backend, an issuer, certificates, clients,
//! and the real `portcullis` executable between them.
//!
//! Nothing here sleeps and no port is fixed: every wait is for an event and bounded by [`PATIENCE`].
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a stage that cannot be set must fail its test loudly"
)]

mod attentive;
pub mod backend;
pub mod browser;
pub mod certificates;
pub mod client;
pub mod configuration;
pub mod curl;
pub mod gateway;
pub mod issuer;
pub mod key_server;
pub mod lines;
pub mod login;
pub mod mutual;
pub mod openid;
pub mod raw;
pub mod record;
pub mod redis;
pub mod scripted;
pub mod site;
pub mod stage;
#[cfg(test)]
mod tests;
pub mod webhooks;
pub mod websocket;

use std::future::Future;
use std::time::Duration;

pub use backend::{Backend, Received};
pub use certificates::Certificates;
pub use client::{Ask, Client, Reply};
pub use configuration::Configuration;
pub use gateway::Gateway;
pub use issuer::Issuer;
pub use key_server::{KeyServer, Mood};
pub use login::{Login, Says};
pub use openid::OpenId;
pub use serde_json::{Value, json};
pub use site::{Outcome, Site};
pub use stage::{Stage, stage};

/// How long any single event may take before the test fails. Generous: two cores run every test at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `event`, or fails the test with what it was waiting for.
pub async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(PATIENCE, event).await else {
        panic!("waited {PATIENCE:?} in vain for {what}");
    };
    value
}

/// Repeats `attempt` until it has an answer, or fails the test with what it was waiting for.
///
/// For what nobody announces, such as a file's new content being in force.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    let search = async {
        loop {
            if let Some(found) = attempt().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    within(what, search).await
}

/// SHA-256 in lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
