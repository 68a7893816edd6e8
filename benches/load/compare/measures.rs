//! What is measured beside requests.

mod callgrind;
mod core;
mod events;
mod handshakes;
mod memory;
mod scale;
mod start;
mod visitor;

use crate::Fallible;
use crate::contender::{Contender, Scenario, Server};
use crate::figure::Figure;
use crate::options::Options;
use crate::pace::Chance;
use crate::stage::{Door, Stage};

/// One of them: figures of everyone who can be started here.
pub(crate) type Measure = fn(&Stage, &Options) -> Fallible<Vec<Figure>>;

/// All, by what `--only` calls them.
pub(crate) const MEASURES: &[(&str, Measure)] = &[
    ("handshakes", handshakes::measure),
    ("events", events::measure),
    ("memory", memory::measure),
    ("start", start::measure),
    ("scale", scale::measure),
];

/// Those who have a part in a scenario, opened one after the other. A peer that is not installed has none.
fn doors(stage: &Stage, scenario: Scenario, program: &[String]) -> Fallible<Vec<(Server, Door)>> {
    let mut doors = Vec::new();
    for server in servers(stage, scenario) {
        match stage.open_under(&Contender { server, scenario }, program) {
            Ok(door) => doors.push((server, door)),
            Err(error) if server.is_peer() => eprintln!("without {}: {error}", server.name()),
            Err(error) => return Err(error),
        }
    }
    Ok(doors)
}

/// Everyone between a client and the origin.
fn servers(stage: &Stage, scenario: Scenario) -> impl Iterator<Item = Server> {
    let floor = stage.has_floor();
    let here = move |server: &Server| *server != Server::Origin && (floor || *server != Server::Floor);
    Server::ALL.into_iter().filter(here).filter(move |server| server.plays(&scenario))
}

/// Lets everyone have a turn in each round, in shuffled order; the turns of each.
fn in_rounds<T>(
    doors: &[(Server, Door)],
    rounds: u32,
    mut turn: impl FnMut(Server, &Door) -> Fallible<T>,
) -> Fallible<Vec<(Server, Vec<T>)>> {
    let mut kept: Vec<(Server, Vec<T>)> = doors.iter().map(|(server, _)| (*server, Vec::new())).collect();
    let mut order = Chance::new(7);
    for _ in 0..rounds {
        let mut turns: Vec<_> = kept.iter_mut().zip(doors).collect();
        turns.sort_by_cached_key(|_| order.next());
        for ((server, kept), (_, door)) in turns {
            kept.push(turn(*server, door).map_err(|error| format!("{}: {error}", server.name()))?);
        }
    }
    Ok(kept)
}

/// Opens everyone anew in each round, and nobody beside: what each turn told, by contender.
fn alone<T>(
    stage: &Stage,
    scenario: Scenario,
    rounds: u32,
    mut turn: impl FnMut(Server, &Door) -> Fallible<T>,
) -> Fallible<Vec<(Server, Vec<T>)>> {
    let mut kept: Vec<(Server, Vec<T>)> =
        servers(stage, scenario).map(|server| (server, Vec::new())).collect();
    for round in 0..rounds {
        for (server, kept) in &mut kept {
            if round > 0 && kept.is_empty() {
                continue;
            }
            match stage.open(&Contender { server: *server, scenario }) {
                Ok(door) => {
                    kept.push(turn(*server, &door).map_err(|error| format!("{}: {error}", server.name()))?);
                }
                Err(error) if server.is_peer() && round == 0 => {
                    eprintln!("without {}: {error}", server.name());
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(kept)
}

/// Rounds of a measure whose turns are long: a third of those of requests.
fn rounds(options: &Options) -> u32 {
    if options.quick { 1 } else { options.rounds.div_ceil(3) }
}
