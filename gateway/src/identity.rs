//! An identity in force: the pure gate with what is kept for it between requests: fetched keys, verified credentials,
//! and the way to its login service.

use std::sync::{Arc, OnceLock};

use rules::credential::{LoginAnswer, Never, Question, Vouched};
use rules::policy::IdentityDef;
use rules::verdict::{Code, Refusal};
use rules::view::Caller;

pub use self::keep::open;
use self::login::Service;
use self::memory::Memory;
use self::refused::Refused;
pub use self::ring::{Held, Ring};

mod copy;
mod flight;
mod issuer;
mod keep;
mod login;
mod memory;
mod refused;
mod ring;

/// An identity in force.
pub struct Identity {
    /// What it is.
    pub def: Arc<IdentityDef>,
    ring: OnceLock<Arc<Ring>>,
    memory: Option<Memory>,
    refused: Option<Refused>,
    login: Option<Service>,
}

impl Identity {
    /// An identity that remembers nothing yet and has no fetched keys.
    pub fn new(def: Arc<IdentityDef>) -> Self {
        let (memory, refused) = (def.remembers.then(Memory::new), def.remembers.then(Refused::new));
        let login = def.login.as_ref().map(|login| Service::new(&def.name, login));
        Self { def, ring: OnceLock::new(), memory, refused, login }
    }

    /// Asks the login service.
    ///
    /// # Errors
    /// When it gives no answer, or there is no such service.
    pub async fn ask(&self, question: Question) -> Result<LoginAnswer, Refusal> {
        match &self.login {
            Some(login) => login.ask(question).await,
            None => Err(Refusal::new(Code::Internal, "identity", "the identity has no login service")),
        }
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
        let generation = self.generation(now)?;
        self.memory.as_ref()?.recall(credential, now, generation)
    }

    /// The refusal of a credential that the same keys have refused for good: it costs no second verification, however
    /// often it comes.
    pub fn refused(&self, credential: &[u8], now: i64) -> Option<Refusal> {
        let generation = self.generation(now)?;
        self.refused.as_ref()?.recall(credential, now, generation)
    }

    /// Which keys are in force: a number that changes with them. None while there are none.
    fn generation(&self, now: i64) -> Option<u64> {
        match &self.def.keys {
            Some(_) => self.ring()?.generation(now),
            None => Some(0),
        }
    }

    /// Keeps a refusal that was made with the keys `held`.
    pub fn refuse(&self, credential: &[u8], never: Never, held: Option<&Held>) {
        if let Some(refused) = &self.refused {
            refused.remember(credential, never, held.map_or(0, |held| held.generation));
        }
    }

    /// Keeps a verdict that was made with the keys `held`.
    pub fn remember(&self, credential: &[u8], vouched: Vouched, held: Option<&Held>) {
        if let Some(memory) = &self.memory {
            memory.remember(credential, vouched, held.map_or(0, |held| held.generation));
        }
    }
}
