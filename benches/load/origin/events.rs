//! A stream of events that tells how late each one arrives.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const EVERY: u64 = 5;

/// Events until the client leaves: `data: NANOSECONDS`, the time since 1970 at which it was written, which a client on
/// the same machine compares with its own. One every so many milliseconds, as the query says (`every=4`).
///
/// A pause follows each event, whenever that was: a client that was slow for a while gets no burst afterwards, since
/// that would measure the burst.
pub(crate) fn stream(mut stream: TcpStream, target: &str) -> io::Result<()> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let every = query.split('&').find_map(|pair| pair.strip_prefix("every="));
    let every = every.and_then(|text| text.parse().ok()).filter(|&every| every > 0).unwrap_or(EVERY);
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let event = format!("data: {now}\n\n");
        stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
        thread::sleep(Duration::from_millis(every));
    }
}
