//! Counts the instructions of every step under callgrind: `benches/micro/run` says how.
//!
//! Only what happens in the function `step` counts. A step is made ready before and taken apart after it.
#![expect(missing_docs, clippy::needless_pass_by_value, reason = "gungraun's macros ask for it")]

use gungraun::prelude::*;
use steps::Ready;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Makes ready, or ends the process: callgrind would count whatever came instead.
fn ready(name: String) -> Ready {
    steps::prepare(&name).unwrap_or_else(|why| end(&format!("error: {why}")))
}

fn checked(ready: Ready) {
    if !ready.agreed {
        end("error: the step did not end as it should");
    }
}

fn end(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(1)
}

#[library_benchmark]
#[benches::of(iter = steps::names(), setup = ready, teardown = checked)]
fn step(ready: Ready) -> Ready {
    ready.measured()
}

library_benchmark_group!(name = every, benchmarks = step);

main!(library_benchmark_groups = every);
