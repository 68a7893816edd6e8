//! Who was refused for how long: so that a flood of them costs no round trips.
//!
//! Only what stays true is remembered: a window or a lock that is full until then stays full, whatever others do. A place
//! among those at the same time may be free at any moment.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rules::meter::{Ask, CounterKey, Kind, Meter, Standing};

use crate::state::answer::Denial;

/// A key has its place in one set, and pushes out the one there that ends first.
const SETS: usize = 8_192;
const WAYS: usize = 4;

pub(super) struct Denials(Box<[Mutex<[Option<Slot>; WAYS]>]>);

#[derive(Clone, Copy)]
struct Slot {
    key: CounterKey,
    meter: Meter,
    cost: u32,
    until: i64,
    standing: Standing,
}

impl Denials {
    pub(super) fn new() -> Self {
        Self((0..SETS).map(|_| Mutex::new([None; WAYS])).collect())
    }

    /// Remembers that so much was refused.
    pub(super) fn add(&self, ask: &Ask, cost: u32, standing: Standing, retry_after_ms: u64, now_ms: i64) {
        if ask.meter.kind() == Kind::Concurrent {
            return;
        }
        let until = now_ms.saturating_add_unsigned(retry_after_ms);
        let slot = Slot { key: ask.key, meter: ask.meter, cost, until, standing };
        let Some(mut set) = self.set(ask.key) else { return };
        let same = set.iter().position(|other| other.is_some_and(|other| other.key == ask.key));
        let first =
            set.iter().enumerate().min_by_key(|(_, other)| other.map_or(i64::MIN, |other| other.until));
        let place = same.or(first.map(|(place, _)| place)).and_then(|place| set.get_mut(place));
        if let Some(place) = place {
            *place = Some(slot);
        }
    }

    /// The no that is known to these already; of several, the longest.
    pub(super) fn find(&self, asks: &[Ask], now_ms: i64) -> Option<Denial> {
        let known = |ask: &Ask| {
            let slot = self.set(ask.key)?.iter().flatten().copied().find(|slot| slot.key == ask.key)?;
            let holds = slot.meter == ask.meter && ask.cost >= slot.cost && now_ms < slot.until;
            holds.then_some(slot)
        };
        let worst = asks.iter().enumerate().filter_map(|(index, ask)| Some((index, known(ask)?)));
        let (index, slot) = worst.max_by_key(|(_, slot)| slot.until)?;
        let left = |slot: &Slot| slot.until.abs_diff(now_ms);
        let standings = asks.iter().map(|ask| {
            let known = known(ask)
                .map(|slot| Standing { reset_ms: slot.standing.reset_ms.max(left(&slot)), ..slot.standing });
            known.unwrap_or_else(|| untouched(&ask.meter))
        });
        Some(Denial {
            index,
            kind: slot.meter.kind(),
            retry_after_ms: left(&slot).max(1),
            standings: standings.collect(),
        })
    }

    fn set(&self, key: CounterKey) -> Option<MutexGuard<'_, [Option<Slot>; WAYS]>> {
        let index = usize::try_from(key.0 & (SETS as u128 - 1)).ok()?;
        Some(self.0.get(index)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where a counter stands of which nothing is known.
pub(super) fn untouched(meter: &Meter) -> Standing {
    let limit = match *meter {
        Meter::Window { max, .. } | Meter::Concurrent { max } => max,
        Meter::Bucket { burst, .. } => burst,
        Meter::Lock { after, .. } => after,
    };
    Standing { limit, remaining: limit, reset_ms: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Meter = Meter::Window { max: 5, window_ms: 60_000, penalty_ms: 0 };

    fn ask(key: u128, meter: Meter) -> Ask {
        Ask { key: CounterKey(key), meter, cost: 1 }
    }

    #[test]
    fn a_denial_holds_until_its_end_and_for_what_was_asked() {
        let (denials, standing) = (Denials::new(), Standing { limit: 5, remaining: 0, reset_ms: 9 });
        denials.add(&ask(1, WINDOW), 1, standing, 100, 1_000);
        let asks = [ask(2, WINDOW), ask(1, WINDOW)];
        let denial = denials.find(&asks, 1_099).unwrap();
        assert_eq!((denial.index, denial.kind, denial.retry_after_ms), (1, Kind::Rate, 1));
        assert_eq!(denial.standings.iter().map(|standing| standing.remaining).collect::<Vec<_>>(), [5, 0]);
        assert!(denials.find(&asks, 1_100).is_none());
        assert!(denials.find(&[Ask { cost: 0, ..asks[1] }], 1_050).is_none(), "a look is another question");
        let wider = Meter::Window { max: 6, window_ms: 60_000, penalty_ms: 0 };
        assert!(denials.find(&[ask(1, wider)], 1_050).is_none(), "the limit was changed");
        denials.add(&ask(3, Meter::Concurrent { max: 1 }), 1, standing, 100, 1_000);
        assert!(denials.find(&[ask(3, Meter::Concurrent { max: 1 })], 1_000).is_none());
    }

    #[test]
    fn the_longest_are_kept() {
        let (denials, sets) = (Denials::new(), SETS as u128);
        for nth in 1..=10_u32 {
            denials.add(&ask(sets * u128::from(nth), WINDOW), 1, Standing::default(), (nth * 100).into(), 0);
        }
        let kept = (1..=10).filter(|nth| denials.find(&[ask(sets * nth, WINDOW)], 0).is_some());
        assert!(kept.eq(7..=10));
    }
}
