//! Writes the gateway's own answers to the wire.

use std::time::Duration;

use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::refuse::Answer;
use crate::mends::held_body;

/// How much of a refused request's body is read for the client's sake, and for how long: closing with bytes
/// unread would reset the connection, and the client would never see the answer.
const LINGER_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// Writes the whole answer. The connection is kept only if no request body is left on it.
pub(super) async fn write(session: &mut Session, answer: Answer) -> Result<()> {
    let mut head = ResponseHeader::build(answer.status, Some(answer.fields.len()))?;
    for (name, value) in &answer.fields {
        head.append_header(name, value)?;
    }
    let unread = !session.as_mut().is_body_done();
    if unread {
        session.set_keepalive(None);
    }
    // HEAD gets the length and not the body (RFC 9110, section 9.3.2).
    let bodiless = answer.body.is_empty() || session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(head), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(answer.body), true).await?;
    }
    if unread {
        held_body::linger(session, LINGER_BYTES, LINGER).await;
    }
    Ok(())
}
