//! Credentials that were refused for good, so that a client which repeats one does not cost a verification each time.
//!
//! A memory of its own, and a small one: a stranger can fill it, and then only what was refused is forgotten. Nothing is
//! admitted by it.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rules::credential::Never;
use rules::verdict::Refusal;

/// Bytes of credentials and what is kept with them, about, for one identity.
const CAPACITY: u64 = 2 * 1024 * 1024;
/// What is kept beside a credential's own bytes, about.
const BESIDE: usize = 384;
/// What most credentials come to, about: the table is laid out for as many as fit.
const USUAL: usize = 1024;

struct Known {
    never: Never,
    generation: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<[u8]>, Arc<Known>> for Weight {
    fn weight(&self, credential: &Box<[u8]>, _: &Arc<Known>) -> u64 {
        u64::try_from(credential.len() + BESIDE).unwrap_or(u64::MAX)
    }
}

/// What one identity has refused. By all bytes of a credential, with a hash over all of them: these are a stranger's,
/// who could make any number with the same end.
pub(super) struct Refused {
    known: Cache<Box<[u8]>, Arc<Known>, Weight>,
}

impl Refused {
    pub(super) fn new() -> Self {
        let items = usize::try_from(CAPACITY).unwrap_or(usize::MAX) / USUAL;
        Self { known: Cache::with_weighter(items, CAPACITY, Weight) }
    }

    /// The refusal, if the keys are still those of `generation` and it stands at `now`.
    pub(super) fn recall(&self, credential: &[u8], now: i64, generation: u64) -> Option<Refusal> {
        let known = self.known.get(credential)?;
        (known.generation == generation && known.never.from <= now).then(|| known.never.refusal.clone())
    }

    /// Keeps a refusal that was made with the keys of `generation`.
    pub(super) fn remember(&self, credential: &[u8], never: Never, generation: u64) {
        self.known.insert(credential.into(), Arc::new(Known { never, generation }));
    }
}

#[cfg(test)]
mod tests {
    use rules::verdict::Code;

    use super::*;

    fn never(from: i64) -> Never {
        Never { refusal: Refusal::new(Code::TokenInvalid, "jwt", "the signature does not verify"), from }
    }

    #[test]
    fn a_refusal_stands_for_its_bytes_its_keys_and_its_time() {
        let refused = Refused::new();
        refused.remember(b"a.b.c", never(100), 7);
        assert_eq!(refused.recall(b"a.b.c", 100, 7).map(|refusal| refusal.code), Some(Code::TokenInvalid));
        for (credential, now, generation) in
            [(&b"a.b.d"[..], 100, 7), (b"a.b.", 100, 7), (b"a.b.c", 99, 7), (b"a.b.c", 100, 8)]
        {
            assert!(
                refused.recall(credential, now, generation).is_none(),
                "{credential:?}, {now}, {generation}"
            );
        }
    }

    #[test]
    fn a_stranger_cannot_make_it_grow() {
        let refused = Refused::new();
        for number in 0..20_000_u32 {
            refused.remember(format!("{number:0>1000}").as_bytes(), never(0), 0);
        }
        assert!(refused.known.weight() <= CAPACITY, "{}", refused.known.weight());
        assert!(refused.known.len() > 1000, "{}", refused.known.len());
    }
}
