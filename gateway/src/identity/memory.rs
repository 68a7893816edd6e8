//! Verified credentials, so that a signature is checked once and not with every request.
//!
//! A credential is known by all of its bytes, never by a digest alone. What was refused is not remembered: a
//! stranger could fill the memory with it.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rules::credential::Vouched;
use rules::view::Caller;

/// Bytes of credentials and callers, about, that are kept for one identity.
const CAPACITY: u64 = 32 * 1024 * 1024;
/// What most credentials with their callers come to, about: the table is laid out for as many as fit.
const USUAL: usize = 2 * 1024;

/// What was verified, and with which keys.
#[derive(Clone)]
struct Known {
    vouched: Vouched,
    generation: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<[u8]>, Arc<Known>> for Weight {
    fn weight(&self, credential: &Box<[u8]>, _: &Arc<Known>) -> u64 {
        // The claims are the middle part of the token, decoded into a tree of values: several times its size.
        u64::try_from(credential.len()).unwrap_or(u64::MAX).saturating_mul(5).saturating_add(512)
    }
}

/// The memory of one identity.
pub(super) struct Memory {
    known: Cache<Box<[u8]>, Arc<Known>, Weight>,
}

impl Memory {
    pub(super) fn new() -> Self {
        let items = usize::try_from(CAPACITY).unwrap_or(usize::MAX) / USUAL;
        Self { known: Cache::with_weighter(items, CAPACITY, Weight) }
    }

    pub(super) fn recall(&self, credential: &[u8], now: i64, generation: u64) -> Option<Arc<Caller>> {
        let known = self.known.get(credential)?;
        let good = known.generation == generation && known.vouched.holds(now);
        if !good {
            self.known.remove(credential);
        }
        good.then(|| Arc::clone(&known.vouched.caller))
    }

    pub(super) fn remember(&self, credential: &[u8], vouched: Vouched, generation: u64) {
        self.known.insert(credential.into(), Arc::new(Known { vouched, generation }));
    }
}
