//! Counters: what is known of callers between requests, in this process or shared with other gateways.
//!
//! A request's way: what needs only the address is [`Store::peek`]ed at before anything is read; when all is known, all
//! of its counters are [`Store::charge`]d at once, all or none; afterwards, [`Store::note`] tells them of the answer.
//! The time is an argument everywhere, so that recorded requests are judged by their own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rules::meter::{Ask, Meter, Note, Standing};
use tokio::task::spawn_blocking;
use tracing::warn;

pub use self::answer::{Denial, Denied};
use self::durable::Journal;
pub use self::durable::Ticket;
use self::embedded::{Embedded, Tallies, counts};
pub use self::few::Few;
pub use self::lease::Lease;
use self::redis::Service;
pub use self::seed::{Hasher, Seed};
pub use self::shared::{OnFailure, Shared};
use crate::metrics::{Registry, StateMetrics};

mod answer;
mod durable;
mod embedded;
pub mod few;
mod lease;
mod redis;
mod seed;
mod shared;
#[cfg(test)]
mod tests;

/// How long the process before this one is waited for.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(2);

/// How counters are kept, as configured.
#[derive(Clone)]
pub struct Terms {
    /// About how many are kept in memory at most.
    pub keys: usize,
    /// Where they are shared with other gateways, if they are.
    pub shared: Option<Shared>,
}

impl Terms {
    /// Counters in memory at most, unless configured otherwise: about 100 MB.
    pub const KEYS: usize = 1_000_000;
}

impl Default for Terms {
    fn default() -> Self {
        Self { keys: Self::KEYS, shared: None }
    }
}

/// All counters of this process. It survives a reload of the configuration; clones share it.
#[derive(Clone)]
pub struct Store {
    embedded: Arc<Embedded>,
    /// What outlives this process, if nothing is shared.
    journal: Option<Arc<Journal>>,
    shared: Option<Arc<Service>>,
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
    /// To be awaited before the client learns of the answer, where the charge must survive a restart.
    pub durable: Option<Ticket>,
}

impl Store {
    /// Opens the store of a gateway that serves; what must survive a restart is kept in `folder`, which is made when
    /// there is something to keep.
    ///
    /// # Errors
    /// Why there is none: a sentence.
    pub async fn open(terms: Terms, folder: &Path, registry: &Registry) -> Result<Self, String> {
        let metrics = StateMetrics::new(registry);
        if let Some(shared) = terms.shared.clone() {
            let mut store = Self::with(&terms, Seed::public(), &metrics);
            let table = Arc::clone(&store.embedded);
            store.shared = Some(Arc::new(Service::open(shared, table, metrics.redis_errors.clone()).await?));
            return Ok(store);
        }
        let folder = folder.to_owned();
        let opening = spawn_blocking(move || {
            let seed = Seed::kept(&folder).unwrap_or_else(|error| {
                let folder = folder.display().to_string();
                warn!(folder, %error, "the seed of the kept counters cannot be read: they begin anew");
                None
            });
            let mut store = Self::with(&terms, seed.map_or_else(Seed::random, Ok)?, &metrics);
            let table = Arc::clone(&store.embedded);
            let journal = Journal::open(&folder, store.seed.clone(), table, metrics.embedded_errors.clone());
            store.journal = Some(Arc::new(journal));
            Ok(store)
        });
        opening.await.unwrap_or_else(|_| Err("opening the kept counters ended unexpectedly".to_owned()))
    }

    /// A store that keeps nothing, for judging offline; its counters have the same keys each time.
    pub fn offline(terms: &Terms) -> Self {
        Self::with(terms, Seed::known(), &StateMetrics::unseen())
    }

    fn with(terms: &Terms, seed: Seed, metrics: &StateMetrics) -> Self {
        let tallies = Tallies { evicted: metrics.evicted.clone(), no_room: metrics.no_room.clone() };
        Self { embedded: Arc::new(Embedded::new(terms.keys, tallies)), journal: None, shared: None, seed }
    }

    /// Waits until what the process before this one has counted is known: to be called when that one was told to stop,
    /// and before the first request. Not for ever: one that hangs must not keep the next from serving.
    pub async fn taken_over(&self) {
        if let Some(journal) = &self.journal
            && tokio::time::timeout(TAKEN_OVER_WITHIN, journal.taken_over()).await.is_err()
        {
            warn!("the process before this one does not leave its counters: they are taken in later");
        }
    }

    /// Leaves the kept counters to the process that replaces this one: to be called when running requests may still finish,
    /// but new ones go elsewhere. What those charge is kept all the same.
    pub fn let_go(&self) {
        if let Some(journal) = &self.journal {
            journal.let_go();
        }
    }

    /// Writes what is not yet written. Waits for the disk: not for a thread that must not.
    pub fn close(&self) {
        if let Some(journal) = &self.journal {
            journal.close();
        }
        if let Some(service) = &self.shared {
            service.redis().close();
        }
    }

    /// What counters' keys are to be hashed with.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Whether one of these would be refused, as far as this process knows. Nothing is charged, and nothing is waited
    /// for; but the penalty of who is refused begins.
    pub fn peek(&self, asks: &[Ask], now_ms: i64) -> Option<Denial> {
        if let Some(service) = &self.shared {
            return service.redis().peek(asks, now_ms);
        }
        let denial = self.embedded.peek(asks, now_ms)?;
        self.keep_penalty(asks, &denial);
        Some(denial)
    }

    /// Charges all of these, or none if one refuses.
    ///
    /// # Errors
    /// When one refuses, or nobody can tell.
    pub async fn charge(&self, asks: &[Ask], now_ms: i64) -> Result<Admission, Denied> {
        match &self.shared {
            Some(service) => service.redis().charge(asks, now_ms).await,
            None => self.charge_now(asks, now_ms),
        }
    }

    /// The same for a store of this process alone, without waiting.
    ///
    /// # Errors
    /// When one refuses, or there is no room.
    pub fn charge_now(&self, asks: &[Ask], now_ms: i64) -> Result<Admission, Denied> {
        let standings = self.embedded.charge(asks, now_ms).inspect_err(|denied| {
            if let Denied::Limit(denial) = denied {
                self.keep_penalty(asks, denial);
            }
        })?;
        let leases = Lease::seats(&self.embedded, asks);
        let durable = self.journal.as_ref().and_then(|journal| {
            journal.push(asks.iter().filter(|ask| counts(ask) && ask.meter.is_durable()).map(|ask| ask.key))
        });
        Ok(Admission { standings, leases, durable })
    }

    /// Whether counters are shared with other gateways.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Runs a script in the shared store, for what else is kept there; the integer that it returns.
    ///
    /// # Errors
    /// Why it did not run, or may not have.
    pub async fn eval(&self, script: &str, keys: &[String], args: &[String]) -> Result<i64, String> {
        let service = self.shared.as_ref().ok_or("nothing is shared")?;
        service.redis().eval(script, keys, args).await
    }

    /// Tells counters what an answer was. Never waits; what is to be awaited before the client learns of the answer is
    /// returned.
    pub fn note(&self, notes: &[(Ask, Note)], now_ms: i64) -> Option<Ticket> {
        if let Some(service) = &self.shared {
            service.redis().note(notes, now_ms);
            return None;
        }
        self.embedded.note(notes, now_ms);
        let journal = self.journal.as_ref()?;
        // Whom nobody knows a success has nothing to clear of.
        let kept = |(ask, _): &&(Ask, Note)| ask.meter.is_durable() && self.embedded.knows(ask.key);
        let ticket = journal.push(notes.iter().filter(kept).map(|(ask, _)| ask.key));
        ticket.filter(|_| notes.iter().any(|(_, note)| *note != Note::Success))
    }

    /// A penalty that must survive a restart is kept when it begins, and not again with each refusal.
    fn keep_penalty(&self, asks: &[Ask], denial: &Denial) {
        let (Some(journal), Some(ask)) = (&self.journal, asks.get(denial.index)) else { return };
        if let Meter::Window { penalty_ms: penalty @ 1.., .. } = ask.meter
            && ask.meter.is_durable()
            && denial.retry_after_ms == penalty.saturating_add(1)
        {
            let _ = journal.push([ask.key]);
        }
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
