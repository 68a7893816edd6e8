//! #946: a WebSocket dies at once when the upstream's 101 is read before the end of the (empty) request body was
//! taken from the queue to the upstream, because after the 101 that end means the end of the tunnel.
//!
//! The remedy is that there is no end in the queue. Pingora asks `is_body_empty` twice per attempt: before the
//! header is sent, where "no" would add `transfer-encoding: chunked`, and after, where "yes" queues the end. So a
//! stand-in says yes and then no. When the answer arrives, the real session is put back and the upgrade is native;
//! for an answer other than 101 the upstream half ends its request when the queue closes.

use pingora::Result;
use pingora::proxy::Session;

use super::borrowed_session::{Claims, Loan};

/// Guards an upgrade request. For `request_filter`, after all gates; the peer must speak HTTP/1.
///
/// Nothing is lent for a request with a body, which gives Pingora something to wait for, or without an upgrade.
///
/// # Errors
/// When the session is already lent.
pub fn guard(session: &mut Session) -> Result<Option<Loan>> {
    if !session.is_upgrade_req() || !session.is_body_empty() {
        return Ok(None);
    }
    Loan::lend(session, EndUnsaid::default()).map(Some)
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
