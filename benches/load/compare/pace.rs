//! Time at a fixed, modest rate.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::Fallible;
use crate::contender::{Contender, FULL_HS256, FULL_RS256, PLAIN_H1, Scenario, Server, TLS_H1};
use crate::figure::{Figure, P50, P50_RATIO, P95, P95_ADDED, P95_RATIO, PACED_CPU};
use crate::options::Options;
use crate::stage::{Door, Stage};
use crate::wire::Wire;

const WARM_UP: u32 = 20;

/// What is measured at a fixed rate, in the order of the table.
pub(crate) const PACED: [Scenario; 3] = [TLS_H1, FULL_HS256, FULL_RS256];

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

/// One contender's turns.
struct Turns {
    contender: Contender,
    door: Door,
    taken: Vec<Turn>,
}

/// Everyone, in interleaved rounds; the policies, the same executables without one, and the origin alone.
pub(crate) fn all(stage: &Stage, options: &Options) -> Fallible<Vec<Figure>> {
    let pace = Pace { rate: options.rate, connections: options.connections, length: options.turn() };
    let mut all = Vec::new();
    for server in options.present() {
        // The origin has no TLS: what it costs stands beside those that do.
        let scenarios = if server == Server::Origin { vec![PLAIN_H1] } else { options.among(&PACED) };
        for scenario in scenarios.into_iter().filter(|scenario| server.plays(scenario)) {
            let contender = Contender { server, scenario };
            all.push(Turns { contender, door: stage.open(&contender)?, taken: Vec::new() });
        }
    }
    let mut order = Chance::new(1);
    for round in 1..=options.rounds {
        let mut turns: Vec<_> = all.iter_mut().collect();
        // Shuffled: whoever always came after a light load had the better of it by a tenth.
        turns.sort_by_cached_key(|_| order.next());
        for one in turns {
            let turn = pace.run(&one.door)?;
            let Contender { server, scenario } = one.contender;
            let (p50, p95) = (turn.p50, turn.p95);
            eprintln!("pace, round {round}, {}, {}: p50 {p50:?}, p95 {p95:?}", scenario.name, server.name());
            one.taken.push(turn);
        }
    }
    let rounds: Vec<_> = all.iter().map(|one| (one.contender, one.taken.as_slice())).collect();
    Ok(summary(&rounds))
}

fn summary(rounds: &[(Contender, &[Turn])]) -> Vec<Figure> {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let own = |scenario: Scenario| {
        let wanted = Contender { server: Server::Gateway, scenario };
        rounds.iter().find(|(contender, _)| *contender == wanted).map(|(_, turns)| *turns)
    };
    let mut figures = Vec::new();
    for (Contender { server, scenario }, turns) in rounds {
        let (name, server_name) = (scenario.name, server.name());
        let mut add =
            |measure, unit, values| figures.extend(Figure::median(measure, name, server_name, unit, values));
        add(P50, "µs", turns.iter().map(|turn| micros(turn.p50)).collect());
        add(P95, "µs", turns.iter().map(|turn| micros(turn.p95)).collect());
        add(PACED_CPU, "µs", turns.iter().filter_map(|turn| turn.cpu.map(micros)).collect());
        if let Some(own) = own(*scenario).filter(|_| *server != Server::Gateway) {
            let pairs = || own.iter().zip(*turns);
            add(P50_RATIO, "×", pairs().map(|(own, other)| micros(own.p50) / micros(other.p50)).collect());
            add(P95_RATIO, "×", pairs().map(|(own, other)| micros(own.p95) / micros(other.p95)).collect());
        }
        if let Some(bare) = own(TLS_H1).filter(|_| *server == Server::Gateway && *scenario != TLS_H1) {
            let added = turns.iter().zip(bare).map(|(full, bare)| micros(full.p95) - micros(bare.p95));
            add(P95_ADDED, "µs", added.collect());
        }
    }
    figures
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

    #[test]
    fn ratios_and_additions_are_medians_of_each_rounds_own() {
        let turn = |p95| Turn { p50: Duration::from_micros(50), p95: Duration::from_micros(p95), cpu: None };
        let (full, none, peer) =
            ([200, 300, 400].map(turn), [190, 250, 370].map(turn), [100, 200, 400].map(turn));
        let one = |server, scenario| Contender { server, scenario };
        let figures = summary(&[
            (one(Server::Gateway, TLS_H1), &none),
            (one(Server::Gateway, FULL_RS256), &full),
            (one(Server::Nginx, FULL_RS256), &peer),
        ]);
        // 2.0, 1.5 and 1.0: a machine that grows slower does not move it.
        assert_eq!(crate::figure::find(&figures, P95_RATIO, "full-rs256", "nginx"), Some(1.5));
        let added = crate::figure::find(&figures, P95_ADDED, "full-rs256", "portcullis");
        assert!(added.is_some_and(|added| (added - 30.0).abs() < 1e-6), "{added:?}");
    }
}
