//! New connections: TLS 1.3 handshakes a second of one core, with certificates and by ticket.
//!
//! Nothing is asked on a connection: it is the price of the handshake, of accepting and of closing.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::callgrind::Counted;
use super::visitor::{shake, visitor};
use super::{doors, in_rounds, rounds, servers};
use crate::Fallible;
use crate::contender::{Contender, Server, TLS_H1};
use crate::figure::{
    FULL, Figure, HANDSHAKE_CPU, HANDSHAKE_INSTRUCTIONS, HANDSHAKES, HANDSHAKES_SEEN, RESUMED, TICKETS,
};
use crate::options::Options;
use crate::process::Process;
use crate::stage::{CONFIGURATION, Door, Stage};

/// Clients at once: enough that the server never waits for one.
const CLIENTS: usize = 8;

/// One contender's handshakes of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Turn {
    made: u32,
    /// Of them, by ticket.
    resumed: u32,
    took: Duration,
    /// The server's processor time.
    cpu: Duration,
}

impl Turn {
    fn seen(&self) -> f64 {
        f64::from(self.made) / self.took.as_secs_f64()
    }

    /// Of one handshake, in µs.
    fn micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / f64::from(self.made.max(1))
    }

    fn by_ticket(&self) -> f64 {
        f64::from(self.resumed) / f64::from(self.made.max(1))
    }
}

/// The measure.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Fallible<Vec<Figure>> {
    let mut figures = Vec::new();
    let length = Duration::from_millis(if options.quick { 300 } else { options.seconds * 1000 });
    let doors = doors(stage, options, TLS_H1)?;
    for (scenario, tickets) in [(FULL, false), (RESUMED, true)] {
        let turns = in_rounds(&doors, rounds(options), |server, door| {
            let turn = turn(door, tickets, length)?;
            eprintln!(
                "handshakes, {scenario}, {}: {:.0}/s, {:.0} µs, {:.0} % by ticket",
                server.name(),
                turn.seen(),
                turn.micros(),
                turn.by_ticket() * 100.0
            );
            Ok(turn)
        })?;
        for (server, turns) in turns {
            let all = |pick: fn(&Turn) -> f64| turns.iter().map(pick).collect::<Vec<f64>>();
            // What the core can do: the client may have been slower than the server.
            let of_core = all(|turn| 1e6 / turn.micros());
            let medians = [
                (HANDSHAKES, "/s", of_core),
                (HANDSHAKES_SEEN, "/s", all(Turn::seen)),
                (HANDSHAKE_CPU, "µs", all(Turn::micros)),
                (TICKETS, "×", all(Turn::by_ticket)),
            ];
            let median = |(name, unit, values)| Figure::median(name, scenario, server.name(), unit, values);
            figures.extend(medians.into_iter().filter_map(median));
        }
    }
    drop(doors);
    figures.extend(instructions(stage, options)?);
    Ok(figures)
}

/// One turn of [`CLIENTS`] on their core.
fn turn(door: &Door, tickets: bool, length: Duration) -> Fallible<Turn> {
    let cpu = || door.process.as_ref().map(Process::cpu).transpose();
    let ready = Barrier::new(CLIENTS + 1);
    let (spent, took, counts) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| client(door, tickets, length, &ready).map_err(|error| error.to_string())))
            .collect();
        ready.wait();
        let (before, begun) = (cpu()?.unwrap_or_default(), Instant::now());
        let join =
            |one: thread::ScopedJoinHandle<'_, _>| one.join().map_err(|_| "a client panicked".to_owned())?;
        let counts = clients.into_iter().map(join).collect::<Result<Vec<(u32, u32)>, String>>()?;
        Fallible::Ok((cpu()?.unwrap_or_default().saturating_sub(before), begun.elapsed(), counts))
    })?;
    let add = |turn: Turn, (made, resumed)| Turn {
        made: turn.made + made,
        resumed: turn.resumed + resumed,
        ..turn
    };
    Ok(counts.into_iter().fold(Turn { took, cpu: spent, ..Turn::default() }, add))
}

/// How many handshakes one client made, and how many of them by ticket. Each has its own tickets: the first of its
/// visits, which does not count, brings them.
fn client(door: &Door, tickets: bool, length: Duration, ready: &Barrier) -> Fallible<(u32, u32)> {
    let config = visitor(tickets);
    let first = config.and_then(|config| shake(door.address, &config).map(|_| config));
    // Whatever happened: the others wait.
    ready.wait();
    let (config, begun) = (first?, Instant::now());
    let (mut made, mut resumed) = (0, 0);
    while begun.elapsed() < length {
        resumed += u32::from(shake(door.address, &config)?);
        made += 1;
    }
    Ok((made, resumed))
}

/// Instructions per handshake, of those that valgrind can run in reasonable time.
fn instructions(stage: &Stage, options: &Options) -> Fallible<Vec<Figure>> {
    let times = if options.quick { 20 } else { 200 };
    let mut figures = Vec::new();
    for server in servers(options, TLS_H1).filter(|server| !matches!(server, Server::Envoy | Server::Caddy)) {
        for (scenario, tickets) in [(FULL, false), (RESUMED, true)] {
            let counted = Counted::open(stage, &Contender { server, scenario: TLS_H1 }, CONFIGURATION)?;
            let config = visitor(tickets)?;
            let one = |door: &Door| shake(door.address, &config).map(drop);
            let count = counted.count(times, one).map_err(|error| format!("{}: {error}", server.name()))?;
            eprintln!("handshakes, {scenario}, {}: {count:.0} instructions", server.name());
            let figure =
                Figure::single(HANDSHAKE_INSTRUCTIONS, scenario, server.name(), "instructions", count);
            figures.push(figure);
        }
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_told_by_the_second_and_by_the_handshake() {
        let (took, cpu) = (Duration::from_secs(2), Duration::from_secs(1));
        let turn = Turn { made: 4000, resumed: 1000, took, cpu };
        let told = [turn.seen(), turn.micros(), turn.by_ticket()];
        assert_eq!(told.map(f64::to_bits), [2000.0, 250.0, 0.25].map(f64::to_bits));
    }
}
