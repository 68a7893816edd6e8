//! The upstream behind every proxy: answers 200 bytes, and takes as little as it can of the core that it shares with
//! the load: a thread for each connection, one call to read and one to write for each request.
//!
//! A path that ends in `/events` is answered with events instead, each of which says when it was written.

#[path = "origin/events.rs"]
mod events;

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use clap::Parser;

/// An upstream that has nothing to say.
#[derive(Parser)]
struct Flags {
    /// Where to listen, for HTTP/1.1 with keep-alive.
    #[arg(long)]
    bind: SocketAddr,
}

/// More than a request of any measurement has.
const ROOM: usize = 64 * 1024;
/// A proxy keeps many connections, and this needs little.
const STACK: usize = 128 * 1024;

/// What a request says about itself.
struct Head {
    /// Head and body.
    length: usize,
    /// The path and query, if it asks for events.
    events: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(Flags::parse().bind)?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 200\r\n\r\n{}",
        ".".repeat(200)
    );
    let answer: &'static [u8] = answer.leak().as_bytes();
    loop {
        let (stream, _) = listener.accept()?;
        // A proxy that hangs up is no business of the origin's.
        thread::Builder::new().stack_size(STACK).spawn(move || drop(serve(stream, answer)))?;
    }
}

fn serve(mut stream: TcpStream, answer: &[u8]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut room = vec![0; ROOM];
    let mut filled = 0;
    loop {
        let read = stream.read(room.get_mut(filled..).unwrap_or_default())?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        while let Some(head) = head(room.get(..filled).unwrap_or_default())? {
            if let Some(target) = head.events {
                return events::stream(stream, &target);
            }
            stream.write_all(answer)?;
            room.copy_within(head.length..filled, 0);
            filled -= head.length;
        }
    }
}

/// The request at the beginning of `bytes`, if it is there to its end.
fn head(bytes: &[u8]) -> io::Result<Option<Head>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(start) = parsed else { return Ok(None) };
    let field = |name: &str| {
        let same = |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name);
        request.headers.iter().find(same).map(|field| field.value)
    };
    let body = bytes.get(start..).unwrap_or_default();
    let body = match field("content-length") {
        Some(length) => {
            let length = std::str::from_utf8(length).ok().and_then(|text| text.trim().parse().ok());
            length.ok_or_else(|| io::Error::other("a length that is none"))?
        }
        // Some proxies send chunks. No body of a measurement ends like this before its end.
        None if field("transfer-encoding").is_some() => {
            let end = body.windows(5).position(|window| window == b"0\r\n\r\n");
            let Some(end) = end else { return Ok(None) };
            end + 5
        }
        None => 0,
    };
    let target = request.path.unwrap_or_default();
    let is_events = target.split('?').next().is_some_and(|path| path.ends_with("/events"));
    let whole = Head { length: start + body, events: is_events.then(|| target.to_owned()) };
    Ok((bytes.len() >= whole.length).then_some(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_awaited_to_its_end() {
        let length = |text: &str| head(text.as_bytes()).unwrap().map(|head| head.length);
        assert_eq!(length("GET / HTTP/1.1\r\n"), None);
        assert_eq!(length("GET / HTTP/1.1\r\n\r\nGET"), Some(18));
        assert_eq!(length("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab"), None);
        assert_eq!(length("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc"), Some(41));
        assert_eq!(
            length("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
            Some(58)
        );
        assert!(head(b"GET /a/events?every=4 HTTP/1.1\r\n\r\n").unwrap().unwrap().events.is_some());
        assert!(head(b"GET /a/conversations?to=/events HTTP/1.1\r\n\r\n").unwrap().unwrap().events.is_none());
    }
}
