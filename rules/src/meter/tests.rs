//! The arithmetic against simple models, and what it promises whatever happens.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Counter, Full, Meter, Note, Standing, UNKNOWN_MS};

mod models;
mod promises;
mod records;

const T: i64 = 1_795_000_000_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn window(max: u32, window_ms: u64, penalty_ms: u64) -> Meter {
    Meter::Window { max, window_ms, penalty_ms }
}

/// Asks, and charges if it may.
fn take(counter: &mut Counter, meter: &Meter, cost: u32, now: i64) -> Result<Standing, Full> {
    counter.ask(meter, cost, now)?;
    Ok(counter.charge(meter, cost, now))
}

fn admitted(counter: &mut Counter, meter: &Meter, times: impl IntoIterator<Item = i64>) -> usize {
    times.into_iter().filter(|now| take(counter, meter, 1, *now).is_ok()).count()
}

fn retry(counter: &mut Counter, meter: &Meter, now: i64) -> Option<u64> {
    counter.ask(meter, 1, now).err().map(|full| full.retry_after_ms)
}

#[test]
fn the_checklists_numbers_hold() {
    for (max, window_ms) in [(5, MINUTE), (20, HOUR), (30, MINUTE), (200, DAY), (600, MINUTE), (10, DAY)] {
        let (meter, mut counter) = (window(max, window_ms, 0), Counter::new());
        let span = i64::try_from(window_ms).unwrap();
        let most = usize::try_from(max).unwrap();
        assert_eq!(admitted(&mut counter, &meter, std::iter::repeat_n(T, most + 10)), most);
        assert_eq!(admitted(&mut counter, &meter, [T + span - 1]), 0, "{meter:?}");
        assert_eq!(retry(&mut counter, &meter, T + span - 1), Some(1), "{meter:?}");
        assert_eq!(admitted(&mut counter, &meter, std::iter::repeat_n(T + span, most + 10)), most);
    }
}

#[test]
fn a_window_tells_where_it_stands() {
    let (meter, mut counter) = (window(3, MINUTE, 0), Counter::new());
    let standing = |remaining, reset_ms| Standing { limit: 3, remaining, reset_ms };
    assert_eq!(counter.ask(&meter, 1, T), Ok(standing(3, 0)));
    assert_eq!(take(&mut counter, &meter, 1, T), Ok(standing(2, 60_000)));
    assert_eq!(take(&mut counter, &meter, 1, T + 10_000), Ok(standing(1, 60_000)));
    assert_eq!(counter.ask(&meter, 1, T + 20_000), Ok(standing(1, 50_000)));
    let full = Full { standing: standing(1, 50_000), retry_after_ms: 40_000 };
    assert_eq!(counter.ask(&meter, 2, T + 20_000), Err(full), "three units are more than two are left");
    assert_eq!(take(&mut counter, &meter, 1, T + 20_000), Ok(standing(0, 60_000)));
    assert_eq!(retry(&mut counter, &meter, T + 20_000), Some(40_000));
    assert_eq!(counter.ask(&meter, 4, T + 20_000).unwrap_err().retry_after_ms, 60_000, "that can never be");
    assert_eq!(counter.ask(&meter, 1, T + 60_000), Ok(standing(1, 20_000)));
}

#[test]
fn a_refusal_begins_a_penalty_which_refusals_do_not_extend() {
    let (meter, mut counter) = (window(1, 1_000, 10_000), Counter::new());
    assert!(take(&mut counter, &meter, 1, T).is_ok());
    assert_eq!(retry(&mut counter, &meter, T + 500), Some(10_001));
    for later in [1, 4_000, 9_000, 10_000] {
        assert_eq!(retry(&mut counter, &meter, T + 500 + later), Some(10_001 - later.unsigned_abs()));
        assert_eq!(counter.ask(&meter, 0, T + 500 + later).unwrap_err().standing.remaining, 0);
    }
    assert!(take(&mut counter, &meter, 1, T + 10_501).is_ok());
}

#[test]
fn a_penalty_shorter_than_the_window_begins_again() {
    let (meter, mut counter) = (window(1, MINUTE, 1_000), Counter::new());
    assert!(take(&mut counter, &meter, 1, T).is_ok());
    // Nothing leaves the window before: that is what a client may be told.
    assert_eq!(retry(&mut counter, &meter, T), Some(60_000));
    assert_eq!(retry(&mut counter, &meter, T + 59_999), Some(1_001));
    assert_eq!(retry(&mut counter, &meter, T + 60_000), Some(1_000));
    assert!(take(&mut counter, &meter, 1, T + 61_000).is_ok());
}

#[test]
fn what_is_counted_late_refuses_the_next_look() {
    for penalty in [0, 5_000] {
        let (meter, mut counter) = (window(1, MINUTE, penalty), Counter::new());
        counter.note(&meter, Note::Late, T);
        assert!(counter.ask(&meter, 0, T + 1).is_ok());
        assert!(counter.ask(&meter, 0, T + 1).is_ok(), "a look counts nothing");
        counter.note(&meter, Note::Late, T + 2);
        let full = counter.ask(&meter, 0, T + 3).unwrap_err();
        assert_eq!(full.retry_after_ms, 59_997);
        let held = counter.ask(&meter, 0, T + 5_002);
        assert!(held.is_err(), "the penalty's last moment, and there is too much in the window");
        assert!(counter.ask(&meter, 0, T + 60_000 + i64::try_from(penalty).unwrap() + 1).is_ok());
    }
}

#[test]
fn late_counts_do_not_grow_without_bound() {
    for max in [1, 7, 8, 128, 129, 1_000_000] {
        let (meter, mut counter) = (window(max, MINUTE, 0), Counter::new());
        for nth in 0..10_000 {
            counter.note(&meter, Note::Late, T + nth);
        }
        let bytes = counter.to_bytes().unwrap().len();
        assert!(bytes <= 32 + 4 * (usize::try_from(max).unwrap() + 1).min(300), "{max}: {bytes}");
        // The newest are what is kept.
        if max < 10_000 {
            let retry = counter.ask(&meter, 0, T + 9_999).unwrap_err().retry_after_ms;
            let first = 60_000 - u64::from(max);
            assert!((first..=first + 60_000 / 128).contains(&retry), "{max}: {retry}");
        }
    }
}

#[test]
fn a_bucket_gives_its_depth_at_once_and_then_evenly() {
    let (meter, mut counter) = (Meter::Bucket { max: 30, window_ms: MINUTE, burst: 10 }, Counter::new());
    assert_eq!(counter.ask(&meter, 1, T), Ok(Standing { limit: 10, remaining: 10, reset_ms: 0 }));
    assert_eq!(admitted(&mut counter, &meter, std::iter::repeat_n(T, 20)), 10);
    assert_eq!(retry(&mut counter, &meter, T), Some(2_000));
    assert_eq!(counter.ask(&meter, 3, T + 1).unwrap_err().retry_after_ms, 5_999);
    assert_eq!(counter.ask(&meter, 11, T + 1).unwrap_err().retry_after_ms, MINUTE, "that can never be");
    assert_eq!(admitted(&mut counter, &meter, (0..60_000).map(|ms| T + ms)), 29);
    assert!(counter.ask(&meter, 0, T + 60_000).is_ok());
    counter.note(&meter, Note::Late, T + 60_000);
    counter.note(&meter, Note::Late, T + 60_000);
    assert!(counter.ask(&meter, 0, T + 60_000).is_err(), "more than its depth was counted");
}

/// 1000 / 7 is no whole number: what is rounded each time adds up.
#[test]
fn a_bucket_loses_nothing_over_a_month() {
    let (meter, mut counter) = (Meter::Bucket { max: 7, window_ms: 1_000, burst: 1 }, Counter::new());
    let month = 31 * 24 * 3_600 * 1_000_i64;
    let (mut now, mut count) = (T, 0_u64);
    while now < T + month / 1_000 {
        match take(&mut counter, &meter, 1, now) {
            Ok(_) => count += 1,
            Err(full) => now += i64::try_from(full.retry_after_ms).unwrap(),
        }
    }
    let exact = u64::try_from(month).unwrap() / 1_000 * 7 / 1_000;
    assert!(count <= exact + 1 && count * 100 >= exact * 99, "{count} of {exact}");
}

#[test]
fn a_changed_limit_keeps_what_was_used() {
    let mut counter = Counter::new();
    let (minute, hour) = (Meter::Bucket { max: 1, window_ms: MINUTE, burst: 10 }, HOUR);
    assert_eq!(admitted(&mut counter, &minute, std::iter::repeat_n(T, 8)), 8);
    let hour = Meter::Bucket { max: 1, window_ms: hour, burst: 10 };
    assert_eq!(counter.ask(&hour, 1, T).unwrap().remaining, 2);
    let mut counter = Counter::new();
    assert_eq!(admitted(&mut counter, &window(100, HOUR, 0), (0..100).map(|ms| T + ms)), 100);
    for (max, left) in [(200, 100), (101, 1), (1_000, 900)] {
        assert_eq!(take(&mut counter, &window(max, HOUR, 0), 0, T + 100).unwrap().remaining, left);
    }
    assert!(counter.ask(&window(99, HOUR, 0), 1, T + 100).is_err());
    assert!(counter.ask(&Meter::Concurrent { max: 1 }, 1, T).is_ok(), "of another kind: anew");
}

#[test]
fn places_are_taken_and_given_back() {
    let (meter, mut counter) = (Meter::Concurrent { max: 2 }, Counter::new());
    assert!(take(&mut counter, &meter, 1, T).is_ok() && take(&mut counter, &meter, 1, T).is_ok());
    assert_eq!(retry(&mut counter, &meter, T), Some(UNKNOWN_MS));
    assert_eq!(counter.rest(&meter).held_until_ms, i64::MAX);
    counter.release(1);
    assert!(take(&mut counter, &meter, 1, T).is_ok());
    (0..5).for_each(|_| counter.release(1));
    assert_eq!(counter.ask(&meter, 2, T).unwrap().remaining, 2);
    assert!(counter.rest(&meter).full_at_ms < T);
}

#[test]
fn failures_lock_and_each_further_one_for_longer() {
    let meter = Meter::Lock { after: 3, for_ms: 15 * MINUTE, most_ms: HOUR };
    let mut counter = Counter::new();
    let mut now = T;
    for left in [2, 1] {
        counter.note(&meter, Note::Failure, now);
        assert_eq!(counter.ask(&meter, 1, now).unwrap().remaining, left);
    }
    for minutes in [15, 30, 60, 60] {
        counter.note(&meter, Note::Failure, now);
        counter.note(&meter, Note::Failure, now + 10);
        assert_eq!(
            retry(&mut counter, &meter, now + 10),
            Some(minutes * MINUTE - 10),
            "a failure within a lock adds nothing"
        );
        now += i64::try_from(minutes * MINUTE).unwrap();
        assert_eq!(retry(&mut counter, &meter, now - 1), Some(1));
        assert_eq!(counter.ask(&meter, 1, now).unwrap().remaining, 1);
    }
    // A day later it takes as many failures as at first, and the first lock is as short.
    now += i64::try_from(DAY).unwrap();
    for _ in 0..3 {
        assert!(counter.ask(&meter, 1, now).is_ok());
        counter.note(&meter, Note::Failure, now);
    }
    assert_eq!(retry(&mut counter, &meter, now), Some(15 * MINUTE));
}

#[test]
fn failures_are_forgotten_and_forgiven() {
    let meter = Meter::Lock { after: 2, for_ms: MINUTE, most_ms: HOUR };
    let mut counter = Counter::new();
    counter.note(&meter, Note::Failure, T);
    counter.note(&meter, Note::Failure, T + 60_000);
    assert!(counter.ask(&meter, 1, T + 60_000).is_ok(), "a minute without a failure");
    counter.note(&meter, Note::Success, T + 60_001);
    counter.note(&meter, Note::Failure, T + 60_002);
    assert!(counter.ask(&meter, 1, T + 60_002).is_ok(), "a success");
    counter.note(&meter, Note::Failure, T + 60_003);
    counter.note(&meter, Note::Success, T + 60_004);
    assert_eq!(retry(&mut counter, &meter, T + 60_004), Some(59_999), "a running lock goes on");
    counter.note(&meter, Note::Failure, T + 120_003);
    assert!(counter.ask(&meter, 1, T + 120_003).is_ok(), "that a lock was before is forgiven too");
}

#[test]
fn a_state_is_small() {
    assert!(size_of::<Counter>() <= 48, "{}", size_of::<Counter>());
}
