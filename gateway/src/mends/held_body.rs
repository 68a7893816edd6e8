//! #349, #575, #816: a body that was read in `request_filter` is replayed only up to 64 KiB; one byte more and the
//! upstream gets the header and then nothing.
//!
//! So the whole body is read here, judged, and held: a stand-in session says "done, and this is what to send",
//! and Pingora sends it in one go, again on every retry. Nothing touches the upstream before the verdict.

use bytes::Bytes;
use pingora::Result;
use pingora::proxy::Session;

use super::borrowed_session::{Claims, Loan};

mod budget;
mod read;

pub use budget::{BodyBudget, Reservation};
pub use read::{BodyFault, BodyLimits, WholeBody, linger, read_whole};

/// Holds a body that passed every gate, so that Pingora sends it whole. The last thing in `request_filter`.
///
/// # Errors
/// When the session is already lent.
pub fn hold(session: &mut Session, body: WholeBody) -> Result<Loan> {
    Loan::lend(session, body)
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
