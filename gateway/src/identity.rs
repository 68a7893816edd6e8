//! An identity in force: the pure gate with what is kept for it between requests: fetched keys, and verified
//! credentials.

use std::sync::Arc;

use rules::credential::Vouched;
use rules::policy::IdentityDef;
use rules::view::Caller;

use self::memory::Memory;
pub use self::ring::{Held, Ring};

mod memory;
mod ring;

/// An identity in force.
pub struct Identity {
    /// What it is.
    pub def: Arc<IdentityDef>,
    /// Its keys, where they are fetched.
    pub ring: Option<Arc<Ring>>,
    memory: Option<Memory>,
}

impl Identity {
    /// An identity that remembers nothing yet and has no fetched keys.
    pub fn new(def: Arc<IdentityDef>) -> Self {
        let ring = def.keys.as_ref().map(|source| Arc::new(Ring::new(&def.name, source.clone())));
        let memory = def.remembers.then(Memory::new);
        Self { def, ring, memory }
    }

    /// The keys that were fetched last.
    pub fn held(&self) -> Option<Arc<Held>> {
        self.ring.as_ref().and_then(|ring| ring.held())
    }

    /// The caller whom this credential was found to show, if that still holds at `now` (Unix seconds) and no key
    /// has changed since.
    pub fn recall(&self, credential: &[u8], now: i64) -> Option<Arc<Caller>> {
        let generation = self.ring.as_ref().map_or(0, |ring| ring.generation());
        self.memory.as_ref()?.recall(credential, now, generation)
    }

    /// Keeps a verdict that was made with the keys `held`.
    pub fn remember(&self, credential: &[u8], vouched: Vouched, held: Option<&Held>) {
        if let Some(memory) = &self.memory {
            memory.remember(credential, vouched, held.map_or(0, |held| held.generation));
        }
    }
}
