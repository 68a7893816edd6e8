//! #349, #575, #816: a body that was read in `request_filter` is replayed only up to 64 KiB; one byte more and the
//! upstream gets the header and then nothing.
//!
//! So the whole body is read here, judged, and held: a stand-in session says "done, and this is what to send",
//! and Pingora sends it in one go, again on every retry. Nothing touches the upstream before the verdict.

use bytes::Bytes;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::borrowed_session::{Claims, Loan};

mod budget;
mod read;

pub use budget::{BodyBudget, Reservation};
pub use read::{BodyFault, BodyLimits, WholeBody, linger, read_whole};

/// A session lent with its body, until the upstream answers.
pub struct Held(Loan);

/// Holds a body that passed every gate, so that Pingora sends it whole. The last thing in `request_filter`.
///
/// While it is held, Pingora does not compare `Host` with the authority again: do not rewrite it.
///
/// # Errors
/// When a body is held already.
pub fn hold(session: &mut Session, body: WholeBody) -> Result<Held> {
    Loan::lend(session, body).map(Held)
}

impl Held {
    /// Puts the real session back before a final response. For `response_filter`.
    pub fn answered(&mut self, session: &mut Session, response: &ResponseHeader) {
        if !response.status.is_informational() {
            self.release(session);
        }
    }

    /// Puts the real session back; does nothing the second time. For `fail_to_proxy` and `logging`.
    pub fn release(&mut self, session: &mut Session) {
        self.0.recall(session);
    }
}

impl Claims for WholeBody {
    fn body_is_empty(&mut self) -> bool {
        self.bytes().is_empty()
    }

    fn body_to_send(&self) -> Option<Bytes> {
        (!self.bytes().is_empty()).then(|| self.bytes().clone())
    }
}

#[cfg(test)]
mod tests;
