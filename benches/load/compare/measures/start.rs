//! Cold start: from the start of the process to the first answer over TLS.

use super::alone;
use super::visitor::visitor;
use crate::Fallible;
use crate::contender::{Server, TLS_H1};
use crate::figure::{COLD, Figure, START};
use crate::options::Options;
use crate::stage::Stage;
use crate::wire::Wire;

/// How often each is started at least.
const STARTS: u32 = 10;

/// The measure.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Fallible<Vec<Figure>> {
    let starts = if options.quick { 2 } else { options.rounds.max(STARTS) };
    let turns = alone(stage, options, TLS_H1, starts, |server, door| {
        let mut wire = Wire::connect(door.address, Some(&visitor(false)?))?.wanting(door.wanted);
        wire.exchange(&door.request)?;
        let process = door.process.as_ref().ok_or("whose start?")?;
        let took = process.begun().elapsed().as_secs_f64() * 1e3;
        eprintln!("start, {}: {took:.0} ms", server.name());
        Ok(took)
    })?;
    let figure = |(server, times): (Server, _)| Figure::median(START, COLD, server.name(), "ms", times);
    Ok(turns.into_iter().filter_map(figure).collect())
}
