//! What it costs to decide by counters: a peek and a charge in this process, in instructions and allocations; how much
//! memory a counter really takes; and how long a charge on a Redis server of one's own takes.
//!
//! `benches/NOTES.md` says how it is run and what the figures mean.

#[path = "../../load/compare/machine.rs"]
mod machine;
#[path = "../identity/profile.rs"]
mod profile;
/// The gateway's own, alone: the rest of the gateway takes long to build, and nothing of it is measured here.
#[expect(dead_code, unreachable_pub, reason = "the gateway needs more of it, and more widely")]
#[path = "../../../gateway/src/state"]
mod state {
    mod answer;
    mod embedded;
    mod few;

    /// The table, as seen from outside.
    pub(crate) struct Table(embedded::Embedded);

    impl Table {
        pub(crate) fn new(keys: usize) -> Self {
            let noop = metrics::Counter::noop;
            Self(embedded::Embedded::new(keys, embedded::Tallies { evicted: noop(), no_room: noop() }))
        }

        pub(crate) fn peek(&self, asks: &[rules::meter::Ask], now_ms: i64) -> bool {
            self.0.peek(asks, now_ms).is_none()
        }

        pub(crate) fn charge(&self, asks: &[rules::meter::Ask], now_ms: i64) -> bool {
            self.0.charge(asks, now_ms).is_ok()
        }

        pub(crate) fn len(&self) -> usize {
            self.0.len()
        }
    }
}

use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;

use rules::meter::{Ask, CounterKey, Meter};

use self::state::Table;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever went wrong.
type Fallible<T> = Result<T, Box<dyn Error>>;

const NOW: i64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;
/// Times that a step is done for one figure.
const TIMES: usize = 1_000;
/// Counters in the table.
const KEYS: usize = 1_000_000;
/// Where the table goes, from the workspace's root.
const OUT: &str = "benches/results/state.md";

const STEPS: [(&str, &str); 7] = [
    ("peek", "a window is peeked at"),
    ("window", "a window is charged"),
    ("many", "a window of 600 is charged, in use for long"),
    ("bucket", "a bucket is charged"),
    ("three", "three counters are charged at once"),
    ("new", "a window is charged for the first time"),
    ("refused", "a window refuses at a peek"),
];

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => table(),
        ["--once", step] => once(step),
        ["--fill", events] => fill(events.parse()?),
        _ => Err("usage: state".into()),
    }
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

/// Callgrind counts what happens in here. Not the last call of it, which would be a jump to another function.
#[inline(never)]
fn measured(table: &Table, asks: &[Ask], now: i64, peek: bool) -> bool {
    black_box(if peek { table.peek(black_box(asks), now) } else { table.charge(black_box(asks), now) })
}

/// Runs under callgrind, which counts only what [`measured`] does.
fn once(step: &str) -> Fallible<()> {
    let table = Table::new(KEYS);
    // So that the index is as deep as in use.
    for nth in 0..50_000 {
        let _ = table.charge(&[window(nth, 30), bucket(nth + KEYS)], NOW);
    }
    if step == "refused" {
        for nth in 0..TIMES {
            (0..30).for_each(|_| {
                let _ = table.charge(&[window(nth, 30)], NOW);
            });
        }
    }
    if step == "many" {
        (0..400).for_each(|ms| {
            let _ = table.charge(&[window(2 * KEYS, 600)], NOW + ms * 100);
        });
    }
    let mut agreed = true;
    for nth in 0..TIMES {
        let (now, expected) = (NOW + 40_000 + i64::try_from(nth)?, step != "refused");
        agreed &= expected
            == match step {
                "peek" | "refused" => measured(&table, &[window(nth, 30)], now, true),
                "window" => measured(&table, &[window(nth, 30)], now, false),
                "many" => measured(&table, &[window(2 * KEYS, 10_000)], now, false),
                "bucket" => measured(&table, &[bucket(nth + KEYS)], now, false),
                "new" => measured(&table, &[window(nth + 3 * KEYS, 30)], now, false),
                _ => {
                    let asks = [window(nth, 30), bucket(nth + KEYS), window(nth + TIMES, 30)];
                    measured(&table, &asks, now, false)
                }
            };
    }
    if agreed { Ok(()) } else { Err("a verdict is wrong".into()) }
}

/// Fills the table with counters of so many events, and says what the process has grown by.
fn fill(events: usize) -> Fallible<()> {
    let table = Table::new(KEYS);
    let empty = resident()?;
    for nth in 0..KEYS {
        for event in 0..events {
            let _ = table.charge(&[window(nth, 30)], NOW + i64::try_from(event)?);
        }
    }
    let grown = resident()?.saturating_sub(empty) * 1024;
    println!("{} {}", table.len(), grown / u64::try_from(table.len())?);
    Ok(())
}

/// KiB of this process in memory.
fn resident() -> Fallible<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn table() -> Fallible<()> {
    let program = std::env::current_exe()?;
    let mut text = String::from(
        "# Counters\n\nWritten by `benches/micro/run`; `benches/NOTES.md` says what the figures mean.\n\n\
         | | instructions | allocations |\n| --- | --: | --: |\n",
    );
    for (step, what) in STEPS {
        let counts = profile::of(&program, &["--once", step], TIMES)?;
        let instructions = counts.instructions;
        // Callgrind counts calls outside of `measured` too, if there are some within: those of the preparation.
        let allocations = if step == "new" { "one in 32".to_owned() } else { counts.allocations.to_string() };
        eprintln!("{step}: {instructions} instructions, {allocations} allocations");
        writeln!(text, "| {what} | {instructions} | {allocations} |")?;
    }
    text.push_str("\n| events of a window of 30 | counters | bytes a counter |\n| --: | --: | --: |\n");
    for events in ["1", "3", "5", "7", "8", "16", "30"] {
        let filled = Command::new(&program).args(["--fill", events]).output()?;
        let line = String::from_utf8(filled.stdout)?;
        let (count, bytes) = line.trim().split_once(' ').ok_or("no figures")?;
        eprintln!("{events} events: {bytes} bytes");
        writeln!(text, "| {events} | {count} | {bytes} |")?;
    }
    text.push_str("\n| measured on | |\n| --- | --- |\n");
    let facts = machine::facts().into_iter().filter(|(name, _)| !matches!(*name, "Pingora" | "profile"));
    for (name, fact) in facts.chain([("profile", "micro (release without LTO, 16 codegen units)".to_owned())])
    {
        writeln!(text, "| {name} | {fact} |")?;
    }
    println!("{text}");
    std::fs::write(OUT, text)?;
    Ok(())
}
