//! Values → counters, by a hash: a client that chooses its values cannot aim at another's counter.

use std::hash::Hasher as _;

use aws_lc_rs::digest::{Context, SHA256};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::spot::{Facts, KeySpot, address};
use crate::meter::CounterKey;

/// What distinguishes our hashes from other people's.
const LABEL: &[u8] = b"portcullis counter 1\0";

/// What counters' keys are hashed with.
#[derive(Clone, Copy)]
pub enum Seed {
    /// SipHash-1-3 with a secret of this process, or of its state folder.
    Secret([u8; 16]),
    /// SHA-256, which needs no secret: gateways that share a store must agree on the keys, and have none in common.
    Public,
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed([hidden])")
    }
}

impl Seed {
    /// The counter of these parts under this name. A part that is absent is not the same as an empty one.
    pub fn of<'a>(self, name: &str, parts: impl Iterator<Item = Option<&'a [u8]>>) -> CounterKey {
        let mut hash = self.begin().part(name.as_bytes());
        for value in parts {
            hash = match value {
                None => hash.part(&[0]),
                Some(value) => hash.part(&[1]).part(value),
            };
        }
        hash.end()
    }

    /// The counter of a limit for one request. Where one of its values cannot be read, the address counts instead.
    pub(super) fn key(
        self,
        limit: &str,
        nth: usize,
        kind: u8,
        spots: &[KeySpot],
        ipv6_prefix: u8,
        facts: &Facts<'_>,
    ) -> CounterKey {
        let nth = u8::try_from(nth).unwrap_or(u8::MAX);
        let begin = |read: u8| self.begin().part(limit.as_bytes()).part(&[nth, kind, read]);
        let mut hash = begin(1);
        for spot in spots {
            let Some(value) = spot.read(facts, ipv6_prefix) else {
                return begin(0).part(&address(facts.view.client, ipv6_prefix)).end();
            };
            hash = hash.part(&value);
        }
        hash.end()
    }

    fn begin(self) -> Hash {
        match self {
            Self::Secret(seed) => Hash::Sip(SipHasher13::new_with_key(&seed)),
            Self::Public => {
                let mut context = Context::new(&SHA256);
                context.update(LABEL);
                Hash::Sha(Box::new(context))
            }
        }
    }
}

enum Hash {
    Sip(SipHasher13),
    Sha(Box<Context>),
}

impl Hash {
    /// The length first, so that `ab` and `c` are not `a` and `bc`.
    fn part(mut self, value: &[u8]) -> Self {
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes();
        for bytes in [&length, value] {
            match &mut self {
                Self::Sip(hasher) => hasher.write(bytes),
                Self::Sha(context) => context.update(bytes),
            }
        }
        self
    }

    fn end(self) -> CounterKey {
        CounterKey(match self {
            Self::Sip(hasher) => hasher.finish128().as_u128(),
            Self::Sha(context) => {
                let digest = context.finish();
                digest.as_ref().first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes))
            }
        })
    }
}
