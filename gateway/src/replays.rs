//! Which webhook deliveries were accepted, so that none is accepted twice.
//!
//! A delivery's way: its keys are **reserved**, it is forwarded, and once the upstream has taken it the reservation is
//! **committed**. A reservation that is dropped instead is **released**: the delivery failed and may come again.
//! Of many deliveries with one key, one gets the reservation.
//!
//! What was committed is on disk before [`Reservation::commit`] resolves. There is a bound to what is remembered; when it is
//! reached, deliveries are refused, since to forget one early is to accept its replay. See `docs/decisions/0013`.

mod clerk;
mod journal;
mod memory;
mod shared;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::Counter;

use self::clerk::{Clerk, Grant};
use self::memory::{Id, Judgement, Memory, Second};
pub use self::shared::Server;
use self::shared::{Lease, Shared};
use crate::metrics::Registry;

/// What a delivery is known by: the SHA-256 digest of the webhook's name, the kind of the value, and the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplayKey(pub [u8; 32]);

/// The deliveries that are remembered. One a process; it outlives every configuration.
pub struct Replays {
    store: Store,
    errors: Counter,
}

enum Store {
    Memory(Mutex<Memory>),
    Journal(Clerk),
    Shared(Shared),
}

/// Whether a delivery may be forwarded.
#[derive(Debug)]
pub enum Reserved {
    /// It may: nobody has had it.
    Fresh(Reservation),
    /// Not now: one with a key of its is being delivered.
    InFlight,
    /// No: one with a key of its was accepted.
    Seen,
}

/// Why nobody can tell. The delivery is to be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// There is no room, and nothing that may be forgotten.
    Full,
    /// What is remembered cannot be read or written; or the clock stands before a time whose ids are forgotten already.
    Unavailable,
}

/// The right to forward a delivery. Dropped, it is released: the delivery may come again.
#[must_use = "what is not committed is released"]
#[derive(Debug)]
pub struct Reservation {
    hold: Hold,
    errors: Counter,
}

#[derive(Debug)]
enum Hold {
    Memory(Held),
    Journal(Grant),
    Shared(Lease),
}

impl Replays {
    /// Remembers at most `most` ids, in memory and in the folder `replays` below `folder`. Other processes of this machine may share it:
    /// the one that this one replaces does.
    ///
    /// # Errors
    /// A sentence, when the folder cannot be used, or what is in it is damaged.
    pub fn open(folder: &Path, most: usize, registry: &Registry) -> Result<Self, String> {
        let clerk = Clerk::start(&folder.join("replays"), most, journal::to_disk())?;
        Ok(Self { store: Store::Journal(clerk), errors: registry.state_errors("replays") })
    }

    /// Remembers all that it is told, and forgets it when it ends: for judging recorded requests.
    pub fn offline() -> Self {
        Self { store: Store::Memory(Mutex::new(Memory::new(usize::MAX))), errors: Counter::noop() }
    }

    /// Remembers in a server that all replicas share. A reservation ends by itself after `lease`, for the case that its replica
    /// does: it has to be longer than any delivery takes.
    pub fn shared(server: Arc<dyn Server>, lease: Duration, registry: &Registry) -> Self {
        let shared = Shared::new(server, lease);
        Self { store: Store::Shared(shared), errors: registry.state_errors("replays") }
    }

    /// What is wrong with how a shared server is set up, if it tells: a sentence for the log.
    pub async fn caution(&self) -> Option<String> {
        match &self.store {
            Store::Shared(shared) => shared.caution().await,
            Store::Memory(_) | Store::Journal(_) => None,
        }
    }

    /// Reserves all of these keys, or none. They are to be remembered for `ttl_ms` from `now_ms` (Unix time), rounded up to
    /// a second. If one of them was accepted, the delivery is [`Reserved::Seen`], whatever is with the others.
    ///
    /// # Errors
    /// When nobody can tell; also for no keys at all, by which nothing could be recognised. It counts in the metric.
    pub async fn reserve(
        self: &Arc<Self>,
        keys: &[ReplayKey],
        ttl_ms: u64,
        now_ms: i64,
    ) -> Result<Reserved, ReplayError> {
        let reserved = match (&self.store, ids(keys)) {
            (_, None) => Err(ReplayError::Unavailable),
            (Store::Memory(_), Some(ids)) => self.in_memory(ids, ttl_ms, now_ms),
            (Store::Journal(clerk), Some(ids)) => {
                let until = Second::after(now_ms, ttl_ms);
                let granted = clerk.reserve(ids, until, Second::of(now_ms)).await;
                granted.map(|granted| self.reserved(granted.map(Hold::Journal)))
            }
            (Store::Shared(shared), Some(ids)) => {
                let leased = shared.reserve(ids, ttl_ms).await;
                leased.map(|leased| self.reserved(leased.map(Hold::Shared)))
            }
        };
        self.tally(reserved)
    }

    /// The same without waiting, for [`Replays::offline`].
    ///
    /// # Errors
    /// As for [`Replays::reserve`], and always where more than memory is asked.
    pub fn reserve_now(
        self: &Arc<Self>,
        keys: &[ReplayKey],
        ttl_ms: u64,
        now_ms: i64,
    ) -> Result<Reserved, ReplayError> {
        let reserved = match ids(keys) {
            Some(ids) => self.in_memory(ids, ttl_ms, now_ms),
            None => Err(ReplayError::Unavailable),
        };
        self.tally(reserved)
    }

    fn in_memory(self: &Arc<Self>, ids: Vec<Id>, ttl_ms: u64, now_ms: i64) -> Result<Reserved, ReplayError> {
        let mut memory = self.memory().ok_or(ReplayError::Unavailable)?;
        let verdict = match memory.judge(&ids, Second::of(now_ms)) {
            Judgement::Seen => Err(Refused::Seen),
            Judgement::InFlight => Err(Refused::InFlight),
            Judgement::Full => return Err(ReplayError::Full),
            Judgement::Doubtful => return Err(ReplayError::Unavailable),
            Judgement::Free => {
                memory.take(&ids, 0);
                let replays = Arc::clone(self);
                Ok(Hold::Memory(Held { replays, ids, until: Second::after(now_ms, ttl_ms) }))
            }
        };
        Ok(self.reserved(verdict))
    }

    fn memory(&self) -> Option<MutexGuard<'_, Memory>> {
        let Store::Memory(memory) = &self.store else { return None };
        Some(memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn reserved(&self, verdict: Result<Hold, Refused>) -> Reserved {
        match verdict {
            Ok(hold) => Reserved::Fresh(Reservation { hold, errors: self.errors.clone() }),
            Err(Refused::InFlight) => Reserved::InFlight,
            Err(Refused::Seen) => Reserved::Seen,
        }
    }

    fn tally<T>(&self, outcome: Result<T, ReplayError>) -> Result<T, ReplayError> {
        outcome.inspect_err(|_| self.errors.increment(1))
    }
}

/// Why a delivery is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    InFlight,
    Seen,
}

/// What stands for the keys: each once, in the same order for all. None where that would be of no use.
fn ids(keys: &[ReplayKey]) -> Option<Vec<Id>> {
    let mut ids: Vec<Id> = keys.iter().filter_map(|key| key.0.first_chunk().copied()).collect();
    ids.sort_unstable();
    ids.dedup();
    (1..=journal::MOST_IDS).contains(&ids.len()).then_some(ids)
}

impl Reservation {
    /// The upstream has accepted the delivery. Resolves once that is on disk; before, the provider must not hear a 2xx. It goes on
    /// even if nobody waits for it any more, once it was begun.
    ///
    /// # Errors
    /// When it could not be written: the provider must not hear a 2xx at all. It counts in the metric.
    pub async fn commit(self) -> Result<(), ReplayError> {
        let committed = match self.hold {
            Hold::Memory(held) => {
                held.commit();
                Ok(())
            }
            Hold::Journal(grant) => grant.commit().await,
            Hold::Shared(lease) => lease.commit().await,
        };
        committed.inspect_err(|_| self.errors.increment(1))
    }

    /// The same without waiting, for [`Replays::offline`]. Where more than memory is asked, it tells nothing of the outcome.
    pub fn commit_now(self) {
        match self.hold {
            Hold::Memory(held) => held.commit(),
            Hold::Journal(grant) => grant.commit_unheard(),
            Hold::Shared(lease) => lease.commit_unheard(),
        }
    }

    /// The delivery failed and may come again. Dropping says so too; but where a server is shared it has not heard of it yet when the
    /// drop returns.
    pub async fn release(self) {
        match self.hold {
            Hold::Memory(held) => drop(held),
            Hold::Journal(grant) => drop(grant),
            Hold::Shared(lease) => lease.release().await,
        }
    }
}

/// Keys that were reserved in memory.
struct Held {
    replays: Arc<Replays>,
    ids: Vec<Id>,
    until: Second,
}

impl Held {
    fn commit(&self) {
        if let Some(mut memory) = self.replays.memory() {
            memory.accept(&self.ids, self.until);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(mut memory) = self.replays.memory() {
            memory.release(&self.ids, 0);
        }
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("until", &self.until).finish_non_exhaustive()
    }
}
