//! Verified credentials, so that a signature is checked once and not with every request.
//!
//! A credential is known by all of its bytes, never by a digest alone. What was refused is not remembered: a
//! stranger could fill the memory with it.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};
use std::mem::size_of;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
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

/// Finds a credential's place by its last bytes, which are its signature or random, and not by all of a long token.
/// Whether it is the one that was verified, all of its bytes say. Only what was verified has a place, so nobody can
/// crowd one.
#[derive(Clone, Default)]
struct ByTail(RandomState);

/// See [`ByTail`].
struct TailHasher(DefaultHasher);

/// Bytes that say where a credential's place is.
const TAIL: usize = 64;

impl BuildHasher for ByTail {
    type Hasher = TailHasher;

    fn build_hasher(&self) -> TailHasher {
        TailHasher(self.0.build_hasher())
    }
}

impl Hasher for TailHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes.last_chunk::<TAIL>().map_or(bytes, |tail| tail));
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

/// The memory of one identity.
pub(super) struct Memory {
    known: Cache<Box<[u8]>, Arc<Known>, Weight, ByTail>,
}

impl Memory {
    pub(super) fn new() -> Self {
        let items = usize::try_from(CAPACITY).unwrap_or(usize::MAX) / USUAL;
        Self { known: Cache::with(items, CAPACITY, Weight, ByTail::default(), DefaultLifecycle::default()) }
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
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn caller(user: &str, claims: Value) -> Arc<Caller> {
        let Value::Object(claims) = claims else { panic!("not an object") };
        Arc::new(Caller {
            identity: "session".into(),
            user: Reading::Value(user.to_owned()),
            tenants: Reading::Absent,
            roles: Reading::Absent,
            scopes: Reading::Absent,
            claims,
            forward: Vec::new(),
            unforwardable: None,
            key: None,
        })
    }

    fn vouched(user: &str, from: i64, until: i64) -> Vouched {
        Vouched { caller: caller(user, json!({ "sub": user })), from, until }
    }

    fn user(found: Option<Arc<Caller>>) -> Option<String> {
        found.and_then(|caller| caller.user.value().cloned())
    }

    #[test]
    fn credentials_with_one_tail_are_told_apart() {
        let (memory, tail) = (Memory::new(), "x".repeat(TAIL));
        let token = |user: &str| format!("{user}.{tail}").into_bytes();
        for name in ["ada", "bob"] {
            memory.remember(&token(name), vouched(name, 0, 100), 0);
        }
        for name in ["ada", "bob"] {
            assert_eq!(user(memory.recall(&token(name), 50, 0)).as_deref(), Some(name));
        }
        assert_eq!(user(memory.recall(&token("eve"), 50, 0)), None);
    }

    #[test]
    fn a_credential_is_known_by_every_byte() {
        let memory = Memory::new();
        memory.remember(b"header.claims.signature", vouched("ada", 0, 100), 0);
        assert_eq!(user(memory.recall(b"header.claims.signature", 50, 0)).as_deref(), Some("ada"));
        for other in [
            "header.claims.signaturf",
            "header.claims.signature ",
            "header.claims.signatur",
            "Header.claims.signature",
            "",
        ] {
            assert!(memory.recall(other.as_bytes(), 50, 0).is_none(), "{other}");
        }
    }

    #[test]
    fn a_credential_is_remembered_while_it_holds_and_not_longer() {
        for (now, known) in
            [(9, false), (10, true), (19, true), (20, false), (i64::MIN, false), (i64::MAX, false)]
        {
            let memory = Memory::new();
            memory.remember(b"a", vouched("ada", 10, 20), 0);
            assert_eq!(memory.recall(b"a", now, 0).is_some(), known, "{now}");
            assert_eq!(memory.known.len(), usize::from(known), "what no longer holds is not kept");
        }
    }

    /// A verification that began with the old keys may end after they changed.
    #[test]
    fn a_verdict_made_with_old_keys_never_counts_as_new() {
        let memory = Memory::new();
        memory.remember(b"a", vouched("ada", 0, 100), 1);
        assert!(memory.recall(b"a", 50, 2).is_none());
        memory.remember(b"a", vouched("ada", 0, 100), 1);
        assert!(memory.recall(b"a", 50, 2).is_none());
        // Nor once no keys are held any more.
        memory.remember(b"a", vouched("ada", 0, 100), 1);
        assert!(memory.recall(b"a", 50, 0).is_none());
        memory.remember(b"a", vouched("ada", 0, 100), 2);
        assert!(memory.recall(b"a", 50, 2).is_some());
    }

    #[test]
    fn the_memory_does_not_grow_beyond_its_capacity() {
        let memory = Memory::new();
        let claims = json!({ "sub": "ada", "roles": ["a", "b"], "exp": 100, "scope": "read write" });
        let caller = caller("ada", claims);
        let token = |nth: u64| format!("{nth:0700}").into_bytes();
        for nth in 0..60_000 {
            let vouched = Vouched { caller: Arc::clone(&caller), from: 0, until: 100 };
            memory.remember(&token(nth), vouched, 0);
            assert!(memory.known.weight() <= CAPACITY);
        }
        assert!(memory.known.weight() > CAPACITY / 2, "{}", memory.known.weight());
        assert!(memory.known.len() < 30_000, "{}", memory.known.len());
        // One that is larger than the memory is not kept, and pushes nothing out.
        let before = memory.known.len();
        let vouched = Vouched { caller, from: 0, until: 100 };
        memory.remember(&vec![b'x'; usize::try_from(CAPACITY).unwrap()], vouched, 0);
        assert!(memory.known.len() <= before && memory.known.len() > before - 1000);
        assert!(memory.known.weight() <= CAPACITY);
    }

    #[test]
    fn claims_that_take_more_than_they_say_weigh_more() {
        let weight = |claims: Value| weigh(b"", &caller("ada", claims));
        let plain = weight(json!({}));
        // 3 bytes each in a token.
        let lists: Vec<Value> = vec![json!([]); 1000];
        assert!(weight(json!({ "a": lists })) - plain > 1000 * size_of::<Value>());
        assert!(weight(json!({ "a": "x".repeat(1000) })) - plain > 1000);
        let members: Map<String, Value> = (0..100).map(|nth| (nth.to_string(), json!({}))).collect();
        assert!(weight(Value::Object(members)) - plain > 100 * 120);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Remember { token: u8, from: i64, until: i64, generation: u64 },
        Recall { token: u8, now: i64, generation: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..4_u8, 0..10_i64, 0..10_i64, 0..3_u64).prop_map(|(token, from, until, generation)| {
                Step::Remember { token, from, until, generation }
            }),
            (0..4_u8, 0..10_i64, 0..3_u64).prop_map(|(token, now, generation)| Step::Recall {
                token,
                now,
                generation
            }),
        ]
    }

    proptest! {
        /// Whatever happens in whatever order: who is recalled was remembered last, for this time and these keys.
        #[test]
        fn only_what_holds_is_recalled(steps in proptest::collection::vec(step(), 0..40)) {
            let memory = Memory::new();
            let mut last: HashMap<u8, (String, i64, i64, u64)> = HashMap::new();
            for (nth, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Remember { token, from, until, generation } => {
                        let name = format!("u{nth}");
                        memory.remember(&[token], vouched(&name, from, until), generation);
                        last.insert(token, (name, from, until, generation));
                    }
                    Step::Recall { token, now, generation } => {
                        let good = |(_, from, until, made): &&(String, i64, i64, u64)| {
                            *made == generation && *from <= now && now < *until
                        };
                        let expected = last.get(&token).filter(good).map(|(name, ..)| name.clone());
                        let found = user(memory.recall(&[token], now, generation));
                        prop_assert_eq!(&found, &expected);
                        if found.is_none() {
                            last.remove(&token);
                        }
                    }
                }
            }
        }
    }
}
