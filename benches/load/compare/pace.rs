//! Time at a fixed, modest rate.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::Fallible;
use crate::stage::Door;
use crate::wire::Wire;

const WARM_UP: u32 = 20;

/// How the load comes.
pub(crate) struct Pace {
    /// Requests a second, over all connections.
    pub(crate) rate: u32,
    /// Connections.
    pub(crate) connections: u32,
    /// How long one turn lasts.
    pub(crate) length: Duration,
}

/// What one contender did in one turn.
pub(crate) struct Turn {
    /// The median of the time to the answer's last byte.
    pub(crate) p50: Duration,
    /// Its 95th percentile.
    pub(crate) p95: Duration,
    /// Processor time of the contender's process per request.
    pub(crate) cpu: Option<Duration>,
}

impl Pace {
    /// One turn. Arrivals are random (exponential gaps) but the same for all contenders and turns.
    pub(crate) fn run(&self, door: &Door) -> Fallible<Turn> {
        let gap = Duration::from_secs(1) * self.connections / self.rate.max(1);
        let mut wires = Vec::new();
        for _ in 0..self.connections {
            let mut wire = door.connect()?;
            for _ in 0..WARM_UP {
                wire.exchange(&door.request)?;
            }
            wires.push(wire);
        }
        let cpu = || door.process.as_ref().map(crate::process::Process::cpu).transpose();
        let before = cpu()?;
        let barrier = Barrier::new(wires.len());
        let times = thread::scope(|scope| {
            let one = |(wire, seed): (Wire, u64)| {
                let (barrier, request) = (&barrier, &door.request);
                scope.spawn(move || {
                    barrier.wait();
                    arrivals(wire, request, gap, self.length, Chance::new(seed))
                        .map_err(|error| error.to_string())
                })
            };
            let threads: Vec<_> = wires.into_iter().zip(1..).map(one).collect();
            let mut times = Vec::new();
            for thread in threads {
                times.extend(thread.join().map_err(|_| "a connection's thread panicked")??);
            }
            Ok::<_, String>(times)
        });
        let mut times = times?;
        times.sort_unstable();
        let count = u32::try_from(times.len())?.max(1);
        let cpu = cpu()?.zip(before).map(|(after, before)| after.saturating_sub(before) / count);
        let at =
            |percent: usize| times.get(times.len() * percent / 100).copied().ok_or("no request was made");
        Ok(Turn { p50: at(50)?, p95: at(95)?, cpu })
    }
}

/// One connection's requests. A request that is due while the one before is still under way counts from when it
/// was due, so that a slow answer is not hidden by the requests that it kept from being sent; any other counts
/// from when it was sent, so that the client's own late waking is not held against the server.
fn arrivals(
    mut wire: Wire,
    request: &[u8],
    gap: Duration,
    length: Duration,
    mut chance: Chance,
) -> Fallible<Vec<Duration>> {
    let begun = Instant::now();
    let mut free = begun;
    let mut due = begun + chance.gap(gap);
    let mut times = Vec::new();
    while due < begun + length {
        let counted_from = if free > due {
            due
        } else {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            Instant::now()
        };
        wire.exchange(request)?;
        free = Instant::now();
        times.push(free - counted_from);
        due += chance.gap(gap);
    }
    Ok(times)
}

/// Marsaglia's xorshift: repeatable, and random enough for gaps and turns.
pub(crate) struct Chance(u64);

impl Chance {
    /// The same numbers for the same seed; 0 is none.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u32 {
        // Small seeds need some steps to spread.
        for _ in 0..8 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
        }
        u32::try_from(self.0 >> 32).unwrap_or(u32::MAX)
    }

    /// An exponentially distributed gap with this mean.
    fn gap(&mut self, mean: Duration) -> Duration {
        let part = (f64::from(self.next()) + 1.0) / (f64::from(u32::MAX) + 1.0);
        mean.mul_f64(-part.ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_have_their_mean_and_are_the_same_each_time() {
        let gaps = |seed| -> Vec<Duration> {
            let mut chance = Chance::new(seed);
            (0..20_000).map(|_| chance.gap(Duration::from_millis(10))).collect()
        };
        assert_eq!(gaps(1), gaps(1));
        assert_ne!(gaps(1), gaps(2));
        let mean = gaps(1).iter().sum::<Duration>() / 20_000;
        assert!((9_700..10_300).contains(&mean.as_micros()), "{mean:?}");
    }
}
