//! How late an event of a stream arrives: from the origin's write, through TLS and the policy, to the client's read.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustls::ClientConfig;

use super::visitor::{connect, visitor};
use super::{doors, in_rounds, rounds};
use crate::Fallible;
use crate::contender::EVENT_STREAM;
use crate::figure::{EVENT_P50, EVENT_P95, EVENTS, Figure};
use crate::options::Options;
use crate::stage::{Door, Stage};

/// Streams at once.
const STREAMS: u64 = 8;
/// Milliseconds between two events of a stream. Not the same for all of them: else chance alone would say whether
/// they come together in a round, or never.
const EVERY: [u64; 4] = [4, 5, 6, 7];

/// Events of a stream that do not count: buffers and pools find their size.
const WARM_UP: usize = 20;
/// Before each event's time.
const FIELD: &[u8] = b"data: ";

/// The measure.
pub(crate) fn measure(stage: &Stage, options: &Options) -> Fallible<Vec<Figure>> {
    let length = Duration::from_millis(if options.quick { 500 } else { options.seconds * 1000 });
    let doors = doors(stage, options, EVENT_STREAM)?;
    let turns = in_rounds(&doors, rounds(options), |server, door| {
        let (p50, p95) = turn(door, length)?;
        eprintln!("events, {}: p50 {p50:.0} µs, p95 {p95:.0} µs", server.name());
        Ok((p50, p95))
    })?;
    let mut figures = Vec::new();
    for (server, turns) in turns {
        let (p50, p95) = turns.into_iter().unzip();
        figures.extend(Figure::median(EVENT_P50, EVENTS, server.name(), "µs", p50));
        figures.extend(Figure::median(EVENT_P95, EVENTS, server.name(), "µs", p95));
    }
    Ok(figures)
}

/// The median and the 95th percentile of one turn, in µs.
fn turn(door: &Door, length: Duration) -> Fallible<(f64, f64)> {
    let config = visitor(false)?;
    let delays = thread::scope(|scope| {
        let streams = (0..STREAMS).zip(EVERY.into_iter().cycle());
        let listen = |(_, every)| {
            scope.spawn({
                let config = &config;
                move || listen(door, config, every, length).map_err(|error| error.to_string())
            })
        };
        let threads: Vec<_> = streams.map(listen).collect();
        let mut delays = Vec::new();
        for thread in threads {
            delays.extend(thread.join().map_err(|_| "a stream's thread panicked")??);
        }
        Ok::<_, String>(delays)
    });
    let mut delays = delays?;
    delays.sort_unstable();
    let at = |percent: usize| delays.get(delays.len() * percent / 100).map(|time| time.as_secs_f64() * 1e6);
    at(50).zip(at(95)).ok_or_else(|| "no event came".into())
}

/// Reads one stream for a while. Fewer events than were due are an error: somebody holds them back.
fn listen(door: &Door, config: &Arc<ClientConfig>, every: u64, length: Duration) -> Fallible<Vec<Duration>> {
    let mut stream = connect(door.address, config)?;
    let request = String::from_utf8(door.request.clone())?;
    stream.write_all(request.replacen("/events ", &format!("/events?every={every} "), 1).as_bytes())?;
    let begun = Instant::now();
    let (mut text, mut delays, mut piece) = (Vec::new(), Vec::new(), [0; 4096]);
    while begun.elapsed() < length {
        let read = stream.read(&mut piece)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        text.extend(piece.iter().take(read));
        if delays.is_empty() && text.starts_with(b"HTTP/1.1 ") && !text.starts_with(b"HTTP/1.1 200") {
            return Err(format!("no stream: {}", String::from_utf8_lossy(&text)).into());
        }
        if read == 0 {
            return Err("the stream ended".into());
        }
        arrived(&mut text, now, &mut delays);
    }
    let due = length.as_millis() / u128::from(every);
    if u128::try_from(delays.len())? * 2 < due {
        return Err(format!("{} of {due} events came", delays.len()).into());
    }
    Ok(delays.into_iter().skip(WARM_UP).collect())
}

/// Takes whole events from the front of what has come; `delays` gets how long ago each was written.
fn arrived(text: &mut Vec<u8>, now: u128, delays: &mut Vec<Duration>) {
    while let Some(start) = text.windows(FIELD.len()).position(|window| window == FIELD) {
        let digits = text.iter().skip(start + FIELD.len());
        let Some(length) = digits.clone().position(|byte| *byte == b'\n') else { return };
        let written: Option<u128> = {
            let digits: Vec<u8> = digits.copied().take(length).collect();
            std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok())
        };
        if let Some(written) = written {
            let nanos = u64::try_from(now.saturating_sub(written)).unwrap_or(u64::MAX);
            delays.push(Duration::from_nanos(nanos));
        }
        text.drain(..start + FIELD.len() + length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_whole_and_framing_is_passed_over() {
        let (mut text, mut delays) = (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), Vec::new());
        for piece in ["12\r\ndata: 1000\n\n\r\n12\r\nda", "ta: 20", "00\n\n\r\n"] {
            text.extend_from_slice(piece.as_bytes());
            arrived(&mut text, 5_000, &mut delays);
        }
        assert_eq!(delays, [4_000, 3_000].map(Duration::from_nanos));
    }
}
