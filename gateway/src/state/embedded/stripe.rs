//! One part of the table: counters side by side in memory, an index over them, and who has to go when it is full.

use rules::meter::{Ask, Counter, CounterKey, Full, Meter, Note, Rest, Standing};

use super::shelf::Shelf;

/// How many are looked at for the one that matters least: here and there, as neighbours are often alike.
const SAMPLE: usize = 32;
/// How many are looked at with each new counter, so that what is over does not wait for the table to be full.
const SWEEP: usize = 2;
/// A counter that is in use.
const IN_USE: u32 = u32::MAX;
/// What claims to be held for longer was counted under a wrong clock, in seconds.
const ABSURD: u32 = 366 * 86_400;

/// A counter.
struct Entry {
    /// In two halves: a 128-bit number would be padded to sixteen bytes.
    key: [u64; 2],
    counter: Counter,
}

/// How long a counter matters, in seconds since 1970, rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// From when on it is as good as a new one.
    pub(crate) full_at: u32,
    /// Until when it must not be forgotten.
    pub(crate) held_until: u32,
    /// How much of its allowance is used.
    pub(crate) load: u8,
}

impl Mark {
    fn new(rest: Rest) -> Self {
        let (full_at, held_until) = (seconds(rest.full_at_ms), seconds(rest.held_until_ms));
        Self { full_at: full_at.max(held_until), held_until, load: rest.load }
    }

    fn is_held(self, now: u32) -> bool {
        self.held_until == IN_USE || (self.held_until > now && self.held_until - now <= ABSURD)
    }

    /// The later of both.
    fn merge(&mut self, other: Self) {
        self.full_at = self.full_at.max(other.full_at);
        self.held_until = self.held_until.max(other.held_until);
        self.load = self.load.max(other.load);
    }
}

fn seconds(ms: i64) -> u32 {
    let rounded = ms.saturating_add(999).div_euclid(1000);
    if rounded < 0 { 0 } else { u32::try_from(rounded).unwrap_or(IN_USE) }
}

/// Whether there is room for a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It is there, or had room.
    There,
    /// Another one had to go for it.
    Evicted,
    /// None may go.
    None,
}

pub(super) struct Stripe {
    /// Places of `entries`, plus one; 0 is free. Open addressing; at most three quarters are taken.
    slots: Box<[u32]>,
    entries: Shelf<Entry>,
    /// One for each entry. By themselves, since they are walked over.
    marks: Shelf<Mark>,
    most: usize,
    /// Where the sweep continues.
    hand: usize,
    /// For a sample that nobody needs to be unable to guess.
    dice: u64,
    /// Until then nothing can go, as the last search saw it.
    shut_until: u32,
}

impl Stripe {
    pub(super) fn new(most: usize) -> Self {
        let slots = vec![0; 16].into_boxed_slice();
        Self {
            slots,
            entries: Shelf::new(),
            marks: Shelf::new(),
            most,
            hand: 0,
            dice: 0x9e37_79b9_7f4a_7c15,
            shut_until: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn knows(&self, key: CounterKey) -> bool {
        self.find(halves(key)).is_some()
    }

    /// Whether the counter admits so much; it need not be there for that.
    pub(super) fn ask(&mut self, ask: &Ask, cost: u32, now_ms: i64) -> Result<Standing, Full> {
        if !self.knows(ask.key) {
            let verdict = Counter::new().ask(&ask.meter, cost, now_ms);
            // More than it ever admits: it is there for the penalty only.
            let begins = verdict.is_err() && matches!(ask.meter, Meter::Window { penalty_ms: 1.., .. });
            if !begins || self.reserve(ask.key, now_ms) == Room::None {
                return verdict;
            }
        }
        let found = self.find(halves(ask.key)).and_then(|at| Some((at, self.entries.get_mut(at)?)));
        let Some((at, entry)) = found else { return Counter::new().ask(&ask.meter, cost, now_ms) };
        let verdict = entry.counter.ask(&ask.meter, cost, now_ms);
        if verdict.is_err() {
            // A penalty may have begun.
            self.mark(at, ask);
        }
        verdict
    }

    /// Counts what was asked before; there has to be room.
    pub(super) fn charge(&mut self, ask: &Ask, now_ms: i64) -> Standing {
        let found = self.find(halves(ask.key)).and_then(|at| Some((at, self.entries.get_mut(at)?)));
        let Some((at, entry)) = found else { return Standing::default() };
        let standing = entry.counter.charge(&ask.meter, ask.cost, now_ms);
        self.mark(at, ask);
        standing
    }

    pub(super) fn note(&mut self, ask: &Ask, note: Note, now_ms: i64) {
        let found = self.find(halves(ask.key)).and_then(|at| Some((at, self.entries.get_mut(at)?)));
        if let Some((at, entry)) = found {
            entry.counter.note(&ask.meter, note, now_ms);
            self.mark(at, ask);
        }
    }

    pub(super) fn release(&mut self, ask: &Ask) {
        let found = self.find(halves(ask.key)).and_then(|at| Some((at, self.entries.get_mut(at)?)));
        if let Some((at, entry)) = found {
            entry.counter.release(ask.cost);
            self.mark(at, ask);
        }
    }

    pub(super) fn get(&self, key: CounterKey) -> Option<(Mark, Counter)> {
        let at = self.find(halves(key))?;
        Some((*self.marks.get(at)?, self.entries.get(at)?.counter.clone()))
    }

    /// Takes in another counter; there has to be room.
    pub(super) fn merge(&mut self, key: CounterKey, mark: Mark, counter: Counter) {
        let Some(at) = self.find(halves(key)) else { return };
        if let (Some(entry), Some(ours)) = (self.entries.get_mut(at), self.marks.get_mut(at)) {
            entry.counter.merge(counter);
            ours.merge(mark);
        }
    }

    /// Has the counter be there. It is not forgotten before it is charged.
    pub(super) fn reserve(&mut self, key: CounterKey, now_ms: i64) -> Room {
        let key = halves(key);
        // Rounded down: what is over is over then.
        let now = u32::try_from(now_ms.div_euclid(1000).max(0)).unwrap_or(IN_USE);
        let until = now.saturating_add(1);
        if let Some(mark) = self.find(key).and_then(|at| self.marks.get_mut(at)) {
            // Nor must it be swept for the next one of the same request.
            mark.held_until = mark.held_until.max(until);
            return Room::There;
        }
        self.sweep(now);
        let mut room = Room::There;
        if self.entries.len() >= self.most {
            match self.victim(now) {
                Some((at, is_over)) => {
                    self.remove(at);
                    room = if is_over { Room::There } else { Room::Evicted };
                }
                None => return Room::None,
            }
        }
        self.insert(key, Mark { full_at: 0, held_until: until, load: 0 });
        room
    }

    fn mark(&mut self, at: usize, ask: &Ask) {
        if let (Some(entry), Some(mark)) = (self.entries.get(at), self.marks.get_mut(at)) {
            *mark = Mark::new(entry.counter.rest(&ask.meter));
            self.shut_until = self.shut_until.min(mark.held_until);
        }
    }

    /// Drops what is over at the hand.
    fn sweep(&mut self, now: u32) {
        for _ in 0..SWEEP {
            let at = self.advance();
            if self.marks.get(at).is_some_and(|mark| mark.full_at <= now && !mark.is_held(now)) {
                self.remove(at);
            }
        }
    }

    /// The counter that can go with the least harm, and whether it is over anyhow.
    fn victim(&mut self, now: u32) -> Option<(usize, bool)> {
        if now < self.shut_until {
            return None;
        }
        let mut best: Option<(u8, u32, usize)> = None;
        let mut earliest = IN_USE;
        for nth in 0..SAMPLE + self.marks.len() {
            if nth == SAMPLE && best.is_some() {
                break;
            }
            let at = if nth < SAMPLE { self.draw() } else { nth - SAMPLE };
            let Some(mark) = self.marks.get(at).copied() else { continue };
            if mark.is_held(now) {
                earliest = earliest.min(mark.held_until);
            } else if mark.full_at <= now {
                return Some((at, true));
            } else {
                let rank = (mark.load, mark.full_at, at);
                best = Some(best.map_or(rank, |best| best.min(rank)));
            }
        }
        if best.is_none() {
            // So that the next ones need not look again.
            self.shut_until = earliest.min(now.saturating_add(1));
        }
        best.map(|(_, _, at)| (at, false))
    }

    /// Some place.
    fn draw(&mut self) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        let count = u64::try_from(self.marks.len()).unwrap_or(1).max(1);
        usize::try_from(self.dice % count).unwrap_or(0)
    }

    fn advance(&mut self) -> usize {
        let at = if self.hand < self.marks.len() { self.hand } else { 0 };
        self.hand = at + 1;
        at
    }

    fn find(&self, key: [u64; 2]) -> Option<usize> {
        let mut slot = self.home(key);
        loop {
            let at = (*self.slots.get(slot)? as usize).checked_sub(1)?;
            if self.entries.get(at).is_some_and(|entry| entry.key == key) {
                return Some(at);
            }
            slot = self.next(slot);
        }
    }

    fn insert(&mut self, key: [u64; 2], mark: Mark) {
        if (self.entries.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.entries.push(Entry { key, counter: Counter::new() });
        self.marks.push(mark);
        self.link(key, self.entries.len());
    }

    /// Has the index say where the key is: a place plus one.
    fn link(&mut self, key: [u64; 2], place: usize) {
        let mut slot = self.home(key);
        while self.slots.get(slot).is_some_and(|taken| *taken != 0) {
            slot = self.next(slot);
        }
        if let Some(free) = self.slots.get_mut(slot) {
            *free = u32::try_from(place).unwrap_or(0);
        }
    }

    fn grow(&mut self) {
        self.slots = vec![0; self.slots.len() * 2].into_boxed_slice();
        for at in 0..self.entries.len() {
            if let Some(key) = self.entries.get(at).map(|entry| entry.key) {
                self.link(key, at + 1);
            }
        }
    }

    fn remove(&mut self, at: usize) {
        let Some(key) = self.entries.get(at).map(|entry| entry.key) else { return };
        if let Some(slot) = self.slot_of(key) {
            self.free(slot);
        }
        // The last one moves to its place.
        let last = self.entries.len() - 1;
        let moved = self.entries.get(last).filter(|_| last != at).map(|entry| entry.key);
        if let Some(place) = moved.and_then(|key| self.slot_of(key)).and_then(|slot| self.slots.get_mut(slot))
        {
            *place = u32::try_from(at + 1).unwrap_or(0);
        }
        self.entries.swap_remove(at);
        self.marks.swap_remove(at);
    }

    fn slot_of(&self, key: [u64; 2]) -> Option<usize> {
        let at = self.find(key)?;
        let mut slot = self.home(key);
        while *self.slots.get(slot)? as usize != at + 1 {
            slot = self.next(slot);
        }
        Some(slot)
    }

    /// Frees a slot, and moves up those behind it that stand there only because it was taken.
    fn free(&mut self, mut hole: usize) {
        let mut slot = hole;
        loop {
            slot = self.next(slot);
            let taken = self.slots.get(slot).copied().unwrap_or(0);
            let key =
                (taken as usize).checked_sub(1).and_then(|at| self.entries.get(at)).map(|entry| entry.key);
            let Some(key) = key else { break };
            let (home, mask) = (self.home(key), self.slots.len() - 1);
            if slot.wrapping_sub(home) & mask >= slot.wrapping_sub(hole) & mask {
                if let Some(place) = self.slots.get_mut(hole) {
                    *place = taken;
                }
                hole = slot;
            }
        }
        if let Some(place) = self.slots.get_mut(hole) {
            *place = 0;
        }
    }

    fn home(&self, key: [u64; 2]) -> usize {
        // Slots are a power of two; keys are hashes.
        usize::try_from(key[0]).unwrap_or(0) & (self.slots.len() - 1)
    }

    fn next(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }
}

fn halves(key: CounterKey) -> [u64; 2] {
    let low = u64::try_from(key.0 & u128::from(u64::MAX)).unwrap_or(0);
    [low, u64::try_from(key.0 >> 64).unwrap_or(0)]
}
