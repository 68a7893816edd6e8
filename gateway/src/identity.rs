//! An identity in force: the pure gate with what is kept for it between requests: fetched keys, and verified
//! credentials.

use std::sync::{Arc, OnceLock};

use rules::credential::Vouched;
use rules::policy::IdentityDef;
use rules::view::Caller;

pub use self::keep::open;
use self::memory::Memory;
pub use self::ring::{Held, Ring};

mod copy;
mod flight;
mod issuer;
mod keep;
mod memory;
mod ring;

/// An identity in force.
pub struct Identity {
    /// What it is.
    pub def: Arc<IdentityDef>,
    ring: OnceLock<Arc<Ring>>,
    memory: Option<Memory>,
}

impl Identity {
    /// An identity that remembers nothing yet and has no fetched keys.
    pub fn new(def: Arc<IdentityDef>) -> Self {
        let memory = def.remembers.then(Memory::new);
        Self { def, ring: OnceLock::new(), memory }
    }

    /// Its keys, where they are fetched. None offline.
    pub fn ring(&self) -> Option<&Arc<Ring>> {
        self.ring.get()
    }

    /// Has the key set in this text stand in for the one that would be fetched: offline.
    ///
    /// # Errors
    /// When the identity's keys are not fetched, or have a stand-in already, or it is no key set: a sentence.
    pub fn stand_in(&self, text: &[u8]) -> Result<(), String> {
        let source = self.def.keys.as_ref().ok_or("its keys are not fetched")?;
        let published = issuer::read(text, source)?;
        let ring = Ring::new(&self.def.name, source.clone(), None);
        ring.stand_in(published);
        self.ring.set(Arc::new(ring)).map_err(|_| "it has a key set already".to_owned())
    }

    /// The keys that were fetched, as far as they may be used at `now` (Unix seconds).
    pub fn held(&self, now: i64) -> Option<Arc<Held>> {
        self.ring().and_then(|ring| ring.held(now))
    }

    /// The caller whom this credential was found to show, if that still holds at `now` (Unix seconds) and no key
    /// has changed since.
    pub fn recall(&self, credential: &[u8], now: i64) -> Option<Arc<Caller>> {
        // Without keys nothing is recalled either: a withdrawn key would live on in what it once verified.
        let generation = match &self.def.keys {
            Some(_) => self.ring()?.generation(now)?,
            None => 0,
        };
        self.memory.as_ref()?.recall(credential, now, generation)
    }

    /// Keeps a verdict that was made with the keys `held`.
    pub fn remember(&self, credential: &[u8], vouched: Vouched, held: Option<&Held>) {
        if let Some(memory) = &self.memory {
            memory.remember(credential, vouched, held.map_or(0, |held| held.generation));
        }
    }
}
