//! Counters as bytes, and of two processes.

use super::*;

fn meters() -> [Meter; 5] {
    [
        window(3, DAY, 0),
        window(40, DAY, HOUR),
        window(500, DAY, 0),
        Meter::Bucket { max: 10, window_ms: DAY, burst: 5 },
        Meter::Lock { after: 2, for_ms: HOUR, most_ms: DAY },
    ]
}

fn used(meter: &Meter, steps: &[(u64, u32)]) -> Counter {
    let (mut counter, mut now) = (Counter::new(), T);
    for (wait, step) in steps {
        now += i64::try_from(*wait).unwrap();
        match step {
            0 => counter.note(meter, Note::Failure, now),
            1 => counter.note(meter, Note::Late, now),
            _ => {
                let _ = take(&mut counter, meter, 1, now);
            }
        }
    }
    counter
}

fn steps() -> impl Strategy<Value = Vec<(u64, u32)>> {
    vec((prop_oneof![0..10_u64, 0..HOUR], 0..6_u32), 0..60)
}

proptest! {
    #[test]
    fn what_is_written_is_read(steps in steps()) {
        for meter in meters() {
            let counter = used(&meter, &steps);
            let Some(bytes) = counter.to_bytes() else {
                prop_assert!(steps.is_empty());
                continue;
            };
            let read = Counter::from_bytes(&bytes);
            prop_assert_eq!(read.as_ref(), Some(&counter));
            prop_assert!(Counter::from_bytes(&bytes[..bytes.len() - 1]).is_none(), "cut short");
            prop_assert!(Counter::from_bytes(&[&bytes[..], &[0]].concat()).is_none(), "too long");
        }
    }

    #[test]
    fn no_bytes_do_harm(
        bytes in (0..6_u8, vec(any::<u8>(), 0..80)).prop_map(|(kind, rest)| [&[kind], &rest[..]].concat()),
        now in any::<i64>(),
    ) {
        if let Some(mut counter) = Counter::from_bytes(&bytes) {
            for meter in meters() {
                let mut counter = counter.clone();
                let _ = take(&mut counter, &meter, 1, now);
                counter.note(&meter, Note::Failure, now);
                counter.rest(&meter);
            }
            counter.merge(Counter::from_bytes(&bytes).unwrap());
        }
    }

    /// A process counted on what it read, and so did the next: what they began with counts once, and what each added is
    /// not forgotten.
    #[test]
    fn two_processes_are_merged(before in steps(), ours in steps(), theirs in steps()) {
        for meter in meters() {
            let begun = used(&meter, &before);
            let go_on = |steps: &[(u64, u32)]| {
                let (mut counter, mut now) = (begun.clone(), T + 100 * i64::try_from(HOUR).unwrap());
                let mut count = 0;
                for (wait, _) in steps {
                    now += i64::try_from(*wait).unwrap();
                    count += u32::from(take(&mut counter, &meter, 1, now).is_ok());
                }
                (counter, count, now)
            };
            let ((left, _, left_now), (right, _, right_now)) = (go_on(&ours), go_on(&theirs));
            let mut both = left.clone();
            both.merge(right.clone());
            let now = left_now.max(right_now);
            let remaining = |counter: &Counter| match counter.clone().ask(&meter, 0, now) {
                Ok(standing) | Err(Full { standing, .. }) => standing.remaining,
            };
            prop_assert!(remaining(&both) <= remaining(&left).min(remaining(&right)), "{meter:?}");
            let mut same = left.clone();
            same.merge(left.clone());
            prop_assert_eq!(remaining(&same), remaining(&left), "what both know counts once");
            let mut other = right.clone();
            other.merge(left.clone());
            prop_assert_eq!(remaining(&other), remaining(&both), "whoever merges");
        }
    }
}

#[test]
fn units_of_both_are_added() {
    let meter = window(10, DAY, 0);
    let counted = |times: &[i64]| {
        let mut counter = Counter::new();
        assert_eq!(admitted(&mut counter, &meter, times.iter().copied()), times.len());
        counter
    };
    let mut ours = counted(&[T, T, T + 5, T + 9]);
    ours.merge(counted(&[T, T + 5, T + 5, T + 7]));
    assert_eq!(ours.ask(&meter, 1, T + 9).unwrap().remaining, 4, "T twice, T + 5 twice, T + 7, T + 9");
    let mut fresh = Counter::new();
    fresh.merge(ours.clone());
    assert_eq!(fresh, ours);
}

#[test]
fn what_goes_on_now_is_not_written() {
    let mut counter = Counter::new();
    assert!(take(&mut counter, &Meter::Concurrent { max: 1 }, 1, T).is_ok());
    assert_eq!(counter.to_bytes(), None);
    assert_eq!(Counter::new().to_bytes(), None);
}
