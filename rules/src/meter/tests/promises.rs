//! What holds whatever happens: never too many, hardly too few, and no harm from a clock.

use super::*;

/// Whether any window holds more than `max` of these times.
fn exceeds(times: &[i64], max: u32, span: u64) -> bool {
    let (max, span) = (max as usize, i64::try_from(span).unwrap());
    times.windows(max + 1).any(|some| some[max] - some[0] < span)
}

/// How many an exact log admits of the same.
fn exactly(times: &[i64], max: u32, span: u64) -> usize {
    let (max, span) = (max as usize, i64::try_from(span).unwrap());
    let mut kept: Vec<i64> = Vec::new();
    for now in times {
        let full = kept.len() >= max && now - kept[kept.len() - max] < span;
        if !full {
            kept.push(*now);
        }
    }
    kept.len()
}

fn check(max: u32, span: u64, times: &[i64]) -> Result<(), TestCaseError> {
    let (meter, mut counter) = (window(max, span, 0), Counter::new());
    let kept: Vec<i64> =
        times.iter().copied().filter(|now| take(&mut counter, &meter, 1, *now).is_ok()).collect();
    prop_assert!(!exceeds(&kept, max, span));
    let exact = exactly(times, max, span);
    // Never less than an exact log of a window that is longer by a quantum admits: 0.4 % less in the long run.
    let least = exactly(times, max, span + span / 256);
    prop_assert!(kept.len() >= least, "{} of {exact}", kept.len());
    if max <= 128 {
        prop_assert_eq!(kept.len(), exact);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_more_than_the_most_and_hardly_less(
        max in prop_oneof![1..130_u32, 129..2_000_u32],
        span in prop_oneof![Just(1_000_u64), Just(MINUTE), Just(DAY), Just(31 * DAY)],
        pressure in 1..40_u64,
        gaps in vec(0..1_000_u64, 1..50),
    ) {
        // As many as `pressure` tenths of what is allowed, over about twelve windows.
        let wanted = u64::from(max) * pressure / 10 + 1;
        let mean = (span / wanted).max(1);
        let mut now = T;
        let times: Vec<i64> = gaps.iter().cycle()
            .map(|gap| { now += i64::try_from(mean * gap / 500).unwrap(); now })
            .take(usize::try_from(wanted * 12).unwrap())
            .collect();
        check(max, span, &times)?;
    }

    /// Whatever the clock does, nothing panics and nothing is locked for longer than it would be from now on.
    #[test]
    fn a_clock_that_jumps_frees_nobody_and_locks_nobody_for_long(
        max in prop_oneof![1..10_u32, 129..140_u32],
        jumps in vec((prop_oneof![-5_000..5_000_i64, any::<i32>().prop_map(|ms| i64::from(ms) * 100)], 0..4_u32), 0..60),
    ) {
        let meters = [
            window(max, MINUTE, 5_000),
            window(max, MINUTE, 0),
            Meter::Bucket { max, window_ms: MINUTE, burst: max },
            Meter::Lock { after: max, for_ms: MINUTE, most_ms: HOUR },
        ];
        for meter in meters {
            let (mut counter, mut now) = (Counter::new(), T);
            for (jump, step) in &jumps {
                let was_full = counter.clone().ask(&meter, 1, now).is_err();
                now = now.saturating_add(*jump);
                if was_full && *jump <= 0 {
                    prop_assert!(counter.ask(&meter, 1, now).is_err(), "{meter:?} {jump}");
                }
                match step {
                    0 => counter.note(&meter, Note::Failure, now),
                    1 => counter.note(&meter, Note::Late, now),
                    _ => {
                    let _ = take(&mut counter, &meter, 1, now);
                }
                }
            }
            let longest = i64::try_from(if matches!(meter, Meter::Lock { .. }) { HOUR } else { 2 * MINUTE }).unwrap();
            if let Err(full) = counter.ask(&meter, 1, now) {
                prop_assert!(full.retry_after_ms <= longest.unsigned_abs(), "{meter:?} {full:?}");
            }
            prop_assert!(counter.ask(&meter, 1, now.saturating_add(longest + 1_000)).is_ok());
        }
    }

    #[test]
    fn no_number_is_too_large(
        max in any::<u32>(), span in any::<u64>(), penalty in any::<u64>(), burst in any::<u32>(),
        steps in vec((any::<i64>(), any::<u32>(), 0..5_u32), 0..20),
    ) {
        let meters = [
            // What is kept of a window is bounded by its most; so is the time for that.
            window(max % 1_000, span, penalty),
            window(max, span, penalty),
            Meter::Bucket { max, window_ms: span, burst },
            Meter::Concurrent { max },
            Meter::Lock { after: max, for_ms: span, most_ms: penalty },
        ];
        for meter in meters {
            let mut counter = Counter::new();
            for (now, cost, step) in &steps {
                match step {
                    0 => counter.note(&meter, Note::Failure, *now),
                    1 => counter.note(&meter, Note::Late, *now),
                    2 => {
                    let _ = counter.charge(&meter, *cost, *now);
                }
                    3 => counter.release(*cost),
                    _ => {
                    let _ = take(&mut counter, &meter, *cost, *now);
                }
                }
                counter.rest(&meter);
            }
        }
    }
}

/// Threads read the clock before they wait for a lock, so the later one may come first.
#[test]
fn overtaking_does_not_admit_more() {
    let (meter, mut counter) = (window(2, 1_000, 0), Counter::new());
    assert_eq!(admitted(&mut counter, &meter, [T + 5, T, T + 1_004, T + 1_000]), 2);
    assert_eq!(admitted(&mut counter, &meter, [T + 1_005, T + 1_003]), 2);
}

/// For each algorithm and window, over ten thousand keys: what is admitted is within 1 % of the model.
#[test]
fn ten_thousand_keys_are_counted_within_one_percent() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for (max, span, burst) in [
        (5, MINUTE, None),
        (20, HOUR, None),
        (200, DAY, None),
        (300, MINUTE, None),
        (10, 31 * DAY, None),
        (30, MINUTE, Some(10)),
        (600, MINUTE, Some(100)),
        (100, DAY, Some(20)),
    ] {
        let meter = match burst {
            Some(burst) => Meter::Bucket { max, window_ms: span, burst },
            None => window(max, span, 0),
        };
        let (mut found, mut expected) = (0_usize, 0_usize);
        for _ in 0..10_000 {
            // About twice what is allowed, over a window and a half.
            let (mut counter, mut now) = (Counter::new(), T);
            let mean = span / u64::from(max) / 2;
            let count = (max * 3).min(120);
            let times: Vec<i64> = (0..count)
                .map(|_| {
                    now += i64::try_from(next() % (mean * 2)).unwrap();
                    now
                })
                .collect();
            found += admitted(&mut counter, &meter, times.iter().copied());
            expected += match burst {
                Some(burst) => drips(&times, max, span, burst),
                None => exactly(&times, max, span),
            };
        }
        assert!(
            found * 100 >= expected * 99 && found * 99 <= expected * 100,
            "{meter:?}: {found} of {expected}"
        );
    }
}

/// How many a bucket with a level of its own admits, in floating point.
fn drips(times: &[i64], max: u32, span: u64, burst: u32) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "a model within a part in a million")]
    let rate = f64::from(max) / span as f64;
    let (mut level, mut last, mut count) = (0.0_f64, times[0], 0);
    for now in times {
        #[expect(clippy::cast_precision_loss, reason = "a model within a part in a million")]
        let waited = (now - last) as f64;
        level = (level - waited * rate).max(0.0);
        last = *now;
        if level + 1.0 <= f64::from(burst) + 1e-9 {
            level += 1.0;
            count += 1;
        }
    }
    count
}
