//! The keys of an identity that are fetched: which are in force, read by every request without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rules::credential::KeySource;
use rules::token::KeySet;
use serde_json::Value;
use tokio::time::timeout;

use super::flight::{Flight, Met};
use super::issuer::{Published, Tag};
use crate::metrics::KeyMetrics;

/// How long a request waits for fresher keys.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counts through all rings of the process, so that what was verified with one set never passes for another's.
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// Keys as they were fetched.
pub struct Held {
    /// The keys.
    pub keys: Arc<KeySet>,
    /// Which set it is: it grows whenever the keys change, and is never 0.
    pub generation: u64,
    /// When the issuer last confirmed them (Unix seconds).
    pub(super) fetched: i64,
    /// The last second in which they are used.
    until: i64,
    /// What they were read from.
    pub(super) set: Arc<Value>,
    pub(super) tag: Option<Tag>,
}

/// The keys of one identity, renewed in the background.
pub struct Ring {
    pub(super) identity: Arc<str>,
    pub(super) source: KeySource,
    pub(super) flight: Arc<Flight>,
    /// None offline.
    pub(super) metrics: Option<KeyMetrics>,
    held: ArcSwapOption<Held>,
}

impl Ring {
    /// A ring without keys.
    pub(super) fn new(identity: &Arc<str>, source: KeySource, metrics: Option<KeyMetrics>) -> Self {
        let (identity, flight) = (Arc::clone(identity), Arc::new(Flight::new()));
        Self { identity, source, flight, metrics, held: ArcSwapOption::empty() }
    }

    /// The keys, unless the issuer has not confirmed them for too long at `now` (Unix seconds).
    pub fn held(&self, now: i64) -> Option<Arc<Held>> {
        self.held.load_full().filter(|held| now <= held.until)
    }

    /// Which keys are in force at `now`.
    pub fn generation(&self, now: i64) -> Option<u64> {
        self.held.load().as_ref().filter(|held| now <= held.until).map(|held| held.generation)
    }

    /// Whether there ever were keys.
    pub fn has_held(&self) -> bool {
        self.held.load().is_some()
    }

    /// Tells the metrics how old the keys are.
    pub fn tell_age(&self, now: i64) {
        let age = self.held.load().as_ref().map(|held| now.saturating_sub(held.fetched).max(0));
        if let Some(metrics) = &self.metrics {
            metrics.tell_age(age);
        }
    }

    /// Fetches the keys again for a token whose key is not known, unless that was done a moment ago.
    pub async fn refetch(&self) {
        let generation = || self.held.load().as_ref().map(|held| held.generation);
        let before = generation();
        let asking = async {
            // The one that was under way may have been answered before the token's key was published.
            if self.flight.ask().await == Met::Joined && generation() == before {
                self.flight.ask().await;
            }
        };
        let _ = timeout(PATIENCE, asking).await;
    }

    /// What was fetched last, in use or not.
    pub(super) fn last(&self) -> Option<Arc<Held>> {
        self.held.load_full()
    }

    /// Puts a set in force that the issuer confirmed at `fetched`; whether the keys changed by it.
    pub(super) fn take(&self, published: Published, fetched: i64) -> bool {
        let Published { keys, set, tag } = published;
        if let Some(same) = self.held.load_full().filter(|held| *held.set == set) {
            self.put(Held { tag, ..self.confirmed(&same, fetched) });
            return false;
        }
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        let (keys, set, until) = (Arc::new(keys), Arc::new(set), self.until(fetched));
        self.put(Held { keys, generation, fetched, until, set, tag });
        true
    }

    /// Keeps the set in force, which the issuer confirmed at `fetched`.
    pub(super) fn renew(&self, fetched: i64) {
        if let Some(held) = self.held.load_full() {
            self.put(self.confirmed(&held, fetched));
        }
    }

    /// Takes over what another ring holds for the same source.
    pub(super) fn adopt(&self, other: &Ring) {
        if let Some(held) = other.held.load_full() {
            self.put(self.confirmed(&held, held.fetched));
        }
    }

    /// Has these keys stand in for fetched ones, at all times.
    pub(super) fn stand_in(&self, published: Published) {
        self.take(published, i64::MAX);
    }

    fn until(&self, fetched: i64) -> i64 {
        fetched.saturating_add(i64::try_from(self.source.stale_for.as_secs()).unwrap_or(i64::MAX))
    }

    fn confirmed(&self, held: &Held, fetched: i64) -> Held {
        let (keys, set, tag) = (Arc::clone(&held.keys), Arc::clone(&held.set), held.tag.clone());
        Held { keys, generation: held.generation, fetched, until: self.until(fetched), set, tag }
    }

    fn put(&self, held: Held) {
        self.held.store(Some(Arc::new(held)));
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if let Some(metrics) = &self.metrics {
            metrics.tell_age(None);
        }
        // Whoever renews it notices that it is gone.
        self.flight.wake();
    }
}
