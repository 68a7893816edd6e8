//! What much costs over little: 10,000 routes, 1,000 rules and a million counters against ten of each, in instructions
//! and in processor time of one and the same request through the full policy.

mod configuration;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::callgrind::Counted;
use super::memory::pss;
use super::rounds;
use crate::Fallible;
use crate::contender::{Contender, FULL_RS256, PORTCULLIS, Server};
use crate::figure::{ALL, Figure, KEYS, ROUTES, RULES, SCALE, SCALE_CPU};
use crate::options::Options;
use crate::pace::Chance;
use crate::process::{Process, free_address};
use crate::stage::{Door, Stage};
use crate::wire::{HOST, Wire};
use configuration::{FIELDS, configuration, key};

/// How much there is of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Much {
    pub(crate) routes: u32,
    pub(crate) rules: u32,
    /// Counters that are there before the first request that counts.
    pub(crate) keys: u32,
}

/// Of everything.
const LITTLE: Much = Much { routes: 10, rules: 10, keys: 10 };
/// The gateway of everyone here.
const CONTENDER: Contender = Contender { server: Server::Gateway, scenario: FULL_RS256 };
/// From so many counters on, the process has to have grown by so many bytes for each: or else they were not made.
const MANY: u32 = 100_000;
const LEAST_BYTES: f64 = 40.0;
/// Requests in one turn whose processor time is taken.
const TURN: u32 = 500;

/// The measure.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Fallible<Vec<Figure>> {
    let much = if options.quick {
        Much { routes: 1000, rules: 100, keys: 5000 }
    } else {
        Much { routes: 10_000, rules: 1000, keys: 1_000_000 }
    };
    let cases = [
        ("10 of each", LITTLE),
        (ROUTES, Much { routes: much.routes, ..LITTLE }),
        (RULES, Much { rules: much.rules, ..LITTLE }),
        (KEYS, Much { keys: much.keys, ..LITTLE }),
        (ALL, much),
    ];
    let mut figures = instructions(stage, options, &cases)?;
    figures.extend(cpu(stage, options, &cases)?);
    Ok(figures)
}

/// Under callgrind, which does not count while the counters are filled.
fn instructions(stage: &Stage, options: &Options, cases: &[(&'static str, Much)]) -> Fallible<Vec<Figure>> {
    let times = if options.quick { 50 } else { options.requests };
    let (mut figures, mut least) = (Vec::new(), None);
    for (nth, (scenario, much)) in cases.iter().enumerate() {
        let admin = free_address()?;
        let text = configuration(much, admin, &format!("state-counted-{nth}"));
        let counted = Counted::open(stage, &CONTENDER, &text)?;
        fill(&counted.door, much.keys, admin)?;
        let mut caller = Caller::new(&counted.door, much.keys)?;
        let count = counted.count(times, |_| caller.ask())?;
        let ratio = count / *least.get_or_insert(count);
        eprintln!("scale, {scenario}: {count:.0} instructions, × {ratio:.3}");
        figures.push(Figure::single(SCALE, scenario, PORTCULLIS, "×", ratio));
    }
    Ok(figures)
}

/// All at once, in interleaved turns; ratios within the same round. This is where memory that no cache holds shows.
fn cpu(stage: &Stage, options: &Options, cases: &[(&'static str, Much)]) -> Fallible<Vec<Figure>> {
    let mut doors = Vec::new();
    for (nth, (scenario, much)) in cases.iter().enumerate() {
        let admin = free_address()?;
        let text = configuration(much, admin, &format!("state-timed-{nth}"));
        let door = stage.open_configured(&CONTENDER, &[], &text)?;
        let process = door.process.as_ref().ok_or("whose memory?")?.id();
        let before = pss(process)?;
        fill(&door, much.keys, admin)?;
        let grown = pss(process)? - before;
        eprintln!("scale, {scenario}: {} counters, {grown:.1} MB more", much.keys);
        if much.keys >= MANY && grown * 1e6 < f64::from(much.keys) * LEAST_BYTES {
            return Err(format!("{} counters in {grown:.1} MB: they are not there", much.keys).into());
        }
        doors.push(door);
    }
    let mut callers: Vec<Caller> = Vec::new();
    for (door, (_, much)) in doors.iter().zip(cases) {
        callers.push(Caller::new(door, much.keys)?);
    }
    let mut ratios: Vec<Vec<f64>> = cases.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds(options) * 3 {
        let mut least = None;
        for ((door, caller), ratios) in doors.iter().zip(&mut callers).zip(&mut ratios) {
            let process = door.process.as_ref().ok_or("whose time?")?;
            let took = spent(process, caller)?;
            ratios.push(took / *least.get_or_insert(took));
        }
    }
    let figure = |((scenario, _), ratios): (&(&str, Much), _)| {
        Figure::median(SCALE_CPU, scenario, PORTCULLIS, "×", ratios)
    };
    Ok(cases.iter().zip(ratios).filter_map(figure).collect())
}

/// Processor time of one turn, in seconds.
fn spent(process: &Process, caller: &mut Caller) -> Fallible<f64> {
    let before = process.cpu()?;
    for _ in 0..TURN {
        caller.ask()?;
    }
    Ok(process.cpu()?.saturating_sub(before).as_secs_f64())
}

/// One connection that asks the same, in another name each time.
struct Caller {
    wire: Wire,
    /// The request, without its last empty line.
    head: Vec<u8>,
    request: Vec<u8>,
    keys: u32,
    chance: Chance,
}

impl Caller {
    fn new(door: &Door, keys: u32) -> Fallible<Self> {
        let head = door.request.strip_suffix(b"\r\n").ok_or("a request without an end")?.to_vec();
        let caller = Self { wire: door.connect()?, request: Vec::new(), head, keys, chance: Chance::new(3) };
        Ok(caller)
    }

    fn ask(&mut self) -> Fallible<()> {
        self.request.clone_from(&self.head);
        write!(self.request, "x-key: {}\r\n\r\n", key(self.chance.next() % self.keys.max(1)))?;
        self.wire.exchange(&self.request)
    }
}

/// Makes so many counters, by requests each of which names many; then asks the gateway whether it has kept them all.
fn fill(door: &Door, keys: u32, admin: SocketAddr) -> Fallible<()> {
    let mut wire = door.connect()?;
    let mut made = 0;
    while made < keys {
        let mut request = format!("GET /counted HTTP/1.1\r\nhost: {HOST}\r\n").into_bytes();
        for field in 0..FIELDS {
            // What is left over names the last counter again.
            let nth = (made + field).min(keys - 1);
            write!(request, "x-k{field}: {}\r\n", key(nth))?;
        }
        request.extend(b"\r\n");
        wire.exchange(&request)?;
        made += FIELDS;
    }
    let mut line = TcpStream::connect(admin)?;
    line.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut page = String::new();
    line.read_to_string(&mut page)?;
    match lost(&page) {
        None => Err(format!("no metrics: {page}").into()),
        Some(lost) if lost > 0.0 => Err(format!("{lost} counters were forgotten again").into()),
        Some(_) => Ok(()),
    }
}

/// Counters that had no room, as the page of metrics tells; none if it is not such a page.
fn lost(page: &str) -> Option<f64> {
    let names = ["portcullis_state_evicted_total", "portcullis_state_no_room_total"];
    let of = |line: &str| {
        let rest = names.iter().find_map(|name| line.strip_prefix(name))?;
        rest.rsplit(' ').next()?.parse::<f64>().ok()
    };
    page.contains("portcullis_").then(|| page.lines().filter_map(of).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_tell_whether_a_counter_was_lost() {
        let page = "# TYPE portcullis_state_evicted_total counter\nportcullis_state_evicted_total 3\n\
                    portcullis_state_no_room_total{a=\"b\"} 4\n";
        assert_eq!(lost(page), Some(7.0));
        assert_eq!(lost("portcullis_requests_total 9"), Some(0.0));
        assert_eq!(lost("404"), None);
    }
}
