//! What is measured beside requests.

mod callgrind;
pub(crate) mod events;
pub(crate) mod handshakes;
pub(crate) mod memory;
pub(crate) mod scale;
pub(crate) mod start;
mod visitor;

use crate::Fallible;
use crate::contender::{Contender, Scenario, Server};
use crate::options::Options;
use crate::pace::Chance;
use crate::stage::{Door, Stage};

/// Those who have a part in a scenario, all open at once.
fn doors(stage: &Stage, options: &Options, scenario: Scenario) -> Fallible<Vec<(Server, Door)>> {
    let mut doors = Vec::new();
    for server in servers(options, scenario) {
        doors.extend(open(stage, server, scenario)?.map(|door| (server, door)));
    }
    Ok(doors)
}

/// One contender; none if it is a peer that does not start, so that it alone is missing in the table.
fn open(stage: &Stage, server: Server, scenario: Scenario) -> Fallible<Option<Door>> {
    match stage.open(&Contender { server, scenario }) {
        Ok(door) => Ok(Some(door)),
        Err(error) if server.is_peer() => {
            eprintln!("without {}: {error}", server.name());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Everyone between a client and the origin.
fn servers(options: &Options, scenario: Scenario) -> impl Iterator<Item = Server> {
    let present = options.present().into_iter().filter(|server| *server != Server::Origin);
    present.filter(move |server| server.plays(&scenario))
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
    options: &Options,
    scenario: Scenario,
    rounds: u32,
    mut turn: impl FnMut(Server, &Door) -> Fallible<T>,
) -> Fallible<Vec<(Server, Vec<T>)>> {
    let mut kept: Vec<(Server, Vec<T>)> =
        servers(options, scenario).map(|server| (server, Vec::new())).collect();
    for _ in 0..rounds {
        for (server, kept) in &mut kept {
            let Some(door) = open(stage, *server, scenario)? else { continue };
            kept.push(turn(*server, &door).map_err(|error| format!("{}: {error}", server.name()))?);
        }
    }
    Ok(kept)
}

/// Rounds of a measure whose turns are long: a third of those of requests.
fn rounds(options: &Options) -> u32 {
    if options.quick { 1 } else { options.rounds.div_ceil(3) }
}
