//! Counters: what is known of callers between requests, in this process or shared with other gateways.
//!
//! A request's way: what needs only the address is [`Store::peek`]ed at before anything is read; when all is known, all
//! of its counters are [`Store::charge`]d at once, all or none; afterwards, [`Store::note`] tells them of the answer.
//! The time is an argument everywhere, so that recorded requests are judged by their own.

use std::path::Path;
use std::sync::Arc;

use rules::meter::{Ask, Kind, Note, Standing};

pub use self::answer::{Denial, Denied};
use self::embedded::{Embedded, Tallies};
pub use self::few::Few;
pub use self::seed::{Hasher, Seed};
use crate::metrics::{Registry, StateMetrics};

mod answer;
mod embedded;
pub mod few;
mod seed;
#[cfg(test)]
mod tests;

/// How counters are kept, as configured.
#[derive(Clone)]
pub struct Terms {
    /// About how many are kept in memory at most.
    pub keys: usize,
}

impl Terms {
    /// Counters in memory at most, unless configured otherwise: about 100 MB.
    pub const KEYS: usize = 1_000_000;
}

impl Default for Terms {
    fn default() -> Self {
        Self { keys: Self::KEYS }
    }
}

/// All counters of this process. It survives a reload of the configuration; clones share it.
#[derive(Clone)]
pub struct Store {
    embedded: Arc<Embedded>,
    seed: Seed,
}

/// A request that was charged.
#[must_use = "its places are freed when this is dropped"]
#[derive(Default)]
pub struct Admission {
    /// Where each of the asked counters stands now, in the order of the asks.
    pub standings: Few<Standing>,
    /// The places that it takes while it is in progress.
    pub leases: Vec<Lease>,
}

/// A place among those at the same time, freed when this is dropped: however a request ends.
#[must_use = "it is freed when this is dropped"]
pub struct Lease {
    embedded: Arc<Embedded>,
    ask: Ask,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.embedded.release(&self.ask);
    }
}

impl Store {
    /// Opens the store of a gateway that serves; what must survive a restart is kept in `folder`.
    ///
    /// # Errors
    /// Why there is none: a sentence.
    #[expect(clippy::unused_async, reason = "a shared store is waited for")]
    pub async fn open(terms: Terms, folder: &Path, registry: &Registry) -> Result<Self, String> {
        let _ = folder;
        Ok(Self::with(&terms, Seed::random()?, &StateMetrics::new(registry)))
    }

    /// A store that keeps nothing, for judging offline; its counters have the same keys each time.
    pub fn offline(terms: &Terms) -> Self {
        Self::with(terms, Seed::known(), &StateMetrics::unseen())
    }

    fn with(terms: &Terms, seed: Seed, metrics: &StateMetrics) -> Self {
        let tallies = Tallies { evicted: metrics.evicted.clone(), no_room: metrics.no_room.clone() };
        Self { embedded: Arc::new(Embedded::new(terms.keys, tallies)), seed }
    }

    /// What counters' keys are to be hashed with.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Whether one of these would be refused, as far as this process knows. Nothing is charged, and nothing is waited
    /// for; but the penalty of who is refused begins.
    pub fn peek(&self, asks: &[Ask], now_ms: i64) -> Option<Denial> {
        self.embedded.peek(asks, now_ms)
    }

    /// Charges all of these, or none if one refuses.
    ///
    /// # Errors
    /// When one refuses, or nobody can tell.
    #[expect(clippy::unused_async, reason = "a shared store is waited for")]
    pub async fn charge(&self, asks: &[Ask], now_ms: i64) -> Result<Admission, Denied> {
        self.charge_now(asks, now_ms)
    }

    /// The same for a store of this process alone, without waiting.
    ///
    /// # Errors
    /// When one refuses, or there is no room.
    pub fn charge_now(&self, asks: &[Ask], now_ms: i64) -> Result<Admission, Denied> {
        let standings = self.embedded.charge(asks, now_ms)?;
        let places = asks.iter().filter(|ask| ask.meter.kind() == Kind::Concurrent && ask.cost > 0);
        let leases = places.map(|ask| Lease { embedded: Arc::clone(&self.embedded), ask: *ask }).collect();
        Ok(Admission { standings, leases })
    }

    /// Tells counters what an answer was. Never waits.
    pub fn note(&self, notes: &[(Ask, Note)], now_ms: i64) {
        self.embedded.note(notes, now_ms);
    }

    /// How many counters are in memory.
    pub fn len(&self) -> usize {
        self.embedded.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
