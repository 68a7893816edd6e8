//! The table: all or none, bounded, and nobody is let off.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use rules::meter::Meter;

use super::*;

const T: i64 = 1_795_000_000_000;
const MINUTE: u64 = 60_000;

/// A table, and how many counters it evicted and refused.
fn table(keys: usize) -> (Embedded, Arc<AtomicU64>, Arc<AtomicU64>) {
    let (evicted, no_room) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let tallies = Tallies {
        evicted: Tally::from_arc(Arc::clone(&evicted)),
        no_room: Tally::from_arc(Arc::clone(&no_room)),
    };
    (Embedded::new(keys, tallies), evicted, no_room)
}

/// Keys are hashes: these are spread like one.
fn key(nth: u64) -> CounterKey {
    let mut state = nth;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    CounterKey(u128::from(next()) << 64 | u128::from(next()))
}

fn ask(nth: u64, meter: Meter) -> Ask {
    Ask { key: key(nth), meter, cost: 1 }
}

fn window(max: u32) -> Meter {
    Meter::Window { max, window_ms: MINUTE, penalty_ms: 0 }
}

fn lock_after(after: u32) -> Meter {
    Meter::Lock { after, for_ms: MINUTE, most_ms: MINUTE }
}

#[test]
fn all_are_charged_or_none() {
    let (table, ..) = table(1000);
    let (wide, narrow) = (ask(1, window(5)), ask(2, window(2)));
    for _ in 0..2 {
        assert_eq!(table.charge(&[wide, narrow], T).unwrap().len(), 2);
    }
    for _ in 0..10 {
        let Err(Denied::Limit(denial)) = table.charge(&[wide, narrow], T) else { panic!("admitted") };
        assert_eq!((denial.index, denial.kind, denial.retry_after_ms), (1, Kind::Rate, MINUTE));
        let remaining: Vec<_> = denial.standings.iter().map(|standing| standing.remaining).collect();
        assert_eq!(remaining, [3, 0], "the one that admitted is not charged");
    }
    assert_eq!(table.charge(&[wide], T).unwrap().get(0).unwrap().remaining, 2);
    assert_eq!(table.charge(&[], T).unwrap().len(), 0);
}

#[test]
fn the_longest_refusal_is_told() {
    let (table, ..) = table(1000);
    let long = ask(2, Meter::Window { max: 1, window_ms: 60 * MINUTE, penalty_ms: 0 });
    let asks = [ask(1, window(1)), long, ask(3, window(9))];
    assert!(table.peek(&asks, T).is_none() && table.charge(&asks, T).is_ok());
    let denial = table.peek(&asks, T + 1000).unwrap();
    assert_eq!((denial.index, denial.retry_after_ms, denial.standings.len()), (1, 3_599_000, 3));
    assert_eq!(table.charge(&asks, T + 1000).unwrap_err(), Denied::Limit(Box::new(denial)));
}

/// One counter asked twice, as by a limit that a route inherits and names once more.
#[test]
fn a_counter_that_is_asked_twice_is_charged_twice() {
    let (table, ..) = table(1000);
    let twice = [ask(1, window(3)); 2];
    assert!(table.charge(&twice, T).is_ok());
    assert!(table.charge(&twice, T).is_err(), "one is left, and two are wanted");
    assert!(table.charge(&twice[..1], T).is_ok());
    assert!(table.charge(&twice[..1], T).is_err());
}

#[test]
fn a_peek_charges_nothing_but_begins_a_penalty() {
    let (table, ..) = table(1000);
    let harsh = ask(1, Meter::Window { max: 1, window_ms: 1_000, penalty_ms: 10_000 });
    for _ in 0..5 {
        assert!(table.peek(&[harsh], T).is_none());
    }
    assert_eq!(table.len(), 0, "and a look takes no room");
    assert!(table.charge(&[harsh], T).is_ok());
    assert_eq!(table.peek(&[harsh], T + 1).unwrap().retry_after_ms, 10_001);
    assert!(table.charge(&[harsh], T + 5_000).is_err(), "the window is over, the penalty is not");
    assert!(table.charge(&[harsh], T + 10_002).is_ok());
}

#[test]
fn memory_is_bounded_and_what_is_over_goes_first() {
    let (table, evicted, no_room) = table(5_000);
    for nth in 0..5_000 {
        assert!(table.charge(&[ask(nth, window(10))], T).is_ok());
    }
    assert!(evicted.load(Ordering::Relaxed) < 100, "stripes fill about evenly");
    for nth in 10_000..30_000 {
        assert!(table.charge(&[ask(nth, window(10))], T + 60_000).is_ok());
    }
    assert!(table.len() <= 5_008, "{}", table.len());
    let early = evicted.load(Ordering::Relaxed);
    assert!((14_000..=15_100).contains(&early), "five thousand were over, the others were not: {early}");
    assert_eq!(no_room.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_over_is_swept_without_need() {
    let (table, evicted, _) = table(100_000);
    for nth in 0..50_000_u64 {
        // A hundred a minute.
        let now = T + i64::try_from(nth * MINUTE / 100).unwrap();
        assert!(table.charge(&[ask(nth, window(10))], now).is_ok());
    }
    assert!(table.len() < 1_000, "{}", table.len());
    assert_eq!(evicted.load(Ordering::Relaxed), 0);
}

#[test]
fn a_flood_of_new_callers_frees_nobody() {
    let (table, _, no_room) = table(2_000);
    let held = [
        ask(1, window(1)),
        ask(2, Meter::Bucket { max: 1, window_ms: MINUTE, burst: 1 }),
        ask(3, Meter::Concurrent { max: 1 }),
        ask(4, lock_after(1)),
        ask(5, Meter::Window { max: 1, window_ms: 1_000, penalty_ms: MINUTE }),
    ];
    table.note(&[(held[3], Note::Failure)], T);
    for ask in [&held[..3], &held[4..]].concat() {
        assert!(table.charge(&[ask], T).is_ok());
        assert!(table.charge(&[ask], T).is_err());
    }
    for nth in 0..100_000 {
        assert!(table.charge(&[ask(1_000 + nth, window(10))], T + 1_000).is_ok());
    }
    for ask in held {
        assert!(table.charge(&[ask], T + 2_000).is_err(), "{ask:?}");
    }
    assert_eq!(no_room.load(Ordering::Relaxed), 0);
}

#[test]
fn the_least_used_goes_first() {
    let (table, evicted, _) = table(1_000);
    // Nearly exhausted, and older than all that follow.
    for nth in 0..500 {
        for _ in 0..9 {
            assert!(table.charge(&[ask(nth, window(10))], T).is_ok());
        }
    }
    for nth in 1_000..20_000 {
        assert!(table.charge(&[ask(nth, window(10))], T + 1_000).is_ok());
    }
    assert!(evicted.load(Ordering::Relaxed) > 15_000);
    let kept = (0..500).filter(|nth| table.charge(&[ask(*nth, window(10)); 2], T + 1_000).is_err()).count();
    assert!(kept >= 495, "{kept}");
}

#[test]
fn where_nobody_may_be_forgotten_newcomers_are_refused() {
    let (table, _, no_room) = table(100);
    let full = |nth| ask(nth, window(1));
    for nth in 0..100 {
        assert!(table.charge(&[full(nth)], T).is_ok());
    }
    let other = ask(999, Meter::Bucket { max: 10, window_ms: MINUTE, burst: 10 });
    for _ in 0..3 {
        assert_eq!(table.charge(&[other], T + 1_000), Err(Denied::NoRoom));
    }
    table.note(&[(ask(1_000, lock_after(3)), Note::Failure)], T + 1_000);
    table.note(&[(ask(1_000, lock_after(3)), Note::Success)], T + 1_000);
    assert_eq!(no_room.load(Ordering::Relaxed), 4, "whoever never failed needs no room to succeed");
    // Who is known, and who only looks, needs none.
    assert!(matches!(table.charge(&[full(1)], T + 1_000), Err(Denied::Limit(_))));
    assert!(table.charge(&[ask(1_001, lock_after(3)), Ask { cost: 0, ..other }], T + 1_000).is_ok());
    assert!(table.charge(&[other], T + 60_000).is_ok());
}

/// A counter that finds no room must not leave the others of its request charged.
#[test]
fn without_room_for_all_none_is_charged() {
    let (table, ..) = table(3);
    let known = ask(1, window(5));
    assert!(table.charge(&[known, ask(2, window(1))], T).is_ok());
    assert!(table.charge(&[ask(3, window(1))], T).is_ok());
    let held = ask(1, window(5));
    for _ in 0..3 {
        assert!(table.charge(&[held], T).is_ok());
    }
    assert_eq!(
        table.charge(&[held, ask(4, window(1)), ask(5, window(1)), ask(6, window(1))], T),
        Err(Denied::NoRoom)
    );
    assert!(table.peek(&[known], T).is_none(), "one is still left");
}

#[test]
fn what_is_in_use_is_kept_until_it_is_released() {
    let (table, ..) = table(10);
    let places = ask(1, Meter::Concurrent { max: 2 });
    assert!(table.charge(&[places], T).is_ok() && table.charge(&[places], T).is_ok());
    for nth in 10..1_000 {
        let _ = table.charge(&[ask(nth, window(10))], T + i64::MAX / 2);
    }
    assert!(table.charge(&[places], T).is_err());
    table.release(&places);
    assert!(table.charge(&[places], T).is_ok());
    table.release(&places);
    table.release(&places);
    table.release(&places);
    for nth in 0..1_000 {
        assert!(table.charge(&[ask(nth + 2_000, window(10))], T).is_ok());
    }
    assert!(table.get(places.key).is_none(), "nobody uses it any more");
}

/// Requests that name the same counters in different orders wait for each other in none, and never take too much.
#[test]
fn threads_do_not_block_each_other() {
    let (table, ..) = table(100_000);
    let asks: Vec<Ask> = (0..8).map(|nth| ask(nth, window(100 + u32::try_from(nth).unwrap()))).collect();
    let admitted = AtomicU64::new(0);
    thread::scope(|scope| {
        for shift in 0..8_usize {
            let (table, mut asks, admitted) = (&table, asks.clone(), &admitted);
            asks.rotate_left(shift);
            scope.spawn(move || {
                for nth in 0..2_000 {
                    let some = &asks[..=(nth % 8)];
                    if table.charge(&[some, &[ask(0, window(100))]].concat(), T).is_ok() {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                    table.peek(some, T);
                }
            });
        }
    });
    // Each took one of the first counter; some named it twice.
    assert!((50..=100).contains(&admitted.load(Ordering::Relaxed)));
    assert!(table.peek(&[ask(0, window(100))], T).is_some());
}

#[test]
fn a_panic_within_a_stripe_leaves_it_usable() {
    let (table, ..) = table(10);
    assert!(table.charge(&[ask(1, window(1))], T).is_ok());
    let panicked = thread::scope(|scope| {
        scope
            .spawn(|| {
                let _held = table.stripe(key(1));
                panic!("on purpose");
            })
            .join()
    });
    assert!(panicked.is_err());
    assert!(table.charge(&[ask(1, window(1))], T).is_err());
    assert!(table.charge(&[ask(2, window(1))], T).is_ok());
}

#[derive(Clone, Debug)]
enum Step {
    Charge(Vec<(u64, usize)>),
    Note(u64, usize, Note),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let note = prop_oneof![Just(Note::Failure), Just(Note::Success), Just(Note::Late)];
    prop_oneof![
        6 => vec((0..12_u64, 0..3_usize), 0..8).prop_map(Step::Charge),
        2 => (0..12_u64, 0..3_usize, note).prop_map(|(nth, meter, note)| Step::Note(nth, meter, note)),
        2 => (0..40_000_i64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// The table answers as if each counter were a variable of its own.
    #[test]
    fn the_table_is_a_map(steps in vec(step(), 0..80)) {
        let (table, ..) = table(5_000);
        let meters = [window(3), Meter::Bucket { max: 5, window_ms: MINUTE, burst: 2 }, lock_after(2)];
        let (mut model, mut now): (HashMap<CounterKey, Counter>, i64) = (HashMap::new(), T);
        let ask = |nth: u64, meter: usize| Ask { key: key(nth * 3 + meter as u64), meter: meters[meter], cost: 1 };
        for step in steps {
            match step {
                Step::Wait(ms) => now += ms,
                Step::Note(nth, meter, note) => {
                    let ask = ask(nth, meter);
                    table.note(&[(ask, note)], now);
                    model.entry(ask.key).or_default().note(&ask.meter, note, now);
                }
                Step::Charge(picks) => {
                    let asks: Vec<Ask> = picks.iter().map(|(nth, meter)| ask(*nth, *meter)).collect();
                    let mut trial = model.clone();
                    let all = asks.iter().all(|ask| {
                        let counter = trial.entry(ask.key).or_default();
                        let fits = counter.ask(&ask.meter, 1, now).is_ok();
                        counter.charge(&ask.meter, 1, now);
                        fits
                    });
                    let found = table.charge(&asks, now);
                    prop_assert_eq!(found.is_ok(), all);
                    if all {
                        model = trial;
                    }
                }
            }
        }
    }

    /// Whatever comes and goes, the index finds what is there, and nothing else.
    #[test]
    fn the_index_holds(steps in vec((0..200_u64, 0..5_u32), 0..600)) {
        let (table, ..) = table(64);
        let mut now = T;
        for (nth, step) in steps {
            match step {
                0 => now += 20_000,
                1 => table.release(&ask(nth, Meter::Concurrent { max: 5 })),
                _ => drop(table.charge(&[ask(nth, window(5))], now)),
            }
            prop_assert!(table.len() <= 64);
            let found = (0..200).filter(|nth| table.get(key(*nth)).is_some()).count();
            prop_assert_eq!(found, table.len());
        }
    }
}
