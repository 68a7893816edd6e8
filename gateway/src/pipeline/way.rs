//! Where a request goes on, and who hears of it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use rules::verdict::Code;

/// Where a request goes on.
#[derive(Debug)]
pub enum Way {
    /// To the next phase.
    On,
    /// Back to the client, with this status and address.
    Redirect(StatusCode, Vec<u8>),
    /// Back to the client, with an answer of the gateway's own.
    Own {
        /// Its status.
        status: StatusCode,
        /// Its header fields.
        fields: HeaderMap,
        /// Its body.
        body: Bytes,
        /// The code that logs have for it.
        code: Option<Code>,
    },
    /// Back to the browser, with these fields: it asked whether it may ask.
    Preflight(HeaderMap),
}

/// Hears of every gate when it has spoken, by its policy's key: for the clock that pure gates do not have.
pub(super) type Lap<'a> = &'a mut dyn FnMut(&'static str);
