//! Counters in this process: a table in stripes, each with a lock of its own, and bounded.
//!
//! A request's counters are charged all or none. So all of their stripes are locked, in the order of their numbers: two
//! requests never wait for each other.

use std::iter;
use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::Counter as Tally;
use rules::meter::{Ask, Counter, CounterKey, Full, Kind, Note, Standing};

use self::stripe::{Room, Stripe};
use super::answer::{Denial, Denied};
use super::few::Few;

pub(super) use self::stripe::Mark;

mod shelf;
mod stripe;
#[cfg(test)]
mod tests;

/// The most stripes.
const STRIPES: usize = 256;
/// A stripe has room for at least so many counters, so that chance fills all of them about evenly.
const LEAST: usize = 1024;

/// What the table tells its operator.
#[derive(Clone)]
pub(super) struct Tallies {
    /// Counters that were forgotten before their time, so that others had room.
    pub(super) evicted: Tally,
    /// Requests that were refused, and notes that were lost, since there was no room.
    pub(super) no_room: Tally,
}

/// The table.
pub(super) struct Embedded {
    first: Mutex<Stripe>,
    /// A power of two, less the first.
    others: Box<[Mutex<Stripe>]>,
    tallies: Tallies,
}

impl Embedded {
    /// A table for about so many counters.
    pub(super) fn new(keys: usize, tallies: Tallies) -> Self {
        let count = (keys / LEAST).next_power_of_two().clamp(1, STRIPES);
        let stripe = || Mutex::new(Stripe::new(keys.max(1).div_ceil(count)));
        Self { first: stripe(), others: (1..count).map(|_| stripe()).collect(), tallies }
    }

    /// Whether each of these would be admitted; nothing is counted.
    pub(super) fn peek(&self, asks: &[Ask], now_ms: i64) -> Option<Denial> {
        // Mostly they would: where they stand is of no interest then.
        let ask = |index| {
            let ask: &Ask = asks.get(index)?;
            Some((ask, self.stripe(ask.key).ask(ask, cost(asks, index), now_ms)))
        };
        if (0..asks.len()).filter_map(ask).all(|(_, verdict)| verdict.is_ok()) {
            return None;
        }
        let mut verdicts = Verdicts::default();
        for (index, (ask, verdict)) in (0..asks.len()).filter_map(ask).enumerate() {
            verdicts.add(index, ask, verdict);
        }
        let (standings, no) = verdicts.end();
        Some(no?.denial(standings))
    }

    /// Charges all of them, or none if one of them refuses.
    pub(super) fn charge(&self, asks: &[Ask], now_ms: i64) -> Result<Few<Standing>, Denied> {
        let mut held = Held::lock(self, asks);
        let mut verdicts = Verdicts::default();
        for (index, ask) in asks.iter().enumerate() {
            let cost = cost(asks, index);
            verdicts.add(index, ask, held.stripe(ask.key).ask(ask, cost, now_ms));
        }
        let (mut standings, no) = verdicts.end();
        if let Some(no) = no {
            return Err(Denied::Limit(Box::new(no.denial(standings))));
        }
        // Before anything is counted: a counter without room would leave the others charged.
        for ask in asks.iter().filter(|ask| counts(ask)) {
            if !self.tell(held.stripe(ask.key).reserve(ask.key, now_ms)) {
                return Err(Denied::NoRoom);
            }
        }
        for (ask, standing) in asks.iter().zip(standings.iter_mut()).filter(|(ask, _)| counts(ask)) {
            *standing = held.stripe(ask.key).charge(ask, now_ms);
        }
        Ok(standings)
    }

    /// Takes notes into account.
    pub(super) fn note(&self, notes: &[(Ask, Note)], now_ms: i64) {
        for (ask, note) in notes {
            let mut stripe = self.stripe(ask.key);
            // Who was never noticed has nothing to be forgiven.
            let matters = *note != Note::Success || stripe.knows(ask.key);
            if matters && self.tell(stripe.reserve(ask.key, now_ms)) {
                stripe.note(ask, *note, now_ms);
            }
        }
    }

    /// Frees places of what went on at the same time.
    pub(super) fn release(&self, ask: &Ask) {
        self.stripe(ask.key).release(ask);
    }

    /// One counter, and how long it matters.
    pub(super) fn get(&self, key: CounterKey) -> Option<(Mark, Counter)> {
        self.stripe(key).get(key)
    }

    /// Whether it is there.
    pub(super) fn knows(&self, key: CounterKey) -> bool {
        self.stripe(key).knows(key)
    }

    /// Takes in a counter of another process or time.
    pub(super) fn merge(&self, key: CounterKey, mark: Mark, counter: Counter, now_ms: i64) {
        let mut stripe = self.stripe(key);
        if self.tell(stripe.reserve(key, now_ms)) {
            stripe.merge(key, mark, counter);
        }
    }

    /// How many counters there are.
    pub(super) fn len(&self) -> usize {
        iter::once(&self.first).chain(&self.others).map(|stripe| lock(stripe).len()).sum()
    }

    fn tell(&self, room: Room) -> bool {
        match room {
            Room::There => true,
            Room::Evicted => {
                self.tallies.evicted.increment(1);
                true
            }
            Room::None => {
                self.tallies.no_room.increment(1);
                false
            }
        }
    }

    fn number(&self, key: CounterKey) -> usize {
        // The lower half of the key is for the place within the stripe.
        usize::try_from(key.0 >> 96).unwrap_or(0) & self.others.len()
    }

    fn nth(&self, number: usize) -> &Mutex<Stripe> {
        number.checked_sub(1).and_then(|number| self.others.get(number)).unwrap_or(&self.first)
    }

    fn stripe(&self, key: CounterKey) -> MutexGuard<'_, Stripe> {
        lock(self.nth(self.number(key)))
    }
}

/// A stripe stays usable if a thread panicked over it: each step leaves it whole.
fn lock(stripe: &Mutex<Stripe>) -> MutexGuard<'_, Stripe> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this ask and the earlier ones of the same counter cost together.
pub(super) fn cost(asks: &[Ask], index: usize) -> u32 {
    let Some(ask) = asks.get(index) else { return 0 };
    let same = asks.iter().take(index + 1).filter(|other| other.key == ask.key);
    same.fold(0, |sum, other| sum.saturating_add(other.cost))
}

/// Whether admitting it counts anything: a look and a lock only ask.
pub(super) fn counts(ask: &Ask) -> bool {
    ask.cost > 0 && ask.meter.kind() != Kind::Lock
}

/// The stripes of a request, locked.
struct Held<'a> {
    table: &'a Embedded,
    /// That of the first ask; without any, one that is not used.
    first: (usize, MutexGuard<'a, Stripe>),
    others: Few<(usize, MutexGuard<'a, Stripe>)>,
}
impl<'a> Held<'a> {
    fn lock(table: &'a Embedded, asks: &[Ask]) -> Self {
        let locked = |number| (number, lock(table.nth(number)));
        if let [ask] = asks {
            return Self { table, first: locked(table.number(ask.key)), others: Few::new() };
        }
        let mut wanted = [0_u64; STRIPES / 64];
        for ask in asks {
            let number = table.number(ask.key);
            if let Some(word) = wanted.get_mut(number / 64) {
                *word |= 1 << (number % 64);
            }
        }
        let mut numbers = wanted
            .into_iter()
            .enumerate()
            .flat_map(|(index, word)| bits(word).map(move |bit| index * 64 + bit));
        let first = locked(numbers.next().unwrap_or(0));
        Self { table, first, others: numbers.map(locked).collect() }
    }

    fn stripe(&mut self, key: CounterKey) -> &mut Stripe {
        let number = self.table.number(key);
        match self.others.iter_mut().find(|(other, _)| *other == number) {
            Some((_, stripe)) => stripe,
            None => &mut self.first.1,
        }
    }
}

/// The places of the ones in it, from the lowest.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    iter::from_fn(move || {
        let lowest = usize::try_from(word.trailing_zeros()).ok().filter(|_| word != 0);
        word &= word.wrapping_sub(1);
        lowest
    })
}

/// The counters' answers to one request.
#[derive(Default)]
struct Verdicts {
    standings: Few<Standing>,
    worst: Option<(usize, Full, Kind)>,
}

impl Verdicts {
    fn add(&mut self, index: usize, ask: &Ask, verdict: Result<Standing, Full>) {
        match verdict {
            Ok(standing) => self.standings.push(standing),
            Err(full) => {
                self.standings.push(full.standing);
                if self.worst.is_none_or(|(_, worst, _)| full.retry_after_ms > worst.retry_after_ms) {
                    self.worst = Some((index, full, ask.meter.kind()));
                }
            }
        }
    }

    /// Where all of them stand, or the no of the one that refuses for longest.
    fn end(self) -> (Few<Standing>, Option<No>) {
        let no = self.worst.map(|(index, full, kind)| No {
            index,
            kind,
            retry_after_ms: full.retry_after_ms.max(1),
        });
        (self.standings, no)
    }
}

struct No {
    index: usize,
    kind: Kind,
    retry_after_ms: u64,
}

impl No {
    fn denial(self, standings: Few<Standing>) -> Denial {
        Denial { index: self.index, kind: self.kind, retry_after_ms: self.retry_after_ms, standings }
    }
}
