//! An upstream that answers 101 to a request that never asked: Pingora relays it, and from there on the connection
//! carries bytes that no gate sees. It also relays any number of interim responses (RFC 9110 section 15.2).
//!
//! Pingora 0.9.1 refuses a 101 only when client and upstream requests *differ* in being an upgrade; two that are
//! both plain agree, so the 101 passes.

use http::{StatusCode, Version, header};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};

/// The interim responses that one request may bring: 100, 103 and a few to spare.
const MOST_INTERIM: u8 = 8;

/// Counts a request's interim responses; part of its visit.
#[derive(Debug, Default, Clone, Copy)]
pub struct Interim {
    seen: u8,
}

impl Interim {
    /// Judges a response header. The first line of `upstream_response_filter`, which runs before Pingora acts on it.
    /// `websocket` says that this request was admitted as a WebSocket upgrade.
    ///
    /// # Errors
    /// An upstream error, which becomes 502: on a 101 that was not asked for or is no WebSocket handshake
    /// (RFC 6455 section 4.2.2), and on the ninth interim response.
    pub fn judge(&mut self, response: &ResponseHeader, websocket: bool) -> Result<()> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            return if websocket && switches_to_websocket(response) {
                Ok(())
            } else {
                refuse("the upstream switched protocols unasked")
            };
        }
        if response.status.is_informational() {
            self.seen = self.seen.saturating_add(1);
            if self.seen > MOST_INTERIM {
                return refuse("the upstream sent too many interim responses");
            }
        }
        Ok(())
    }
}

fn switches_to_websocket(response: &ResponseHeader) -> bool {
    let mut upgrades = response.headers.get_all(header::UPGRADE).iter();
    let to_websocket =
        upgrades.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    response.version == Version::HTTP_11 && to_websocket && upgrades.next().is_none()
}

fn refuse(why: &'static str) -> Result<()> {
    Err(Error::explain(ErrorType::InvalidHTTPHeader, why).into_up())
}

#[cfg(test)]
mod tests;
