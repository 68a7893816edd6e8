//! Reading a request body to its end, within limits.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{Method, Version};
use pingora::ErrorType::ReadTimedout;
use pingora::Result;
use pingora::proxy::Session;
use tokio::time::{Instant, timeout_at};

use super::{BodyBudget, Reservation};

/// What a body may cost.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The most bytes.
    pub max: usize,
    /// The longest wait for one piece.
    pub per_read: Duration,
    /// The longest wait for the whole.
    pub total: Duration,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// More bytes than allowed, declared or sent: 413.
    TooLarge,
    /// A piece or the whole took too long: 408.
    TooSlow,
    /// The framing was wrong or the client went away: 400.
    Broken,
    /// All requests together hold as much as the process may: 503.
    NoRoom,
}

/// A whole body and its share of the budget.
#[derive(Debug)]
pub struct WholeBody {
    bytes: Bytes,
    /// Held for its drop.
    _room: Reservation,
}

impl WholeBody {
    pub(super) fn new(bytes: Bytes, room: Reservation) -> Self {
        Self { bytes, _room: room }
    }

    /// The body as the client sent it, without transfer coding.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Reads the request body to its end. For `request_filter`, of HTTP/1 and HTTP/2, with a length or without.
///
/// A declared length over the limit is refused before a byte is read, and `Expect: 100-continue` is answered only
/// after that. Afterwards the request is framed by what was read. After a fault the connection cannot carry
/// another request, so HTTP/1 keep-alive is off.
///
/// # Errors
/// A [`BodyFault`]; nothing has been sent to the upstream then.
pub async fn read_whole(
    session: &mut Session,
    budget: &Arc<BodyBudget>,
    limits: BodyLimits,
) -> std::result::Result<WholeBody, BodyFault> {
    let read = match declared_length(session) {
        Some(length) if length > limits.max as u64 => Err(BodyFault::TooLarge),
        _ => read_to_end(session, budget, limits).await,
    };
    let whole = read.and_then(|whole| match reframe(session, whole.bytes.len()) {
        Ok(()) => Ok(whole),
        Err(_) => Err(BodyFault::Broken),
    });
    if whole.is_err() {
        session.set_keepalive(None);
    }
    whole
}

fn declared_length(session: &Session) -> Option<u64> {
    let length = session.req_header().headers.get(CONTENT_LENGTH)?;
    // Pingora let through only lists of equal numbers; one too long for a u64 is too long in any case.
    let first = length.to_str().ok()?.split(',').next()?.trim();
    Some(first.parse().unwrap_or(u64::MAX))
}

async fn read_to_end(
    session: &mut Session,
    budget: &Arc<BodyBudget>,
    limits: BodyLimits,
) -> std::result::Result<WholeBody, BodyFault> {
    let mut room = budget.reserve(0).ok_or(BodyFault::NoRoom)?;
    if session.is_body_empty() {
        return Ok(WholeBody::new(Bytes::new(), room));
    }
    invite(session).await.map_err(|_| BodyFault::Broken)?;
    let deadline = Instant::now() + limits.total;
    let mut body = BytesMut::new();
    loop {
        let patience = deadline.min(Instant::now() + limits.per_read);
        let piece = match timeout_at(patience, session.read_request_body()).await {
            Err(_) => return Err(BodyFault::TooSlow),
            Ok(Err(error)) if error.etype() == &ReadTimedout => return Err(BodyFault::TooSlow),
            Ok(Err(_)) => return Err(BodyFault::Broken),
            Ok(Ok(None)) => {
                return Ok(WholeBody::new(body.freeze(), room));
            }
            Ok(Ok(Some(piece))) => piece,
        };
        if piece.len() > limits.max.saturating_sub(body.len()) {
            return Err(BodyFault::TooLarge);
        }
        if !make_room(&mut body, piece.len(), limits.max, &mut room) {
            return Err(BodyFault::NoRoom);
        }
        body.extend_from_slice(&piece);
    }
}

/// Grows the buffer by doubling, and takes what it grows by out of the budget first. Taken as the bytes come: a
/// length that is only declared must not keep others out.
fn make_room(body: &mut BytesMut, more: usize, max: usize, room: &mut Reservation) -> bool {
    let needed = body.len() + more;
    if needed <= body.capacity() {
        return true;
    }
    let wanted = needed.max(body.capacity().saturating_mul(2).min(max));
    let granted = room.grow(wanted - body.capacity());
    if granted {
        body.reserve(wanted - body.len());
    }
    granted
}

/// Answers `Expect: 100-continue` (RFC 9110 section 10.1.1). HTTP/2 clients get none: Pingora cannot write a 1xx there.
async fn invite(session: &mut Session) -> Result<()> {
    let expected = session.req_header_mut().remove_header(&EXPECT);
    if expected.is_some() && session.req_header().version == Version::HTTP_11 {
        // Pingora turns keep-alive off with any response that is written before the body's end.
        let keepalive = session.get_keepalive();
        session.as_downstream_mut().write_continue_response().await?;
        session.set_keepalive(keepalive);
    }
    Ok(())
}

fn reframe(session: &mut Session, length: usize) -> Result<()> {
    let request = session.req_header_mut();
    request.remove_header(&EXPECT);
    let was_framed = request.remove_header(&TRANSFER_ENCODING).is_some()
        || request.headers.contains_key(CONTENT_LENGTH)
        || matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
    if length > 0 || was_framed { request.insert_header(CONTENT_LENGTH, length) } else { Ok(()) }
}

/// Reads and drops what an HTTP/1 client still sends after it was refused, within limits.
///
/// A connection that is closed with bytes unread is reset, and a reset takes the refusal with it: the client
/// would see a broken connection instead of a 413 (RFC 9112, section 9.6). Call it after the answer was written.
pub async fn linger(session: &mut Session, limits: BodyLimits) {
    if session.as_http1().is_none() {
        return;
    }
    let deadline = Instant::now() + limits.total;
    let mut left = limits.max;
    while left > 0 {
        let patience = deadline.min(Instant::now() + limits.per_read);
        let Ok(Ok(Some(piece))) = timeout_at(patience, session.read_request_body()).await else { return };
        left = left.saturating_sub(piece.len());
    }
}
