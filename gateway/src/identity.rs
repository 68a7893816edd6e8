//! An identity in force: the pure gate with what is kept for it between requests: fetched keys, verified credentials,
//! and the way to its login service.

use std::sync::Arc;

use rules::credential::{LoginAnswer, Question, Vouched};
use rules::policy::IdentityDef;
use rules::verdict::{Code, Refusal};
use rules::view::Caller;

use self::login::Service;
use self::memory::Memory;
pub use self::ring::{Held, Ring};

mod login;
mod memory;
mod ring;

/// An identity in force.
pub struct Identity {
    /// What it is.
    pub def: Arc<IdentityDef>,
    /// Its keys, where they are fetched.
    pub ring: Option<Arc<Ring>>,
    memory: Option<Memory>,
    login: Option<Service>,
}

impl Identity {
    /// An identity that remembers nothing yet and has no fetched keys.
    pub fn new(def: Arc<IdentityDef>) -> Self {
        let ring = def.keys.as_ref().map(|source| Arc::new(Ring::new(&def.name, source.clone())));
        let memory = def.remembers.then(Memory::new);
        let login = def.login.as_ref().map(|login| Service::new(&def.name, login));
        Self { def, ring, memory, login }
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
