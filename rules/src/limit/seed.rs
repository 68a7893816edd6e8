//! Values → counters, by a keyed hash: a client that chooses its values cannot aim at another's counter.

use siphasher::sip128::{Hasher128 as _, SipHasher13};
use std::hash::Hasher as _;

use super::spot::{Facts, KeySpot, address};
use crate::meter::CounterKey;

/// The key of the hash.
#[derive(Clone, Copy)]
pub struct Seed(pub [u8; 16]);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed([hidden])")
    }
}

impl Seed {
    /// The counter of these parts under this name.
    pub fn of<'a>(self, name: &str, parts: impl Iterator<Item = Option<&'a [u8]>>) -> CounterKey {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        part(&mut hasher, name.as_bytes());
        for value in parts {
            match value {
                // Absent is not the same as empty.
                None => hasher.write_u8(0),
                Some(value) => {
                    hasher.write_u8(1);
                    part(&mut hasher, value);
                }
            }
        }
        CounterKey(hasher.finish128().as_u128())
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
        let mut hasher = SipHasher13::new_with_key(&self.0);
        let begin = |hasher: &mut SipHasher13, read: u8| {
            part(hasher, limit.as_bytes());
            hasher.write(&[u8::try_from(nth).unwrap_or(u8::MAX), kind, read]);
        };
        begin(&mut hasher, 1);
        for spot in spots {
            let Some(value) = spot.read(facts, ipv6_prefix) else {
                let mut hasher = SipHasher13::new_with_key(&self.0);
                begin(&mut hasher, 0);
                hasher.write(&address(facts.view.client, ipv6_prefix));
                return CounterKey(hasher.finish128().as_u128());
            };
            part(&mut hasher, &value);
        }
        CounterKey(hasher.finish128().as_u128())
    }
}

/// The length first, so that `ab` and `c` are not `a` and `bc`.
fn part(hasher: &mut SipHasher13, value: &[u8]) {
    hasher.write_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
    hasher.write(value);
}
