//! `limits/…`: decisions by the gateway's own table, with 100,000 counters in it.

use std::hint::black_box;

use rules::meter::{Ask, CounterKey, Meter};

use crate::gateway::state::Table;
use crate::{NOW_MS, Run, Step};

const MINUTE: u64 = 60_000;
/// Counters that the table has room for.
const KEYS: usize = 200_000;

pub(crate) fn steps() -> Vec<Step> {
    let step =
        |name: &str, kind: Kind| Step::sure(format!("limits/embedded/{name}"), move || make(kind)).times(200);
    vec![
        step("a window is peeked at", Kind::Peek),
        step("a window is charged", Kind::Window),
        step("a window of 600 is charged, in use for long", Kind::Many),
        step("a bucket is charged", Kind::Bucket),
        step("three counters are charged at once", Kind::Three),
        step("a window is charged for the first time", Kind::New),
        step("a window refuses at a peek", Kind::Refused),
    ]
}

#[derive(Clone, Copy)]
enum Kind {
    Peek,
    Window,
    Many,
    Bucket,
    Three,
    New,
    Refused,
}

/// Keys are hashes: these are spread like one.
fn key(nth: usize) -> CounterKey {
    let mut state = nth as u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u128::from(mixed ^ (mixed >> 31))
    };
    CounterKey(next() << 64 | next())
}

fn window(nth: usize, max: u32) -> Ask {
    Ask { key: key(nth), meter: Meter::Window { max, window_ms: MINUTE, penalty_ms: 0 }, cost: 1 }
}

fn bucket(nth: usize) -> Ask {
    Ask { key: key(nth), meter: Meter::Bucket { max: 600, window_ms: MINUTE, burst: 100 }, cost: 1 }
}

fn make(kind: Kind) -> Run {
    let table = Table::new(KEYS);
    // So that the index is as deep as in use.
    for nth in 0..50_000 {
        let _ = table.charge(&[window(nth, 30), bucket(nth + KEYS)], NOW_MS);
    }
    if matches!(kind, Kind::Many) {
        (0..400).for_each(|ms| {
            let _ = table.charge(&[window(2 * KEYS, 600)], NOW_MS + ms * 100);
        });
    }
    let (mut nth, mut now) = (0, NOW_MS + 40_000);
    Box::new(move || {
        (nth, now) = (nth + 1, now + 1);
        // A counter is met again after fifty thousand others, when it has room again.
        let at = nth % 50_000;
        let charged = |asks: &[Ask]| table.charge(black_box(asks), now).is_ok();
        match kind {
            Kind::Peek => table.peek(black_box(&[window(at, 30)]), now).is_none(),
            Kind::Window => charged(&[window(at, 30)]),
            Kind::Many => charged(&[window(2 * KEYS, 10_000)]),
            Kind::Bucket => charged(&[bucket(at + KEYS)]),
            Kind::Three => charged(&[window(at, 30), bucket(at + KEYS), window((at + 25_000) % 50_000, 30)]),
            Kind::New => charged(&[window(nth + 3 * KEYS, 30)]),
            Kind::Refused => table.peek(black_box(&[window(0, 0)]), now).is_some(),
        }
    })
}

/// A table that is full.
pub struct Filled(Table);

impl Filled {
    /// How many counters there are.
    #[expect(clippy::len_without_is_empty, reason = "it is full")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Fills a table with a million counters of so many events.
pub fn fill(events: usize) -> Filled {
    const MILLION: usize = 1_000_000;
    let table = Table::new(MILLION);
    for nth in 0..MILLION {
        for event in 0..events {
            let now = NOW_MS + i64::try_from(event).unwrap_or_default();
            let _ = table.charge(&[window(nth, 30)], now);
        }
    }
    Filled(table)
}
