//! The arithmetic against models that are too simple to be wrong.

use super::*;

/// Every unit that was counted, for ever.
#[derive(Default)]
struct ExactLog {
    times: Vec<i64>,
    until: Option<i64>,
}

impl ExactLog {
    fn count(&self, span: u64, now: i64) -> usize {
        self.times.iter().filter(|time| u64::try_from(now - **time).unwrap() < span).count()
    }

    fn ask(&mut self, (max, span, penalty): (u32, u64, u64), cost: u32, now: i64) -> bool {
        if self.until.is_some_and(|until| now <= until) {
            return false;
        }
        let fits = self.count(span, now) + cost as usize <= max as usize;
        if !fits && penalty > 0 {
            self.until = Some(now + i64::try_from(penalty).unwrap());
        }
        fits
    }

    fn add(&mut self, cost: u32, now: i64) {
        self.times.extend(std::iter::repeat_n(now, cost as usize));
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Take(u32),
    Late,
}

/// Steps, each with the time since the one before.
fn steps(span: u64) -> impl Strategy<Value = Vec<(u64, Step)>> {
    let wait = prop_oneof![3 => Just(0), 5 => 0..span / 4, 2 => 0..3_u64, 1 => 0..span * 2, 1 => Just(span)];
    let step =
        prop_oneof![6 => Just(Step::Take(1)), 2 => (0..4_u32).prop_map(Step::Take), 1 => Just(Step::Late)];
    vec((wait, step), 0..120)
}

fn limit() -> impl Strategy<Value = (u32, u64, u64)> {
    let max = prop_oneof![0..12_u32, 0..=128_u32];
    let span = prop_oneof![Just(1_000_u64), Just(MINUTE), Just(31 * DAY), 1_000..HOUR];
    let penalty = prop_oneof![2 => Just(0_u64), 1 => 1..2_000_u64, 1 => 1..HOUR];
    (max, span, penalty)
}

proptest! {
    /// Up to 128 in a window, each verdict is that of an exact log, and what a client is told is true.
    #[test]
    fn a_small_window_is_exact((limit, steps) in limit().prop_flat_map(|limit| (Just(limit), steps(limit.1)))) {
        let (max, span, penalty) = limit;
        let meter = window(max, span, penalty);
        let (mut counter, mut model, mut now) = (Counter::new(), ExactLog::default(), T);
        for (wait, step) in steps {
            now += i64::try_from(wait).unwrap();
            match step {
                Step::Late => {
                    counter.note(&meter, Note::Late, now);
                    model.add(1, now);
                    let is_punished = model.until.is_some_and(|until| now <= until);
                    if penalty > 0 && !is_punished && model.count(span, now) > max as usize {
                        model.until = Some(now + i64::try_from(penalty).unwrap());
                    }
                }
                Step::Take(cost) => {
                    let (found, expected) = (counter.ask(&meter, cost, now), model.ask(limit, cost, now));
                    prop_assert_eq!(found.is_ok(), expected, "{:?} at {}", counter, now - T);
                    if expected {
                        let standing = counter.charge(&meter, cost, now);
                        model.add(cost, now);
                        let left = max as usize - model.count(span, now).min(max as usize);
                        prop_assert_eq!(standing.remaining as usize, left);
                    } else {
                        the_told_time_is_true(&counter, &meter, cost, now)?;
                    }
                }
            }
            how_long_it_matters_is_true(&counter, &meter, now)?;
        }
    }

    /// A bucket is exact too: its level in fractions of a unit, as whole numbers.
    #[test]
    fn a_bucket_is_exact(
        (max, span, burst) in (1..50_u32, prop_oneof![1_000..HOUR, Just(31 * DAY)], 1..20_u32),
        steps in vec((prop_oneof![0..3_u64, 0..5_000_u64, 0..DAY], 0..4_u32), 0..120),
    ) {
        let meter = Meter::Bucket { max, window_ms: span, burst };
        let (mut counter, mut now, mut level) = (Counter::new(), T, 0_i128);
        for (wait, cost) in steps {
            now += i64::try_from(wait).unwrap();
            level = (level - i128::from(wait) * i128::from(max)).max(0);
            let fits = level + i128::from(cost) * i128::from(span) <= i128::from(burst) * i128::from(span);
            prop_assert_eq!(counter.ask(&meter, cost, now).is_ok(), fits);
            if fits {
                level += i128::from(cost) * i128::from(span);
                let standing = counter.charge(&meter, cost, now);
                let left = (i128::from(burst) * i128::from(span) - level) / i128::from(span);
                prop_assert_eq!(i128::from(standing.remaining), left);
            } else {
                the_told_time_is_true(&counter, &meter, cost, now)?;
            }
            how_long_it_matters_is_true(&counter, &meter, now)?;
        }
    }

    #[test]
    fn a_lock_says_the_truth(
        (after, first, most) in (1..5_u32, 1_000..HOUR, 1_000..3 * DAY),
        steps in vec((prop_oneof![0..10_u64, 0..HOUR, 0..2 * DAY], 0..8_u32), 0..80),
    ) {
        let meter = Meter::Lock { after, for_ms: first, most_ms: most };
        let (mut counter, mut now, mut locked) = (Counter::new(), T, T);
        for (wait, step) in steps {
            now += i64::try_from(wait).unwrap();
            let found = counter.ask(&meter, 1, now);
            prop_assert_eq!(found.is_err(), now < locked, "neither freed early nor locked by nothing");
            match step {
                0 => counter.note(&meter, Note::Success, now),
                1 => {}
                _ => {
                    counter.note(&meter, Note::Failure, now);
                    let told = counter.ask(&meter, 1, now).err().map_or(0, |full| full.retry_after_ms);
                    let end = now + i64::try_from(told).unwrap();
                    prop_assert!(end >= locked && told <= most.max(first));
                    locked = end;
                }
            }
            if now < locked {
                the_told_time_is_true(&counter, &meter, 1, now)?;
            }
            how_long_it_matters_is_true(&counter, &meter, now)?;
        }
    }
}

/// The same is refused until the told time, and admitted then.
fn the_told_time_is_true(counter: &Counter, meter: &Meter, cost: u32, now: i64) -> Result<(), TestCaseError> {
    let retry = counter.clone().ask(meter, cost, now).unwrap_err().retry_after_ms;
    let then = now + i64::try_from(retry).unwrap();
    prop_assert!(
        retry > 0 && counter.clone().ask(meter, cost, then - 1).is_err(),
        "{:?}: {}",
        counter,
        retry
    );
    let possible = match *meter {
        Meter::Window { max, .. } => cost <= max,
        Meter::Bucket { burst, .. } => cost <= burst,
        _ => true,
    };
    prop_assert_eq!(counter.clone().ask(meter, cost, then).is_ok(), possible, "{:?}: {}", counter, retry);
    Ok(())
}

/// It refuses a unit exactly as long as it is held, and is like a new one when it is full again.
fn how_long_it_matters_is_true(counter: &Counter, meter: &Meter, now: i64) -> Result<(), TestCaseError> {
    let rest = counter.rest(meter);
    if matches!(meter, Meter::Window { max: 0, .. }) {
        return Ok(());
    }
    let refuses = |at: i64| counter.clone().ask(meter, 1, at).is_err();
    prop_assert_eq!(refuses(now), rest.held_until_ms > now, "{:?} {:?}", counter, rest);
    if rest.held_until_ms > now {
        prop_assert!(refuses(rest.held_until_ms - 1) && !refuses(rest.held_until_ms));
    }
    let (fresh, later) = (Counter::new().ask(meter, 0, now), rest.full_at_ms.max(now));
    prop_assert_eq!(counter.clone().ask(meter, 0, later), fresh);
    if rest.full_at_ms > now {
        prop_assert!(counter.clone().ask(meter, 0, rest.full_at_ms - 1) != fresh || rest.held_until_ms > now);
        let is_bucket = matches!(meter, Meter::Bucket { .. });
        prop_assert!(rest.load > 0 || is_bucket);
    }
    Ok(())
}
