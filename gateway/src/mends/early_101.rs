//! #946: a WebSocket dies at once when the upstream's 101 is read before the end of the (empty) request body was
//! taken from the queue to the upstream, because after the 101 that end means the end of the tunnel.
//!
//! The remedy is that there is no end in the queue. Pingora asks `is_body_empty` twice per attempt: before the
//! header is sent, where "no" would add `transfer-encoding: chunked`, and after, where "yes" queues the end. So a
//! stand-in says yes and then no. When the answer arrives, the real session is put back and the upgrade is native;
//! for an answer other than 101 the upstream half ends its request when the queue closes.

use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::borrowed_session::{Claims, Loan};

/// A WebSocket request whose session is lent until the upstream answers.
pub struct Guarded(Option<Loan>);

/// Guards an upgrade request. For `request_filter`, after all gates; the peer must speak HTTP/1.
///
/// A request with a body is left alone: Pingora then has something to wait for.
///
/// # Errors
/// When the session is already lent.
pub fn guard(session: &mut Session) -> Result<Guarded> {
    if !session.is_upgrade_req() || !session.is_body_empty() {
        return Ok(Guarded(None));
    }
    Loan::lend(session, EndUnsaid::default()).map(|loan| Guarded(Some(loan)))
}

impl Guarded {
    /// Puts the real session back before a final response, the 101 included. For `response_filter`.
    pub fn answered(&mut self, session: &mut Session, response: &ResponseHeader) {
        if response.status.as_u16() == 101 || !response.status.is_informational() {
            self.release(session);
        }
    }

    /// Puts the real session back; does nothing the second time. For `fail_to_proxy` and `logging`.
    pub fn release(&mut self, session: &mut Session) {
        if let Some(mut loan) = self.0.take() {
            loan.recall(session);
        }
    }
}

#[derive(Default)]
struct EndUnsaid {
    header_is_out: bool,
}

impl Claims for EndUnsaid {
    fn body_is_empty(&mut self) -> bool {
        // Taken, not read: a retry starts again with "yes".
        !std::mem::take(&mut self.header_is_out)
    }

    fn header_sent(&mut self) {
        self.header_is_out = true;
    }
}

#[cfg(test)]
mod tests;
