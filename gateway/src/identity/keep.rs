//! Keeps rings renewed in the background, for as long as they are in force.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use rules::credential::KeySource;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{info, warn};

use super::Identity;
use super::copy::KeyCopy;
use super::flight::Flight;
use super::issuer::{Answer, Ask};
use super::ring::Ring;
use crate::fetch::Fetcher;
use crate::metrics::{KeyMetrics, Refresh, Registry};

/// How long a start waits for keys.
const FIRST: Duration = Duration::from_secs(5);
/// After a first failure; each further one doubles it.
const SOON: Duration = Duration::from_secs(1);
/// The longest pause while there are no keys.
const LATE: Duration = Duration::from_secs(30);
/// An issuer cannot ask for more frequent fetches.
const LEAST: Duration = Duration::from_mins(1);

/// The wall clock, in seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Gives identities their keys and keeps them renewed: rings of `before` where nothing changed, else the copies below
/// `state`, else the issuers, for whom this waits a moment. What is not found yet is looked for in the background.
pub async fn open(identities: &[Identity], before: &[Identity], state: &Path, registry: &Registry) {
    let mut waiting = Vec::new();
    for identity in identities {
        let Some(source) = &identity.def.keys else { continue };
        let ring = if let Some(ring) = kept(identity, source, before) {
            ring
        } else {
            let ring = Arc::new(begin(identity, source, before, state, registry).await);
            if ring.last().is_none() {
                waiting.push(ring.flight.next_end());
            }
            tokio::spawn(Keeper::new(&ring, Fetcher::shared().clone(), state).keep());
            ring
        };
        let _ = identity.ring.set(ring);
    }
    let _ = timeout(FIRST, join_all(waiting)).await;
}

/// The ring of the same identity with the same source.
fn kept(identity: &Identity, source: &KeySource, before: &[Identity]) -> Option<Arc<Ring>> {
    let before = before.iter().find(|other| other.def.name == identity.def.name)?;
    before.ring().filter(|ring| ring.source == *source).map(Arc::clone)
}

/// A new ring with the keys that can be had without asking the issuer.
async fn begin(
    identity: &Identity,
    source: &KeySource,
    before: &[Identity],
    state: &Path,
    registry: &Registry,
) -> Ring {
    let name = &identity.def.name;
    let ring = Ring::new(name, source.clone(), Some(KeyMetrics::new(registry, name)));
    let same =
        |ring: &&Arc<Ring>| ring.source.from == source.from && ring.source.algorithms == source.algorithms;
    if let Some(other) = before.iter().filter_map(Identity::ring).find(same) {
        ring.adopt(other);
        return ring;
    }
    let (copy, wanted) = (KeyCopy::new(state, name), source.clone());
    let path = copy.path().display().to_string();
    let read = spawn_blocking(move || copy.read(&wanted)).await;
    match read.unwrap_or_else(|_| Err("reading it ended unexpectedly".to_owned())) {
        Ok(Some((published, fetched))) => {
            let (now, fetched) = (now(), fetched.min(now()));
            let stale_for = i64::try_from(source.stale_for.as_secs()).unwrap_or(i64::MAX);
            if now.saturating_sub(fetched) <= stale_for {
                ring.take(published, fetched);
                info!(identity = &**name, path, "the keys of the last run are used until the issuer answers");
            } else {
                info!(identity = &**name, path, "the keys of the last run are too old to be used");
            }
        }
        Ok(None) => {}
        Err(why) => warn!(identity = &**name, path, why, "the copy of the keys is passed over"),
    }
    ring
}

/// Renews one ring.
struct Keeper<A> {
    ring: Weak<Ring>,
    flight: Arc<Flight>,
    issuer: Arc<A>,
    copy: KeyCopy,
    /// What the copy holds: which keys, confirmed when.
    copied: Option<(u64, i64)>,
    /// Why it could not be written the last time.
    uncopied: Option<String>,
    failures: u32,
}

impl<A: Ask> Keeper<A> {
    fn new(ring: &Arc<Ring>, issuer: A, state: &Path) -> Self {
        Self {
            ring: Arc::downgrade(ring),
            flight: Arc::clone(&ring.flight),
            issuer: Arc::new(issuer),
            copy: KeyCopy::new(state, &ring.identity),
            copied: None,
            uncopied: None,
            failures: 0,
        }
    }

    /// Until the ring is no longer in force.
    async fn keep(mut self) {
        let mut pause = Duration::ZERO;
        loop {
            self.flight.due(pause).await;
            let Some(ring) = self.ring.upgrade() else { return };
            self.flight.begin();
            pause = self.renew(&ring).await;
            self.flight.end();
            self.save(&ring).await;
        }
    }

    /// Fetches the keys; how long to wait until the next time.
    async fn renew(&mut self, ring: &Ring) -> Duration {
        let (issuer, source) = (Arc::clone(&self.issuer), ring.source.clone());
        let known = ring.last().and_then(|held| held.tag.clone());
        // A task of its own: should it panic over what came, the next fetch is made all the same.
        let asked = tokio::spawn(async move { issuer.ask(&source, known.as_ref()).await }).await;
        let asked = asked.unwrap_or_else(|_| Err("fetching them ended unexpectedly".to_owned()));
        let (identity, at) = (&*ring.identity, now());
        let (outcome, pause) = match asked {
            Ok(Answer { published, max_age }) => {
                if self.failures > 0 {
                    info!(identity, "the keys are fetched again");
                }
                self.failures = 0;
                let changed = match published {
                    None => {
                        ring.renew(at);
                        false
                    }
                    Some(published) => {
                        let skipped = published.keys.skipped().to_vec();
                        let changed = ring.take(published, at);
                        for note in skipped.iter().filter(|_| changed) {
                            warn!(identity, "{note}");
                        }
                        changed
                    }
                };
                let outcome = if changed { Refresh::Ok } else { Refresh::Unchanged };
                (outcome, after(&ring.source, max_age))
            }
            Err(why) => {
                let has_keys = ring.held(at).is_some();
                self.failures = self.failures.saturating_add(1);
                let pause = again(&ring.source, self.failures, has_keys);
                let consequence =
                    if has_keys { "those of before are used" } else { "its callers are refused" };
                warn!(identity, why, again_in = ?pause, "the keys cannot be fetched: {consequence}");
                (Refresh::Failed, pause)
            }
        };
        if let Some(metrics) = &ring.metrics {
            metrics.record(outcome);
        }
        pause
    }

    /// Writes the copy, where that would make a difference to a restart.
    async fn save(&mut self, ring: &Ring) {
        let Some(held) = ring.last() else { return };
        let is_due = self.copied.is_none_or(|(generation, fetched)| {
            let aged = held.fetched.saturating_sub(fetched);
            generation != held.generation
                || u64::try_from(aged).is_ok_and(|aged| aged > ring.source.stale_for.as_secs() / 10)
        });
        // After a failure there is nothing new.
        if !is_due || self.failures > 0 {
            return;
        }
        let (copy, source, copied) =
            (self.copy.clone(), ring.source.clone(), (held.generation, held.fetched));
        let writing = spawn_blocking(move || copy.write(&source, &held.set, held.tag.as_ref(), held.fetched));
        match writing.await.unwrap_or_else(|_| Err(std::io::Error::other("writing it ended unexpectedly"))) {
            Ok(()) => (self.copied, self.uncopied) = (Some(copied), None),
            Err(error) => {
                let why = error.to_string();
                if self.uncopied.as_deref() != Some(&why) {
                    let path = self.copy.path().display().to_string();
                    warn!(
                        identity = &*ring.identity,
                        path, why, "the keys cannot be copied: a restart will need the issuer"
                    );
                    self.uncopied = Some(why);
                }
            }
        }
    }
}

/// How long after a good answer the next is fetched: in time for the keys not to lapse, however short `stale_for` is.
fn after(source: &KeySource, max_age: Option<Duration>) -> Duration {
    let wished = max_age.unwrap_or(source.refresh).max(LEAST);
    source.refresh.min(wished).min(source.stale_for * 9 / 10)
}

/// How long after so many failures in a row it is tried again.
fn again(source: &KeySource, failures: u32, has_keys: bool) -> Duration {
    let most = if has_keys { source.refresh } else { source.refresh.min(LATE) };
    SOON.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(most)
}

#[cfg(test)]
mod tests;
