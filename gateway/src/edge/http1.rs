//! HTTP/1: one sound head at a time.
//!
//! Stands in for Pingora's own keep-alive loop. A head is read to its end and judged here, and only then does
//! a Pingora session exist for it; so one deadline can bound the whole of it, and an idle connection costs no
//! session.

use std::time::Duration;

use pingora::apps::{HttpPersistentSettings, HttpServerApp};
use pingora::protocols::http::ServerSession;
use rules::framing::{self, Head, HeadLimits};
use rules::verdict::{Code, Refusal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Edge, EdgeLimits, Io, becomes_true};

/// How long a drain waits for the first request of a connection that was just accepted.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Serves the requests of a connection until either side has enough.
pub(super) async fn serve<A>(edge: &Edge<A>, mut io: Io)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let connection = io.connection().clone();
    let mut draining = edge.draining.subscribe();
    let mut kept: Option<HttpPersistentSettings> = None;
    loop {
        let limits = edge.settings.load().limits;
        match receive(&mut io, &limits, connection.requests() == 0, &mut draining).await {
            Arrival::Sound => {}
            Arrival::Nothing => return,
            Arrival::Refused(refusal) => {
                let answer = edge.witness.head_refused(&connection, io.ahead(), &refusal);
                return io.answer_and_close(&answer).await;
            }
        }
        let last = connection.count_request() >= limits.requests_per_connection
            || connection.is_outdated(&edge.settings.load());
        let mut session = ServerSession::new_http1(Box::new(io));
        if let Some(kept) = kept.take() {
            kept.apply_to_session(&mut session);
        }
        session.set_keepalive_reuses_remaining(last.then_some(0));
        session.set_pipelining_enabled(false);
        let Some(reused) = edge.app.process_new_http(session, &draining).await else {
            return;
        };
        let (stream, settings) = reused.consume();
        let Ok(same) = stream.into_any().downcast::<Io>() else {
            return;
        };
        io = *same;
        kept = settings;
    }
}

enum Arrival {
    /// A sound head waits in the stream.
    Sound,
    /// The peer left, stayed silent, or we are leaving.
    Nothing,
    Refused(Refusal),
}

async fn receive(
    io: &mut Io,
    limits: &EdgeLimits,
    first: bool,
    draining: &mut watch::Receiver<bool>,
) -> Arrival {
    let now = Instant::now();
    let mut deadline = now + limits.header_timeout;
    if io.ahead().is_empty() {
        let patience = if first { deadline } else { now + limits.idle };
        tokio::select! {
            biased;
            read = timeout_at(patience, io.read_ahead()) => match read {
                Ok(Ok(1..)) => {}
                _ => return Arrival::Nothing,
            },
            () = leave(draining, first) => return Arrival::Nothing,
        }
        if !first {
            deadline = Instant::now() + limits.header_timeout;
        }
    }
    match timeout_at(deadline, sound_head(io, &limits.head())).await {
        Ok(arrival) => arrival,
        Err(_) => Arrival::Refused(Refusal::new(
            Code::RequestTimeout,
            framing::GATE,
            "the head did not arrive within `header_timeout`",
        )),
    }
}

/// Resolves when a silent connection is to be closed for the drain: at once between requests, but not before a
/// connection's first request had its time to arrive. It was accepted, so its client would be lied to.
async fn leave(draining: &mut watch::Receiver<bool>, first: bool) {
    becomes_true(draining).await;
    if first {
        sleep(FIRST_REQUEST).await;
    }
}

/// Reads until the head is sound or refused.
///
/// A head is judged anew when a line has ended or its size has doubled, and not at each byte: a client that
/// sends it byte by byte must not cost the square of its length.
async fn sound_head(io: &mut Io, limits: &HeadLimits) -> Arrival {
    loop {
        match framing::inspect(io.ahead(), limits) {
            Ok(Head::Complete { .. }) => return Arrival::Sound,
            Ok(Head::Incomplete) => {}
            Err(refusal) => return Arrival::Refused(refusal),
        }
        let judged = io.ahead().len();
        loop {
            let before = io.ahead().len();
            if !matches!(io.read_ahead().await, Ok(1..)) {
                return Arrival::Nothing;
            }
            let fresh = io.ahead().get(before..).unwrap_or_default();
            let size = io.ahead().len();
            if fresh.contains(&b'\n') || size >= judged * 2 || size > limits.bytes {
                break;
            }
        }
    }
}
