//! Verified credentials, so that a signature is checked once and not with every request.
//!
//! A credential is known by all of its bytes, never by a digest alone. What was refused is not remembered: a
//! stranger could fill the memory with it.

use std::mem::size_of;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rules::credential::Vouched;
use rules::view::{Caller, Reading};
use serde_json::{Map, Value};

/// Bytes of credentials and callers, about, that are kept for one identity.
const CAPACITY: u64 = 32 * 1024 * 1024;
/// What most credentials with their callers come to, about: the table is laid out for as many as fit.
const USUAL: usize = 4 * 1024;
/// What an allocation costs beside its bytes, about.
const ALLOCATION: usize = 16;

/// What was verified, and with which keys.
struct Known {
    vouched: Vouched,
    generation: u64,
    weight: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<[u8]>, Arc<Known>> for Weight {
    fn weight(&self, _: &Box<[u8]>, known: &Arc<Known>) -> u64 {
        known.weight
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

    /// The caller, if the keys are still those of `generation` and the credential holds at `now`.
    pub(super) fn recall(&self, credential: &[u8], now: i64, generation: u64) -> Option<Arc<Caller>> {
        let known = self.known.get(credential)?;
        if known.generation == generation && known.vouched.holds(now) {
            return Some(Arc::clone(&known.vouched.caller));
        }
        // Unless somebody has put a newer verdict in its place meanwhile.
        self.known.remove_if(credential, |there| Arc::ptr_eq(there, &known));
        None
    }

    /// Keeps a verdict that was made with the keys of `generation`: those that were held when it was made, and not
    /// those that are held now.
    pub(super) fn remember(&self, credential: &[u8], vouched: Vouched, generation: u64) {
        let weight = u64::try_from(weigh(credential, &vouched.caller)).unwrap_or(u64::MAX);
        self.known.insert(credential.into(), Arc::new(Known { vouched, generation, weight }));
    }
}

/// Bytes that a credential and its caller take, about. A claim of many empty lists takes dozens of times its length.
fn weigh(credential: &[u8], caller: &Caller) -> usize {
    // The table's own part of an entry: slot, links and ghost.
    const SLOT: usize = 128;
    let list = |list: &Reading<Vec<String>>| list.value().map_or(0, |names| names.iter().map(text).sum());
    let forward = caller.forward.iter().map(|(_, value)| value.len() + ALLOCATION).sum::<usize>()
        + caller.forward.capacity() * size_of::<(HeaderName, HeaderValue)>();
    let lists: usize = [&caller.tenants, &caller.roles, &caller.scopes].into_iter().map(list).sum();
    let fixed = SLOT + size_of::<Known>() + size_of::<Caller>() + 3 * ALLOCATION;
    fixed + credential.len() + caller.user.value().map_or(0, text) + lists + forward + members(&caller.claims)
}

fn text(text: &String) -> usize {
    size_of::<String>() + text.capacity() + ALLOCATION
}

fn members(map: &Map<String, Value>) -> usize {
    // An entry is a hash, a name and a value; the index beside them takes a word and a byte.
    const ENTRY: usize = size_of::<(u64, String, Value)>() + size_of::<usize>() + 1;
    let inner: usize = map.iter().map(|(name, value)| name.capacity() + ALLOCATION + tree(value)).sum();
    inner + map.len().next_power_of_two() * ENTRY + 2 * ALLOCATION
}

/// What a value takes beside its own place.
fn tree(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.capacity() + ALLOCATION,
        Value::Array(items) => {
            items.capacity() * size_of::<Value>() + ALLOCATION + items.iter().map(tree).sum::<usize>()
        }
        Value::Object(map) => members(map),
    }
}

#[cfg(test)]
mod tests;
