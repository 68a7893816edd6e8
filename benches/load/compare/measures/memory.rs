//! Memory of one's own: what a process takes when it has nothing to do, and what idle connections add.
//!
//! PSS, of all processes of a contender: what they share counts once, and pages of a file that others map, too, in part.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::visitor::visitor;
use super::{alone, rounds};
use crate::Fallible;
use crate::contender::TLS_H1;
use crate::figure::{CONNECTIONS, Figure, IDLE, MEMORY};
use crate::options::Options;
use crate::stage::{Door, Stage};
use crate::wire::Wire;

/// Between two looks at a process that may still be settling.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// It has settled when it moved by less than this part in between.
const SETTLED: f64 = 0.002;
const PATIENCE: Duration = Duration::from_secs(5);

/// The measure.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Fallible<Vec<Figure>> {
    let connections: u16 = if options.quick { 100 } else { 1000 };
    let turns = alone(stage, options, TLS_H1, rounds(options).min(3), |server, door| {
        let (idle, grown) = turn(door, connections)?;
        eprintln!("memory, {}: {idle:.1} MB, {grown:.1} MB per 1,000 connections", server.name());
        Ok((idle, grown))
    })?;
    let mut figures = Vec::new();
    for (server, turns) in turns {
        let (idle, grown) = turns.into_iter().unzip();
        figures.extend(Figure::median(MEMORY, IDLE, server.name(), "MB", idle));
        figures.extend(Figure::median(MEMORY, CONNECTIONS, server.name(), "MB", grown));
    }
    Ok(figures)
}

/// Idle, and the growth by 1,000 connections on each of which one request was answered; in MB.
fn turn(door: &Door, connections: u16) -> Fallible<(f64, f64)> {
    let process = door.process.as_ref().ok_or("whose memory?")?.id();
    let idle = settled(process)?;
    let config = visitor(false)?;
    let visit = || -> Fallible<Wire> {
        let mut wire = Wire::connect(door.address, Some(&config))?.wanting(door.wanted);
        wire.exchange(&door.request)?;
        Ok(wire)
    };
    // The first visit makes what is made once: it is nobody's connection.
    visit()?;
    let before = settled(process)?;
    let wires = (0..connections).map(|_| visit()).collect::<Result<Vec<Wire>, _>>()?;
    let after = settled(process)?;
    drop(wires);
    Ok((idle, (after - before).max(0.0) * 1000.0 / f64::from(connections)))
}

/// The memory once it has stopped moving, or after a while.
fn settled(process: u32) -> Fallible<f64> {
    let (begun, mut last) = (Instant::now(), pss(process)?);
    loop {
        sleep(BETWEEN_LOOKS);
        let now = pss(process)?;
        if (now - last).abs() <= last * SETTLED || begun.elapsed() > PATIENCE {
            return Ok(now);
        }
        last = now;
    }
}

/// MB of a process and of all that it started.
pub(crate) fn pss(process: u32) -> Fallible<f64> {
    let mut sum = kilobytes(&fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?)? / 1000.0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may have ended since it was listed.
        let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            sum += pss(child.parse()?)?;
        }
    }
    Ok(sum)
}

/// The line `Pss:` of a roll-up, in units of 1,000 bytes.
fn kilobytes(rollup: &str) -> Fallible<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number = line.and_then(|line| line.trim().strip_suffix("kB")).ok_or("no Pss in a roll-up")?;
    Ok(number.trim().parse::<f64>()? * 1.024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_tells_what_belongs_to_a_process() {
        let text = "55-7f ---p 00000000 00:00 0   [rollup]\nRss:  9000 kB\nPss:            1000 kB\nPss_Anon: 7 kB\n";
        assert!((kilobytes(text).unwrap() - 1024.0).abs() < 1e-9);
        assert!(kilobytes("Rss: 1 kB").is_err());
    }
}
