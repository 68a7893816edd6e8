//! What is remembered and what is reserved. Nothing here waits, and the time is an argument.

use std::collections::HashMap;

/// What stands for a key: the first half of its digest. Among a million ids, chance finds two alike once in 10^26 tries; whoever
/// wants a delivery of his to be taken for somebody else's has to try 2^108 times. And either way a delivery is refused, none accepted.
pub(super) type Id = [u8; 16];

/// A process, among those that share a journal.
pub(super) type Owner = u64;

/// How long ids are kept beyond their time. Callers tell the time when they began, so one may be behind another.
const GRACE: u32 = 60;
/// It is not worth while to look for what is over among fewer ids.
const FEW: usize = 1024;

/// A Unix time in seconds, from 1970 to 2106. What lies beyond counts as the end: what is remembered until then is remembered forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Second(pub(super) u32);

impl Second {
    /// The end of time.
    pub(super) const NEVER: Second = Second(u32::MAX);

    /// The second that a time is in.
    pub(super) fn of(now_ms: i64) -> Self {
        Self::clamp(now_ms.div_euclid(1000))
    }

    /// The first second that begins no earlier than so long after.
    pub(super) fn after(now_ms: i64, ttl_ms: u64) -> Self {
        let end = now_ms.saturating_add_unsigned(ttl_ms);
        Self::clamp(end.div_euclid(1000).saturating_add(i64::from(end.rem_euclid(1000) > 0)))
    }

    fn clamp(seconds: i64) -> Self {
        Self(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX))
    }

    fn is_over(self, now: Second) -> bool {
        self <= now && self != Self::NEVER
    }

    fn with_grace(self) -> Self {
        Self(self.0.saturating_add(GRACE))
    }
}

/// What is to become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// One of the ids was accepted.
    Seen,
    /// One of them is reserved.
    InFlight,
    /// There is no room for them.
    Full,
    /// One of them may have been accepted and forgotten: the clock stands before a time whose ids are gone.
    Doubtful,
    /// They can be reserved.
    Free,
}

/// Ids that were accepted, and those that are reserved.
pub(super) struct Memory {
    most: usize,
    accepted: HashMap<Id, Second>,
    taken: HashMap<Id, Owner>,
    /// No accepted id is over before.
    earliest: Second,
    /// With so many, those that are over are looked for.
    sweep_at: usize,
    /// When the last of the forgotten ids was over.
    forgotten: Second,
}

impl Memory {
    /// Room for so many ids. With room for all that there can be, nothing is ever forgotten.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            accepted: HashMap::new(),
            taken: HashMap::new(),
            earliest: Second::NEVER,
            sweep_at: if most == usize::MAX { most } else { FEW },
            forgotten: Second(0),
        }
    }

    /// Whether one of these was accepted.
    pub(super) fn has_seen(&self, ids: &[Id], now: Second) -> bool {
        ids.iter().any(|id| self.accepted.get(id).is_some_and(|until| !until.is_over(now)))
    }

    /// What is to become of a delivery with these ids. What is over may be forgotten on the way.
    pub(super) fn judge(&mut self, ids: &[Id], now: Second) -> Judgement {
        if self.has_seen(ids, now) {
            Judgement::Seen
        } else if now < self.forgotten {
            Judgement::Doubtful
        } else if ids.iter().any(|id| self.taken.contains_key(id)) {
            Judgement::InFlight
        } else if self.has_room(ids.len(), now) {
            Judgement::Free
        } else {
            Judgement::Full
        }
    }

    /// Whose reservations are in the way of these.
    pub(super) fn owners(&self, ids: &[Id]) -> Vec<Owner> {
        let mut owners: Vec<Owner> = ids.iter().filter_map(|id| self.taken.get(id).copied()).collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    /// Reserves them for this process.
    pub(super) fn take(&mut self, ids: &[Id], owner: Owner) {
        self.taken.extend(ids.iter().map(|id| (*id, owner)));
    }

    /// Frees what this process had reserved of them.
    pub(super) fn release(&mut self, ids: &[Id], owner: Owner) {
        for id in ids {
            if self.taken.get(id) == Some(&owner) {
                self.taken.remove(id);
            }
        }
    }

    /// Frees all that this process had reserved.
    pub(super) fn release_all(&mut self, owner: Owner) {
        self.taken.retain(|_, holder| *holder != owner);
    }

    /// Remembers them, reserved or not.
    pub(super) fn accept(&mut self, ids: &[Id], until: Second) {
        for id in ids {
            self.taken.remove(id);
            let kept = self.accepted.entry(*id).or_insert(until);
            *kept = until.max(*kept);
        }
        self.earliest = self.earliest.min(until);
    }

    /// Forgets everything, to be told anew; what was over until `forgotten` will not be told.
    pub(super) fn start_over(&mut self, forgotten: Second) {
        *self = Self { forgotten, ..Self::new(self.most) };
    }

    /// When the last of the ids that are forgotten was over.
    pub(super) fn forgotten(&self) -> Second {
        self.forgotten
    }

    /// All that was accepted, and until when it is remembered.
    pub(super) fn accepted(&self) -> impl ExactSizeIterator<Item = (Id, Second)> {
        self.accepted.iter().map(|(id, until)| (*id, *until))
    }

    /// All that is reserved, and by whom.
    pub(super) fn taken(&self) -> impl ExactSizeIterator<Item = (Id, Owner)> {
        self.taken.iter().map(|(id, owner)| (*id, *owner))
    }

    fn has_room(&mut self, more: usize, now: Second) -> bool {
        let wanted = |memory: &Self| memory.accepted.len() + memory.taken.len() + more;
        if wanted(self) > self.sweep_at.min(self.most) {
            self.sweep(now);
        }
        wanted(self) <= self.most
    }

    /// Forgets what is over, if anything can be. The next time is put off until a fifth of all may be, so that the cost of
    /// looking through all of them is shared by many; at the bound, until the next second of which there is an id.
    pub(super) fn sweep(&mut self, now: Second) {
        if self.most == usize::MAX || !self.earliest.with_grace().is_over(now) {
            return;
        }
        let (mut earliest, mut forgotten) = (Second::NEVER, self.forgotten);
        self.accepted.retain(|_, until| {
            let stays = !until.with_grace().is_over(now);
            if stays {
                earliest = earliest.min(*until);
            } else {
                forgotten = forgotten.max(*until);
            }
            stays
        });
        (self.earliest, self.forgotten) = (earliest, forgotten);
        let left = self.accepted.len();
        self.sweep_at = FEW.max(left + left / 4);
        if self.accepted.capacity() / 4 > self.sweep_at {
            self.accepted.shrink_to(self.sweep_at);
        }
    }
}

#[cfg(test)]
mod tests;
